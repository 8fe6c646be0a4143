//! Columns that the schema does not know, kept beside those it knows.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};

use crate::harness::month::Parquet;
use crate::harness::taxi::{Ran, Taxi, month_args};
use taxi_test_support::generate::{Colour, Form, Recipe};
use taxi_test_support::postgres::PostgresServer;

pub const ROWS: u64 = 400;

/// A month of green trips, as text, with columns of one's own behind its own ones.
pub fn month(month: u8, names: &str, values: impl Fn(u64) -> String) -> Vec<u8> {
    let (bytes, _) = Recipe::new(Colour::Green, 2020, month).rows(ROWS).form(Form::Csv).bytes();
    let text = String::from_utf8(bytes).unwrap();
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let mut with = format!("{},{names}\n", lines.next().unwrap());
    for (at, line) in lines.enumerate() {
        writeln!(with, "{line},{}", values(at as u64)).unwrap();
    }
    with.into_bytes()
}

pub fn run(taxi: &Taxi, of: &str, bytes: &[u8], more: &[&str]) -> Ran {
    std::fs::create_dir_all(taxi.folder().join("in")).unwrap();
    let name = format!("in/green_tripdata_{of}.csv");
    std::fs::write(taxi.folder().join(name), bytes).unwrap();
    let args = month_args("green", of, "./in/");
    taxi.run(args.iter().map(String::as_str).chain(more.iter().copied()))
}

fn published(taxi: &Taxi, of: &str) -> Parquet {
    Parquet::read(&taxi.lake(&format!("green/green_tripdata_{of}.parquet")))
}

pub const KEEP: &[&str] = &["--on-new-column", "keep"];

#[test]
fn new_columns_are_kept_with_the_types_that_their_values_have() {
    let taxi = Taxi::new();
    let names = "Bike Count,moon_share,Seen At,note,nothing,postcode,__index_level_0__";
    let bytes = month(1, names, |at| {
        let note = if at == 3 { "\"a, b\"".to_owned() } else { format!("n{at}") };
        let count = if at == 5 { "NULL".to_owned() } else { at.to_string() };
        format!("{count},{at}.5,2020-01-05 10:00:{:02},{note},,0{at},{at}", at % 60)
    });
    let ran = run(&taxi, "2020-01", &bytes, KEEP).exits(0);
    assert!(
        ran.stderr.contains(
            "columns the schema does not know are kept: bike_count (whole numbers, in the file \
             Bike Count), moon_share (numbers), seen_at (times, in the file Seen At), note (text), \
             postcode (text)"
        ),
        "{}",
        ran.stderr
    );
    let month = published(&taxi, "2020-01");
    assert_eq!(
        month.provenance()["unknown_columns"],
        serde_json::json!(["nothing", "__index_level_0__"])
    );
    let counts = month.rows["bike_count"].as_primitive::<Int64Type>();
    assert!(counts.is_null(5) && counts.value(399) == 399);
    assert_eq!(month.rows["moon_share"].as_primitive::<Float64Type>().value(7), 7.5);
    assert_eq!(
        month.rows["seen_at"].data_type(),
        &DataType::Timestamp(TimeUnit::Microsecond, None)
    );
    let seen = month.rows["seen_at"].as_primitive::<TimestampMicrosecondType>();
    assert_eq!(seen.value(1) - seen.value(0), 1_000_000);
    assert_eq!(month.rows["note"].as_string::<i32>().value(3), "a, b");
    assert_eq!(month.rows["postcode"].as_string::<i32>().value(42), "042");
    assert_eq!(month.rows.num_rows() as u64, ROWS);
}

#[test]
fn a_month_whose_new_columns_were_left_out_is_cleaned_again_when_they_are_to_be_kept() {
    let taxi = Taxi::new();
    let bytes = month(1, "moon", |at| at.to_string());
    assert_eq!(run(&taxi, "2020-01", &bytes, &[]).exits(0).state(), "published");
    assert!(published(&taxi, "2020-01").rows.column_by_name("moon").is_none());
    assert_eq!(run(&taxi, "2020-01", &bytes, KEEP).exits(0).state(), "published");
    assert!(published(&taxi, "2020-01").rows.column_by_name("moon").is_some());
    assert_eq!(run(&taxi, "2020-01", &bytes, KEEP).exits(0).state(), "unchanged");
}

