//! What users set on the tables and on a month's partition, in states that differ from the usual,
//! stays when months are loaded again; what would falsify a row is found before one is copied.

use super::{Warehouse, january};
use taxi_test_support::generate::{Colour, Recipe};
use taxi_test_support::postgres::PostgresServer;

/// The states, descriptions and options of all that belongs to January's partition.
const STATES: &str = "
    WITH t AS (SELECT * FROM pg_class WHERE oid = 'nyc_taxi.green_trips_2020_01'::regclass)
    SELECT concat_ws(E'\\n',
        (SELECT string_agg(concat_ws(' ', tgname, tgenabled, obj_description(oid, 'pg_trigger')), E'\\n' ORDER BY tgname)
           FROM pg_trigger WHERE tgrelid = t.oid AND NOT tgisinternal),
        (SELECT string_agg(concat_ws(' ', rulename, ev_enabled, obj_description(oid, 'pg_rewrite')), E'\\n' ORDER BY rulename)
           FROM pg_rewrite WHERE ev_class = t.oid),
        (SELECT string_agg(concat_ws(' ', stxname, stxowner::regrole, to_jsonb(s)->>'stxstattarget',
                                     obj_description(oid, 'pg_statistic_ext')), E'\\n' ORDER BY stxname)
           FROM pg_statistic_ext s WHERE stxrelid = t.oid),
        (SELECT string_agg(concat_ws(' ', polname, obj_description(oid, 'pg_policy')), E'\\n') FROM pg_policy WHERE polrelid = t.oid),
        (SELECT string_agg(concat_ws(' ', conname, obj_description(oid, 'pg_constraint')), E'\\n' ORDER BY conname)
           FROM pg_constraint WHERE conrelid = t.oid AND contype IN ('c', 'u', 'p')),
        (SELECT string_agg(line, E'\\n' ORDER BY line) FROM
            (SELECT concat_ws(' ', (SELECT attname FROM pg_attribute WHERE attrelid = i.oid AND attnum = 1), i.reloptions::text,
                              s.spcname, obj_description(i.oid, 'pg_class'),
                              (SELECT attstattarget FROM pg_attribute WHERE attrelid = i.oid AND attnum = 1)) AS line
               FROM pg_index JOIN pg_class i ON i.oid = indexrelid LEFT JOIN pg_tablespace s ON s.oid = i.reltablespace
              WHERE indrelid = t.oid) AS indexes),
        (SELECT spcname FROM pg_tablespace WHERE oid = t.reltablespace))
      FROM t";

