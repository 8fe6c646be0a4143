//! What a load waits for, and how long.

use std::time::Duration;

use super::{Warehouse, args};
use crate::harness::taxi::Ran;

/// The month's own lock, held by a session of another program.
const MONTH: &str = "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('\"nyc_taxi\".\"green_trips_2020_01\"', 0))";

async fn held_by(warehouse: &Warehouse, sql: &str) -> tokio_postgres::Client {
    let client = warehouse.database.client().await;
    client.batch_execute("SET application_name = 'holder'").await.unwrap();
    client.batch_execute(sql).await.unwrap();
    client
}

#[tokio::test]
async fn a_load_that_waits_says_for_whom_and_goes_on_when_they_are_done() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    for (sql, what) in [
        (MONTH, "another load or drop, held by process"),
        ("BEGIN; SELECT FROM nyc_taxi.green_trips LIMIT 1", "green_trips\", held by process"),
    ] {
        let holder = held_by(&warehouse, sql).await;
        let mut command = warehouse.taxi.command(args("green", "2020-01", "2020-01", &["--force"]));
        let mut load = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut lines = std::io::BufReader::new(load.stderr.take().unwrap());
        while !said.contains(what) {
            let read = std::io::BufRead::read_line(&mut lines, &mut said).unwrap();
            assert!(read > 0, "the load has ended: {said}");
        }
        assert!(said.contains("(holder, role postgres, since "), "{said}");
        holder.batch_execute("COMMIT").await.unwrap();
        assert_eq!(load.wait().unwrap().code(), Some(0));
    }
}

#[tokio::test]
async fn every_wait_has_a_limit_that_the_connection_may_set() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    let url = warehouse.database.url() + "?options=-c%20lock_timeout%3D5s";
    let load = || warehouse.load(&["--force", "--database-url", &url]);
    let holder = held_by(&warehouse, MONTH).await;
    let error = warehouse.error(load());
    assert!(error.contains("waiting for another load of the month"), "{error}");
    assert!(error.contains("(holder, role postgres, since "), "{error}");
    assert!(error.contains("lock_timeout"), "{error}");
    holder.batch_execute("ROLLBACK").await.unwrap();
    let holder = held_by(&warehouse, "BEGIN; SELECT FROM nyc_taxi.green_trips LIMIT 1").await;
    let error = warehouse.error(load());
    assert!(error.contains("nyc_taxi.green_trips was in use for "), "{error}");
    assert!(error.contains("(holder, role postgres, since "), "{error}");
    holder.batch_execute("ROLLBACK").await.unwrap();
    load().exits(0);
}

#[tokio::test]
async fn a_loader_that_is_killed_leaves_no_lock() {
    let warehouse = Warehouse::new().await;
    warehouse.january(200_000);
    let mut load = warehouse.begin(&[]);
    let locks = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
                  WHERE locktype = 'advisory' AND datname = current_database()";
    while warehouse.value::<i64>(locks).await == 0 {
        assert!(load.try_wait().unwrap().is_none(), "the load has ended");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    load.kill().unwrap();
    load.wait().unwrap();
    warehouse.quiet().await;
    assert_eq!(warehouse.value::<i64>(locks).await, 0);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
}

#[tokio::test]
async fn the_last_word_of_a_server_that_ends_a_session_is_told() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    // The session is ended while it holds the month and does nothing: in the swap.
    let holder = held_by(&warehouse, "BEGIN; SELECT FROM nyc_taxi.green_trips LIMIT 1").await;
    let mut command = warehouse.taxi.command(args("green", "2020-01", "2020-01", &["--force"]));
    let load = command
        .env("TAXI_RETRIES", "0")
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'taxi'
                  AND state = 'idle in transaction' AND query LIKE 'SELECT DISTINCT concat%'";
    while warehouse.value::<i64>(end).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ran: Ran = load.wait_with_output().unwrap().into();
    let error = warehouse.error(ran);
    assert!(error.contains("terminating connection due to administrator command"), "{error}");
    drop(holder);
}
