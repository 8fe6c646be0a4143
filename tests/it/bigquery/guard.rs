//! A good month of a table is not replaced by an almost empty one.

use taxi_test_support::bigquery::BigQueryFault;

use super::Warehouse;

#[tokio::test]
async fn a_month_of_the_lake_with_far_fewer_trips_is_not_loaded_over_the_one_that_is_there() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    warehouse.publish_by(&super::january(500), &["--force"]);
    let jobs = warehouse.jobs("green_trips").len();
    let error = warehouse.error(warehouse.load(&[]));
    insta::assert_snapshot!(error, @"green 2020-01 is refused, the stored edition stays: it has 500 trips, and the stored edition has 1,000 (50% fewer, the limit is 10%). Is this another month's file, or has its format changed? If it is right, accept it with --force, or change the limit with --max-shrink");
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
    assert_eq!(warehouse.lines("SELECT rows_loaded FROM {}.loads"), "1000\n");
    assert_eq!(warehouse.jobs("green_trips").len(), jobs);
    let ran = warehouse.load(&["--force"]).exits(0);
    assert!(ran.stderr.contains("accepted because of --force"), "{}", ran.stderr);
    let replaced = serde_json::json!({"rows_before": 1000, "rows_after": 500});
    assert_eq!(ran.first()["replaced"], replaced);
    assert_eq!(warehouse.partitions("green_trips"), "202001 500\n");
}

#[tokio::test]
async fn what_is_there_counts_even_if_a_killed_run_left_the_ledger_unsure() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    warehouse.publish_by(&super::january(100), &["--force"]);
    // The row that says so is written, the job never begins.
    warehouse.bigquery.fault_of("POST", "/jobs", "green_trips$202001", BigQueryFault::Stall);
    let run = warehouse.begin(&["--force"]);
    crate::harness::running::until("the row", || warehouse.count("loads_log") == 2);
    run.kill();
    let error = warehouse.error(warehouse.load(&[]));
    assert!(error.contains("it has 100 trips, and the stored edition has 1,000"), "{error}");
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
    warehouse.load(&["--force"]).exits(0);
    assert_eq!(warehouse.partitions("green_trips"), "202001 100\n");
}
