//! Roles that share a schema: it works, or the privilege that is missing is named.

use super::{Warehouse, january};

#[tokio::test]
async fn a_group_owns_the_tables_that_its_members_load() {
    let warehouse = Warehouse::new().await;
    let group = warehouse.database.role("etl", "").await;
    let (one, two) = (
        warehouse.database.role("one", &format!("IN ROLE {group}")).await,
        warehouse.database.role("two", &format!("IN ROLE {group}")).await,
    );
    warehouse.execute(&format!("CREATE SCHEMA nyc_taxi AUTHORIZATION {group}")).await;
    warehouse.january(200);
    let load = |role: &str, more: &[&str]| {
        warehouse.load(&[&["--database-url", &*warehouse.database.url_as(role)], more].concat())
    };
    load(&one, &[]).exits(0);
    let error = warehouse.error(load(&two, &["--force"]));
    assert!(error.contains("it needs SELECT on nyc_taxi.loads"), "{error}");
    warehouse.execute(&format!("GRANT SELECT ON nyc_taxi.loads TO {two}")).await;
    let error = warehouse.error(load(&two, &["--force"]));
    assert!(error.starts_with("nyc_taxi.loads belongs to the role one_DATABASE"), "{error}");
    for table in ["green_trips", "loads"] {
        warehouse.execute(&format!("ALTER TABLE nyc_taxi.{table} OWNER TO {group}")).await;
    }
    load(&one, &["--force"]).exits(0);
    load(&two, &["--force"]).exits(0);
    let ingest = ["run", "ingest-data", "--months", "1", "--source", "./files", "--force"];
    let (first, second) = (warehouse.database.url_as(&one), warehouse.database.url_as(&two));
    warehouse.taxi.run(ingest.iter().chain(&["--database-url", &*first])).exits(0);
    warehouse.taxi.run(ingest.iter().chain(&["--database-url", &*second])).exits(0);
    let owners = "SELECT relname || ' ' || pg_get_userbyid(relowner) FROM pg_class
                   WHERE relname IN ('green_trips_2020_01', 'green_trips_quarantine') ORDER BY 1";
    let owned = warehouse.lines(owners).await;
    assert_eq!(owned, format!("green_trips_2020_01 {group}\ngreen_trips_quarantine {group}\n"));
    let drop =
        ["drop", "--colour", "green", "--month", "2020-01", "--from-stores", "postgres", "--yes"];
    warehouse.taxi.run(drop.iter().chain(&["--database-url", &*second])).exits(0);
    assert_eq!(warehouse.rows("green_trips").await, 0);
}

#[tokio::test]
async fn a_table_that_a_superuser_loaded_and_gave_away_gets_partitions_of_its_owner() {
    let warehouse = Warehouse::new().await;
    let group = warehouse.database.role("etl", "NOLOGIN").await;
    warehouse.january(200);
    warehouse.load(&[]).exits(0);
    let give = format!(
        "GRANT ALL ON SCHEMA nyc_taxi TO {group}; ALTER TABLE nyc_taxi.green_trips OWNER TO {group}"
    );
    warehouse.execute(&give).await;
    warehouse.load(&["--force"]).exits(0);
    let owner = "SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE relname = 'green_trips_2020_01'";
    assert_eq!(warehouse.value::<String>(owner).await, group);
    // What its new owner puts on it does not run as the superuser.
    warehouse
        .execute(&format!(
            "GRANT CREATE ON SCHEMA public TO {group}; SET ROLE {group};
             CREATE FUNCTION public.trap(float8) RETURNS bool LANGUAGE sql AS 'SELECT true';
             ALTER TABLE nyc_taxi.green_trips ADD CONSTRAINT trap CHECK (public.trap(extra)); RESET ROLE"
        ))
        .await;
    let error = warehouse.error(warehouse.load(&["--force"]));
    assert!(
        error
            .replace("public.", "")
            .contains("it uses function trap(double precision) of the role etl_DATABASE, which would run as you"),
        "{error}"
    );
}