#[test]
fn a_month_without_new_columns_is_the_same_file_whether_they_are_kept_or_not() {
    let taxi = Taxi::new();
    let (bytes, _) = Recipe::new(Colour::Green, 2020, 1).rows(ROWS).bytes();
    run(&taxi, "2020-01", &bytes, &[]).exits(0);
    assert_eq!(run(&taxi, "2020-01", &bytes, KEEP).exits(0).state(), "unchanged");
}

#[tokio::test]
async fn new_columns_are_added_to_the_table_and_are_null_in_other_months() {
    let database = PostgresServer::shared().await.database().await;
    let client = database.client().await;
    let taxi = Taxi::new().set("DATABASE_URL", database.url()).set("TAXI_ON_NEW_COLUMN", "keep");
    let load = |of: &str| {
        let args = ["run", "etl-gcs-to-postgres", "--colour", "green", "--from", of, "--to", of];
        taxi.run(args)
    };
    let (plain, _) = Recipe::new(Colour::Green, 2020, 3).rows(ROWS).bytes();
    run(&taxi, "2020-03", &plain, &[]).exits(0);
    load("2020-03").exits(0);
    run(&taxi, "2020-01", &month(1, "moon", |at| at.to_string()), &[]).exits(0);
    load("2020-01").exits(0);
    let sum = "SELECT sum(moon)::text || ' ' || count(*) FROM nyc_taxi.green_trips";
    let sum: String = client.query_one(sum, &[]).await.unwrap().get(0);
    assert_eq!(sum, format!("{} {}", ROWS * (ROWS - 1) / 2, ROWS * 2));

    // Numbers hold whole numbers, and text holds all: what was there before stays right.
    for (number, value, kind) in [(2, "0.5", "double precision"), (4, "full", "text")] {
        let of = format!("2020-{number:02}");
        run(&taxi, &of, &month(number, "moon", |_| value.to_owned()), &[]).exits(0);
        let ran = load(&of).exits(0);
        assert!(ran.stderr.contains("moon") && ran.stderr.contains(kind), "{}", ran.stderr);
        let sql = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute
                    WHERE attrelid = 'nyc_taxi.green_trips'::regclass AND attname = 'moon'";
        let found: String = client.query_one(sql, &[]).await.unwrap().get(0);
        assert_eq!(found, kind);
    }
    let sql = "SELECT count(*) FILTER (WHERE moon = 'full') || ' ' || count(*) FILTER (WHERE moon = '0.5')
                      || ' ' || count(*) FILTER (WHERE moon = '399')
                 FROM nyc_taxi.green_trips";
    let counts: String = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(counts, format!("{ROWS} {ROWS} 1"));
    // A month of an older type goes into the wider column.
    run(&taxi, "2020-05", &month(5, "moon", |at| at.to_string()), &[]).exits(0);
    load("2020-05").exits(0);
}

#[tokio::test]
async fn new_columns_come_straight_into_postgres_too() {
    let database = PostgresServer::shared().await.database().await;
    let client = database.client().await;
    let taxi = Taxi::new().set("DATABASE_URL", database.url());
    let bytes = month(1, "moon,note", |at| format!("{at},n{at}"));
    std::fs::create_dir_all(taxi.folder().join("in")).unwrap();
    std::fs::write(taxi.folder().join("in/green_tripdata_2020-01.csv"), bytes).unwrap();
    let args = ["run", "ingest-data", "--colour", "green", "--from", "2020-01", "--to", "2020-01"];
    taxi.run(args.iter().chain(&["--source", "./in/"]).chain(KEEP)).exits(0);
    let sql = "SELECT sum(moon)::bigint, max(note) FROM nyc_taxi.green_trips";
    let row = client.query_one(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0) as u64, ROWS * (ROWS - 1) / 2);
    assert_eq!(row.get::<_, &str>(1), "n99");
}
