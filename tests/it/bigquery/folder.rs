//! A lake that is a folder: the job is sent together with its file.

use crate::harness::running::{LARGE, until};
use taxi_test_support::bigquery::BigQueryFault;

use super::{Warehouse, states};

const STARTS: &str = "uploadType=resumable";
const MONTH: &str = "green_trips$202001";

#[tokio::test]
async fn a_month_of_a_folder_is_uploaded_and_replaced_like_any_other() {
    let warehouse = Warehouse::with_folder().await;
    warehouse.january(2000);
    warehouse.green([2]);
    let run = |more: &[&str]| states(&warehouse.run("green", "2020-01", "2020-02", more).exits(0));
    assert_eq!(run(&[]), ["loaded", "loaded"]);
    assert_eq!(run(&[]), ["unchanged", "unchanged"]);
    assert_eq!(run(&["--force"]), ["loaded", "loaded"]);
    warehouse.january(1900);
    assert_eq!(run(&[]), ["loaded", "unchanged"]);
    assert_eq!(warehouse.partitions("green_trips"), "202001 1900\n202002 1000\n");
    assert_eq!(warehouse.count("loads"), 2);
    let job = warehouse.bigquery.loads().remove(0);
    assert!(job["configuration"]["load"].get("sourceUris").is_none(), "{job}");
}

#[tokio::test]
async fn an_upload_that_breaks_off_goes_on_where_it_was() {
    let warehouse = Warehouse::with_folder().await;
    std::fs::create_dir(warehouse.taxi.folder().join("files")).unwrap();
    let file = warehouse.taxi.folder().join("files/yellow_tripdata_2010-01.csv.gz");
    std::fs::write(file, &LARGE.bytes).unwrap();
    let published = warehouse.taxi.month("yellow", "2010-01", "./files").exits(0).first();
    let load = || warehouse.run("yellow", "2010-01", "2010-01", &["--force"]).exits(0);
    load();
    let whole = warehouse.bigquery.count("PUT", "upload_id=");
    assert!(whole > 2, "the month is sent in several parts");
    for (round, fault) in [
        BigQueryFault::PartArrives { bytes: 3 << 20, breaks: true },
        BigQueryFault::PartArrives { bytes: 3 << 20, breaks: false },
        BigQueryFault::Reset,
        BigQueryFault::html(503),
        BigQueryFault::DropAnswer,
    ]
    .into_iter()
    .enumerate()
    {
        for _ in 0..2 {
            warehouse.bigquery.fault("PUT", "upload_id=", fault.clone());
        }
        assert_eq!(load().state(), "loaded", "{fault:?}");
        assert_eq!(warehouse.count("yellow_trips"), published["rows_kept"], "{fault:?}");
        assert_eq!(warehouse.jobs("yellow_trips").len(), round + 2, "{fault:?}");
        let sent = warehouse.bigquery.loads();
        let starts = sent.iter().filter(|job| job.to_string().contains("yellow_trips$")).count();
        assert_eq!(starts, round + 2, "{fault:?} begins anew");
    }
}

#[tokio::test]
async fn an_upload_whose_last_answer_was_lost_makes_one_job() {
    let warehouse = Warehouse::with_folder().await;
    warehouse.january(1000);
    warehouse.bigquery.fault("PUT", "upload_id=", BigQueryFault::DropAnswer);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.jobs("green_trips").len(), 1);
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
}

#[tokio::test]
async fn an_upload_that_the_server_forgot_begins_anew() {
    for code in [404, 410] {
        let warehouse = Warehouse::with_folder().await;
        warehouse.january(1000);
        let gone = BigQueryFault::error(code, "notFound", "Not found: Upload");
        warehouse.bigquery.fault("PUT", "upload_id=", gone);
        assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
        assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
        assert_eq!(warehouse.jobs("green_trips").len(), 1);
    }
}

#[tokio::test]
async fn an_upload_killed_in_its_midst_is_done_by_the_next_run() {
    let warehouse = Warehouse::with_folder().await;
    warehouse.january(1000);
    let part = BigQueryFault::PartArrives { bytes: 1000, breaks: true };
    warehouse.bigquery.always("PUT", "upload_id=", part);
    let run = warehouse.begin(&[]);
    until("a part", || warehouse.bigquery.count("PUT", "upload_id=") > 0);
    run.kill();
    warehouse.bigquery.heal();
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
    assert_eq!(warehouse.jobs("green_trips").len(), 1);
}

#[tokio::test]
async fn an_upload_that_is_refused_is_said_at_once() {
    let warehouse = Warehouse::with_folder().await;
    warehouse.january(1000);
    let denied = BigQueryFault::error(403, "accessDenied", "Access Denied: Project local");
    warehouse.bigquery.fault_of("POST", STARTS, MONTH, denied);
    let error = warehouse.error(warehouse.load(&[]));
    assert_eq!(warehouse.bigquery.count("POST", STARTS), 1, "{error}");
    insta::assert_snapshot!(error, @"BigQuery, sending the file: Access Denied: Project local (accessDenied). The account needs the roles BigQuery Job User on the project, BigQuery Data Editor on the dataset, and Storage Object Viewer on the bucket");
}
