//! What goes wrong with the server: a clear error each, and nothing left behind.

use std::time::Duration;

use taxi_test_support::postgres::PostgresServer;

use super::{Warehouse, january};

#[tokio::test]
async fn with_no_database_named_the_error_shows_how_to_get_one() {
    let warehouse = Warehouse::new().await;
    let mut command = warehouse.taxi.command(super::args("green", "2020-01", "2020-01", &[]));
    let ran: crate::harness::taxi::Ran =
        command.env_remove("DATABASE_URL").output().unwrap().into();
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    insta::assert_snapshot!(ran.stderr, @"error: no Postgres is named: set DATABASE_URL=postgres://user:password@host/database, or PGHOST, PGPORT, PGUSER and PGDATABASE. To start a local server: make postgres (or: docker run --rm -d -p 5432:5432 -e POSTGRES_PASSWORD=taxi postgres)");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    let url = warehouse.database.url() + "_no";
    insta::assert_snapshot!(warehouse.error(warehouse.load(&["--database-url", &url])), @r#"cannot connect to Postgres at 127.0.0.1:PORT/DATABASE_no: database "DATABASE_no" does not exist"#);
}

#[tokio::test]
async fn a_server_that_does_not_listen_is_named_after_some_tries() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    let ran = warehouse.load(&["--database-url", "postgres://postgres@127.0.0.1:1/trips"]);
    assert_eq!(ran.stderr.matches("trying again").count(), 4, "{}", ran.stderr);
    insta::assert_snapshot!(warehouse.error(ran), @"cannot connect to Postgres at 127.0.0.1:1/trips: Connection refused (os error 111)");
}

#[tokio::test]
async fn a_role_that_may_only_read_is_told_what_it_needs() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    let poor = warehouse.database.role("poor", "").await;
    let url = warehouse.database.url_as(&poor);
    let load = |more: &[&str]| warehouse.load(&[&["--database-url", &*url], more].concat());
    let no_schema = warehouse.error(load(&[]));
    warehouse.load(&[]).exits(0);
    let grant = format!(
        "GRANT USAGE ON SCHEMA nyc_taxi TO {poor};
         GRANT SELECT ON ALL TABLES IN SCHEMA nyc_taxi TO {poor}"
    );
    warehouse.client.batch_execute(&grant).await.unwrap();
    assert_eq!(load(&[]).exits(0).state(), "unchanged");
    let no_create = warehouse.error(load(&["--force"]));
    let read_only = format!("ALTER ROLE {poor} SET default_transaction_read_only = on");
    warehouse.client.batch_execute(&read_only).await.unwrap();
    let read_only = warehouse.error(load(&["--force"]));
    insta::assert_snapshot!([no_schema, no_create, read_only].join("\n"), @r"
    the role poor_DATABASE may not do this in the schema nyc_taxi: it needs CREATE on the database DATABASE, since there is no schema nyc_taxi (GRANT CREATE ON DATABASE DATABASE TO poor_DATABASE, or CREATE SCHEMA nyc_taxi AUTHORIZATION poor_DATABASE)
    the role poor_DATABASE may not do this in the schema nyc_taxi: it needs CREATE on the schema nyc_taxi (GRANT CREATE ON SCHEMA nyc_taxi TO poor_DATABASE); the rights of the owner of nyc_taxi.green_trips, postgres (ALTER TABLE nyc_taxi.green_trips OWNER TO poor_DATABASE); the rights of the owner of nyc_taxi.green_trips_2020_01, postgres (ALTER TABLE nyc_taxi.green_trips_2020_01 OWNER TO poor_DATABASE); INSERT, UPDATE on nyc_taxi.loads (GRANT INSERT, UPDATE ON nyc_taxi.loads TO poor_DATABASE)
    the role poor_DATABASE may not do this in the schema nyc_taxi: it needs CREATE on the schema nyc_taxi (GRANT CREATE ON SCHEMA nyc_taxi TO poor_DATABASE); the rights of the owner of nyc_taxi.green_trips, postgres (ALTER TABLE nyc_taxi.green_trips OWNER TO poor_DATABASE); the rights of the owner of nyc_taxi.green_trips_2020_01, postgres (ALTER TABLE nyc_taxi.green_trips_2020_01 OWNER TO poor_DATABASE); INSERT, UPDATE on nyc_taxi.loads (GRANT INSERT, UPDATE ON nyc_taxi.loads TO poor_DATABASE)
    ");
    assert_eq!(warehouse.rows("green_trips").await, 100);
}

