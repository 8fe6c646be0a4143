//! The memory that a month takes, however large it is.
//!
//! With `TAXI_SOAK` set the months are as large as the largest real ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    ArrayRef, BinaryArray, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

mod inflating;

use crate::harness::running::Running;
use crate::harness::taxi::{Taxi, month_args};
use taxi_test_support::generate::{Colour, Form, Recipe};
use taxi_test_support::postgres::PostgresServer;
use taxi_test_support::web::Web;

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
    assert!(peak > 2 << 10, "{peak} kB is not what it took");
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

/// Writes a file of green trips of January 2020 batch by batch, with these columns beside the
/// pickups.
fn write_trips(
    taxi: &Taxi,
    batches: &[(i64, usize)],
    properties: WriterPropertiesBuilder,
    columns: impl Fn(i64, usize) -> Vec<(&'static str, ArrayRef)>,
) {
    let path = taxi.folder().join("green_tripdata_2020-01.parquet");
    let mut writer = None;
    for &(first, rows) in batches {
        let times = (first..first + rows as i64).map(|row| 1_577_836_800_000_000 + row * 400_000);
        let pickups: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(times));
        let mut all = vec![("lpep_pickup_datetime", pickups)];
        all.extend(columns(first, rows));
        let batch = RecordBatch::try_from_iter(all).unwrap();
        let writer = writer.get_or_insert_with(|| {
            let file = std::fs::File::create(&path).unwrap();
            ArrowWriter::try_new(file, batch.schema(), Some(properties.clone().build())).unwrap()
        });
        writer.write(&batch).unwrap();
    }
    writer.unwrap().close().unwrap();
}

/// So many rows in batches.
fn batches(rows: usize, each: usize) -> Vec<(i64, usize)> {
    (0..rows.div_ceil(each)).map(|at| ((at * each) as i64, each.min(rows - at * each))).collect()
}

/// Cleans what was written, in bounded memory; the report of the month.
fn cleaned_within_bounds(taxi: &Taxi, name: &str, more: &[&str]) -> serde_json::Value {
    let source = taxi.folder().display().to_string();
    let args = month_args("green", "2020-01", &source);
    let more = more.iter().map(ToString::to_string);
    let started = Instant::now();
    let mut run = Running::start(taxi.command(args.into_iter().chain(more)));
    let peak = peak_within_bounds(&mut run);
    println!("{name}: peak {} MB, {:.2?}", peak / 1024, started.elapsed());
    let ran = run.end();
    ran.first()
}

/// One page a column, as pandas writes with fastparquet.
fn one_page_a_column() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_compression(Compression::SNAPPY)
        .set_data_page_size_limit(1 << 30)
        .set_data_page_row_count_limit(1 << 30)
        .set_max_row_group_row_count(None)
}

/// Columns of numbers that hardly compress.
fn numbers(first: i64, rows: usize) -> Vec<(&'static str, ArrayRef)> {
    const NAMES: [&str; 16] = [
        "passenger_count",
        "trip_distance",
        "fare_amount",
        "extra",
        "mta_tax",
        "tip_amount",
        "tolls_amount",
        "ehail_fee",
        "improvement_surcharge",
        "total_amount",
        "congestion_surcharge",
        "airport_fee",
        "pickup_longitude",
        "pickup_latitude",
        "dropoff_longitude",
        "dropoff_latitude",
    ];
    let number = |row: i64| f64::from((row as u32).wrapping_mul(2_654_435_761) >> 12) / 16.0;
    let column = |seed: i64| -> ArrayRef {
        let values = (first..first + rows as i64).map(|row| number(row + seed) % 900.0);
        Arc::new(Float64Array::from_iter_values(values))
    };
    let mut all: Vec<_> =
        NAMES.iter().zip(0..).map(|(name, seed)| (*name, column(seed * 7))).collect();
    let passengers = (first..first + rows as i64).map(|row| (row % 7) as f64);
    all[0].1 = Arc::new(Float64Array::from_iter_values(passengers));
    all
}

#[test]
fn a_month_of_one_page_a_column_is_cleaned_in_bounded_memory() {
    let rows = if soak() { 6_400_000 } else { 2_400_000 };
    let taxi = Taxi::new().set("TAXI_THREADS", "2");
    write_trips(&taxi, &batches(rows, 400_000), one_page_a_column(), |first, rows| {
        let mut all = numbers(first, rows);
        let flags = (0..rows).map(|row| if row % 3 > 0 { "N" } else { "Y" });
        all.push(("store_and_fwd_flag", Arc::new(StringArray::from_iter_values(flags))));
        let index = Int64Array::from_iter_values(first..first + rows as i64);
        all.push(("__index_level_0__", Arc::new(index)));
        all
    });
    // Rows are set aside at both ends, and keep the field of the column that nobody knows.
    let month = cleaned_within_bounds(&taxi, "one page a column", &["--reject", "negative_fare"]);
    assert_eq!(month["rows_read"], rows, "{month}");
    assert_eq!(month["state"], "published");
    assert!(taxi.files("data/spool").is_empty());
}