#[tokio::test]
async fn states_descriptions_and_options_of_a_partition_are_kept() {
    for server in [PostgresServer::shared().await, PostgresServer::debian().await] {
        let warehouse = Warehouse::on(server).await;
        warehouse.january(200);
        warehouse.load(&[]).exits(0);
        let name = &warehouse.database.name;
        let owner = warehouse.database.role("analyst", "").await;
        let month = "nyc_taxi.green_trips_2020_01";
        warehouse
            .execute(&format!(
                "CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                 CREATE TRIGGER of_table AFTER UPDATE ON nyc_taxi.green_trips FOR EACH ROW EXECUTE FUNCTION public.nothing();
                 CREATE TRIGGER off_on_table AFTER UPDATE ON nyc_taxi.green_trips FOR EACH ROW EXECUTE FUNCTION public.nothing();
                 ALTER TABLE nyc_taxi.green_trips DISABLE TRIGGER off_on_table;
                 ALTER TABLE {month} DISABLE TRIGGER of_table, ENABLE TRIGGER off_on_table;
                 CREATE TRIGGER always AFTER UPDATE ON {month} FOR EACH ROW EXECUTE FUNCTION public.nothing();
                 ALTER TABLE {month} ENABLE ALWAYS TRIGGER always;
                 COMMENT ON TRIGGER always ON {month} IS 'a trigger';
                 CREATE RULE off AS ON DELETE TO {month} DO INSTEAD NOTHING;
                 CREATE RULE replica AS ON DELETE TO {month} DO ALSO NOTHING;
                 ALTER TABLE {month} DISABLE RULE off, ENABLE REPLICA RULE replica;
                 COMMENT ON RULE off ON {month} IS 'a rule';
                 CREATE STATISTICS nyc_taxi.both ON fare_amount, tip_amount FROM {month};
                 ALTER STATISTICS nyc_taxi.both SET STATISTICS 77;
                 COMMENT ON STATISTICS nyc_taxi.both IS 'statistics';
                 GRANT CREATE ON SCHEMA nyc_taxi TO {owner};
                 ALTER STATISTICS nyc_taxi.both OWNER TO {owner};
                 CREATE POLICY cheap ON {month} USING (fare_amount < 10);
                 COMMENT ON POLICY cheap ON {month} IS 'a policy';
                 COMMENT ON CONSTRAINT month ON {month} IS 'the bounds';
                 ALTER TABLE {month} ADD CONSTRAINT alone CHECK (extra < 1000);
                 COMMENT ON CONSTRAINT alone ON {month} IS 'a \\ check with {{table}} and {{index}}';
                 ALTER TABLE nyc_taxi.green_trips ADD COLUMN id bigint DEFAULT (random() * 1e15)::bigint;
                 ALTER TABLE nyc_taxi.green_trips ADD UNIQUE (id, pickup_datetime) WITH (fillfactor = 71);
                 ALTER TABLE {month} ADD CONSTRAINT own UNIQUE (trip_distance, id) WITH (fillfactor = 72) DEFERRABLE INITIALLY DEFERRED;
                 COMMENT ON INDEX nyc_taxi.own IS 'an {{index}} of its {{table}}';
                 CREATE INDEX by_sum ON {month} ((fare_amount + tip_amount));
                 ALTER INDEX nyc_taxi.by_sum ALTER COLUMN 1 SET STATISTICS 88;
                 SET allow_in_place_tablespaces = on"
            ))
            .await;
        warehouse.execute(&format!("CREATE TABLESPACE idle_{name} LOCATION ''")).await;
        warehouse
            .execute(&format!(
                "DO $$ DECLARE it regclass; BEGIN
                    SELECT indexrelid INTO it FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid
                     WHERE indrelid = '{month}'::regclass AND indisunique;
                    EXECUTE format('ALTER INDEX %s SET TABLESPACE idle_{name}', it);
                    EXECUTE format('COMMENT ON INDEX %s IS %L', it, 'of the table');
                 END $$"
            ))
            .await;
        let before = warehouse.lines(STATES).await;
        for part in [
            "of_table D",
            "off_on_table O",
            "always A a trigger",
            "off D a rule",
            "replica R",
            "77 statistics",
            "cheap a policy",
            "month the bounds",
            "{table}",
            "fillfactor=71",
            "fillfactor=72",
            "88",
            "idle_",
        ] {
            assert!(before.contains(part), "{part}: {before}");
        }
        for _ in 0..2 {
            warehouse.load(&["--force"]).exits(0);
            assert_eq!(warehouse.lines(STATES).await, before);
        }
    }
}

#[tokio::test]
async fn a_partition_stays_where_it_is_and_a_new_one_goes_where_the_database_says() {
    let warehouse = Warehouse::new().await;
    let name = warehouse.database.name.clone();
    warehouse.january(200);
    warehouse.load(&[]).exits(0);
    warehouse.execute("SET allow_in_place_tablespaces = on").await;
    for space in ["first", "second"] {
        warehouse.execute(&format!("CREATE TABLESPACE {space}_{name} LOCATION ''")).await;
    }
    warehouse
        .execute(&format!("ALTER DATABASE {name} SET default_tablespace = first_{name}"))
        .await;
    warehouse.publish(&Recipe::new(Colour::Green, 2020, 2));
    warehouse.run("green", "2020-01", "2020-02", &["--force"]).exits(0);
    let places = "SELECT concat_ws(' ', c.relname, split_part(s.spcname, '_', 1)) FROM pg_class c
                    LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
                   WHERE c.relname ~ '^green_trips_2020_0.$' ORDER BY 1";
    assert_eq!(warehouse.lines(places).await, "green_trips_2020_01\ngreen_trips_2020_02 first\n");
    warehouse
        .execute(&format!("ALTER TABLE nyc_taxi.green_trips SET TABLESPACE second_{name}"))
        .await;
    warehouse.run("green", "2020-01", "2020-02", &["--force"]).exits(0);
    assert_eq!(
        warehouse.lines(places).await,
        "green_trips_2020_01 second\ngreen_trips_2020_02 first\n"
    );
}

