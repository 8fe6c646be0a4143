//! Killed at any point, run again, same result.

use std::time::{Duration, Instant};

use super::{Warehouse, january};

const KEPT: &str = "I green_trips_pickup_datetime_idx
i green_trips_2020_01_pickup_datetime_idx
i loads_pkey
p green_trips
r green_trips_2020_01
r loads
v trips
";

const ROWS: [u64; 2] = [33_000, 30_000];

/// A month loaded once, two editions of it in two lakes, and how long a load takes.
async fn loaded() -> (Warehouse, Duration) {
    let warehouse = Warehouse::new().await;
    for (lake, rows) in [("0", ROWS[0]), ("1", ROWS[1])] {
        warehouse.publish_into(lake, &january(rows));
    }
    warehouse.load(&["--lake", "1"]).exits(0);
    let began = Instant::now();
    warehouse.load(&["--lake", "0"]).exits(0);
    (warehouse, began.elapsed())
}

/// The table has a whole month, and the ledger says which.
async fn check(warehouse: &Warehouse) {
    let rows = warehouse.rows("green_trips").await as u64;
    assert!(ROWS.contains(&rows), "{rows} rows are neither month");
    let ledger = "SELECT rows FROM nyc_taxi.loads";
    assert_eq!(warehouse.value::<i64>(ledger).await as u64, rows);
}

/// No table, index or view but those that belong there.
async fn check_nothing_left(warehouse: &Warehouse) {
    let unnumbered = warehouse.relations("nyc_taxi").await;
    let indexes = |line: &str| line.replace("_new_pickup", "_pickup").replace("_idx1", "_idx");
    let found: String = unnumbered.lines().map(|line| indexes(line) + "\n").collect();
    assert_eq!(found, KEPT);
}

#[tokio::test]
async fn a_load_killed_at_any_moment_leaves_the_old_month_or_the_new() {
    let (warehouse, long) = loaded().await;
    for turn in 0..20 {
        let lake = if turn % 2 == 0 { "1" } else { "0" };
        let mut load = warehouse.begin(&["--lake", lake, "--force"]);
        tokio::time::sleep(long * turn / 20).await;
        load.kill().unwrap();
        load.wait().unwrap();
        warehouse.quiet().await;
        check(&warehouse).await;
    }
    warehouse.load(&["--lake", "1"]).exits(0);
    assert_eq!(warehouse.rows("green_trips").await as u64, ROWS[1]);
    check(&warehouse).await;
    check_nothing_left(&warehouse).await;
}

#[tokio::test]
async fn a_load_whose_server_process_is_ended_at_any_moment_is_done_again() {
    let (warehouse, long) = loaded().await;
    let mut ended = 0;
    for turn in 0..10 {
        let (lake, rows) = if turn % 2 == 0 { ("1", ROWS[1]) } else { ("0", ROWS[0]) };
        let mut load = warehouse.begin(&["--lake", lake]);
        tokio::time::sleep(long * turn / 10).await;
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'taxi'";
        ended += warehouse.value::<i64>(end).await;
        check(&warehouse).await;
        assert_eq!(load.wait().unwrap().code(), Some(0), "turn {turn}");
        assert_eq!(warehouse.rows("green_trips").await as u64, rows);
        check(&warehouse).await;
    }
    assert!(ended > 4, "only {ended} were there to end");
    check_nothing_left(&warehouse).await;
}

#[tokio::test]
async fn an_interrupted_load_ends_soon_and_changes_nothing() {
    let (warehouse, long) = loaded().await;
    let load = warehouse.begin(&["--lake", "1"]);
    tokio::time::sleep(long / 2).await;
    taxi_test_support::postgres::kill("-INT", &load.id().to_string());
    let code = load.wait_with_output().unwrap().status.code();
    assert!(matches!(code, Some(0 | 130)), "{code:?}");
    warehouse.quiet().await;
    check(&warehouse).await;
    check_nothing_left(&warehouse).await;
}
