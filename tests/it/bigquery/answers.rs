//! Error responses of BigQuery: retried if that can help, otherwise reported at once and
//! completely, with what to do.

use std::time::{Duration, Instant};

use taxi_test_support::bigquery::BigQueryFault;

use super::Warehouse;

const MONTH: &str = "green_trips$202001";

/// A warehouse with one month in its lake.
async fn with_month() -> Warehouse {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse
}

/// What a run says when the job's insert is answered by a fault, however often it is sent; and
/// how often it was.
fn said(warehouse: &Warehouse, fault: &BigQueryFault) -> (String, usize) {
    warehouse.bigquery.clear_log();
    warehouse.bigquery.heal();
    for _ in 0..5 {
        warehouse.bigquery.fault_of("POST", "/jobs", MONTH, fault.clone());
    }
    let error = warehouse.error(warehouse.load(&["--retries", "1"]));
    warehouse.bigquery.heal();
    let sent = warehouse.bigquery.loads();
    (error, sent.iter().filter(|job| job.to_string().contains(MONTH)).count())
}

#[tokio::test]
async fn what_cannot_pass_is_said_at_once() {
    let warehouse = with_month().await;
    let refusals = [
        (400, "invalid", "Invalid JSON payload received."),
        (401, "authError", "Request had invalid authentication credentials."),
        (
            403,
            "accessDenied",
            "Access Denied: Project local: User does not have bigquery.jobs.create permission in project local.",
        ),
        (
            403,
            "quotaExceeded",
            "Quota exceeded: Your project exceeded quota for imports per project.",
        ),
        (403, "billingNotEnabled", "Billing has not been enabled for this project."),
        (404, "notFound", "Not found: Dataset local:DATASET was not found in location EU"),
    ];
    let mut text = String::new();
    for (code, reason, message) in refusals {
        let (error, sent) = said(&warehouse, &BigQueryFault::error(code, reason, message));
        assert_eq!(sent, 1, "{error}");
        text += &(error + "\n");
    }
    insta::assert_snapshot!(text, @r"
    BigQuery, starting the job: Invalid JSON payload received (invalid)
    BigQuery, starting the job: Request had invalid authentication credentials (authError). The credentials are refused: name the key of a service account with --credentials or GOOGLE_APPLICATION_CREDENTIALS, or log in with: gcloud auth application-default login
    BigQuery, starting the job: Access Denied: Project local: User does not have bigquery.jobs.create permission in project local (accessDenied). The account needs the roles BigQuery Job User on the project, BigQuery Data Editor on the dataset, and Storage Object Viewer on the bucket
    BigQuery, starting the job: Quota exceeded: Your project exceeded quota for imports per project (quotaExceeded). A quota of the project is used up: wait until it is renewed (most are each midnight, Pacific time), or raise it: https://cloud.google.com/bigquery/quotas
    BigQuery, starting the job: Billing has not been enabled for this project (billingNotEnabled). Give the project a billing account, or stay within the sandbox: https://cloud.google.com/bigquery/docs/sandbox
    BigQuery, starting the job: Not found: Dataset local:DATASET was not found in location EU (notFound). Are --project, --dataset and --lake right, and is the dataset in the location of the bucket?
    ");
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
}

#[tokio::test]
async fn what_can_pass_is_tried_again_and_then_said() {
    let warehouse = with_month().await;
    let faults = [
        BigQueryFault::error(
            403,
            "rateLimitExceeded",
            "Exceeded rate limits: too many table update operations for this table.",
        ),
        BigQueryFault::error(429, "rateLimitExceeded", "Quota exceeded."),
        BigQueryFault::error(
            500,
            "internalError",
            "An internal error occurred and the request could not be completed.",
        ),
        BigQueryFault::error(
            503,
            "backendError",
            "Error encountered during execution. Retrying may solve the problem.",
        ),
        BigQueryFault::html(503),
        BigQueryFault::Reset,
    ];
    let mut text = String::new();
    for fault in faults {
        let (error, sent) = said(&warehouse, &fault);
        assert_eq!(sent, 2, "{error}");
        let url = warehouse.bigquery.url();
        let host = url.trim_start_matches("http://");
        text += &(error.replace(host, "EMULATOR") + "\n");
    }
    insta::assert_snapshot!(text, @r"
    BigQuery, starting the job: Exceeded rate limits: too many table update operations for this table (rateLimitExceeded)
    BigQuery, starting the job: Quota exceeded (rateLimitExceeded)
    BigQuery, starting the job: An internal error occurred and the request could not be completed (internalError)
    BigQuery, starting the job: Error encountered during execution. Retrying may solve the problem (backendError)
    BigQuery, starting the job: it answers with status 503
    BigQuery at EMULATOR, which BIGQUERY_EMULATOR_HOST names, cannot be reached, starting the job: Connection reset by peer (os error 104)
    ");
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
}

#[tokio::test]
async fn what_passes_leaves_a_whole_month() {
    let warehouse = with_month().await;
    let faults = [
        BigQueryFault::error(403, "rateLimitExceeded", "Exceeded rate limits."),
        BigQueryFault::html(503),
        BigQueryFault::error(500, "backendError", "Error encountered during execution."),
        BigQueryFault::Reset,
    ];
    for fault in faults {
        warehouse.bigquery.fault_of("POST", "/jobs", MONTH, fault);
    }
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
    assert_eq!(warehouse.jobs("green_trips").len(), 1);
}

#[tokio::test]
async fn any_call_that_fails_once_costs_nothing_but_time() {
    let calls = [
        ("GET", "/datasets/"),
        ("POST", "/datasets"),
        ("GET", "/tables/"),
        ("POST", "/tables"),
        ("GET", "/jobs/"),
        ("POST", "/jobs"),
        ("POST", "/queries"),
        ("PUT", "upload_id="),
    ];
    for fault in [BigQueryFault::html(503), BigQueryFault::Reset, BigQueryFault::DropAnswer] {
        let warehouse = with_month().await;
        for (method, part) in calls {
            warehouse.bigquery.fault(method, part, fault.clone());
        }
        let ran = warehouse.load(&["--retries", "9"]);
        assert_eq!(ran.code, Some(0), "{fault:?}: {}", ran.stderr);
        assert_eq!(ran.state(), "loaded", "{fault:?}");
        assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
        assert_eq!(warehouse.jobs("green_trips").len(), 1, "{fault:?}");
        assert_eq!((warehouse.count("loads_log"), warehouse.count("loads")), (1, 1));
    }
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_kept() {
    let warehouse = with_month().await;
    for code in [403, 429, 503] {
        let busy = BigQueryFault::error(code, "rateLimitExceeded", "Exceeded rate limits.");
        warehouse.bigquery.fault_of("POST", "/jobs", MONTH, busy.retry_after(1));
    }
    let began = Instant::now();
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn every_error_of_a_job_is_said_once() {
    let warehouse = with_month().await;
    let errors = vec![
        (
            "invalid",
            "Error while reading data, error message: Parquet table encountered too many errors, giving up.",
        ),
        (
            "invalid",
            "Error while reading data, error message: Column pickup_datetime has type INT32, which does not match the target type DATETIME.",
        ),
        ("stopped", "Job was stopped."),
    ];
    let (error, sent) = said(&warehouse, &BigQueryFault::JobFails(errors));
    assert_eq!(sent, 1);
    let id = job_id(&error);
    insta::assert_snapshot!(error.replace(&id, "ID"), @"the BigQuery job ID failed: Error while reading data, error message: Parquet table encountered too many errors, giving up (invalid); Error while reading data, error message: Column pickup_datetime has type INT32, which does not match the target type DATETIME (invalid); Job was stopped (stopped)");
}

/// The job's id in an error.
fn job_id(error: &str) -> String {
    let start = error.find("taxi_green_2020-01_").expect("it names the job");
    error[start..].split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_job_out_of_quota_is_not_tried_again() {
    let warehouse = with_month().await;
    let fault = BigQueryFault::job_fails(
        "quotaExceeded",
        "Quota exceeded: Your table exceeded quota for imports or query appends per table.",
    );
    let (error, sent) = said(&warehouse, &fault);
    assert_eq!(sent, 1);
    insta::assert_snapshot!(error.replace(&job_id(&error), "ID"), @"the BigQuery job ID failed: Quota exceeded: Your table exceeded quota for imports or query appends per table (quotaExceeded). A quota of the project is used up: wait until it is renewed (most are each midnight, Pacific time), or raise it: https://cloud.google.com/bigquery/quotas");
}

#[tokio::test]
async fn a_file_that_bigquery_cannot_read_is_said_with_its_words() {
    let warehouse = with_month().await;
    // The object goes between the look at it and the job.
    warehouse.bigquery.fault_of(
        "POST",
        "/jobs",
        MONTH,
        BigQueryFault::Delay(Duration::from_millis(1500)),
    );
    let run = warehouse.begin(&[]);
    crate::harness::running::until("the job", || !warehouse.bigquery.loads().is_empty());
    let url = format!(
        "{}/storage/v1/b/{}/o/trips%2Fgreen%2Fgreen_tripdata_2020-01.parquet",
        warehouse.gcs.url(),
        warehouse.bucket
    );
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(client.delete(url).send().await.unwrap().status().is_success());
    let ran = run.end();
    let error = warehouse.error(ran);
    assert!(error.contains("404") || error.contains("is not in the lake"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said() {
    let warehouse = with_month().await;
    let nowhere = "http://127.0.0.1:9";
    let mut command = warehouse.taxi.command(warehouse.args("green", "2020-01", "2020-01", &[]));
    command.env("BIGQUERY_EMULATOR_HOST", nowhere);
    let ran: crate::harness::taxi::Ran = command.output().unwrap().into();
    insta::assert_snapshot!(warehouse.error(ran), @"BigQuery at 127.0.0.1:9, which BIGQUERY_EMULATOR_HOST names, cannot be reached, looking for the dataset: Connection refused (os error 111)");
}