#[tokio::test]
async fn a_grant_on_a_column_of_a_partition_leaves_its_owner_every_right() {
    let warehouse = Warehouse::new().await;
    warehouse.january(200);
    let (owner, reader) =
        (warehouse.database.role("owner", "").await, warehouse.database.role("reader", "").await);
    let name = &warehouse.database.name;
    warehouse.execute(&format!("GRANT CREATE ON DATABASE {name} TO {owner}")).await;
    let url = warehouse.database.url_as(&owner);
    warehouse.load(&["--database-url", &url]).exits(0);
    warehouse
        .execute(&format!("GRANT SELECT (extra) ON nyc_taxi.green_trips_2020_01 TO {reader}"))
        .await;
    let rights = "SELECT concat_ws(' ', coalesce(relacl::text, 'unset'), (SELECT attacl::text FROM pg_attribute
                    WHERE attrelid = c.oid AND attname = 'extra')) FROM pg_class c WHERE relname = 'green_trips_2020_01'";
    let before = warehouse.lines(rights).await;
    for _ in 0..2 {
        warehouse.load(&["--force", "--database-url", &url]).exits(0);
        assert_eq!(warehouse.lines(rights).await, before);
    }
    let client = warehouse.database.client_as(&owner).await;
    client.batch_execute("DELETE FROM nyc_taxi.green_trips_2020_01").await.unwrap();
}

#[tokio::test]
async fn the_options_and_the_owner_of_the_view_stay_when_it_changes() {
    let warehouse = Warehouse::new().await;
    warehouse.january(200);
    warehouse.load(&[]).exits(0);
    let (owner, reader) =
        (warehouse.database.role("owner", "").await, warehouse.database.role("reader", "").await);
    warehouse
        .execute(&format!(
            "GRANT CREATE, USAGE ON SCHEMA nyc_taxi TO {owner};
             ALTER VIEW nyc_taxi.trips SET (security_barrier = true, security_invoker = on);
             GRANT SELECT ON nyc_taxi.trips TO {reader};
             COMMENT ON COLUMN nyc_taxi.trips.extra IS 'what is extra'"
        ))
        .await;
    let set = "SELECT concat_ws(' ', reloptions::text, relacl::text, col_description(oid,
                 (SELECT attnum FROM pg_attribute WHERE attrelid = c.oid AND attname = 'extra')))
                 FROM pg_class c WHERE oid = 'nyc_taxi.trips'::regclass";
    let before = warehouse.lines(set).await;
    assert!(before.contains("security_invoker=on") && before.contains("what is extra"), "{before}");
    // Another colour joins: the view is replaced.
    warehouse.publish(&Recipe::new(Colour::Yellow, 2020, 1).rows(50));
    warehouse.run("yellow", "2020-01", "2020-01", &[]).exits(0);
    assert_eq!(warehouse.lines(set).await, before);
    assert_eq!(warehouse.rows("trips").await, 250);
    // Its columns are others: it is made again.
    let mark = warehouse
        .value::<String>("SELECT obj_description('nyc_taxi.trips'::regclass, 'pg_class')")
        .await;
    warehouse
        .execute(&format!(
            "DROP VIEW nyc_taxi.trips; CREATE VIEW nyc_taxi.trips WITH (security_barrier = true) AS SELECT 1 AS colour, 2 AS extra;
             COMMENT ON VIEW nyc_taxi.trips IS '{mark} of before'; GRANT SELECT ON nyc_taxi.trips TO {reader};
             COMMENT ON COLUMN nyc_taxi.trips.extra IS 'still extra'"
        ))
        .await;
    let before = warehouse.lines(set).await;
    warehouse.load(&["--force"]).exits(0);
    assert_eq!(warehouse.rows("trips").await, 250);
    assert_eq!(warehouse.lines(set).await, before);
}

