//! Each load is one job, under an id that is made from what it loads: found again, waited for,
//! adopted, or passed over.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use taxi_test_support::bigquery::BigQueryFault;

use super::Warehouse;

/// What a job into the month's partition sends.
const MONTH: &str = "green_trips$202001";
const NO_SUCH_JOB: (u16, &str, &str) = (404, "notFound", "Not found: Job");

impl Warehouse {
    /// The ids of the load jobs that were sent for the month, in order.
    fn sent(&self) -> Vec<String> {
        let loads = self.bigquery.loads().into_iter();
        let of_month = loads.filter(|job| job.to_string().contains(MONTH));
        of_month.map(|job| job["jobReference"]["jobId"].as_str().unwrap().to_owned()).collect()
    }

    fn forget_ledger(&self) {
        self.execute("DELETE FROM {}.loads_log WHERE true");
    }
}

fn no_such_job() -> BigQueryFault {
    let (code, reason, message) = NO_SUCH_JOB;
    BigQueryFault::error(code, reason, message)
}

#[tokio::test]
async fn a_job_that_runs_long_is_waited_for() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    let looks = "/jobs/taxi_green_2020-01";
    warehouse.bigquery.fault_of("POST", "/jobs", MONTH, BigQueryFault::Running);
    for _ in 0..4 {
        warehouse.bigquery.fault("GET", looks, BigQueryFault::Running);
    }
    let began = Instant::now();
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert!(began.elapsed() > Duration::from_millis(600), "it is asked without a pause");
    assert_eq!(warehouse.sent().len(), 1);
    // Looked for before, asked for four times while it ran; and the ledger's is looked for.
    assert_eq!(warehouse.bigquery.count("GET", looks), 6);
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
}

#[tokio::test]
async fn every_call_about_a_job_names_its_location() {
    let warehouse = Warehouse::new().await;
    warehouse.make_dataset("us-central1");
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    let looks = warehouse.bigquery.count("GET", "/jobs/");
    assert!(looks > 0);
    assert_eq!(warehouse.bigquery.count("GET", "location=us-central1"), looks);
    for job in warehouse.bigquery.loads() {
        assert_eq!(job["jobReference"]["location"], "us-central1");
    }
}

#[tokio::test]
async fn a_job_whose_answer_was_lost_is_found_and_not_begun_again() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.bigquery.fault_of("POST", "/jobs", MONTH, BigQueryFault::DropAnswer);
    let ran = warehouse.load(&[]).exits(0);
    assert_eq!(ran.state(), "loaded");
    assert!(ran.stderr.contains("trying again"), "{}", ran.stderr);
    assert_eq!(warehouse.jobs("green_trips").len(), 1);
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
    assert_eq!(warehouse.count("loads"), 1);
}

#[tokio::test]
async fn a_job_that_exists_is_adopted_where_it_did_what_is_asked() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    warehouse.forget_ledger();
    warehouse.bigquery.fault("GET", "/jobs/taxi_green_2020-01", no_such_job());
    warehouse.load(&[]).exits(0);
    let sent = warehouse.sent();
    assert_eq!(sent.len(), 2, "the second is answered 409");
    assert_eq!(sent[0], sent[1]);
    assert_eq!(warehouse.jobs("green_trips").len(), 1);
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
    assert_eq!(warehouse.count("loads"), 1);
}

#[tokio::test]
async fn a_job_that_did_something_else_is_passed_over() {
    let others: [(&str, Value); 4] = [
        ("sourceUris", json!(["gs://elsewhere/green.parquet"])),
        ("writeDisposition", json!("WRITE_APPEND")),
        ("destinationTable", json!({ "tableId": "green_trips$202002" })),
        ("schema", json!({ "fields": [{ "name": "pickup_datetime", "type": "TIMESTAMP" }] })),
    ];
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    for (round, (key, value)) in others.into_iter().enumerate() {
        warehouse.forget_ledger();
        let other = json!({ "configuration": { "load": { key: value } } });
        for attempt in 1..=round + 1 {
            let look = format!("_{attempt}?");
            warehouse.bigquery.fault("GET", &look, BigQueryFault::Patch(other.clone()));
        }
        assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded", "{key}");
        let sent = warehouse.sent();
        assert_eq!(sent.len(), round + 2, "{key}: {sent:?}");
        assert!(sent.last().unwrap().ends_with(&format!("_{}", round + 2)), "{sent:?}");
        assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
    }
}

