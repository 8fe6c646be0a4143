//! Tables that people have made their own: what they set stays, and what cannot is found before a
//! row is copied.

use crate::harness::taxi::Ran;
use taxi_test_support::generate::{Colour, Dirt, Recipe};

use super::{Warehouse, january};

impl Warehouse {
    /// January of 2020 loaded, and then some statements of a user.
    async fn changed(statements: &str) -> Self {
        let warehouse = Self::new().await;
        warehouse.january(200);
        warehouse.load(&[]).exits(0);
        warehouse.execute(statements).await;
        warehouse
    }

    /// Counts in all stores, which must agree.
    fn agrees(&self) {
        self.inspect("verify").exits(0);
    }

    fn inspect(&self, command: &str) -> Ran {
        let mut command = self.taxi.command([command, "--colour", "green"]);
        command.env("TAXI_TO_WAREHOUSE", "postgres").output().unwrap().into()
    }

    /// Why a forced load fails, after checking that the month is as it was.
    async fn refused(&self) -> String {
        let files = "SELECT coalesce(pg_relation_filenode(to_regclass('nyc_taxi.green_trips_2020_01')), 0)::text";
        let before = self.lines(files).await;
        let error = self.error(self.load(&["--force"]));
        assert_eq!(self.lines(files).await, before, "{error}");
        // Whether what is in `public` is named in full is the session's affair.
        error.replace("public.", "")
    }

    fn drop_month(&self, more: &[&str]) -> Ran {
        let args = ["drop", "--colour", "green", "--month", "2020-01", "--yes"];
        self.taxi.run(args.iter().chain(more))
    }
}