#[tokio::test]
async fn what_would_falsify_the_ledger_or_the_quarantine_is_found_before_a_row_is_copied() {
    let cases = [
        ("ALTER TABLE nyc_taxi.loads DROP CONSTRAINT loads_pkey", "it has no unique key of table_name and month. ALTER TABLE nyc_taxi.loads ADD UNIQUE"),
        ("ALTER TABLE nyc_taxi.loads ADD note text NOT NULL DEFAULT ''; ALTER TABLE nyc_taxi.loads ALTER note DROP DEFAULT", "its column note must have a value"),
        ("CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
          CREATE TRIGGER no BEFORE INSERT OR UPDATE ON nyc_taxi.loads FOR EACH ROW EXECUTE FUNCTION public.no()", "its trigger no can change or leave out"),
        ("CREATE RULE no AS ON UPDATE TO nyc_taxi.loads DO INSTEAD NOTHING", "its rule no changes what is written. DROP RULE no ON nyc_taxi.loads"),
        ("CREATE TABLE public.heir () INHERITS (nyc_taxi.loads)", "the table public.heir inherits from it"),
        ("CREATE RULE no AS ON DELETE TO nyc_taxi.green_trips_quarantine DO INSTEAD NOTHING", "nyc_taxi.green_trips_quarantine cannot take the month: its rule no"),
        ("ALTER TABLE nyc_taxi.green_trips_quarantine REPLICA IDENTITY DEFAULT; CREATE PUBLICATION every_NAME FOR ALL TABLES",
         "nyc_taxi.green_trips_quarantine cannot take the month: the publication every_NAME has it, and nothing tells replicas which rows change. ALTER TABLE nyc_taxi.green_trips_quarantine REPLICA IDENTITY FULL"),
        ("ALTER TABLE nyc_taxi.loads REPLICA IDENTITY NOTHING; CREATE PUBLICATION these_NAME FOR TABLES IN SCHEMA nyc_taxi",
         "nyc_taxi.loads cannot take the month: the publication these_NAME has it"),
    ];
    for (statements, says) in cases {
        let warehouse = Warehouse::new().await;
        let name = warehouse.database.name.clone();
        warehouse.publish(&january(1000).every_dirt(1));
        let ingest =
            ["run", "ingest-data", "--months", "1", "--source", "./files", "--output", "json"];
        warehouse.taxi.run(ingest).exits(0);
        warehouse.execute(&statements.replace("NAME", &name)).await;
        let files = "SELECT pg_relation_filenode('nyc_taxi.green_trips_2020_01')::text";
        let before = warehouse.lines(files).await;
        let forced = [&ingest[..], &["--force"]].concat();
        let error = warehouse.error(warehouse.taxi.run(forced)).replace("DATABASE", "NAME");
        assert!(error.contains(says), "{error}");
        assert_eq!(warehouse.lines(files).await, before);
        let tested = warehouse.taxi.run(["connections", "test", "--output", "json"]);
        assert!(tested.stdout.replace(&name, "NAME").contains(says), "{}", tested.stdout);
        let dry = warehouse.load(&["--force", "--dry-run"]).exits(1);
        assert!(dry.stdout.replace(&name, "NAME").contains(says), "{}", dry.stdout);
    }
}

#[tokio::test]
async fn months_of_tables_that_are_all_published_are_replaced() {
    let warehouse = Warehouse::new().await;
    let name = &warehouse.database.name;
    warehouse.execute(&format!("CREATE PUBLICATION every_{name} FOR ALL TABLES")).await;
    warehouse.publish(&january(1000).every_dirt(1));
    let ingest = ["run", "ingest-data", "--months", "1", "--source", "./files", "--force"];
    for _ in 0..2 {
        warehouse.taxi.run(ingest).exits(0);
        warehouse.load(&["--force"]).exits(0);
    }
    let drop = ["drop", "--colour", "green", "--month", "2020-01", "--from-stores", "postgres"];
    warehouse.taxi.run(drop.iter().chain(&["--yes"])).exits(0);
}

#[tokio::test]
async fn a_commit_that_no_standby_confirms_is_told_of_and_ends() {
    let server = PostgresServer::start().await;
    let warehouse = Warehouse::on(&server).await;
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    warehouse.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
    warehouse.execute("SELECT pg_reload_conf()").await;
    let url = warehouse.database.url() + "?options=-c%20lock_timeout%3D6s";
    let ran = warehouse.load(&["--force", "--database-url", &url]);
    assert!(ran.stderr.contains("waiting for a synchronous standby to confirm the commit (synchronous_standby_names is 'nobody')"), "{}", ran.stderr);
    let error = warehouse.error(ran);
    assert!(error.contains("no synchronous standby confirmed the commit within"), "{error}");
    warehouse.execute("ALTER SYSTEM RESET synchronous_standby_names").await;
    warehouse.execute("SELECT pg_reload_conf()").await;
    assert_eq!(warehouse.load(&[]).exits(0).state(), "unchanged");
    assert_eq!(warehouse.rows("green_trips").await, 100);
}

#[tokio::test]
async fn a_partition_key_of_another_type_is_named_with_a_way_out_that_works() {
    for kind in ["date", "timestamptz", "text"] {
        let warehouse = Warehouse::new().await;
        warehouse.january(100);
        warehouse
            .execute(&format!(
                "CREATE SCHEMA nyc_taxi;
                 CREATE TABLE nyc_taxi.green_trips (pickup_datetime {kind} NOT NULL) PARTITION BY RANGE (pickup_datetime);
                 COMMENT ON TABLE nyc_taxi.green_trips IS 'green trips, a partition a month; the ledger is the table loads'"
            ))
            .await;
        let error = warehouse.error(warehouse.load(&[]));
        assert!(error.contains("its partition key pickup_datetime has the type"), "{error}");
        assert!(error.contains("ALTER TABLE nyc_taxi.green_trips RENAME TO"), "{error}");
        warehouse.execute("ALTER TABLE nyc_taxi.green_trips RENAME TO green_trips_old").await;
        warehouse.load(&[]).exits(0);
    }
}

#[tokio::test]
async fn a_member_that_does_not_inherit_is_told_how_it_would() {
    for server in [PostgresServer::shared().await, PostgresServer::debian().await] {
        let warehouse = Warehouse::on(server).await;
        let group = warehouse.database.role("etl", "NOLOGIN").await;
        let member = warehouse.database.role("member", "NOINHERIT").await;
        let name = &warehouse.database.name;
        warehouse.january(100);
        warehouse.load(&[]).exits(0);
        warehouse
            .execute(&format!(
                "GRANT {group} TO {member}; GRANT ALL ON SCHEMA nyc_taxi TO {group}, {member};
                 GRANT ALL ON DATABASE {name} TO {group}, {member};
                 ALTER TABLE nyc_taxi.green_trips OWNER TO {group};
                 ALTER TABLE nyc_taxi.green_trips_2020_01 OWNER TO {group};
                 GRANT ALL ON nyc_taxi.loads TO {member}"
            ))
            .await;
        let url = warehouse.database.url_as(&member);
        let load = || warehouse.load(&["--force", "--database-url", &url]);
        let error = load().exits(1).first()["error"].as_str().unwrap().to_owned();
        let advice =
            error.split_once(", etl_").and_then(|(_, rest)| rest.split_once('(')).unwrap().1;
        let statement = advice.split(')').next().unwrap();
        assert!(statement.contains("INHERIT"), "{error}");
        warehouse.execute(statement).await;
        load().exits(0);
    }
}

#[tokio::test]
async fn what_is_set_on_a_partition_while_its_month_is_loaded_is_kept() {
    let warehouse = Warehouse::new().await;
    warehouse.january(200);
    warehouse.load(&[]).exits(0);
    let holder = warehouse.database.client().await;
    let lock = "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('\"nyc_taxi\".\"green_trips_2020_01\"', 0))";
    holder.batch_execute(lock).await.unwrap();
    let mut load = warehouse.begin(&["--force"]);
    super::until_locked(&warehouse.client).await;
    warehouse
        .execute(
            "ALTER TABLE nyc_taxi.green_trips_2020_01 ADD CONSTRAINT late CHECK (extra < 1000), SET (fillfactor = 71);
             CREATE INDEX late_index ON nyc_taxi.green_trips_2020_01 (fare_amount)",
        )
        .await;
    holder.batch_execute("COMMIT").await.unwrap();
    assert_eq!(load.wait().unwrap().code(), Some(0));
    let kept = "SELECT concat_ws(' ', (SELECT count(*) FROM pg_constraint WHERE conname = 'late'), reloptions::text,
                       to_regclass('nyc_taxi.late_index')) FROM pg_class WHERE oid = 'nyc_taxi.green_trips_2020_01'::regclass";
    assert_eq!(warehouse.lines(kept).await, "1 {fillfactor=71} nyc_taxi.late_index\n");
}

