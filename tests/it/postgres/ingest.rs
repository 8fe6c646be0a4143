//! Straight from the web into Postgres, without a lake.

mod arriving;
mod parts;

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::taxi::Ran;
use taxi_test_support::generate::{Colour, Dirt, Form, Made, Recipe};
use taxi_test_support::web::{Fault, Web};

use super::Warehouse;
use super::values::check;

const FILE: &str = "/green_tripdata_2020-01.csv.gz";

/// A web server with January 2020 of green, and a warehouse to bring it to.
pub(super) struct Ingest {
    web: Web,
    pub(super) warehouse: Warehouse,
}

impl Ingest {
    pub(super) async fn new() -> Self {
        Self { web: Web::start().await, warehouse: Warehouse::new().await }
    }

    pub(super) fn serve(&self, recipe: Recipe) -> Made {
        let (bytes, made) = recipe.form(Form::CsvGz).bytes();
        self.web.put(FILE, bytes);
        made
    }

    /// Puts the bytes of a file where the program looks for it.
    pub(super) fn put(&self, bytes: Vec<u8>) {
        self.web.put(FILE, bytes);
    }

    fn args(&self, more: &[&str]) -> Vec<String> {
        let source = self.web.url() + "/{colour}_tripdata_{year}-{month}.csv.gz";
        let args = ["run", "ingest-data", "--months", "1", "--output", "json", "--source", &source];
        args.iter().chain(more).map(|&arg| arg.to_owned()).collect()
    }

    pub(super) fn run(&self, more: &[&str]) -> Ran {
        self.warehouse.taxi.run(self.args(more))
    }
}

fn dirty(rows: u64) -> Recipe {
    Recipe::new(Colour::Green, 2020, 1)
        .rows(rows)
        .seed(rows)
        .dirt(Dirt::PickupOutsideMonth, 7)
        .dirt(Dirt::Unreadable, 5)
        .dirt(Dirt::TooFewFields, 3)
        .dirt(Dirt::NegativeFare, 4)
}

#[tokio::test]
async fn what_gzip_holds_instead_of_a_text_is_named_and_nothing_is_replaced() {
    let ingest = Ingest::new().await;
    ingest.serve(dirty(500));
    ingest.run(&[]).exits(0);
    let before = ingest.warehouse.rows("green_trips").await;
    let mut tar = vec![b'0'; 257];
    tar.extend(b"ustar\x0000");
    tar.resize(20_000, 0);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(&tar).unwrap();
    ingest.web.put(FILE, encoder.finish().unwrap());
    let ran = ingest.run(&[]).exits(1);
    let error = ran.first()["error"].to_string();
    assert!(error.contains("it is a tar archive"), "{error}");
    assert_eq!(ingest.warehouse.rows("green_trips").await, before);
}

#[tokio::test]
async fn a_month_comes_with_the_rows_set_aside_and_nothing_is_lost() {
    let ingest = Ingest::new().await;
    let made = ingest.serve(dirty(3000));
    let ran = ingest.run(&[]).exits(0);
    let month = ran.first();
    assert_eq!(month["state"], "loaded");
    assert_eq!(month["rows_loaded"], made.rows_kept);
    assert_eq!(ran.rules("reasons"), made.reasons);
    assert_eq!(ran.rules("flags"), made.flags);
    check(&ingest.warehouse, "green_trips", &made).await;
    for planted in made.planted.iter().filter(|planted| made.reasons.contains_key(&planted.rule)) {
        let sql = format!(
            "SELECT reasons::text || array_to_string(fields, ',', '') FROM nyc_taxi.green_trips_quarantine
              WHERE month = '2020-01-01' AND line = {}",
            planted.line
        );
        let found: String = ingest.warehouse.value(&sql).await;
        assert_eq!(found, format!("{{{}}}{}", planted.rule, planted.text.trim_end()));
    }
    let aside = made.rows_quarantined as i64;
    assert_eq!(ingest.warehouse.rows("green_trips_quarantine").await, aside);
    assert_eq!(ingest.warehouse.taxi.files("data/spool"), Vec::<String>::new());
    assert!(!ingest.warehouse.taxi.lake("green").exists());
}

#[tokio::test]
async fn the_same_bytes_cost_one_conditional_request() {
    let ingest = Ingest::new().await;
    let made = ingest.serve(dirty(1000));
    assert_eq!(ingest.run(&[]).exits(0).state(), "loaded");
    ingest.web.clear_log();
    let again = ingest.run(&[]).exits(0);
    assert_eq!(again.state(), "unchanged");
    assert_eq!(again.first()["rows_loaded"], made.rows_kept);
    let requests = ingest.web.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].header("if-none-match").is_some());
    assert_eq!(ingest.run(&["--force"]).exits(0).state(), "loaded");
    assert_eq!(ingest.run(&["--reject", "negative_fare"]).exits(0).state(), "loaded");
    let kept = made.rows_kept as i64 - 4;
    assert_eq!(ingest.warehouse.rows("green_trips").await, kept);
}

#[tokio::test]
async fn a_changed_month_replaces_trips_and_rows_set_aside() {
    let ingest = Ingest::new().await;
    ingest.serve(dirty(1000));
    ingest.run(&[]).exits(0);
    let made = ingest.serve(Recipe::new(Colour::Green, 2020, 1).rows(950));
    assert_eq!(ingest.run(&[]).exits(0).state(), "loaded");
    check(&ingest.warehouse, "green_trips", &made).await;
    assert_eq!(ingest.warehouse.rows("green_trips_quarantine").await, 0);
    assert_eq!(ingest.warehouse.rows("loads").await, 1);
}

