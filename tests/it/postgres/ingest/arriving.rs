//! A month is cleaned and copied while its file still comes.

use std::time::Instant;

use super::*;
use crate::harness::running::{Running, until};

/// Longer than any of these tests takes.
const NEVER: &[&str] = &["--stall-timeout", "300s"];

/// Soon enough to see both sides of it.
const SOON: &[&str] = &["--stall-timeout", "12s"];

/// A host that sends three quarters of a large month and then nothing more, and a run of which
/// rows are on the server by then.
struct Waiting {
    ingest: Ingest,
    made: Made,
    run: Running,
    /// The server's process that takes the rows.
    backend: i32,
}

impl Waiting {
    async fn new(more: &[&str]) -> Self {
        let ingest = with_an_old_month().await;
        let (bytes, made) = dirty(200_000).form(Form::CsvGz).bytes();
        ingest.web.fault(FILE, Fault::StallAfter(bytes.len() as u64 * 3 / 4));
        ingest.web.put(FILE, bytes);
        ingest.web.clear_log();
        let run = Running::start(ingest.warehouse.taxi.command(ingest.args(more)));
        let backend = copying(&ingest.warehouse).await;
        assert_eq!(ingest.web.requests().len(), 1, "the host has sent more than it should");
        Self { ingest, made, run, backend }
    }

    /// Waits for the end of the run.
    fn end(self, code: i32) -> (Ingest, Made, Ran) {
        (self.ingest, self.made, self.run.end().exits(code))
    }

    /// Checks that the run brings the month, whole and once.
    async fn loads(self) -> (Ingest, Ran) {
        let (ingest, made, ran) = self.end(0);
        assert_eq!(ran.state(), "loaded");
        assert_holds(&ingest, &made).await;
        (ingest, ran)
    }
}

/// A small month is loaded.
async fn with_an_old_month() -> Ingest {
    let ingest = Ingest::new().await;
    ingest.serve(dirty(1000));
    ingest.run(&[]).exits(0);
    ingest
}

/// Waits until the server has rows of a COPY that goes on; the process that takes them.
async fn copying(warehouse: &Warehouse) -> i32 {
    let sql = "SELECT pid FROM pg_stat_progress_copy
                WHERE datname = current_database() AND tuples_processed > 0";
    let began = Instant::now();
    loop {
        if let Some(row) = warehouse.client.query_opt(sql, &[]).await.unwrap() {
            return row.get(0);
        }
        assert!(began.elapsed() < Duration::from_secs(180), "no row was copied");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Checks that the warehouse has a month and its rows set aside, and that nothing else is left.
async fn assert_holds(ingest: &Ingest, made: &Made) {
    check(&ingest.warehouse, "green_trips", made).await;
    let aside = made.rows_quarantined as i64;
    assert_eq!(ingest.warehouse.rows("green_trips_quarantine").await, aside);
    assert_nothing_new(ingest).await;
    assert_eq!(ingest.warehouse.taxi.files("data/spool"), Vec::<String>::new());
}

async fn assert_nothing_new(ingest: &Ingest) {
    ingest.warehouse.quiet().await;
    let relations = ingest.warehouse.relations("nyc_taxi").await;
    assert!(!relations.contains("_new\n"), "{relations}");
}

/// Checks that the warehouse has the month that was loaded before.
async fn assert_holds_old(ingest: &Ingest) {
    assert_nothing_new(ingest).await;
    let (_, old) = dirty(1000).form(Form::CsvGz).bytes();
    check(&ingest.warehouse, "green_trips", &old).await;
}

/// The month's table: loaded anew, it is another one.
async fn partition(ingest: &Ingest) -> u32 {
    ingest.warehouse.value("SELECT 'nyc_taxi.green_trips_2020_01'::regclass::oid").await
}

#[tokio::test]
async fn rows_are_copied_while_the_host_sends_and_a_broken_download_goes_on_under_them() {
    let waiting = Waiting::new(SOON).await;
    let backend = waiting.backend;
    until("the second request", || waiting.ingest.web.requests().len() == 2);
    assert_eq!(copying(&waiting.ingest.warehouse).await, backend);
    let (ingest, ran) = waiting.loads().await;
    assert!(ingest.web.requests()[1].header("range").is_some());
    assert_eq!(ran.stderr.matches("trying again").count(), 1, "{}", ran.stderr);
}

#[tokio::test]
async fn a_file_replaced_while_it_comes_is_loaded_as_it_is_then() {
    let (bytes, made) = dirty(90_000).form(Form::CsvGz).bytes();
    let waiting = Waiting::new(SOON).await;
    waiting.ingest.web.put(FILE, bytes);
    let (ingest, _, ran) = waiting.end(0);
    assert!(ran.stderr.contains("ingest: the download started again"), "{}", ran.stderr);
    assert_eq!(ran.first()["rows_loaded"], made.rows_kept);
    assert_holds(&ingest, &made).await;
    let requests = ingest.web.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].header("if-range").is_some());
}

