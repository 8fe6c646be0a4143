//! The memory that a month takes, however large it is.
//!
//! With `TAXI_SOAK` set the months are as large as the largest real ones.

use std::time::{Duration, Instant};

use crate::running::Running;
use crate::support::generate::{Colour, Form, Recipe};
use crate::support::postgres::PostgresServer;
use crate::support::web::Web;
use crate::taxi::{Taxi, month_args};

/// The promise, in kB.
const MOST: u64 = 512 << 10;

/// The rows of green in each month of 2020, as published.
const GREEN_IN_2020: [u64; 12] = [
    447_770, 398_632, 223_406, 35_612, 57_360, 63_109, 72_257, 81_063, 87_987, 95_120, 88_605,
    83_130,
];

fn soak() -> bool {
    std::env::var_os("TAXI_SOAK").is_some()
}

/// Cleans a month of so many rows on two threads, and holds the program to its promise.
fn clean_within_bounds(recipe: &Recipe, rows: u64, soak_rows: u64) {
    let rows = if soak() { soak_rows } else { rows };
    let recipe = recipe.clone().rows(rows);
    let taxi = Taxi::new().set("TAXI_THREADS", "2");
    let (colour, month) = (recipe.colour.to_string(), recipe.month.to_string());
    let name = format!("{colour}_tripdata_{month}.{}", recipe.form);
    let made = recipe.write(&taxi.folder().join(&name));
    let started = Instant::now();
    let source = taxi.folder().display().to_string();
    let mut run = Running::start(taxi.command(month_args(&colour, &month, &source)));
    let peak = peak_within_bounds(&mut run);
    let seconds = started.elapsed().as_secs_f64();
    let ran = run.end().exits(0);
    assert_eq!(ran.first()["rows_kept"], made.rows_kept);
    println!(
        "{name}: {rows} rows, {} MB: peak {} MB, {:.2} s for a million rows",
        made.bytes / 1_000_000,
        peak / 1024,
        seconds * 1e6 / rows as f64,
    );
}

/// Waits for the end of a run and holds it to the promise; the most anonymous memory it had,
/// in kB.
fn peak_within_bounds(run: &mut Running) -> u64 {
    let mut peak = 0;
    while !run.has_ended() {
        peak = peak.max(anonymous_memory(run.id()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(3));
    }
    assert!(peak > 10 << 10, "{peak} kB is not what it took");
    assert!(peak < MOST, "{peak} kB is more than {MOST} kB");
    peak
}

/// The anonymous memory of a process in kB.
pub fn anonymous_memory(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[test]
fn a_gzipped_month_is_cleaned_in_bounded_memory() {
    let recipe = Recipe::new(Colour::Yellow, 2019, 1).form(Form::CsvGz);
    clean_within_bounds(&recipe, 600_000, 8_000_000);
}

#[test]
fn a_month_of_a_single_row_group_is_cleaned_in_bounded_memory() {
    let recipe = Recipe::new(Colour::Yellow, 2019, 1).form(Form::Parquet);
    clean_within_bounds(&recipe, 600_000, 8_000_000);
}

#[test]
fn a_high_volume_month_is_cleaned_in_bounded_memory() {
    let recipe = Recipe::new(Colour::Fhvhv, 2019, 3).form(Form::Parquet);
    clean_within_bounds(&recipe, 600_000, 20_000_000);
}

#[test]
fn a_quoted_month_is_cleaned_in_bounded_memory() {
    let recipe = Recipe::new(Colour::Fhv, 2017, 10).form(Form::CsvGz);
    clean_within_bounds(&recipe, 600_000, 20_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_green_comes_to_postgres_in_bounded_memory() {
    let database = PostgresServer::shared().await.database().await;
    let taxi = Taxi::new().set("TAXI_THREADS", "2").set("DATABASE_URL", database.url());
    let (web, mut kept) = (Web::start().await, 0);
    web.folder(taxi.folder());
    for (rows, month) in GREEN_IN_2020.into_iter().zip(1..) {
        let rows = if soak() { rows } else { rows / 20 };
        let recipe = Recipe::new(Colour::Green, 2020, month).rows(rows).form(Form::CsvGz);
        let name = format!("green_tripdata_2020-{month:02}.csv.gz");
        kept += recipe.write(&taxi.folder().join(name)).rows_kept;
    }
    let source = web.url() + "/{colour}_tripdata_{year}-{month}.csv.gz";
    let args = ["run", "ingest-data", "--from", "2020-01", "--to", "2020-12", "--source", &source];
    let started = Instant::now();
    let mut run = Running::start(taxi.command(args.iter().chain(&["--output", "json"])));
    let peak = peak_within_bounds(&mut run);
    println!("{kept} rows: peak {} MB, {:.2?}", peak / 1024, started.elapsed());
    run.end().exits(0);
    let client = database.client().await;
    let counted = client.query_one("SELECT count(*) FROM nyc_taxi.green_trips", &[]).await;
    assert_eq!(counted.unwrap().get::<_, i64>(0), kept as i64);
}