#[tokio::test]
async fn a_load_from_the_lake_takes_the_rows_set_aside_of_an_ingest_away() {
    let ingest = Ingest::new().await;
    ingest.serve(dirty(1000));
    ingest.run(&[]).exits(0);
    assert_eq!(ingest.warehouse.rows("green_trips_quarantine").await, 15);
    ingest.warehouse.january(950);
    assert_eq!(ingest.warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(ingest.warehouse.rows("green_trips").await, 950);
    assert_eq!(ingest.warehouse.rows("green_trips_quarantine").await, 0);
}

#[tokio::test]
async fn a_zero_byte_in_a_row_set_aside_is_kept_as_its_symbol() {
    let ingest = Ingest::new().await;
    let (bytes, _) = dirty(100).form(Form::Csv).bytes();
    let text = String::from_utf8(bytes).unwrap();
    let (head, last) = text.trim_end().rsplit_once('\n').unwrap();
    let spoiled = format!("{head}\n{}\r\n", last.trim_end().replacen(",N,", ",N\0,", 1));
    ingest.web.put(FILE, spoiled.into_bytes());
    assert_eq!(ingest.run(&[]).exits(0).state(), "loaded");
    let sql = "SELECT fields[4] FROM nyc_taxi.green_trips_quarantine ORDER BY line DESC LIMIT 1";
    assert_eq!(ingest.warehouse.value::<String>(sql).await, "N\u{2400}");
}

#[tokio::test]
async fn a_damaged_file_leaves_the_old_month() {
    let ingest = Ingest::new().await;
    ingest.serve(dirty(1000));
    ingest.run(&[]).exits(0);
    let before = ingest.warehouse.rows("green_trips").await;
    let (mut bytes, _) = dirty(60_000).form(Form::CsvGz).bytes();
    let end = bytes.len() - 6;
    bytes[end] ^= 1;
    ingest.web.put(FILE, bytes);
    let error = ingest.warehouse.error(ingest.run(&[]));
    assert!(error.starts_with("the gzip file of green 2020-01 is damaged"), "{error}");
    assert_eq!(ingest.warehouse.rows("green_trips").await, before);
    let relations = ingest.warehouse.relations("nyc_taxi").await;
    assert!(!relations.contains("_new\n"), "{relations}");
    assert_eq!(ingest.warehouse.taxi.files("data/spool"), Vec::<String>::new());
}

#[tokio::test]
async fn a_month_that_is_not_published_and_a_host_in_trouble_are_told_apart() {
    let ingest = Ingest::new().await;
    assert_eq!(ingest.run(&[]).exits(0).state(), "not_published");
    ingest.serve(dirty(1000));
    ingest.web.always(FILE, Fault::status(503));
    assert!(ingest.warehouse.error(ingest.run(&[])).contains("answers 503"));
    ingest.web.heal();
    assert_eq!(ingest.run(&[]).exits(0).state(), "loaded");
}

#[tokio::test]
async fn a_killed_ingest_leaves_the_old_month_or_the_new_one() {
    let ingest = Ingest::new().await;
    let old = ingest.serve(dirty(1000)).rows_kept as i64;
    ingest.run(&[]).exits(0);
    let new = ingest.serve(dirty(120_000));
    for round in 0..8 {
        let mut run = ingest.warehouse.taxi.command(ingest.args(&["--force"]));
        run.stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        let mut run = run.spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(40 + 35 * round)).await;
        run.kill().unwrap();
        run.wait().unwrap();
        ingest.warehouse.quiet().await;
        let rows = ingest.warehouse.rows("green_trips").await;
        assert!(rows == old || rows == new.rows_kept as i64, "{rows} rows");
    }
    ingest.run(&[]).exits(0);
    check(&ingest.warehouse, "green_trips", &new).await;
    let relations = ingest.warehouse.relations("nyc_taxi").await;
    assert!(!relations.contains("_new\n"), "{relations}");
    assert_eq!(ingest.warehouse.taxi.files("data/spool"), Vec::<String>::new());
}

#[tokio::test]
async fn the_zones_of_the_lake_come_along_and_a_foreign_table_of_that_name_is_left_alone() {
    let warehouse = Warehouse::new().await;
    let zones = "\"LocationID\",\"Borough\",\"Zone\",\"service_zone\"\n1,\"EWR\",\"Newark Airport\",\"EWR\"\n264,\"N/A\",\"N/A\",\"N/A\"\n";
    std::fs::write(warehouse.taxi.folder().join("zones.csv"), zones).unwrap();
    warehouse.taxi.run(["run", "etl-zones", "--zones", "./zones.csv"]).exits(0);
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    assert_eq!(warehouse.rows("zones").await, 2);
    let unknown = "SELECT borough FROM nyc_taxi.zones WHERE location_id = 264";
    assert_eq!(warehouse.value::<String>(unknown).await, "N/A");
    let theirs = "DROP TABLE nyc_taxi.zones; CREATE TABLE nyc_taxi.zones (mine int)";
    warehouse.client.batch_execute(theirs).await.unwrap();
    let ran = warehouse.load(&["--force"]).exits(0);
    assert!(ran.stderr.contains("there is a table 'zones' that this program did not create"));
    assert_eq!(warehouse.rows("zones").await, 0);
}