fn says(errors: &[String], parts: &[&str]) {
    assert_eq!(errors.len(), parts.len());
    for (error, part) in errors.iter().zip(parts) {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn checks_types_collations_and_identities_of_the_table_are_kept_and_values_are_right() {
    let warehouse = Warehouse::changed(
        "DROP VIEW nyc_taxi.trips;
         ALTER TABLE nyc_taxi.green_trips
            ADD CONSTRAINT far CHECK (trip_distance < 5000),
            ADD CONSTRAINT wish CHECK (total_amount > 0) NOT ENFORCED,
            ADD note text COLLATE \"C\" NOT NULL DEFAULT 'it''s',
            ADD added timestamptz DEFAULT now(),
            ALTER vendor_id TYPE bigint,
            ALTER passenger_count TYPE numeric(4),
            ALTER trip_type TYPE varchar(2),
            ALTER store_and_fwd_flag TYPE char(1) COLLATE \"C\",
            ALTER fare_amount TYPE numeric(10,2),
            ALTER trip_distance TYPE numeric,
            ALTER payment_type TYPE double precision;
         ALTER TABLE nyc_taxi.green_trips ADD id bigint GENERATED ALWAYS AS IDENTITY;
         CREATE DOMAIN public.dollars AS double precision CHECK (VALUE > -100000);
         ALTER TABLE nyc_taxi.green_trips ALTER tip_amount TYPE public.dollars",
    )
    .await;
    warehouse.publish(&Recipe::new(Colour::Green, 2020, 2).dirt(Dirt::NegativeFare, 9));
    let sums = "SELECT concat_ws(' ', sum(vendor_id), sum(passenger_count), sum(trip_type::int), sum(payment_type),
                       count(store_and_fwd_flag), sum(fare_amount), sum(trip_distance)::float8)
                  FROM nyc_taxi.green_trips_2020_01";
    let before = warehouse.lines(sums).await;
    for _ in 0..2 {
        warehouse.run("green", "2020-01", "2020-02", &["--force"]).exits(0);
        assert_eq!(warehouse.lines(sums).await, before);
    }
    let same = "SELECT count(*) FROM nyc_taxi.green_trips WHERE id IS NULL OR note <> 'it''s' OR added IS NULL";
    assert_eq!(warehouse.value::<i64>(same).await, 0);
    let checks = "SELECT conrelid::regclass || ' ' || conname || ' ' || conenforced FROM pg_constraint
                   WHERE contype = 'c' AND conrelid <> 0 AND connamespace = 'nyc_taxi'::regnamespace ORDER BY 1";
    insta::assert_snapshot!(warehouse.lines(checks).await, @r"
    nyc_taxi.green_trips far true
    nyc_taxi.green_trips wish false
    nyc_taxi.green_trips_2020_01 far true
    nyc_taxi.green_trips_2020_01 month true
    nyc_taxi.green_trips_2020_01 wish false
    nyc_taxi.green_trips_2020_02 far true
    nyc_taxi.green_trips_2020_02 month true
    nyc_taxi.green_trips_2020_02 wish false
    ");
    warehouse.agrees();
}

#[tokio::test]
async fn a_value_that_its_column_would_round_or_cut_is_named_and_nothing_is_loaded() {
    let warehouse =
        Warehouse::changed("DROP VIEW nyc_taxi.trips; ALTER TABLE nyc_taxi.green_trips ALTER total_amount TYPE numeric(8,1)")
            .await;
    let error = warehouse.error(warehouse.load(&["--force"]));
    assert!(
        error.contains("the column total_amount of the table has the type numeric(8,1)"),
        "{error}"
    );
    assert_eq!(warehouse.rows("green_trips").await, 200);
}

#[tokio::test]
async fn a_type_that_cannot_hold_our_values_is_refused_before_a_row_is_copied() {
    let mut errors = Vec::new();
    for (column, kind) in [
        ("total_amount", "real"),
        ("pickup_location_id", "bytea USING NULL"),
        ("dropoff_datetime", "timestamptz"),
    ] {
        let change = format!("ALTER TABLE nyc_taxi.green_trips ALTER {column} TYPE {kind}");
        errors.push(
            Warehouse::changed(&format!("DROP VIEW nyc_taxi.trips; {change}"))
                .await
                .refused()
                .await,
        );
    }
    let required = "ALTER TABLE nyc_taxi.green_trips ADD driver text;
                    UPDATE nyc_taxi.green_trips SET driver = 'x';
                    ALTER TABLE nyc_taxi.green_trips ALTER driver SET NOT NULL";
    errors.push(Warehouse::changed(required).await.refused().await);
    let generated = "DROP VIEW nyc_taxi.trips; ALTER TABLE nyc_taxi.green_trips DROP mta_tax;
                     ALTER TABLE nyc_taxi.green_trips ADD mta_tax float8 GENERATED ALWAYS AS (extra * 2) STORED";
    errors.push(Warehouse::changed(generated).await.refused().await);
    says(
        &errors,
        &[
            "its column total_amount has the type real",
            "its column pickup_location_id has the type bytea",
            "its column dropoff_datetime has the type timestamp with time zone",
            "its column driver must have a value",
            "its column mta_tax is computed by the server",
        ],
    );
}

#[tokio::test]
async fn all_that_was_set_on_a_partition_is_kept_when_it_is_replaced() {
    let warehouse = Warehouse::changed("SET allow_in_place_tablespaces = on;").await;
    let name = &warehouse.database.name;
    let (reader, owner) =
        (warehouse.database.role("reader", "").await, warehouse.database.role("owner", "").await);
    warehouse.execute(&format!("CREATE TABLESPACE slow_{name} LOCATION ''")).await;
    warehouse
        .execute(&format!(
            "GRANT CREATE ON SCHEMA nyc_taxi TO {owner};
             ALTER TABLE nyc_taxi.green_trips_2020_01
                SET TABLESPACE slow_{name}, SET (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false),
                ALTER fare_amount SET STATISTICS 321, ALTER extra SET (n_distinct = 5),
                ALTER store_and_fwd_flag SET STORAGE MAIN, REPLICA IDENTITY FULL;
             ALTER TABLE nyc_taxi.green_trips_2020_01 ADD CONSTRAINT alone CHECK (extra < 1000);
             CREATE INDEX \"by fare\" ON nyc_taxi.green_trips_2020_01 (fare_amount);
             ALTER TABLE nyc_taxi.green_trips_2020_01 CLUSTER ON \"by fare\";
             CREATE STATISTICS nyc_taxi.together ON fare_amount, tip_amount FROM nyc_taxi.green_trips_2020_01;
             COMMENT ON TABLE nyc_taxi.green_trips_2020_01 IS 'the last \\ month';
             COMMENT ON COLUMN nyc_taxi.green_trips_2020_01.extra IS 'extra';
             ALTER TABLE nyc_taxi.green_trips_2020_01 ENABLE ROW LEVEL SECURITY;
             CREATE POLICY cheap ON nyc_taxi.green_trips_2020_01 FOR SELECT TO {reader} USING (fare_amount < 10);
             GRANT SELECT ON nyc_taxi.green_trips_2020_01 TO {reader} WITH GRANT OPTION;
             GRANT UPDATE (extra) ON nyc_taxi.green_trips_2020_01 TO {reader};
             CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER watch BEFORE UPDATE ON nyc_taxi.green_trips_2020_01 FOR EACH ROW EXECUTE FUNCTION public.nothing();
             ALTER TABLE nyc_taxi.green_trips_2020_01 DISABLE TRIGGER watch;
             CREATE RULE no_delete AS ON DELETE TO nyc_taxi.green_trips_2020_01 DO INSTEAD NOTHING;
             CREATE PUBLICATION out_{name} FOR TABLE nyc_taxi.green_trips_2020_01 (pickup_datetime, extra) WHERE (extra > 1);
             ALTER TABLE nyc_taxi.green_trips_2020_01 OWNER TO {owner};
             ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC"
        ))
        .await;
    let all = "WITH t AS (SELECT * FROM pg_class WHERE oid = 'nyc_taxi.green_trips_2020_01'::regclass)
        SELECT concat_ws(E'\\n', (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(t.relacl) a), t.reloptions::text, t.relreplident, t.relrowsecurity, t.relowner::regrole,
          (SELECT spcname FROM pg_tablespace WHERE oid = t.reltablespace),
          (SELECT reloptions::text FROM pg_class WHERE oid = t.reltoastrelid), obj_description(t.oid, 'pg_class'),
          (SELECT string_agg(concat_ws(' ', attname, attstattarget, attoptions::text, attstorage, attacl::text, col_description(t.oid, attnum)), E'\\n' ORDER BY attnum)
             FROM pg_attribute WHERE attrelid = t.oid AND attname IN ('fare_amount', 'extra', 'store_and_fwd_flag')),
          (SELECT string_agg(pg_get_indexdef(indexrelid) || indisclustered::text, E'\\n') FROM pg_index JOIN pg_class i ON i.oid = indexrelid
            WHERE indrelid = t.oid AND i.relname = 'by fare'),
          (SELECT count(*) FROM pg_index WHERE indrelid = t.oid),
          (SELECT string_agg(pg_get_statisticsobjdef(oid), E'\\n') FROM pg_statistic_ext WHERE stxrelid = t.oid),
          (SELECT string_agg(policyname || qual || cmd || roles::text, E'\\n') FROM pg_policies WHERE tablename = t.relname),
          (SELECT string_agg(pg_get_triggerdef(oid) || tgenabled::text, E'\\n') FROM pg_trigger WHERE tgrelid = t.oid),
          (SELECT string_agg(pg_get_ruledef(oid), E'\\n') FROM pg_rewrite WHERE ev_class = t.oid),
          (SELECT string_agg(conname || pg_get_constraintdef(oid), E'\\n' ORDER BY conname) FROM pg_constraint WHERE conrelid = t.oid AND contype = 'c'),
          (SELECT string_agg(pubname || attnames::text || rowfilter, E'\\n') FROM pg_publication_tables WHERE tablename = t.relname)
        ) FROM t";
    let before = warehouse.lines(all).await;
    for part in [
        "fillfactor",
        "slow_",
        "n_distinct",
        "cheap",
        "watch",
        "no_delete",
        "together",
        "alone",
        "321",
        "by fare",
        "out_",
    ] {
        assert!(before.contains(part), "{part}: {before}");
    }
    for _ in 0..2 {
        warehouse.load(&["--force"]).exits(0);
        assert_eq!(warehouse.lines(all).await, before);
    }
    assert_eq!(warehouse.rows("green_trips").await, 200);
}

#[tokio::test]
async fn the_tablespace_of_the_table_and_an_unlogged_partition_are_kept() {
    let warehouse = Warehouse::changed("SET allow_in_place_tablespaces = on").await;
    let name = &warehouse.database.name;
    warehouse.execute(&format!("CREATE TABLESPACE fast_{name} LOCATION ''")).await;
    warehouse
        .execute(&format!(
            "ALTER TABLE nyc_taxi.green_trips SET TABLESPACE fast_{name};
             ALTER TABLE nyc_taxi.green_trips_2020_01 SET UNLOGGED"
        ))
        .await;
    warehouse.publish(&Recipe::new(Colour::Green, 2020, 2));
    warehouse.run("green", "2020-01", "2020-02", &["--force"]).exits(0);
    let space = "SELECT concat_ws(' ', c.relname, c.relpersistence, s.spcname LIKE 'fast%') FROM pg_class c
                   JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.relkind = 'r' AND c.relname LIKE 'green%' ORDER BY 1";
    insta::assert_snapshot!(warehouse.lines(space).await, @r"
    green_trips_2020_01 u t
    green_trips_2020_02 p t
    ");
}

#[tokio::test]
async fn a_primary_key_of_the_table_is_one_index_a_month() {
    let warehouse = Warehouse::changed(
        "ALTER TABLE nyc_taxi.green_trips ADD id bigint GENERATED BY DEFAULT AS IDENTITY,
            ADD CONSTRAINT trip PRIMARY KEY (id, pickup_datetime),
            ADD CONSTRAINT once UNIQUE (pickup_datetime, id)",
    )
    .await;
    warehouse.publish(&Recipe::new(Colour::Green, 2020, 2));
    for _ in 0..2 {
        warehouse.run("green", "2020-01", "2020-02", &["--force"]).exits(0);
    }
    let indexes =
        "SELECT c.relname || ' ' || count(*) FROM pg_index JOIN pg_class c ON c.oid = indrelid
                    WHERE c.relname LIKE 'green%' GROUP BY c.relname ORDER BY 1";
    insta::assert_snapshot!(warehouse.lines(indexes).await, @r"
    green_trips 3
    green_trips_2020_01 3
    green_trips_2020_02 3
    ");
}

#[tokio::test]
async fn rows_that_a_constraint_of_the_table_forbids_name_it() {
    let warehouse = Warehouse::changed("").await;
    let mut errors = Vec::new();
    for constraint in
        ["CONSTRAINT cheap CHECK (fare_amount < 0)", "CONSTRAINT none CHECK (vendor_id > 900)"]
    {
        warehouse.execute("DELETE FROM nyc_taxi.green_trips").await;
        warehouse.execute(&format!("ALTER TABLE nyc_taxi.green_trips ADD {constraint}")).await;
        let error = warehouse.error(warehouse.load(&["--force"]));
        errors.push(error.split(" (").next().unwrap().to_owned());
        assert!(error.contains("Change or drop the constraint"), "{error}");
        let drop = "DROP CONSTRAINT IF EXISTS cheap, DROP CONSTRAINT IF EXISTS none";
        warehouse.execute(&format!("ALTER TABLE nyc_taxi.green_trips {drop}")).await;
    }
    assert!(errors[0].contains("\"cheap\""), "{}", errors[0]);
}

#[tokio::test]
async fn what_depends_on_a_months_partition_is_named_before_a_row_is_copied() {
    let mut errors = Vec::new();
    for statement in [
        "CREATE VIEW public.of_january AS SELECT * FROM nyc_taxi.green_trips_2020_01",
        "CREATE MATERIALIZED VIEW public.sums AS SELECT sum(extra) FROM nyc_taxi.green_trips_2020_01",
        "CREATE FUNCTION public.of(nyc_taxi.green_trips_2020_01) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE nyc_taxi.green_trips ADD id bigint GENERATED ALWAYS AS IDENTITY, ADD PRIMARY KEY (id, pickup_datetime);
         CREATE TABLE public.notes (id bigint, at timestamp, CONSTRAINT of_trip FOREIGN KEY (id, at) REFERENCES nyc_taxi.green_trips)",
    ] {
        let warehouse = Warehouse::changed(statement).await;
        errors.push(warehouse.refused().await);
        let ran = warehouse.drop_month(&["--from-stores", "postgres"]).exits(1);
        assert!(ran.stdout.contains("depends on its"), "{}", ran.stdout);
        assert_eq!(warehouse.rows("loads").await, 1);
    }
    says(
        &errors,
        &[
            "view of_january",
            "materialized view sums",
            "function of(nyc_taxi.green_trips_2020_01)",
            "constraint of_trip on table notes",
        ],
    );
}

#[tokio::test]
async fn rows_in_a_default_partition_and_overlapping_partitions_are_found_first() {
    let detached = "ALTER TABLE nyc_taxi.green_trips DETACH PARTITION nyc_taxi.green_trips_2020_01;
                    ALTER TABLE nyc_taxi.green_trips_2020_01 RENAME TO apart;";
    let mut errors = Vec::new();
    for statement in [
        "CREATE TABLE nyc_taxi.rest PARTITION OF nyc_taxi.green_trips DEFAULT;
         INSERT INTO nyc_taxi.green_trips SELECT * FROM nyc_taxi.apart",
        "CREATE TABLE nyc_taxi.of_2020 PARTITION OF nyc_taxi.green_trips FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
        "CREATE TABLE nyc_taxi.green_trips_2020_01 PARTITION OF nyc_taxi.green_trips FOR VALUES FROM (MINVALUE) TO ('2021-01-01')",
        "CREATE TABLE nyc_taxi.january PARTITION OF nyc_taxi.green_trips FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')",
    ] {
        errors.push(Warehouse::changed(&format!("{detached} {statement}")).await.refused().await);
    }
    says(
        &errors,
        &[
            "its default partition nyc_taxi.rest has 200 rows of 2020-01",
            "its partition nyc_taxi.of_2020 is for values from",
            "its partition nyc_taxi.green_trips_2020_01 is for values from (minvalue)",
            "ALTER TABLE nyc_taxi.january RENAME TO green_trips_2020_01",
        ],
    );
    // A default partition without rows of the month is in nobody's way.
    let empty = "CREATE TABLE nyc_taxi.rest PARTITION OF nyc_taxi.green_trips DEFAULT";
    Warehouse::changed(empty).await.load(&["--force"]).exits(0);
}

#[tokio::test]
async fn a_renamed_column_is_named_by_a_load_by_status_and_by_verify() {
    let rename = "ALTER TABLE nyc_taxi.green_trips RENAME fare_amount TO fare";
    let warehouse = Warehouse::changed(rename).await;
    let error = warehouse.refused().await;
    assert!(error.contains("its column fare_amount was renamed to fare"), "{error}");
    let status = warehouse.inspect("status");
    assert!(status.stdout.contains("its table lacks fare_amount"), "{}", status.stdout);
    let verify = warehouse.inspect("verify").exits(1);
    assert!(verify.stdout.contains("its table lacks fare_amount"), "{}", verify.stdout);
    // The view shows it on.
    let view = "SELECT count(fare_amount) FROM nyc_taxi.trips";
    assert_eq!(warehouse.value::<i64>(view).await, 200);
    warehouse.execute("ALTER TABLE nyc_taxi.green_trips RENAME fare TO fare_amount").await;
    warehouse.load(&["--force"]).exits(0);
    warehouse.agrees();
}

#[tokio::test]
async fn columns_in_another_order_hold_their_own_values() {
    let warehouse = Warehouse::new().await;
    warehouse.january(200);
    warehouse.load(&[]).exits(0);
    let sums = "SELECT concat_ws(' ', sum(fare_amount::numeric), sum(tip_amount::numeric), sum(extra::numeric)) FROM nyc_taxi.green_trips";
    let before = warehouse.lines(sums).await;
    warehouse
        .execute(
            "CREATE TABLE nyc_taxi.other (junk text, total_amount float8, extra float8, pickup_datetime timestamp NOT NULL,
                    tip_amount float8) PARTITION BY RANGE (pickup_datetime);
             ALTER TABLE nyc_taxi.other DROP junk;
             DROP TABLE nyc_taxi.green_trips CASCADE; ALTER TABLE nyc_taxi.other RENAME TO green_trips",
        )
        .await;
    warehouse.load(&[]).exits(0);
    assert_eq!(warehouse.lines(sums).await, before);
}

#[tokio::test]
async fn a_foreign_key_to_the_zones_holds_while_they_are_refreshed() {
    let warehouse = Warehouse::new().await;
    let zones = |rows: &str| {
        let path = warehouse.taxi.folder().join("zones.csv");
        let header = "LocationID,Borough,Zone,service_zone\n";
        std::fs::write(path, format!("{header}{rows}")).unwrap();
        warehouse.taxi.run(["run", "etl-zones", "--zones", "zones.csv", "--force"]).exits(0);
    };
    let every = |name: &str| {
        (1..=265).map(|id| format!("{id},Queens,{name} {id},Boro Zone\n")).collect::<String>()
    };
    zones(&every("Old"));
    warehouse.january(200);
    warehouse.load(&[]).exits(0);
    warehouse
        .execute("ALTER TABLE nyc_taxi.green_trips ADD CONSTRAINT from_zone FOREIGN KEY (pickup_location_id) REFERENCES nyc_taxi.zones")
        .await;
    let from =
        warehouse.value::<i16>("SELECT min(pickup_location_id) FROM nyc_taxi.green_trips").await;
    let left: String = every("New")
        .split_inclusive('\n')
        .filter(|line| !line.starts_with(&format!("{from},")))
        .collect();
    zones(&left);
    let ran = warehouse.load(&["--force"]).exits(0);
    assert!(ran.stderr.contains(&format!("{from} stay in the table")), "{}", ran.stderr);
    let names = format!(
        "SELECT count(*) FROM nyc_taxi.zones WHERE zone LIKE 'New %' OR location_id = {from}"
    );
    assert_eq!(warehouse.value::<i64>(&names).await, 265);
    let keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'nyc_taxi.green_trips_2020_01'::regclass";
    assert_eq!(warehouse.value::<i64>(keys).await, 1);
}

#[tokio::test]
async fn somebodys_own_quarantine_ledger_and_names_are_refused_and_left_as_they_are() {
    let ingest = ["run", "ingest-data", "--months", "1", "--source", "./files", "--output", "json"];
    let columns = "month date, line bigint, reasons text[], fields text[]";
    let mut errors = Vec::new();
    for (name, made) in [
        ("green_trips_quarantine", "TABLE nyc_taxi.green_trips_quarantine (month date, why text)"),
        ("green_trips_quarantine", &*format!("TABLE nyc_taxi.green_trips_quarantine ({columns})")),
        (
            "green_trips_quarantine",
            "VIEW nyc_taxi.green_trips_quarantine AS SELECT date '2020-01-01' AS month",
        ),
        ("green_trips_2020_01_new", "TABLE nyc_taxi.green_trips_2020_01_new (month date)"),
        ("loads", "VIEW nyc_taxi.loads AS SELECT date '2020-01-01' AS month"),
        ("green_trips", "TYPE nyc_taxi.green_trips AS ENUM ('a')"),
        ("loads", "DOMAIN nyc_taxi.loads AS text"),
        ("green_trips_2020_01", "SEQUENCE nyc_taxi.green_trips_2020_01"),
    ] {
        let warehouse = Warehouse::new().await;
        warehouse.publish(&january(200).dirt(Dirt::DropoffBeforePickup, 5));
        warehouse.execute(&format!("CREATE SCHEMA nyc_taxi; CREATE {made}")).await;
        if made.starts_with("TABLE") {
            warehouse
                .execute(&format!("INSERT INTO nyc_taxi.{name} (month) VALUES ('2020-01-01')"))
                .await;
        }
        let error = warehouse.error(warehouse.load(&[]));
        assert!(error.contains("already exists and was not created by this program"), "{error}");
        assert_eq!(warehouse.error(warehouse.taxi.run(ingest)), error);
        if name != "green_trips_2020_01_new"
            && !made.starts_with("DOMAIN")
            && !made.starts_with("TYPE")
        {
            let ran = warehouse.drop_month(&["--from-stores", "postgres"]).exits(1);
            assert!(
                ran.stdout.replace('\n', " ").contains("not created by this program"),
                "{}",
                ran.stdout
            );
        }
        if made.starts_with("TABLE") {
            assert_eq!(warehouse.rows(name).await, 1);
        }
        errors.push(error.split(": it was not changed").next().unwrap().to_owned());
    }
    says(
        &errors,
        &[
            "it does not have the columns of a quarantine",
            "nothing says that this program made it",
            "it is a view",
            "it is a table, and the month needs that name",
            "nyc_taxi.loads already exists and was not created by this program (it is a view",
            "it is a type, and a table needs that name",
            "nyc_taxi.loads already exists and was not created by this program (it is a type",
            "it is not a partition of green_trips",
        ],
    );
}

#[tokio::test]
async fn a_table_and_a_partition_with_rows_of_others_are_refused_and_left_as_they_are() {
    let warehouse = Warehouse::new().await;
    warehouse.january(200);
    warehouse
        .execute(
            "CREATE SCHEMA nyc_taxi;
             CREATE TABLE nyc_taxi.green_trips (pickup_datetime timestamp, plate text) PARTITION BY RANGE (pickup_datetime);
             CREATE TABLE nyc_taxi.green_trips_2020_01 PARTITION OF nyc_taxi.green_trips FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
             INSERT INTO nyc_taxi.green_trips VALUES ('2020-01-05', 'mine')",
        )
        .await;
    let error = warehouse.error(warehouse.load(&[]));
    assert!(error.contains("no month was ever loaded into it"), "{error}");
    assert_eq!(warehouse.rows("green_trips").await, 1);
    warehouse.drop_month(&["--from-stores", "postgres"]).exits(1);
    assert_eq!(warehouse.rows("green_trips").await, 1);
}