#[tokio::test]
async fn descriptions_of_keys_of_the_table_stay_on_a_partition() {
    for server in [PostgresServer::shared().await, PostgresServer::debian().await] {
        let warehouse = Warehouse::on(server).await;
        warehouse.january(200);
        warehouse.load(&[]).exits(0);
        warehouse
            .execute(
                "ALTER TABLE nyc_taxi.green_trips ADD id bigint DEFAULT (random() * 1e15)::bigint;
                 ALTER TABLE nyc_taxi.green_trips ADD PRIMARY KEY (id, pickup_datetime);
                 COMMENT ON CONSTRAINT green_trips_2020_01_pkey ON nyc_taxi.green_trips_2020_01 IS 'its key';
                 DO $$ DECLARE it record; BEGIN
                    FOR it IN SELECT conname FROM pg_constraint WHERE conrelid = 'nyc_taxi.green_trips_2020_01'::regclass LOOP
                        EXECUTE format('COMMENT ON CONSTRAINT %I ON nyc_taxi.green_trips_2020_01 IS %L', it.conname, 'about ' || it.conname);
                    END LOOP; END $$",
            )
            .await;
        let about = "SELECT concat_ws(' ', conname, obj_description(oid, 'pg_constraint')) FROM pg_constraint
                      WHERE conrelid = 'nyc_taxi.green_trips_2020_01'::regclass ORDER BY 1";
        let before = warehouse.lines(about).await;
        assert!(before.contains("green_trips_2020_01_pkey about"), "{before}");
        for _ in 0..2 {
            warehouse.load(&["--force"]).exits(0);
            assert_eq!(warehouse.lines(about).await, before);
        }
    }
}
