//! A good month of a table is not replaced by an almost empty one.

use super::ingest::Ingest;
use super::values::check;
use super::{Warehouse, january};

/// January 2020 of green with so many trips beside so many rows of another month.
fn mixed(trips: usize, others: usize) -> Vec<u8> {
    let header = "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,fare_amount\n";
    let trip = "2,2020-01-05 10:00:00,2020-01-05 10:20:00,9.5\n";
    let rows = trip.repeat(trips) + &trip.replace("2020-01", "2020-02").repeat(others);
    (header.to_owned() + &rows).into_bytes()
}

#[tokio::test]
async fn an_ingest_that_brings_next_to_nothing_leaves_the_month_as_it_is() {
    let ingest = Ingest::new().await;
    let good = ingest.serve(january(1000));
    ingest.run(&[]).exits(0);
    let ledger = "SELECT provenance FROM nyc_taxi.loads";
    let before: String = ingest.warehouse.value(ledger).await;

    ingest.put(mixed(3, 1000));
    let error = ingest.warehouse.error(ingest.run(&[]));
    let numbers = "green 2020-01 is refused, the stored edition stays: 1,000 of its 1,003 rows \
                   (99.7%) were set aside because of the file: pickup_outside_month 1,000 (the limit \
                   is 5%); it has 3 trips, and the stored edition has 1,000 (99.7% fewer, the \
                   limit is 10%)";
    assert!(error.starts_with(numbers), "{error}");
    assert!(error.contains("are in data/spool/refused/green/green_tripdata_2020-01."), "{error}");
    check(&ingest.warehouse, "green_trips", &good).await;
    assert_eq!(ingest.warehouse.value::<String>(ledger).await, before);
    let relations = ingest.warehouse.relations("nyc_taxi").await;
    assert!(!relations.contains("_new\n"), "{relations}");

    // Not in the lake, and yet it can be looked at.
    let args = ["quarantine", "--month", "2020-01", "--refused", "--output", "csv"];
    let csv = ingest.warehouse.taxi.run(args).exits(0).stdout;
    assert_eq!(csv.lines().count(), 1001);

    ingest.serve(january(0));
    let error = ingest.warehouse.error(ingest.run(&[]));
    assert!(error.contains("its file has no rows"), "{error}");
    check(&ingest.warehouse, "green_trips", &good).await;
    let kept = ingest.warehouse.taxi.files("data/spool/refused");
    assert_eq!(kept, ["green/green_tripdata_2020-01.json"]);

    let ran = ingest.run(&["--force"]).exits(0);
    assert!(ran.stderr.contains("accepted because of --force"), "{}", ran.stderr);
    let replaced = serde_json::json!({"rows_before": 1000, "rows_after": 0});
    assert_eq!(ran.first()["replaced"], replaced);
    assert_eq!(ingest.warehouse.taxi.files("data/spool"), Vec::<String>::new());
}

#[tokio::test]
async fn an_ingest_of_a_bad_file_brings_nothing_even_if_nothing_is_there() {
    let ingest = Ingest::new().await;
    ingest.put(mixed(700, 300));
    let error = ingest.warehouse.error(ingest.run(&[]));
    assert!(error.contains("300 of its 1,000 rows (30%) were set aside"), "{error}");
    ingest.put(mixed(0, 300));
    let error = ingest.warehouse.error(ingest.run(&[]));
    assert!(error.starts_with("none of the 300 rows"), "{error}");
    assert!(error.contains("data/spool/refused/green/"), "{error}");
    assert_eq!(ingest.warehouse.rows("loads").await, 0);
    ingest.put(mixed(1000, 20));
    assert_eq!(ingest.run(&[]).exits(0).state(), "loaded");
    assert_eq!(ingest.warehouse.taxi.files("data/spool"), Vec::<String>::new());
}

#[tokio::test]
async fn a_month_of_the_lake_with_far_fewer_trips_is_not_loaded_over_the_one_that_is_there() {
    let warehouse = Warehouse::new().await;
    warehouse.publish_into("whole", &january(1000));
    warehouse.publish_into("half", &january(500));
    warehouse.load(&["--lake", "whole"]).exits(0);
    let planned = warehouse.load(&["--lake", "half", "--dry-run"]).exits(0).json();
    assert_eq!(planned["months"][0]["steps"][0]["act"], "fail");
    let error = warehouse.error(warehouse.load(&["--lake", "half"]));
    insta::assert_snapshot!(error, @"green 2020-01 is refused, the stored edition stays: it has 500 trips, and the stored edition has 1,000 (50% fewer, the limit is 10%). Is this another month's file, or has its format changed? If it is right, accept it with --force, or change the limit with --max-shrink");
    assert_eq!(warehouse.rows("green_trips").await, 1000);
    assert_eq!(warehouse.value::<i64>("SELECT rows FROM nyc_taxi.loads").await, 1000);
    let wider = warehouse.load(&["--lake", "half", "--max-shrink", "50%"]).exits(0);
    let replaced = serde_json::json!({"rows_before": 1000, "rows_after": 500});
    assert_eq!(wider.first()["replaced"], replaced);
    warehouse.publish_into("none", &january(0));
    warehouse.error(warehouse.load(&["--lake", "none"]));
    let forced = warehouse.load(&["--lake", "none", "--force"]).exits(0);
    assert!(forced.stderr.contains("accepted because of --force"), "{}", forced.stderr);
    assert_eq!(warehouse.rows("green_trips").await, 0);
}

#[tokio::test]
async fn a_month_that_the_ledger_does_not_know_is_counted() {
    let ingest = Ingest::new().await;
    let good = ingest.serve(january(1000));
    ingest.run(&[]).exits(0);
    ingest.warehouse.client.batch_execute("DELETE FROM nyc_taxi.loads").await.unwrap();
    ingest.serve(january(500));
    let error = ingest.warehouse.error(ingest.run(&[]));
    assert!(error.contains("it has 500 trips, and the stored edition has 1,000"), "{error}");
    check(&ingest.warehouse, "green_trips", &good).await;
}

#[tokio::test]
async fn the_report_of_a_backfill_says_what_each_warehouse_replaced() {
    let warehouse = Warehouse::new().await;
    let files = warehouse.taxi.folder().join("files");
    std::fs::create_dir(&files).unwrap();
    std::fs::write(
        files.join("zones.csv"),
        "LocationID,Borough,Zone,service_zone\n1,EWR,Newark Airport,EWR\n",
    )
    .unwrap();
    let bring = |rows: u64| {
        january(rows).write(&files.join("green_tripdata_2020-01.csv"));
        let args = ["run", "etl-parent-flow", "--months", "1", "--source", "./files"];
        let rest = ["--to-warehouse", "postgres", "--zones", "./files/zones.csv"];
        warehouse.taxi.run(args.iter().chain(&rest).chain(&["--output", "json"]))
    };
    bring(1000).exits(0);
    let month = bring(990).exits(0).first();
    let replaced = serde_json::json!({"rows_before": 1000, "rows_after": 990});
    assert_eq!(month["replaced"], replaced);
    assert_eq!(month["loads"][0]["replaced"], replaced);
    assert_eq!(bring(90).exits(1).state(), "failed");
    assert_eq!(warehouse.rows("green_trips").await, 990);
}