#[tokio::test]
async fn damage_ends_a_load_and_its_download_before_the_rest_has_come() {
    let ingest = with_an_old_month().await;
    let (mut bytes, _) = dirty(200_000).form(Form::CsvGz).bytes();
    // What follows the trips is no gzip file.
    bytes.resize(bytes.len() * 2, 7);
    ingest.web.fault(FILE, Fault::StallAfter(bytes.len() as u64 * 3 / 4));
    ingest.web.put(FILE, bytes);
    let began = Instant::now();
    let error = ingest.warehouse.error(ingest.run(NEVER));
    assert!(began.elapsed() < Duration::from_secs(200), "{:?}", began.elapsed());
    assert!(error.starts_with("the gzip file of green 2020-01 is damaged"), "{error}");
    assert_holds_old(&ingest).await;
    assert_eq!(ingest.warehouse.taxi.files("data/spool"), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_cut_off_by_its_host_leaves_the_old_month() {
    let ingest = with_an_old_month().await;
    let (mut bytes, _) = dirty(200_000).form(Form::CsvGz).bytes();
    bytes.truncate(bytes.len() - 100);
    ingest.web.put(FILE, bytes);
    let error = ingest.warehouse.error(ingest.run(&[]));
    assert!(error.starts_with("the gzip file of green 2020-01 is damaged"), "{error}");
    assert_holds_old(&ingest).await;
    assert_eq!(ingest.warehouse.taxi.files("data/spool"), Vec::<String>::new());
}

#[tokio::test]
async fn a_download_that_fails_for_good_takes_its_load_back() {
    let waiting = Waiting::new(SOON).await;
    waiting.ingest.web.always(FILE, Fault::status(410));
    let (ingest, _, ran) = waiting.end(1);
    let error = ran.first()["error"].to_string();
    assert!(error.contains("answers 410"), "{error}");
    assert_holds_old(&ingest).await;
    ingest.web.heal();
    assert_eq!(ingest.run(&[]).exits(0).state(), "loaded");
    assert!(ingest.web.requests().last().unwrap().header("range").is_some());
}

#[tokio::test]
async fn a_run_told_to_stop_in_the_midst_takes_back_its_rows_and_keeps_its_download() {
    let waiting = Waiting::new(NEVER).await;
    let began = Instant::now();
    waiting.run.terminate();
    let (ingest, made, ran) = waiting.end(130);
    assert!(began.elapsed() < crate::harness::running::SOON, "{:?}", began.elapsed());
    assert_eq!(ran.state(), "interrupted");
    assert_holds_old(&ingest).await;
    assert_eq!(ingest.run(&[]).exits(0).state(), "loaded");
    assert_holds(&ingest, &made).await;
    assert!(ingest.web.requests().last().unwrap().header("range").is_some());
}

#[tokio::test]
async fn a_load_that_the_server_ends_begins_anew_and_its_download_does_not() {
    let waiting = Waiting::new(SOON).await;
    let sql = format!("SELECT pg_terminate_backend({})", waiting.backend);
    assert!(waiting.ingest.warehouse.value::<bool>(&sql).await);
    let (ingest, ran) = waiting.loads().await;
    assert!(ran.stderr.contains("ingest: Postgres, copying the rows"), "{}", ran.stderr);
    assert_eq!(ingest.web.requests().len(), 2);
}

#[tokio::test]
async fn nothing_is_begun_where_nothing_comes() {
    let ingest = with_an_old_month().await;
    let connections = async || {
        ingest.warehouse.quiet().await;
        let sql = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
        ingest.warehouse.value::<i64>(sql).await
    };
    let before = connections().await;
    let ran = ingest.run(&[]).exits(0);
    assert_eq!(ran.state(), "unchanged");
    assert!(!ran.stderr.contains("ingest"), "{}", ran.stderr);
    assert_eq!(connections().await, before + 1, "the ledger is asked, and no more");
}

#[tokio::test]
async fn a_load_of_what_turns_out_to_be_known_is_taken_back() {
    let ingest = Ingest::new().await;
    let made = ingest.serve(dirty(200_000));
    ingest.web.always(FILE, Fault::NoEtag);
    ingest.run(&[]).exits(0);
    let before = partition(&ingest).await;
    // The same bytes of another time: a second must have passed.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    ingest.serve(dirty(200_000));
    let ran = ingest.run(&[]).exits(0);
    assert_eq!(ran.state(), "unchanged");
    assert!(ran.stderr.contains("green 2020-01 ingest: started"), "{}", ran.stderr);
    assert_eq!(partition(&ingest).await, before);
    assert_holds(&ingest, &made).await;
}