#[tokio::test]
async fn each_privilege_that_a_role_lacks_is_named_with_the_statement_that_grants_it() {
    let warehouse = Warehouse::new().await;
    warehouse.january(200);
    let role = warehouse.database.role("loader", "").await;
    let url = warehouse.database.url_as(&role);
    let load = || warehouse.load(&["--database-url", &url, "--force"]);
    let mut errors = vec![warehouse.error(load())];
    let steps = [
        "CREATE SCHEMA nyc_taxi".to_owned(),
        format!("GRANT USAGE ON SCHEMA nyc_taxi TO {role}"),
        format!("GRANT CREATE ON SCHEMA nyc_taxi TO {role}"),
    ];
    for step in &steps[..2] {
        warehouse.execute(step).await;
        errors.push(warehouse.error(load()));
    }
    warehouse.load(&[]).exits(0);
    errors.push(warehouse.error(load()));
    warehouse.execute(&format!("GRANT SELECT ON nyc_taxi.loads TO {role}")).await;
    errors.push(warehouse.error(load()));
    warehouse.execute(&steps[2]).await;
    errors.push(warehouse.error(load()));
    for table in ["green_trips", "green_trips_2020_01"] {
        warehouse.execute(&format!("ALTER TABLE nyc_taxi.{table} OWNER TO {role}")).await;
    }
    errors.push(warehouse.error(load()));
    warehouse.execute(&format!("GRANT INSERT, UPDATE ON nyc_taxi.loads TO {role}")).await;
    load().exits(0);
    let needs = [
        "CREATE on the database DATABASE, since there is no schema nyc_taxi (GRANT",
        "USAGE, CREATE on the schema nyc_taxi (GRANT USAGE, CREATE ON SCHEMA",
        "CREATE on the schema nyc_taxi (GRANT CREATE ON SCHEMA nyc_taxi TO loader_DATABASE)",
        "SELECT on nyc_taxi.loads (GRANT SELECT ON nyc_taxi.loads TO loader_DATABASE)",
        "CREATE on the schema nyc_taxi (GRANT CREATE ON SCHEMA nyc_taxi TO loader_DATABASE); the rights of",
        "the rights of the owner of nyc_taxi.green_trips, postgres (ALTER TABLE nyc_taxi.green_trips OWNER TO",
        "INSERT, UPDATE on nyc_taxi.loads (GRANT INSERT, UPDATE ON nyc_taxi.loads TO loader_DATABASE)",
    ];
    assert_eq!(errors.len(), needs.len());
    for (error, need) in errors.iter().zip(needs) {
        assert!(error.contains(&format!("it needs {need}")), "{error}");
    }
}

#[tokio::test]
async fn connections_test_and_a_dry_run_find_what_a_load_would_be_refused_for() {
    let warehouse = Warehouse::new().await;
    warehouse.january(200);
    warehouse.load(&[]).exits(0);
    warehouse.taxi.run(["connections", "test"]).exits(0);
    warehouse
        .execute("CREATE VIEW public.v AS SELECT extra FROM nyc_taxi.green_trips_2020_01")
        .await;
    let dry = warehouse.load(&["--force", "--dry-run"]).exits(1);
    assert!(dry.stdout.replace("public.", "").contains("view v"), "{}", dry.stdout);
    warehouse.execute("DROP VIEW public.v; ALTER TABLE nyc_taxi.green_trips ADD driver text NOT NULL DEFAULT ''").await;
    warehouse.load(&["--force", "--dry-run"]).exits(0);
    warehouse.execute("ALTER TABLE nyc_taxi.green_trips ALTER driver DROP DEFAULT").await;
    warehouse.load(&["--force", "--dry-run"]).exits(1);
    let tested = warehouse.taxi.run(["connections", "test", "--output", "json"]).exits(1);
    assert!(tested.stdout.contains("its column driver must have a value"), "{}", tested.stdout);
}