#[test]
fn a_page_that_memory_does_not_hold_is_refused_before_it_is_read() {
    let taxi = Taxi::new().set("TAXI_THREADS", "2");
    let rows = 100_000;
    let text = "x".repeat(4500);
    write_trips(&taxi, &batches(rows, 10_000), one_page_a_column(), |_, rows| {
        let values = std::iter::repeat_n(text.as_str(), rows);
        vec![("store_and_fwd_flag", Arc::new(StringArray::from_iter_values(values)))]
    });
    let month = cleaned_within_bounds(&taxi, "a page too large", &[]);
    let error = month["error"].as_str().unwrap();
    assert!(
        error.starts_with("the column 'store_and_fwd_flag' of green 2020-01 takes 4"),
        "{error}"
    );
    assert!(
        error.contains("more than the limit of 352 MB: its pages or single values are too large"),
        "{error}"
    );
    assert_eq!(month["state"], "failed");
}

#[test]
fn unknown_columns_of_any_size_are_cleaned_in_bounded_memory() {
    let rows = if soak() { 200_000 } else { 60_000 };
    for each in [3_500, 13_000] {
        let taxi = Taxi::new().set("TAXI_THREADS", "2");
        let shapes: Vec<Vec<u8>> = (0..260).map(|at| vec![at as u8; each]).collect();
        let texts: Vec<String> = (0..60).map(|at| format!("{at:0each$}")).collect();
        write_trips(&taxi, &batches(rows, 4_000), WriterProperties::builder(), |first, rows| {
            let row = |at: usize| first as usize + at;
            let wkb = BinaryArray::from_iter_values((0..rows).map(|at| &shapes[row(at) % 260]));
            let note = StringArray::from_iter_values((0..rows).map(|at| &texts[row(at) % 60]));
            let item = Arc::new(Field::new("item", DataType::Utf8, false));
            let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(2, rows));
            let items = (0..2 * rows).map(|at| &texts[at % 60]);
            let items = Arc::new(StringArray::from_iter_values(items));
            let list = ListArray::new(item, offsets, items, None);
            let fares = (0..rows).map(|at| if row(at) % 200 == 0 { f64::INFINITY } else { 9.5 });
            vec![
                ("geometry", Arc::new(wkb)),
                ("note", Arc::new(note)),
                ("stops", Arc::new(list)),
                ("fare_amount", Arc::new(Float64Array::from_iter_values(fares))),
                ("PULocationID", Arc::new(Int32Array::from(vec![7; rows]))),
            ]
        });
        let month = cleaned_within_bounds(&taxi, &format!("{each} bytes a row"), &[]);
        assert_eq!(month["rows_read"], rows, "{month}");
        assert_eq!(month["rows_quarantined"], rows / 200);
    }
}

#[test]
fn pages_that_hold_far_more_than_they_take_are_read_in_bounded_memory_or_refused() {
    let fares = |first: i64, rows: usize| -> (&'static str, ArrayRef) {
        let fare = |row: i64| if row % 200 == 0 { f64::INFINITY } else { 9.5 };
        let fares = (first..first + rows as i64).map(fare);
        ("fare_amount", Arc::new(Float64Array::from_iter_values(fares)))
    };
    // Texts that share their beginnings: 600 MB of them in a page of some kilobytes.
    let rows = 6_000;
    let text = "x".repeat(100_000);
    let taxi = Taxi::new().set("TAXI_THREADS", "2");
    let delta = one_page_a_column()
        .set_dictionary_enabled(false)
        .set_column_encoding("note".into(), Encoding::DELTA_BYTE_ARRAY);
    write_trips(&taxi, &batches(rows, 100), delta, |first, rows| {
        let note = StringArray::from_iter_values(std::iter::repeat_n(&text, rows));
        vec![("note", Arc::new(note)), fares(first, rows)]
    });
    let month = cleaned_within_bounds(&taxi, "texts that share their beginnings", &[]);
    assert_eq!(month["rows_quarantined"], rows / 200, "{month}");

    // All values of a list in one row.
    let taxi = Taxi::new().set("TAXI_THREADS", "2");
    write_trips(&taxi, &[(0, 1_000)], WriterProperties::builder(), |first, rows| {
        let values = Arc::new(Int32Array::from(vec![0; 20_000_000]));
        let lengths = (0..rows).map(|row| if row == 5 { 20_000_000 } else { 0 });
        let item = Arc::new(Field::new("item", DataType::Int32, false));
        let list = ListArray::new(item, OffsetBuffer::from_lengths(lengths), values, None);
        vec![("tags", Arc::new(list)), fares(first, rows)]
    });
    let month = cleaned_within_bounds(&taxi, "a row with all values of a list", &[]);
    let error = month["error"].as_str().unwrap();
    assert!(error.starts_with("the column 'tags' of green 2020-01 takes"), "{error}");
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
