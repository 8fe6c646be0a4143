//! Killed at any point, run again: one job, one month.

use std::time::{Duration, Instant};

use crate::harness::running::until;
use taxi_test_support::bigquery::BigQueryFault;

use super::{Warehouse, january};

const MONTH: &str = "green_trips$202001";
const LOOKS: &str = "/jobs/taxi_green_2020-01";

impl Warehouse {
    /// Checks that a rerun finds the job and makes the month and its ledger whole.
    fn assert_goes_on(&self, jobs: usize) {
        self.bigquery.heal();
        self.load(&[]).exits(0);
        assert_eq!(self.jobs("green_trips").len(), jobs);
        assert_eq!(self.partitions("green_trips"), "202001 1000\n");
        assert_eq!(self.lines("SELECT month, rows_loaded FROM {}.loads"), "2020-01-01 1000\n");
        assert_eq!(self.load(&[]).exits(0).state(), "unchanged");
    }
}

#[tokio::test]
async fn a_run_killed_after_its_job_was_accepted_finds_it_again() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.bigquery.fault_of("POST", "/jobs", MONTH, BigQueryFault::StallAnswer);
    let run = warehouse.begin(&[]);
    until("a job at the server", || !warehouse.jobs("green_trips").is_empty());
    run.kill();
    warehouse.assert_goes_on(1);
}

#[tokio::test]
async fn a_run_killed_while_its_job_runs_waits_for_it_in_the_next() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.bigquery.fault_of("POST", "/jobs", MONTH, BigQueryFault::Running);
    warehouse.bigquery.always("GET", LOOKS, BigQueryFault::Running);
    let run = warehouse.begin(&[]);
    until("three looks", || warehouse.bigquery.count("GET", LOOKS) > 3);
    run.kill();
    // It runs still, for a while.
    warehouse.bigquery.heal();
    for _ in 0..2 {
        warehouse.bigquery.fault("GET", LOOKS, BigQueryFault::Running);
    }
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    warehouse.assert_goes_on(1);
}

#[tokio::test]
async fn a_run_killed_before_the_ledger_knows_writes_it_in_the_next() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.bigquery.fault_of("POST", "/jobs", "loads_log", BigQueryFault::Stall);
    let run = warehouse.begin(&[]);
    until("the ledger's job", || {
        warehouse.bigquery.loads().iter().any(|job| job.to_string().contains("loads_log"))
    });
    run.kill();
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
    warehouse.assert_goes_on(1);
}

#[tokio::test]
async fn what_a_killed_run_loaded_is_not_taken_for_what_it_replaced() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    let sum = "SELECT CAST(SUM(total_amount * 100) AS INT64) FROM {}.green_trips";
    let first = warehouse.value(sum);

    // As many trips, and others.
    warehouse.publish(&january(1000).seed(7));
    let row = r#""action":"loaded""#;
    warehouse.bigquery.fault_of("PUT", "upload_id=", row, BigQueryFault::Stall);
    warehouse.bigquery.clear_log();
    let run = warehouse.begin(&[]);
    until("the ledger's second row", || warehouse.bigquery.count("PUT", "upload_id=") == 2);
    run.kill();
    assert_ne!(warehouse.value(sum), first);
    assert_eq!(warehouse.count("loads"), 1);

    warehouse.january(1000);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.value(sum), first);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "unchanged");
}

#[tokio::test]
async fn a_run_killed_after_the_ledger_was_written_writes_no_second_line() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.bigquery.fault_of("POST", "/jobs", "loads_log", BigQueryFault::Running);
    warehouse.bigquery.fault("PUT", "upload_id=", BigQueryFault::StallAnswer);
    let run = warehouse.begin(&[]);
    until("the ledger's job", || !warehouse.jobs("loads_log").is_empty());
    run.kill();
    warehouse.assert_goes_on(1);
    assert_eq!(warehouse.count("loads_log"), 1);
}

#[tokio::test]
async fn a_load_killed_at_any_moment_is_whole_after_the_next() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    let began = Instant::now();
    warehouse.load(&[]).exits(0);
    let long = began.elapsed();
    for turn in 0..6 {
        let rows = if turn % 2 == 0 { 950 } else { 1000 };
        warehouse.january(rows);
        let run = warehouse.begin(&[]);
        tokio::time::sleep(long * turn / 6).await;
        run.kill();
        warehouse.load(&[]).exits(0);
        assert_eq!(warehouse.partitions("green_trips"), format!("202001 {rows}\n"));
        let ledger = warehouse.lines("SELECT rows_loaded FROM {}.loads");
        assert_eq!(ledger, format!("{rows}\n"), "turn {turn}");
    }
}

#[tokio::test]
async fn an_interrupted_load_ends_soon_and_its_job_is_found_again() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.bigquery.fault_of("POST", "/jobs", MONTH, BigQueryFault::Running);
    warehouse.bigquery.always("GET", LOOKS, BigQueryFault::Running);
    let run = warehouse.begin(&[]);
    until("two looks", || warehouse.bigquery.count("GET", LOOKS) > 2);
    let asked = Instant::now();
    run.terminate();
    let ran = run.end().exits(130);
    // Sooner than the end of the longest wait between two looks.
    assert!(asked.elapsed() < Duration::from_secs(7), "{}", ran.stderr);
    warehouse.assert_goes_on(1);
}
