//! pgbouncer before the server.

use taxi_test_support::postgres::{PgBouncer, PostgresServer};

use super::Warehouse;

/// Its URL of the warehouse's database.
fn through(bouncer: &PgBouncer, warehouse: &Warehouse) -> String {
    format!("postgres://postgres@127.0.0.1:{}/{}", bouncer.port(), warehouse.database.name)
}

#[tokio::test]
async fn a_pooler_that_changes_sessions_is_refused_and_leaves_nothing_behind() {
    let server = PostgresServer::shared().await;
    for settings in [
        "pool_mode = transaction",
        "pool_mode = statement",
        "pool_mode = statement\nserver_round_robin = 1\nmin_pool_size = 3",
        "pool_mode = transaction\ndefault_pool_size = 1",
        "pool_mode = transaction\nserver_round_robin = 1\nmin_pool_size = 3",
    ] {
        let warehouse = Warehouse::new().await;
        warehouse.january(100);
        let bouncer = PgBouncer::start(server.port(), settings).await;
        let url = through(&bouncer, &warehouse);
        let error = warehouse.error(warehouse.load(&["--database-url", &url]));
        assert!(error.contains("pool_mode=session"), "{settings}: {error}");
        let mut test = warehouse.taxi.command(["connections", "test"]);
        let tested: crate::harness::taxi::Ran =
            test.env("DATABASE_URL", &url).output().unwrap().into();
        assert!(tested.exits(1).stdout.contains("pool_mode=session"), "{settings}");
        let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
                        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        assert_eq!(warehouse.value::<i64>(locks).await, 0);
        // Whoever gets the pooler's sessions next finds them as they were.
        let next = format!("host=127.0.0.1 port={} user=postgres", bouncer.port());
        let config: tokio_postgres::Config = next.parse().unwrap();
        let mut config = config;
        config.dbname(&warehouse.database.name);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let path = client.simple_query("SHOW search_path").await.unwrap();
        let path = path.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        assert_eq!(path.as_deref(), Some("\"$user\", public"), "{settings}");
        assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    }
}

#[tokio::test]
async fn a_pooler_that_keeps_sessions_is_worked_through() {
    let server = PostgresServer::shared().await;
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    for settings in [
        "pool_mode = session",
        "pool_mode = session\ndefault_pool_size = 1",
        // The second session is refused before it is given up.
        "pool_mode = session\ndefault_pool_size = 1\nquery_wait_timeout = 1",
    ] {
        let bouncer = PgBouncer::start(server.port(), settings).await;
        let url = through(&bouncer, &warehouse);
        let load = |more: &[&str]| {
            let more = [&["--database-url", &*url], more].concat();
            warehouse.load(&more).exits(0).state()
        };
        assert_eq!(load(&["--force"]), "loaded");
        assert_eq!(load(&[]), "unchanged");
        let mut test = warehouse.taxi.command(["connections", "test"]);
        let tested: crate::harness::taxi::Ran =
            test.env("DATABASE_URL", &url).output().unwrap().into();
        assert!(tested.exits(0).stdout.contains("may make tables"));
        assert_eq!(warehouse.rows("green_trips").await, 100);
    }
}
