//! Several at once: readers see whole months only, loads neither wait for each other's rows
//! nor block.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use taxi_test_support::generate::{Colour, Recipe};

use super::{Warehouse, args, january, until_locked, value};

const SEEN: &str = "SELECT count(*) || ' ' || coalesce(sum(total_amount)::numeric(12, 2), 0)
                      FROM nyc_taxi.green_trips";

/// Asks again and again until it is told to stop: all it saw, and the longest it waited.
fn watch(client: Client, stop: Arc<AtomicBool>) -> tokio::task::JoinHandle<Watched> {
    tokio::spawn(async move {
        let mut watched = Watched::default();
        while !stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            watched.seen.insert(value::<String>(&client, SEEN).await);
            watched.longest = watched.longest.max(asked.elapsed());
            watched.asked += 1;
        }
        watched
    })
}

#[derive(Default)]
struct Watched {
    seen: BTreeSet<String>,
    longest: Duration,
    asked: u32,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_whole_months_while_one_is_replaced_ten_times() {
    let warehouse = Warehouse::new().await;
    let mut months = BTreeSet::new();
    for (lake, rows) in [("one", 20_000), ("two", 18_500)] {
        warehouse.publish_into(lake, &january(rows));
        warehouse.load(&["--lake", lake]).exits(0);
        months.insert(warehouse.value::<String>(SEEN).await);
    }
    let stop = Arc::<AtomicBool>::default();
    let reader = watch(warehouse.database.client().await, Arc::clone(&stop));
    for turn in 0..10 {
        let lake = if turn % 2 == 0 { "one" } else { "two" };
        assert_eq!(warehouse.load(&["--lake", lake]).exits(0).state(), "loaded");
    }
    stop.store(true, Ordering::Relaxed);
    let watched = reader.await.unwrap();
    assert_eq!(watched.seen, months);
    assert!(watched.asked > 10, "asked only {} times", watched.asked);
}

#[tokio::test]
async fn a_reader_with_an_old_snapshot_sees_a_whole_month_too() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    let reader = warehouse.database.client().await;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
    warehouse.january(2000);
    warehouse.load(&[]).exits(0);
    let rows = value::<i64>(&reader, "SELECT count(*) FROM nyc_taxi.green_trips").await;
    assert!([1000, 2000].contains(&rows), "{rows} rows are neither month");
}

#[tokio::test]
async fn two_programs_load_the_same_month_at_once() {
    let warehouse = Warehouse::new().await;
    warehouse.january(20_000);
    let start = |more| warehouse.taxi.command(args("green", "2020-01", "2020-01", more)).spawn();
    for (more, expected) in [(&[][..], ["loaded", "unchanged"]), (&["--force"], ["loaded"; 2])] {
        let children = [start(more).unwrap(), start(more).unwrap()];
        let mut states = children.map(|child| {
            let ran: crate::harness::taxi::Ran = child.wait_with_output().unwrap().into();
            ran.exits(0).state()
        });
        states.sort();
        assert_eq!(states, expected);
        assert_eq!(warehouse.rows("green_trips").await, 20_000);
        assert_eq!(warehouse.rows("loads").await, 1);
    }
    assert_eq!(deadlocks(&warehouse).await, 0);
}

#[tokio::test]
async fn a_month_that_others_replace_meanwhile_is_not_taken_for_somebody_else_s() {
    let warehouse = Warehouse::new().await;
    warehouse.january(10);
    // The first load makes the table and its partition while the others look for them.
    for _ in 0..4 {
        let start = || {
            warehouse
                .taxi
                .command(args("green", "2020-01", "2020-01", &["--force"]))
                .spawn()
                .unwrap()
        };
        let children: Vec<_> = (0..8).map(|_| start()).collect();
        for child in children {
            let ran: crate::harness::taxi::Ran = child.wait_with_output().unwrap().into();
            assert_eq!(ran.exits(0).state(), "loaded");
        }
        let sql = "DROP TABLE nyc_taxi.green_trips CASCADE; DELETE FROM nyc_taxi.loads";
        warehouse.database.client().await.batch_execute(sql).await.unwrap();
    }
}

