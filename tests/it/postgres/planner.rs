//! What a neighbour puts on a table runs while a query of the table is planned. Nothing of it runs
//! as the loader, whichever command looks at the table.

use super::{Warehouse, january};
use taxi_test_support::generate::{Colour, Recipe};
use taxi_test_support::postgres::PostgresServer;

/// A function that the server takes for constant, and that writes down who called it.
const EVIL: &str = "
    CREATE TABLE public.caught (who text, how text); GRANT ALL ON public.caught TO PUBLIC;
    CREATE FUNCTION public.note(how text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        -- The server itself analyses tables, with the rights of their owners.
        INSERT INTO public.caught SELECT current_user, how WHERE current_user NOT LIKE 'mallory%'
           AND EXISTS (SELECT FROM pg_stat_activity WHERE pid = pg_backend_pid() AND backend_type = 'client backend'); END $$;
    CREATE FUNCTION public.evil(how text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
        PERFORM public.note(how); RETURN 0; END $$;
    CREATE FUNCTION public.evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM public.note('trigger'); RETURN coalesce(NEW, OLD); END $$;";

/// The statements that put code on a table, by what it is that runs. `key` is a column of it that
/// is never null, `day` one of its dates or times.
fn code(table: &str, key: &str) -> Vec<(&'static str, String)> {
    let name = table.replace('.', "_");
    vec![
        (
            "statistics",
            format!(
                "CREATE STATISTICS public.{name} ON (CASE WHEN {key} IS NULL THEN 1 ELSE public.evil('statistics') END), {key} FROM {table}"
            ),
        ),
        (
            "index",
            format!(
                "CREATE INDEX ON {table} ((CASE WHEN {key} IS NULL THEN 1 ELSE public.evil('index') END))"
            ),
        ),
        (
            "partial index",
            format!("CREATE INDEX ON {table} ({key}) WHERE public.evil('partial index') = 0"),
        ),
        ("check", format!("ALTER TABLE {table} ADD CHECK (public.evil('check') = 0)")),
        (
            "default",
            format!(
                "ALTER TABLE {table} ADD extra_{name} int DEFAULT 1; ALTER TABLE {table} ALTER extra_{name} SET DEFAULT public.evil('default')"
            ),
        ),
        (
            "trigger",
            format!(
                "CREATE TRIGGER evil BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION public.evil_trigger()"
            ),
        ),
        (
            "rule",
            format!("CREATE RULE evil AS ON INSERT TO {table} DO ALSO SELECT public.evil('rule')"),
        ),
        (
            "policy",
            format!(
                "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; CREATE POLICY evil ON {table} USING (public.evil('policy') = 0)"
            ),
        ),
        (
            "child",
            format!(
                "CREATE TABLE public.child_{name} (CHECK (public.evil('child') = 0)) INHERITS ({table})"
            ),
        ),
    ]
}

const LEDGER: &str = "table_name text, colour text, month date, rows bigint, source text, etag text,
    source_sha256 text, schema_digest text, rules_digest text, lake_object text, loaded_at timestamptz,
    program text, provenance text";

async fn scene(server: &PostgresServer) -> (Warehouse, String) {
    let warehouse = Warehouse::on(server).await;
    let mallory = warehouse.database.role("mallory", "").await;
    let name = &warehouse.database.name;
    warehouse
        .execute(&format!(
            "GRANT CREATE ON DATABASE {name} TO {mallory}; GRANT CREATE ON SCHEMA public TO {mallory};
             ALTER DATABASE {name} SET constraint_exclusion = on"
        ))
        .await;
    warehouse.publish(&january(200));
    let neighbour = warehouse.database.client_as(&mallory).await;
    neighbour.batch_execute(EVIL).await.unwrap();
    (warehouse, mallory)
}

impl Warehouse {
    /// Writes a lookup of the zones that a run can read.
    fn write_zones(&self) {
        let zones = "LocationID,Borough,Zone,service_zone\n1,EWR,Newark,EWR\n";
        std::fs::write(self.taxi.folder().join("zones.csv"), zones).unwrap();
    }

    /// Runs every command that looks at the tables or changes them.
    fn every_command(&self, url: &str) {
        self.write_zones();
        let month = ["--colour", "green", "--from", "2020-01", "--to", "2020-01"];
        let load = [&["run", "etl-gcs-to-postgres"][..], &month].concat();
        let commands = [
            vec!["status", "--colour", "green", "--to-warehouse", "postgres"],
            vec!["verify", "--colour", "green", "--to-warehouse", "postgres"],
            vec!["connections", "test"],
            [&load[..], &["--dry-run"]].concat(),
            load.clone(),
            [&load[..], &["--force"]].concat(),
            vec!["run", "ingest-data", "--months", "1", "--source", "./files", "--force"],
            vec!["run", "etl-zones", "--zones", "zones.csv", "--force"],
            vec![
                "drop",
                "--colour",
                "green",
                "--month",
                "2020-01",
                "--from-stores",
                "postgres",
                "--yes",
            ],
        ];
        for command in commands {
            let mut command = self.taxi.command(command);
            command.env("DATABASE_URL", url);
            let out = command.output().unwrap();
            assert_ne!(out.status.code(), Some(2), "{}", String::from_utf8_lossy(&out.stderr));
        }
    }

    async fn caught(&self) -> String {
        self.lines("SELECT DISTINCT who || ' ' || how FROM public.caught").await
    }
}

#[tokio::test]
async fn a_ledger_of_a_neighbour_is_read_without_running_what_is_on_it() {
    for server in [PostgresServer::shared().await, PostgresServer::debian().await] {
        let (warehouse, mallory) = scene(server).await;
        let neighbour = warehouse.database.client_as(&mallory).await;
        neighbour
            .batch_execute(&format!(
                "CREATE SCHEMA nyc_taxi; GRANT ALL ON SCHEMA nyc_taxi TO PUBLIC;
                 CREATE TABLE nyc_taxi.loads ({LEDGER}); GRANT ALL ON nyc_taxi.loads TO PUBLIC"
            ))
            .await
            .unwrap();
        for (what, statement) in code("nyc_taxi.loads", "month") {
            neighbour.batch_execute(&statement).await.unwrap_or_else(|e| panic!("{what}: {e:?}"));
            warehouse.every_command(&warehouse.database.url());
            assert_eq!(warehouse.caught().await, "", "after {what}");
        }
        // A plain query would have run it.
        warehouse.lines("SELECT table_name FROM nyc_taxi.loads").await;
        let caught = warehouse.caught().await;
        assert!(caught.contains("statistics") && caught.contains("index"), "{caught}");
    }
}

#[tokio::test]
async fn tables_of_a_neighbour_in_our_schema_are_looked_at_without_running_what_is_on_them() {
    let (warehouse, mallory) = scene(PostgresServer::shared().await).await;
    let neighbour = warehouse.database.client_as(&mallory).await;
    // The ledger is ours: another colour was loaded.
    warehouse.publish(&Recipe::new(Colour::Yellow, 2020, 1).rows(50));
    warehouse.run("yellow", "2020-01", "2020-01", &[]).exits(0);
    warehouse.execute(&format!("GRANT ALL ON SCHEMA nyc_taxi TO {mallory}")).await;
    neighbour
        .batch_execute(
            "CREATE TABLE nyc_taxi.green_trips (pickup_datetime timestamp NOT NULL, total_amount float8,
                    passenger_count int) PARTITION BY RANGE (pickup_datetime);
             CREATE TABLE nyc_taxi.green_trips_2020_01 PARTITION OF nyc_taxi.green_trips
                    FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
             CREATE TABLE nyc_taxi.green_trips_else PARTITION OF nyc_taxi.green_trips DEFAULT;
             INSERT INTO nyc_taxi.green_trips VALUES ('2020-01-05', 1, 1);
             CREATE TABLE nyc_taxi.green_trips_quarantine (month date, line bigint, reasons text[], fields text[]);
             COMMENT ON TABLE nyc_taxi.green_trips_quarantine IS 'nyc_taxi_etl: rows set aside';
             CREATE TABLE nyc_taxi.zones (location_id smallint PRIMARY KEY, borough text, zone text, service_zone text);
             COMMENT ON TABLE nyc_taxi.zones IS 'nyc_taxi_etl: taxi zones'",
        )
        .await
        .unwrap();
    let tables = [
        ("green_trips", "pickup_datetime"),
        ("green_trips_2020_01", "pickup_datetime"),
        ("green_trips_else", "pickup_datetime"),
        ("green_trips_quarantine", "line"),
        ("zones", "location_id"),
    ];
    for (table, key) in tables {
        for (what, statement) in code(&format!("nyc_taxi.{table}"), key) {
            // Partitioned tables and partitions have no children of this kind.
            if neighbour.batch_execute(&statement).await.is_err() {
                assert!(
                    ["child", "rule", "trigger", "statistics", "default"].contains(&what),
                    "{table} {what}"
                );
            }
        }
        warehouse.every_command(&warehouse.database.url());
        assert_eq!(warehouse.caught().await, "", "{table}");
    }
    assert_eq!(warehouse.rows("green_trips").await, 1);
}

#[tokio::test]
async fn a_table_that_was_taken_over_with_code_of_a_neighbour_is_refused() {
    let (warehouse, mallory) = scene(PostgresServer::shared().await).await;
    let neighbour = warehouse.database.client_as(&mallory).await;
    warehouse.execute(&format!("GRANT USAGE ON SCHEMA public TO {mallory}")).await;
    warehouse.load(&[]).exits(0);
    warehouse.execute(&format!("GRANT ALL ON SCHEMA nyc_taxi TO {mallory}")).await;
    for (table, key) in [
        ("loads", "month"),
        ("green_trips_2020_01", "pickup_datetime"),
        ("green_trips", "pickup_datetime"),
    ] {
        let user: String = warehouse.value("SELECT current_user::text").await;
        warehouse.execute(&format!("ALTER TABLE nyc_taxi.{table} OWNER TO {mallory}")).await;
        let statistics = code(&format!("nyc_taxi.{table}"), key).remove(0).1;
        let checked = if table == "green_trips" {
            code("nyc_taxi.green_trips", key).remove(1).1
        } else {
            statistics
        };
        neighbour.batch_execute(&checked).await.unwrap();
        warehouse
            .execute(&format!(
                "ALTER TABLE nyc_taxi.{table} OWNER TO {user}; DELETE FROM public.caught"
            ))
            .await;
        let error = warehouse.error(warehouse.load(&["--force"])).replace("public.", "");
        assert!(
            error.contains(
                "it uses function evil(text) of the role mallory_DATABASE, which would run as you"
            ),
            "{error}"
        );
        warehouse.every_command(&warehouse.database.url());
        assert_eq!(warehouse.caught().await, "", "{table}");
        warehouse
            .execute("DROP STATISTICS IF EXISTS public.nyc_taxi_loads, public.nyc_taxi_green_trips_2020_01")
            .await;
    }
}

#[tokio::test]
async fn a_reader_of_tables_of_others_sees_the_status_and_verifies_the_months() {
    let warehouse = Warehouse::new().await;
    let (owner, reader) =
        (warehouse.database.role("owner", "").await, warehouse.database.role("reader", "").await);
    let name = &warehouse.database.name;
    warehouse.execute(&format!("GRANT CREATE ON DATABASE {name} TO {owner}")).await;
    warehouse.publish(&january(300));
    warehouse.load(&["--database-url", &warehouse.database.url_as(&owner)]).exits(0);
    let url = warehouse.database.url_as(&reader);
    let ask = |command: &str| {
        let mut command = warehouse.taxi.command([
            command,
            "--colour",
            "green",
            "--to-warehouse",
            "postgres",
            "--output",
            "json",
        ]);
        command.env("DATABASE_URL", &url);
        let out = command.output().unwrap();
        (
            out.status.code(),
            String::from_utf8_lossy(&out.stdout).into_owned()
                + &String::from_utf8_lossy(&out.stderr),
        )
    };
    warehouse.execute(&format!("GRANT USAGE ON SCHEMA nyc_taxi TO {reader}; GRANT SELECT ON nyc_taxi.loads, nyc_taxi.green_trips TO {reader}")).await;
    let (_, said) = ask("verify");
    assert!(warehouse.plain(&said).contains("it needs SELECT on nyc_taxi.green_trips_2020_01 (GRANT SELECT ON nyc_taxi.green_trips_2020_01 TO reader_DATABASE)"), "{said}");
    let (code, said) = ask("status");
    assert_eq!(code, Some(0), "{said}");
    warehouse.execute(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA nyc_taxi TO {reader}")).await;
    let (code, said) = ask("verify");
    assert_eq!(code, Some(0), "{said}");
    // Of an owner who is trusted, the table of all months is enough.
    let user: String = warehouse.value("SELECT current_user::text").await;
    warehouse
        .execute(&format!(
            "REVOKE ALL ON nyc_taxi.green_trips_2020_01 FROM {reader};
             ALTER TABLE nyc_taxi.green_trips OWNER TO {user}; ALTER TABLE nyc_taxi.green_trips_2020_01 OWNER TO {user}"
        ))
        .await;
    let (code, said) = ask("verify");
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn expressions_of_an_owner_who_is_not_trusted_are_kept_if_they_cannot_run_a_statement() {
    let (warehouse, mallory) = scene(PostgresServer::shared().await).await;
    warehouse.load(&[]).exits(0);
    warehouse
        .execute(&format!(
            "GRANT CREATE, USAGE ON SCHEMA nyc_taxi TO {mallory};
             ALTER TABLE nyc_taxi.green_trips_2020_01 ADD CONSTRAINT cheap CHECK (extra < 1000 AND round(fare_amount) > -1e9);
             CREATE INDEX ON nyc_taxi.green_trips_2020_01 (lower(store_and_fwd_flag)) WHERE fare_amount > 0;
             ALTER TABLE nyc_taxi.green_trips OWNER TO {mallory};
             ALTER TABLE nyc_taxi.green_trips_2020_01 OWNER TO {mallory}"
        ))
        .await;
    warehouse.load(&["--force"]).exits(0);
    let kept = "SELECT count(*) FROM pg_constraint WHERE conname = 'cheap'";
    assert_eq!(warehouse.value::<i64>(kept).await, 1);
    // A function of the server that runs any text: nothing says whose functions that calls.
    let text = "query_to_xml('SELECT public.evil(''text'')', true, true, '') IS NOT NULL";
    let neighbour = warehouse.database.client_as(&mallory).await;
    for (statement, undo) in [
        (
            format!(
                "ALTER TABLE nyc_taxi.green_trips_2020_01 ADD CONSTRAINT odd CHECK ({text}) NOT VALID"
            ),
            "ALTER TABLE nyc_taxi.green_trips_2020_01 DROP CONSTRAINT odd",
        ),
        (
            format!(
                "ALTER TABLE nyc_taxi.green_trips ADD odd bool DEFAULT false; ALTER TABLE nyc_taxi.green_trips ALTER odd SET DEFAULT {text}"
            ),
            "ALTER TABLE nyc_taxi.green_trips DROP odd",
        ),
    ] {
        neighbour.batch_execute(&statement).await.unwrap();
        warehouse.every_command(&warehouse.database.url());
        assert_eq!(warehouse.caught().await, "");
        let error = warehouse.error(warehouse.load(&["--force"]));
        assert!(error.contains("odd"), "{error}");
        neighbour.batch_execute(undo).await.unwrap();
    }
}

/// An expression that runs a text: nothing in the catalog says whose functions that calls.
const ANY_TEXT: &str = "query_to_xml('SELECT public.evil(''text'')', true, true, '') IS NOT NULL";

#[tokio::test]
async fn a_trigger_of_a_role_that_may_only_make_triggers_never_runs_as_the_loader() {
    for server in [PostgresServer::shared().await, PostgresServer::debian().await] {
        let (warehouse, mallory) = scene(server).await;
        warehouse.publish(&january(1000).every_dirt(1));
        warehouse.taxi.run(["run", "ingest-data", "--months", "1", "--source", "./files"]).exits(0);
        warehouse.write_zones();
        warehouse.taxi.run(["run", "etl-zones", "--zones", "zones.csv"]).exits(0);
        warehouse.execute(&format!("GRANT USAGE ON SCHEMA nyc_taxi TO {mallory}")).await;
        let neighbour = warehouse.database.client_as(&mallory).await;
        for table in ["loads", "green_trips_quarantine", "zones"] {
            warehouse.execute(&format!("GRANT TRIGGER ON nyc_taxi.{table} TO {mallory}")).await;
            neighbour
                .batch_execute(&format!(
                    "CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON nyc_taxi.{table} FOR EACH ROW
                        WHEN ({ANY_TEXT}) EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()"
                ))
                .await
                .unwrap();
            warehouse.every_command(&warehouse.database.url());
            assert_eq!(warehouse.caught().await, "", "{table}");
            if table != "zones" {
                let error = warehouse.error(warehouse.load(&["--force"]));
                assert!(
                    error.contains("its trigger t has a condition")
                        || error.contains("calls query_to_xml"),
                    "{error}"
                );
            }
            warehouse.execute(&format!("DROP TRIGGER t ON nyc_taxi.{table}")).await;
        }
        warehouse.load(&["--force"]).exits(0);
    }
}

#[tokio::test]
async fn what_a_neighbour_left_or_holds_near_our_tables_is_refused() {
    let schema_of = |role: &str| format!("ALTER SCHEMA nyc_taxi OWNER TO {role}");
    let check = |table: &str| {
        format!(
            "ALTER TABLE nyc_taxi.{table} ADD CONSTRAINT left_here CHECK ({ANY_TEXT}) NOT VALID"
        )
    };
    let cases: Vec<(String, &str)> = vec![
        (schema_of("MALLORY"), "the schema nyc_taxi belongs to the role MALLORY"),
        (check("loads"), "its check left_here calls query_to_xml, which can run any statement"),
        (check("green_trips_2020_01"), "its check left_here calls query_to_xml"),
        (check("green_trips"), "its check left_here calls query_to_xml"),
        ("CREATE TABLE nyc_taxi.other PARTITION OF nyc_taxi.green_trips DEFAULT; ALTER TABLE nyc_taxi.other OWNER TO MALLORY;
          ALTER TABLE nyc_taxi.other ADD CHECK (public.evil('default partition') = 0)".to_owned(),
         "its default partition nyc_taxi.other belongs to MALLORY"),
        ("CREATE TABLE public.vendors (id smallint PRIMARY KEY); INSERT INTO public.vendors SELECT generate_series(0, 9);
          ALTER TABLE nyc_taxi.green_trips ADD FOREIGN KEY (vendor_id) REFERENCES public.vendors NOT VALID;
          CREATE INDEX ON public.vendors (id) WHERE public.evil('index of vendors') = 0".to_owned(),
         "it uses function public.evil(text) of the role MALLORY"),
        ("CREATE TABLE public.child (table_name text, month date, FOREIGN KEY (table_name, month) REFERENCES nyc_taxi.loads ON DELETE CASCADE);
          ALTER TABLE public.child OWNER TO MALLORY".to_owned(),
         "MALLORY, who is not trusted, owns that table"),
        ("CREATE DOMAIN public.d AS float8 CHECK (public.evil('domain') = 0);
          ALTER TABLE nyc_taxi.green_trips ADD odd public.d[] DEFAULT '{1}'".to_owned(),
         "it uses function public.evil(text) of the role MALLORY"),
        ("ALTER TABLE nyc_taxi.green_trips DETACH PARTITION nyc_taxi.green_trips_2020_01;
          ALTER TABLE nyc_taxi.green_trips_2020_01 RENAME TO mine;
          CREATE TABLE nyc_taxi.green_trips_2020_01 PARTITION OF nyc_taxi.green_trips FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
          INSERT INTO nyc_taxi.green_trips SELECT * FROM nyc_taxi.mine LIMIT 7;
          ALTER TABLE nyc_taxi.green_trips_2020_01 ADD CONSTRAINT month CHECK (vendor_id >= 0)".to_owned(),
         "it has rows that this program did not load"),
        ("CREATE SEQUENCE nyc_taxi.numbers; ALTER SEQUENCE nyc_taxi.numbers OWNED BY nyc_taxi.green_trips_2020_01.vendor_id".to_owned(),
         "sequence nyc_taxi.numbers"),
    ];
    for (statements, says) in cases {
        let (warehouse, mallory) = scene(PostgresServer::shared().await).await;
        warehouse.load(&[]).exits(0);
        warehouse.execute(&format!("GRANT CREATE, USAGE ON SCHEMA nyc_taxi TO {mallory}")).await;
        warehouse.execute(&statements.replace("MALLORY", &mallory)).await;
        warehouse.execute("DELETE FROM public.caught").await;
        let error = warehouse.error(warehouse.load(&["--force"]));
        let says = says.replace("MALLORY", "mallory_DATABASE");
        assert!(
            error.contains(&says) || error.contains(&says.replace("public.", "")),
            "{says}: {error}"
        );
        warehouse.every_command(&warehouse.database.url());
        assert_eq!(warehouse.caught().await, "", "{statements}");
    }
}

#[tokio::test]
async fn a_membership_that_a_neighbour_gave_a_superuser_makes_nobody_trusted() {
    let (warehouse, mallory) = scene(PostgresServer::shared().await).await;
    let boss = warehouse.database.role("boss", "SUPERUSER").await;
    let team = warehouse.database.role("team", "NOLOGIN").await;
    warehouse.load(&[]).exits(0);
    warehouse
        .execute(&format!(
            "GRANT {team} TO {mallory} WITH ADMIN OPTION; GRANT ALL ON SCHEMA nyc_taxi TO {team};
             ALTER TABLE nyc_taxi.green_trips_2020_01 OWNER TO {team}; ALTER TABLE nyc_taxi.loads OWNER TO {team}"
        ))
        .await;
    let neighbour = warehouse.database.client_as(&mallory).await;
    for (table, key) in [("loads", "month"), ("green_trips_2020_01", "pickup_datetime")] {
        neighbour.batch_execute(&code(&format!("nyc_taxi.{table}"), key)[2].1).await.unwrap();
    }
    neighbour.batch_execute(&format!("GRANT {team} TO {boss}")).await.unwrap();
    // The indexes were made with the rights of their table's owner.
    warehouse.execute("DELETE FROM public.caught").await;
    warehouse.every_command(&warehouse.database.url_as(&boss));
    assert_eq!(warehouse.caught().await, "");
}

#[tokio::test]
async fn a_role_that_the_database_sets_is_not_taken_on() {
    let (warehouse, mallory) = scene(PostgresServer::shared().await).await;
    let name = &warehouse.database.name;
    warehouse.execute(&format!("ALTER DATABASE {name} SET role = '{mallory}'")).await;
    warehouse.load(&[]).exits(0);
    let owners = "SELECT DISTINCT pg_get_userbyid(relowner)::text FROM pg_class WHERE relnamespace = 'nyc_taxi'::regnamespace";
    let owners = warehouse.lines(owners).await;
    assert!(!owners.contains("mallory"), "{owners}");
}

#[tokio::test]
async fn an_empty_table_of_a_neighbour_is_not_taken_for_the_month_that_the_ledger_knows() {
    let (warehouse, mallory) = scene(PostgresServer::shared().await).await;
    warehouse.load(&[]).exits(0);
    warehouse
        .execute(&format!(
            "DROP TABLE nyc_taxi.green_trips CASCADE; GRANT ALL ON SCHEMA nyc_taxi TO {mallory}"
        ))
        .await;
    let neighbour = warehouse.database.client_as(&mallory).await;
    neighbour
        .batch_execute(
            "CREATE TABLE nyc_taxi.green_trips (pickup_datetime timestamp NOT NULL) PARTITION BY RANGE (pickup_datetime);
             CREATE TABLE nyc_taxi.green_trips_2020_01 PARTITION OF nyc_taxi.green_trips FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
             CREATE TABLE nyc_taxi.zones (x int); COMMENT ON TABLE nyc_taxi.zones IS 'nyc_taxi_etl: taxi zones'",
        )
        .await
        .unwrap();
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.rows("green_trips").await, 200);
    warehouse.write_zones();
    warehouse.taxi.run(["run", "etl-zones", "--zones", "zones.csv"]).exits(0);
    let said = warehouse.plain(&warehouse.load(&[]).stderr);
    assert!(said.contains("nyc_taxi.zones belongs to the role mallory_DATABASE"), "{said}");
}

#[tokio::test]
async fn expressions_of_json_are_refused_on_a_table_of_an_owner_who_is_not_trusted() {
    let (warehouse, mallory) = scene(PostgresServer::shared().await).await;
    warehouse.load(&[]).exits(0);
    warehouse
        .execute(&format!(
            "GRANT CREATE, USAGE ON SCHEMA nyc_taxi TO {mallory}; ALTER TABLE nyc_taxi.green_trips_2020_01 OWNER TO {mallory}"
        ))
        .await;
    let neighbour = warehouse.database.client_as(&mallory).await;
    neighbour
        .batch_execute(
            "CREATE DOMAIN public.d AS text CHECK (public.evil('json') = 0);
             ALTER TABLE nyc_taxi.green_trips_2020_01 ADD CONSTRAINT odd
                CHECK (JSON_VALUE('\"x\"'::jsonb, '$' RETURNING public.d) IS NOT NULL) NOT VALID",
        )
        .await
        .unwrap();
    warehouse.every_command(&warehouse.database.url());
    assert_eq!(warehouse.caught().await, "");
}