#[tokio::test]
async fn a_server_with_no_room_is_told_of_and_nothing_is_loaded() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    warehouse.january(200);
    // The server refuses to write the rows, as it does when its disk is full.
    warehouse
        .client
        .batch_execute(
            "CREATE FUNCTION full_disk() RETURNS event_trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
             CREATE EVENT TRIGGER full_disk ON ddl_command_end WHEN TAG IN ('CREATE INDEX')
                    EXECUTE FUNCTION full_disk()",
        )
        .await
        .unwrap();
    insta::assert_snapshot!(warehouse.error(warehouse.load(&[])), @"Postgres, making the month's indexes: could not extend file. The server's disk is full: nothing was loaded");
    assert_eq!(warehouse.rows("green_trips").await, 100);
    warehouse.client.batch_execute("DROP EVENT TRIGGER full_disk").await.unwrap();
    warehouse.load(&[]).exits(0);
    assert_eq!(warehouse.rows("green_trips").await, 200);
}

#[tokio::test]
async fn rows_that_the_server_does_not_count_as_the_lake_does_are_not_loaded() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    warehouse.january(200);
    // A trigger on every new table that swallows a row.
    warehouse
        .client
        .batch_execute(
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RETURN CASE WHEN random() < 0.1 THEN NULL ELSE NEW END; END $$;
             CREATE FUNCTION set_trap() RETURNS event_trigger LANGUAGE plpgsql AS $$
             BEGIN EXECUTE 'CREATE TRIGGER t BEFORE INSERT ON nyc_taxi.green_trips_2020_01_new
                            FOR EACH ROW EXECUTE FUNCTION public.swallow()'; END $$;
             CREATE EVENT TRIGGER trap ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
                    EXECUTE FUNCTION set_trap()",
        )
        .await
        .unwrap();
    let error = warehouse.error(warehouse.load(&[]));
    assert!(error.contains("and the lake 200: nothing was loaded"), "{error}");
    assert_eq!(warehouse.rows("green_trips").await, 100);
    assert_eq!(warehouse.value::<i64>("SELECT rows FROM nyc_taxi.loads").await, 100);
}

#[tokio::test]
async fn a_server_stopped_or_killed_in_the_middle_of_a_copy_keeps_the_old_month() {
    let mut server = PostgresServer::start().await;
    for stop in [PostgresServer::stop, PostgresServer::kill] {
        let mut warehouse = Warehouse::on(&server).await;
        warehouse.january(100);
        warehouse.load(&[]).exits(0);
        warehouse.publish(&january(400_000));
        let mut command = warehouse.taxi.command(super::args("green", "2020-01", "2020-01", &[]));
        let mut load = command.spawn().unwrap();
        let copying = "SELECT count(*) FROM pg_stat_progress_copy WHERE bytes_processed > 0";
        while warehouse.value::<i64>(copying).await == 0 {
            assert!(load.try_wait().unwrap().is_none(), "the load has ended");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop(&server);
        let ran: crate::harness::taxi::Ran = load.wait_with_output().unwrap().into();
        let first = ran.stderr.lines().find(|line| line.contains("trying again")).unwrap();
        assert!(first.contains("write-postgres: Postgres, "), "{first}");
        let error = warehouse.error(ran);
        assert!(error.starts_with("cannot connect to Postgres at 127.0.0.1:PORT/"), "{error}");
        server.start_again().await;
        warehouse.client = warehouse.database.client().await;
        assert_eq!(warehouse.rows("green_trips").await, 100);
        assert!(!warehouse.relations("nyc_taxi").await.contains("_new\n"));
        warehouse.load(&[]).exits(0);
        assert_eq!(warehouse.rows("green_trips").await, 400_000);
    }
}