#[tokio::test]
async fn two_programs_load_eight_months_at_once_with_four_jobs_each() {
    let warehouse = Warehouse::new().await;
    for month in 1..=8 {
        warehouse.publish(&Recipe::new(Colour::Green, 2020, month).rows(5000));
    }
    let more = ["--jobs", "4", "--force"];
    let start = || warehouse.taxi.command(args("green", "2020-01", "2020-08", &more)).spawn();
    let children = [start().unwrap(), start().unwrap()];
    for child in children {
        let ran: crate::harness::taxi::Ran = child.wait_with_output().unwrap().into();
        let ran = ran.exits(0);
        assert!(!ran.stderr.contains("trying again"), "{}", ran.stderr);
        let months = ran.json()["months"].as_array().unwrap().clone();
        let states: Vec<_> = months.iter().map(|month| &month["state"]).collect();
        assert_eq!(states, ["loaded"; 8], "{}", ran.stdout);
    }
    let by_month = "SELECT string_agg(rows::text, ' ') FROM (SELECT count(*) AS rows
                      FROM nyc_taxi.green_trips GROUP BY date_trunc('month', pickup_datetime)) m";
    assert_eq!(warehouse.value::<String>(by_month).await, ["5000"; 8].join(" "));
    assert_eq!(warehouse.rows("loads").await, 8);
    assert_eq!(deadlocks(&warehouse).await, 0);
    let kept = warehouse.relations("nyc_taxi").await;
    assert_eq!(kept.lines().filter(|line| line.starts_with("r ")).count(), 9, "{kept}");
}

async fn deadlocks(warehouse: &Warehouse) -> i64 {
    let sql = "SELECT pg_stat_clear_snapshot()::text || deadlocks FROM pg_stat_database
                WHERE datname = current_database()";
    warehouse.value::<String>(sql).await.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_waits_for_an_open_transaction_and_lets_other_readers_pass() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    let holder = warehouse.database.client().await;
    holder.batch_execute("BEGIN; SELECT count(*) FROM nyc_taxi.green_trips").await.unwrap();
    let stop = Arc::<AtomicBool>::default();
    let reader = watch(warehouse.database.client().await, Arc::clone(&stop));
    warehouse.january(2000);
    let mut load = warehouse.begin(&[]);
    until_locked(&warehouse.client).await;
    // Long enough for it to let readers pass, again and again.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(load.try_wait().unwrap().is_none(), "the load did not wait");
    assert_eq!(value::<i64>(&holder, "SELECT count(*) FROM nyc_taxi.green_trips").await, 1000);
    holder.batch_execute("COMMIT").await.unwrap();
    assert_eq!(load.wait().unwrap().code(), Some(0));
    stop.store(true, Ordering::Relaxed);
    let watched = reader.await.unwrap();
    // For less than the transaction was open.
    assert!(watched.longest < Duration::from_secs(4), "a reader waited {:?}", watched.longest);
    assert!(watched.asked > 10, "other readers asked only {} times", watched.asked);
    assert_eq!(warehouse.rows("green_trips").await, 2000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_from_the_month_to_the_table_is_not_broken_off() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    let reader = warehouse.database.client().await;
    reader.batch_execute("BEGIN; SELECT FROM nyc_taxi.green_trips_2020_01 LIMIT 1").await.unwrap();
    let load = warehouse.taxi.command(args("green", "2020-01", "2020-01", &["--force"])).spawn();
    until_locked(&warehouse.client).await;
    assert_eq!(value::<i64>(&reader, "SELECT count(*) FROM nyc_taxi.green_trips").await, 1000);
    reader.batch_execute("COMMIT").await.unwrap();
    let ran: crate::harness::taxi::Ran = load.unwrap().wait_with_output().unwrap().into();
    let ran = ran.exits(0);
    assert!(!ran.stderr.contains("trying again"), "{}", ran.stderr);
    assert_eq!(deadlocks(&warehouse).await, 0);
}