/// A role that may create in `public`, in the database and in the schema, and has every name that
/// the program uses: nothing of it runs as the loader, and nothing of it is lost.
#[tokio::test]
async fn nothing_of_a_hostile_neighbour_runs_as_the_loader_and_nothing_of_it_is_lost() {
    let evil = "CREATE TABLE public.caught (who text, how text); GRANT ALL ON public.caught TO PUBLIC;
        CREATE FUNCTION public.evil(how text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO public.caught SELECT current_user, how WHERE current_user NOT LIKE 'mallory%'; RETURN true; END $$;
        CREATE FUNCTION public.evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM public.evil('trigger'); RETURN coalesce(NEW, OLD); END $$;";
    for before in [true, false] {
        let warehouse = Warehouse::new().await;
        let (mallory, loader) = (
            warehouse.database.role("mallory", "").await,
            warehouse.database.role("loader", "").await,
        );
        let name = &warehouse.database.name;
        warehouse
            .execute(&format!(
                "GRANT CREATE ON DATABASE {name} TO {mallory}, {loader}; GRANT CREATE ON SCHEMA public TO {mallory};
                 CREATE SCHEMA nyc_taxi; GRANT ALL ON SCHEMA nyc_taxi TO {mallory}, {loader}"
            ))
            .await;
        let neighbour = warehouse.database.client_as(&mallory).await;
        neighbour.batch_execute(evil).await.unwrap();
        // Functions and operators that stand in the way of the server's own.
        neighbour
            .batch_execute(
                "CREATE FUNCTION public.hashtextextended(text, integer) RETURNS bigint LANGUAGE sql
                    AS $$ SELECT public.evil('hash'); SELECT 1::bigint $$;
                 CREATE FUNCTION public.to_regclass(unknown_name varchar) RETURNS regclass LANGUAGE sql
                    AS $$ SELECT public.evil('regclass'); SELECT NULL::regclass $$;
                 CREATE FUNCTION public.floor(smallint) RETURNS float8 LANGUAGE sql AS $$ SELECT public.evil('floor'); SELECT 1::float8 $$",
            )
            .await
            .unwrap();
        warehouse.publish(&january(200));
        if !before {
            warehouse.load(&["--database-url", &warehouse.database.url_as(&loader)]).exits(0);
            warehouse
                .load(&["--force", "--database-url", &warehouse.database.url_as(&loader)])
                .exits(0);
        }
        let columns = "month date DEFAULT '2020-01-01' CHECK (public.evil('check')), line bigint, reasons text[],
            fields text[], table_name text DEFAULT 'x', colour text, rows bigint, source text, etag text,
            source_sha256 text, schema_digest text, rules_digest text, lake_object text, loaded_at timestamptz,
            program text, provenance text, location_id smallint, pickup_datetime timestamp DEFAULT '2020-01-05'";
        let names = [
            "loads",
            "zones",
            "green_trips_quarantine",
            "green_trips_2020_01_new",
            "green_trips_2020_02",
            "trips",
            "green_trips_pickup_datetime_idx",
            "green_trips",
            "green_trips_2020_01",
        ];
        let mut theirs = Vec::new();
        for table in names {
            let partitioned =
                if table == "green_trips" { "PARTITION BY RANGE (pickup_datetime)" } else { "" };
            let make = format!("CREATE TABLE nyc_taxi.{table} ({columns}) {partitioned}");
            if neighbour.batch_execute(&make).await.is_err() {
                // The partition was made with its table.
                assert!(!before || table == "green_trips_2020_01", "{table}");
                continue;
            }
            if table == "green_trips" {
                let partition =
                    "CREATE TABLE nyc_taxi.green_trips_2020_01 PARTITION OF nyc_taxi.green_trips
                                 FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')";
                neighbour.batch_execute(partition).await.unwrap();
            }
            neighbour
                .batch_execute(&format!(
                    "INSERT INTO nyc_taxi.{table} DEFAULT VALUES;
                     COMMENT ON TABLE nyc_taxi.{table} IS 'nyc_taxi_etl: taxi zones';
                     CREATE TRIGGER evil BEFORE INSERT OR UPDATE OR DELETE ON nyc_taxi.{table} FOR EACH ROW EXECUTE FUNCTION public.evil_trigger();
                     ALTER TABLE nyc_taxi.{table} ENABLE ROW LEVEL SECURITY;
                     CREATE POLICY evil ON nyc_taxi.{table} USING (public.evil('policy'));
                     GRANT ALL ON nyc_taxi.{table} TO PUBLIC"
                ))
                .await
                .unwrap();
            theirs.push(table);
        }
        assert!(!theirs.is_empty());
        // As a superuser too, to whom nothing is forbidden.
        for url in [warehouse.database.url_as(&loader), warehouse.database.url()] {
            for table in ["green_trips", "free"] {
                let more = ["--force", "--table", table, "--database-url", &url];
                let ran = warehouse.load(&more);
                assert!(ran.code == Some(1) || !before, "{}", ran.stderr);
                let ingest = ["run", "ingest-data", "--months", "1", "--source", "./files"];
                warehouse.taxi.run(ingest.iter().chain(&more));
            }
            let common = ["--colour", "green", "--database-url", &url];
            for look in ["status", "verify"] {
                warehouse.taxi.run([look, "--to-warehouse", "postgres"].iter().chain(&common));
            }
            let drop = ["drop", "--month", "2020-01", "--from-stores", "postgres", "--yes"];
            warehouse.taxi.run(drop.iter().chain(&common));
        }
        assert_eq!(warehouse.lines("SELECT who || ' ' || how FROM public.caught").await, "");
        for table in theirs {
            assert_eq!(warehouse.rows(table).await, 1, "{table}");
            let owner = format!(
                "SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE oid = 'nyc_taxi.{table}'::regclass"
            );
            assert_eq!(warehouse.value::<String>(&owner).await, mallory);
        }
    }
}