#[tokio::test]
async fn a_job_of_that_id_that_loads_something_else_is_passed_over_on_409_too() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    let first = warehouse.sent().remove(0);
    let second = first.strip_suffix("_1").unwrap().to_owned() + "_2";
    warehouse.server.read(&format!(
        "import io\n\
         job = client.load_table_from_file(io.BytesIO(b'1\\n'), '{}.theirs', job_id='{second}',\n\
         job_config=bigquery.LoadJobConfig(schema=[bigquery.SchemaField('a', 'INT64')]))\n\
         answer = job.result().output_rows",
        warehouse.dataset
    ));
    warehouse.bigquery.fault("GET", "_2?", no_such_job());
    assert_eq!(warehouse.load(&["--force"]).exits(0).state(), "loaded");
    let sent = warehouse.sent();
    assert_eq!(sent.len(), 3, "{sent:?}");
    assert!(sent[1].ends_with("_2") && sent[2].ends_with("_3"), "{sent:?}");
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
    assert_eq!(warehouse.count("theirs"), 1);
}

#[tokio::test]
async fn an_id_that_failed_is_not_used_again() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    let fails = BigQueryFault::job_fails("invalid", "Error while reading data.");
    warehouse.bigquery.fault_of("POST", "/jobs", MONTH, fails);
    warehouse.load(&[]).exits(1);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    let sent = warehouse.sent();
    assert!(sent.len() == 2 && sent[0].ends_with("_1") && sent[1].ends_with("_2"), "{sent:?}");
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
}

#[tokio::test]
async fn a_job_that_fails_by_itself_is_done_again_by_another() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    for reason in ["backendError", "internalError", "rateLimitExceeded"] {
        let fails = BigQueryFault::job_fails(reason, "Try again later.");
        warehouse.bigquery.fault_of("POST", "/jobs", MONTH, fails);
    }
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    let sent = warehouse.sent();
    assert!(sent.len() == 4 && sent[3].ends_with("_4"), "{sent:?}");
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
    assert_eq!(warehouse.count("loads"), 1);
}

#[tokio::test]
async fn a_job_that_fails_while_it_is_waited_for_is_done_again() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    let failed = json!({ "status": { "state": "DONE",
        "errorResult": { "reason": "backendError", "message": "Backend error. Try again." },
        "errors": [{ "reason": "backendError", "message": "Backend error. Try again." }] } });
    warehouse.bigquery.fault_of("POST", "/jobs", MONTH, BigQueryFault::Running);
    warehouse.bigquery.fault("GET", "_1?", BigQueryFault::Running);
    for _ in 0..2 {
        warehouse.bigquery.fault("GET", "_1?", BigQueryFault::Patch(failed.clone()));
    }
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert!(warehouse.sent().last().unwrap().ends_with("_2"));
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
}

#[tokio::test]
async fn a_job_that_wrote_other_rows_than_the_lake_promises_fails_the_month() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    let fewer = json!({ "statistics": { "load": { "outputRows": "999" } } });
    warehouse.bigquery.fault_of("POST", "/jobs", MONTH, BigQueryFault::Patch(fewer));
    let error = warehouse.error(warehouse.load(&[]));
    insta::assert_snapshot!(error, @"green 2020-01: the lake promises 1000 rows, the load job wrote 999 and the partition has 1000: the month is not in the ledger. Load it again with --force, or bring it to the lake anew");
    let ledger = "SELECT count(*) FROM {}.INFORMATION_SCHEMA.TABLES WHERE table_name = 'loads_log'";
    if warehouse.value(ledger) == 1 {
        assert_eq!(warehouse.count("loads_log"), 0);
    }
    assert_eq!(warehouse.load(&["--force"]).exits(0).state(), "loaded");
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
}

#[tokio::test]
async fn a_month_that_is_replaced_in_the_lake_while_it_loads_is_loaded_again() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    let late = BigQueryFault::Delay(Duration::from_secs(2));
    warehouse.bigquery.fault_of("POST", "/jobs", MONTH, late);
    let run = warehouse.begin(&[]);
    crate::harness::running::until("the job", || !warehouse.sent().is_empty());
    warehouse.january(950);
    let ran = run.end();
    let again = warehouse.load(&[]).exits(0);
    assert_eq!(warehouse.partitions("green_trips"), "202001 950\n", "{}", ran.stderr);
    assert_eq!(warehouse.lines("SELECT month, rows_loaded FROM {}.loads"), "2020-01-01 950\n");
    assert_eq!(warehouse.load(&[]).exits(0).state(), "unchanged", "{}", again.stderr);
}
