//! Files that are not what they should be, each whole in a folder.

mod formats;
mod parquet_files;

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::TimeUnit;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::harness::month::{Parquet, SetAside};
use crate::harness::taxi::{Ran, Taxi, month_args};
use taxi_test_support::generate::{Colour, Dirt, Form, Recipe};

const HEADER: &str =
    "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,fare_amount\n";
const TRIP: &str = "2,2020-01-05 10:00:00,2020-01-05 10:20:00,N,9.5\n";
const TRIPS: &str = "green/green_tripdata_2020-01.parquet";

/// A file of green trips of January 2020, cleaned.
struct Cleaned {
    taxi: Taxi,
    ran: Ran,
}

/// Cleans a file of these bytes.
fn clean(bytes: impl AsRef<[u8]>) -> Cleaned {
    clean_with(bytes, &[])
}

fn clean_with(bytes: impl AsRef<[u8]>, more: &[&str]) -> Cleaned {
    let taxi = Taxi::new();
    let folder = taxi.folder().join("in");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("green_tripdata_2020-01.csv"), bytes).unwrap();
    let args = month_args("green", "2020-01", "in/");
    let more = more.iter().map(ToString::to_string);
    let ran = taxi.run(args.into_iter().chain(more));
    Cleaned { taxi, ran }
}

impl Cleaned {
    /// Checks that the month failed and left nothing in the lake; why.
    fn failure(self) -> String {
        let ran = self.ran.exits(1);
        assert_eq!(ran.state(), "failed");
        assert!(!self.taxi.lake("green").exists() && !self.taxi.lake("quarantine").exists());
        ran.first()["error"].as_str().unwrap().to_owned()
    }

    /// Checks that the month was published with so many rows kept and set aside.
    fn assert_rows(&self, kept: u64, set_aside: u64) {
        assert_eq!(self.ran.code, Some(0), "{}", self.ran.stderr);
        let month = self.ran.first();
        assert_eq!(month["state"], "published");
        assert_eq!(month["rows_read"], kept + set_aside);
        assert_eq!(month["rows_kept"], kept);
        assert_eq!(month["rows_quarantined"], set_aside);
        let trips = Parquet::read(&self.taxi.lake(TRIPS)).rows;
        assert_eq!(trips.num_rows() as u64, kept);
        assert_eq!(trips.num_columns(), 25);
        let files = 1 + usize::from(set_aside > 0);
        assert_eq!(self.taxi.files("data").len(), files);
    }

    fn set_aside(&self) -> Vec<SetAside> {
        let month = self.ran.first();
        let path = self.taxi.folder().join(month["quarantine"].as_str().unwrap());
        Parquet::read(&path).set_aside()
    }

    /// The fields of the only row set aside, after checking its line and its reason.
    fn only_row(&self, line: i64, reason: &str) -> Vec<String> {
        let rows = self.set_aside();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].line, rows[0].reasons[0].as_str()), (line, reason));
        rows[0].fields.clone()
    }

    /// The warnings in the log, but for the columns that these short headers do not have.
    fn warnings(&self) -> String {
        let lines = self.ran.stderr.lines();
        let warnings = lines.filter_map(|line| Some(line.split_once(" WARN ")?.1.trim()));
        let warnings = warnings.filter(|line| !line.contains("have are missing"));
        warnings.collect::<Vec<_>>().join("\n")
    }
}

/// A file of trips with this in place of the second of three.
fn with_record(record: impl AsRef<[u8]>) -> Cleaned {
    let parts: [&[u8]; 5] =
        [HEADER.as_bytes(), TRIP.as_bytes(), record.as_ref(), b"\n", TRIP.as_bytes()];
    clean(parts.concat())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn parquet<N: AsRef<str>>(columns: Vec<(N, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Pickups on the fifth of the month, a minute apart.
fn pickups(rows: i64) -> (&'static str, ArrayRef) {
    let times = (0..rows).map(|row| 1_578_218_400_000_000 + row * 60_000_000);
    let times = TimestampMicrosecondArray::from_iter_values(times);
    ("lpep_pickup_datetime", Arc::new(times))
}

fn numbers(name: &str, values: Vec<f64>) -> (&str, ArrayRef) {
    (name, Arc::new(Float64Array::from(values)))
}

fn integers(name: &str, values: Vec<i64>) -> (&str, ArrayRef) {
    (name, Arc::new(Int64Array::from(values)))
}

#[test]
fn files_without_a_header_that_fits_are_refused_with_a_sentence() {
    let headers = [
        "VendorID,lpep_pickup_datetime,fare_amount,fare_amount ",
        "VendorID,lpep_dropoff_datetime,fare_amount",
        "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,fare_amount",
        "hvfhs_license_num,dispatching_base_num,pickup_datetime",
        "pickup_datetime,dispatching_base_num,affiliated_base_num",
        "VendorID;lpep_pickup_datetime;lpep_dropoff_datetime",
        "2,2020-01-05 10:00:00,2020-01-05 10:20:00,N,9.5",
        "Not Found",
    ];
    let errors = headers.map(|header| clean(format!("{header}\n{TRIP}")).failure());
    insta::assert_snapshot!(errors.join("\n"), @"
    the header of green 2020-01 names the column 'fare_amount' twice, so it is not clear which to read
    green 2020-01 has no pickup time among its columns (VendorID, lpep_dropoff_datetime, fare_amount): is this a file of green trips?
    green 2020-01 has the columns of yellow trips (tpep_pickup_datetime): is this the address of green?
    green 2020-01 has the columns of fhvhv trips (hvfhs_license_num): is this the address of green?
    green 2020-01 has the columns of fhv trips (dispatching_base_num, affiliated_base_num): is this the address of green?
    green 2020-01 has no pickup time among its columns (VendorID;lpep_pickup_datetime;lpep_dropoff_datetime): is this a file of green trips?
    green 2020-01 has no pickup time among its columns (2, 2020-01-05 10:00:00, 2020-01-05 10:20:00, N, 9.5): is this a file of green trips?
    green 2020-01 has no pickup time among its columns (Not Found): is this a file of green trips?
    ");
}

#[test]
fn files_without_a_single_line_are_refused_with_a_sentence() {
    let empty = [Vec::new(), b"\n\r\n\n".to_vec(), gzip(b""), gzip(b"\n")];
    let errors = empty.map(|bytes| clean(bytes).failure());
    insta::assert_snapshot!(errors.join("\n"), @"
    in/green_tripdata_2020-01.csv is not a trip file: it is empty. Check the address
    the file of green 2020-01 is empty: it has no header
    the file of green 2020-01 is empty: it has no header
    the file of green 2020-01 is empty: it has no header
    ");
}

#[test]
fn damaged_files_are_refused_with_a_sentence() {
    let (whole, _) = Recipe::new(Colour::Green, 2020, 1).form(Form::Parquet).bytes();
    let cut = whole[..whole.len() / 2].to_vec();
    let mut spoiled = whole.clone();
    spoiled[500..1500].fill(0);
    let gz = gzip((HEADER.to_owned() + TRIP).as_bytes());
    let mut checksum = gz.clone();
    let at = gz.len() - 8;
    checksum[at] ^= 1;
    let mut length = gz.clone();
    *length.last_mut().unwrap() ^= 1;
    let short = gz[..gz.len() - 3].to_vec();
    let followed = [gz.as_slice(), b"and more"].concat();
    let page = gzip(b"<!DOCTYPE html><html><body>Back soon</body></html>\n");
    let damaged = [cut, spoiled, checksum, length, short, followed, page];
    let errors = damaged.map(|bytes| clean(bytes).failure());
    insta::assert_snapshot!(errors.join("\n"), @"
    the Parquet file of green 2020-01 is damaged (it is truncated: there is no footer at its end): nothing of it was used. Run again to fetch it again
    the Parquet file of green 2020-01 is damaged (Parquet argument error: External: corrupt gzip stream does not have a matching checksum): nothing of it was used. Run again to fetch it again
    the gzip file of green 2020-01 is damaged (corrupt gzip stream does not have a matching checksum): nothing of it was used. Run again to fetch it again
    the gzip file of green 2020-01 is damaged (corrupt gzip stream does not have a matching checksum): nothing of it was used. Run again to fetch it again
    the gzip file of green 2020-01 is damaged (unexpected end of file): nothing of it was used. Run again to fetch it again
    the gzip file of green 2020-01 is damaged (it is followed by bytes that are not gzip): nothing of it was used. Run again to fetch it again
    the gzip file of green 2020-01 is not CSV inside: it is an HTML page. Check the address
    ");
}

#[test]
fn a_record_without_an_end_is_refused_with_its_line() {
    let line = "x".repeat(65 << 20);
    let error = clean(gzip(format!("{HEADER}{TRIP}{line}").as_bytes())).failure();
    insta::assert_snapshot!(error, @"
    line 3 of green 2020-01 is longer than 16 MB: this is not a trip file, or it is damaged
    ");
}

#[test]
fn a_month_without_a_trip_is_published_with_a_warning() {
    let nothing =
        [HEADER.to_owned(), HEADER.trim_end().to_owned(), HEADER.to_owned() + "\n\r\n   \n\n"];
    for text in nothing {
        let cleaned = clean(text);
        cleaned.assert_rows(0, 0);
        insta::allow_duplicates! {
            insta::assert_snapshot!(cleaned.warnings(), @"green 2020-01: the month has no trips");
        }
    }
    clean(parquet(vec![pickups(0)])).assert_rows(0, 0);
}

#[test]
fn a_file_of_which_no_row_is_a_trip_of_the_month_replaces_nothing() {
    let cleaned = clean(HEADER.to_owned() + &TRIP.replace("2020-01", "2019-12").repeat(50));
    let failure = cleaned.failure();
    let digest = failure.split("2020-01.").nth(1).unwrap().split('.').next().unwrap();
    insta::assert_snapshot!(failure.replace(digest, "DIGEST"), @"none of the 50 rows of green 2020-01 is a trip of that month (pickup_outside_month 50): nothing was published. Is this another month's file, or has its format changed? The rows set aside are in data/refused/green/green_tripdata_2020-01.DIGEST.parquet: see them with taxi quarantine --colour green --month 2020-01 --refused");
}

#[test]
fn bytes_that_are_no_text_spoil_their_own_row_only() {
    let cleaned = with_record(b"2,2020-01-05 10:00:00,2020-01-05 10:20:00,\xff\xfe,9.5");
    cleaned.assert_rows(2, 1);
    let fields = cleaned.only_row(3, "unreadable");
    assert_eq!(fields[3], "\u{fffd}\u{fffd}");
}

#[test]
fn bytes_that_are_no_text_in_the_header_are_an_unknown_column() {
    let header = [b"Caf\xe9,".as_slice(), HEADER.as_bytes()].concat();
    let cleaned = clean([&header, b"x,".as_slice(), TRIP.as_bytes()].concat());
    cleaned.assert_rows(1, 0);
    insta::assert_snapshot!(cleaned.warnings(), @"
    green 2020-01: columns the schema does not know are left out: Caf�
    ");
}

#[test]
fn a_byte_of_zero_is_no_text() {
    let spoiled = TRIP.replace(",N,", ",\0,");
    let cleaned = clean([HEADER, &TRIP.repeat(50), &spoiled, TRIP].concat());
    cleaned.assert_rows(51, 1);
    let fields = cleaned.only_row(52, "unreadable");
    assert_eq!(fields[3], "\0");
}

#[test]
fn a_line_of_ten_megabytes_is_set_aside_with_every_byte() {
    let long = "x".repeat(10 << 20);
    let cleaned = with_record(TRIP.trim_end().to_owned() + "," + &long);
    cleaned.assert_rows(2, 1);
    let fields = cleaned.only_row(3, "wrong_field_count");
    assert!(fields.len() == 6 && fields[5] == long);
}

#[test]
fn a_decimal_comma_without_quotes_moves_no_value() {
    let header = HEADER.trim_end().to_owned() + ",congestion_surcharge\n";
    let good = TRIP.trim_end().to_owned() + ",\n";
    let cleaned = clean(header + &good + &good.replace("9.5", "9,5"));
    cleaned.assert_rows(1, 1);
    let fields = cleaned.only_row(3, "wrong_field_count");
    assert_eq!(fields[4..], ["9", "5", ""]);
}

#[test]
fn a_quote_that_closes_in_a_later_record_spoils_its_own_row_only() {
    let stray = TRIP.replace(",N,", ",\"N,");
    let cleaned =
        clean(format!("{HEADER}{stray}{}{}", TRIP.repeat(30), TRIP.replace(",N,", ",N\",")));
    cleaned.assert_rows(30, 2);
    let rows = cleaned.set_aside();
    let lines: Vec<_> = rows.iter().map(|row| (row.line, row.reasons[0].as_str())).collect();
    // What ends in a quote is no flag.
    assert_eq!(lines, [(2, "wrong_field_count"), (33, "unreadable")]);
}

#[test]
fn the_same_header_again_is_set_aside_and_another_fails_the_month() {
    let joined = |header: &str| clean(format!("{HEADER}{TRIP}{header}{TRIP}"));
    let cleaned = joined(HEADER);
    cleaned.assert_rows(2, 1);
    cleaned.only_row(3, "unreadable");
    joined(&format!("\u{feff}{HEADER}")).assert_rows(2, 1);
    for other in [
        HEADER.replace("VendorID,", "").replace("fare_amount", "fare_amount,VendorID"),
        HEADER.replace("fare_amount", "tip_amount"),
        HEADER.replace("fare_amount", "fare_amount,extra"),
    ] {
        let error = joined(&other).failure();
        assert!(error.starts_with("line 3 of green 2020-01 is another header"), "{error}");
    }
}

#[test]
fn bytes_of_0_in_place_of_text_are_damage() {
    let text = format!("{HEADER}{}", TRIP.repeat(100));
    let at = text.len();
    let zeros = vec![0; 4096];
    for rest in [b"".as_slice(), TRIP.as_bytes()] {
        let bytes = [text.as_bytes(), &zeros, rest].concat();
        for bytes in [bytes.clone(), gzip(&bytes)] {
            let error = clean(bytes).failure();
            assert!(error.contains(&format!("no text from byte {at} on")), "{error}");
        }
    }
    with_record("2,\0\0\0,x,N,9.5").assert_rows(2, 1);
}

#[test]
fn a_record_with_millions_of_fields_is_set_aside_in_parts() {
    let cleaned = with_record(",".repeat(6 << 20));
    cleaned.assert_rows(2, 1);
    let fields = cleaned.only_row(3, "wrong_field_count");
    assert_eq!((fields.len(), fields[4095].len()), (4096, (6 << 20) - 4095));
    let header = format!("{}{}\n", HEADER.trim_end(), ",".repeat(1 << 20));
    insta::assert_snapshot!(clean(header + TRIP).failure(), @"green 2020-01 has 1048581 columns: this is not a trip file");
}

#[test]
fn a_quote_that_never_closes_spoils_its_own_row_only() {
    for record in ["\"2,2020-01-05 10:00:00,,N,9.5", "2,\"\"\",,N,9.5", "\""] {
        let cleaned = with_record(record);
        cleaned.assert_rows(2, 1);
        let fields = cleaned.only_row(3, "wrong_field_count");
        assert_eq!(fields.join(","), record);
    }
}

#[test]
fn a_row_keeps_its_place_and_all_its_fields_when_set_aside() {
    let cleaned = with_record("2,\"2020-01-05\n10:00\",\"a \"\"b\"\", c\",,\n,,,,");
    cleaned.assert_rows(2, 2);
    let rows = cleaned.set_aside();
    let fields = ["2", "2020-01-05\n10:00", "a \"b\", c", "", ""];
    assert_eq!((rows[0].line, rows[1].line), (3, 5));
    assert_eq!(rows[0].fields, fields);
    assert_eq!(rows[1].fields, [""; 5]);
    assert_eq!(rows[1].reasons, ["no_pickup"]);
}

#[test]
fn an_unknown_column_is_left_out_with_a_warning_or_refused() {
    let header = HEADER.replace("fare_amount", "Moon_Phase, tide,fare_amount");
    let text = header + &TRIP.replace(",N,", ",N,full,high,");
    let cleaned = clean(&text);
    cleaned.assert_rows(1, 0);
    insta::assert_snapshot!(cleaned.warnings(), @"
    green 2020-01: columns the schema does not know are left out: Moon_Phase, tide
    ");
    let provenance = Parquet::read(&cleaned.taxi.lake(TRIPS)).provenance();
    let unknown = serde_json::json!(["Moon_Phase", "tide"]);
    assert_eq!(provenance["unknown_columns"], unknown);

    let error = clean_with(&text, &["--on-new-column", "fail"]).failure();
    insta::assert_snapshot!(error, @"
    green 2020-01 has columns the schema does not know: Moon_Phase, tide. Add them to src/schema/columns.rs, or run with --on-new-column warn to leave them out
    ");
}

#[test]
fn marks_and_ends_of_lines_do_not_matter() {
    let recipe = Recipe::new(Colour::Green, 2020, 1).rows(300);
    let (bytes, made) = recipe.dirt(Dirt::Unreadable, 9).bytes();
    let crlf = String::from_utf8(bytes).unwrap();
    let lf = crlf.replace("\r\n", "\n");
    let mixed = lf.replacen('\n', "\r\n", 100);
    let texts = [
        format!("\u{feff}{crlf}"),
        format!("\u{feff}\n{lf}"),
        crlf.trim_end().to_owned(),
        lf.trim_end().to_owned(),
        lf,
        mixed,
        crlf,
    ];
    for text in texts {
        let cleaned = clean(&text);
        cleaned.assert_rows(made.rows_kept, made.rows_quarantined);
        Parquet::read(&cleaned.taxi.lake(TRIPS)).assert_sums(&made);
    }
}

#[test]
fn a_gzip_file_of_several_members_is_read_to_its_end() {
    let parts = [HEADER, &TRIP.repeat(3), "", &TRIP[..20], &TRIP[20..]];
    let members = parts.map(|part| gzip(part.as_bytes()));
    clean(members.concat()).assert_rows(4, 0);
}

#[test]
fn a_parquet_file_of_other_columns_is_refused_with_a_sentence() {
    let others = [
        parquet(vec![numbers("fare_amount", vec![1.0])]),
        parquet(vec![integers("tpep_pickup_datetime", vec![1])]),
        parquet(vec![pickups(1), (numbers("tip_amount", vec![1.0])), {
            let (_, list) = pickups(1);
            let inner = RecordBatch::try_from_iter(vec![("a", list)]).unwrap();
            let inner: ArrayRef = Arc::new(arrow::array::StructArray::from(inner));
            ("fare_amount", inner)
        }]),
    ];
    let errors = others.map(|bytes| clean(bytes).failure());
    insta::assert_snapshot!(errors.join("\n"), @r#"
    green 2020-01 has no pickup time among its columns (fare_amount): is this a file of green trips?
    green 2020-01 has the columns of yellow trips (tpep_pickup_datetime): is this the address of green?
    the column 'fare_amount' of green 2020-01 has the type Struct("a": non-null Timestamp(µs)), but a number is expected: nothing of the file was used. Has the meaning of the column changed? If not, write it as a number
    "#);
}

#[test]
fn a_parquet_file_may_have_other_types_for_the_same_values() {
    use arrow::datatypes::DataType::*;
    let recipe = Recipe::new(Colour::Green, 2020, 1).form(Form::Parquet);
    let recipe = recipe.dirt(Dirt::PickupOutsideMonth, 9);
    let (bytes, made) = recipe.meterless_percent(10).rows(500).bytes();
    let file = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
    let batch = file.build().unwrap().next().unwrap().unwrap();
    let word = Dictionary(Box::new(Int32), Box::new(Utf8));
    let seconds = Timestamp(TimeUnit::Second, None);
    let others = [
        [Utf8View, UInt64, Float32, Timestamp(TimeUnit::Millisecond, None)],
        [LargeUtf8, Int16, Decimal128(12, 2), seconds],
        [word.clone(), word.clone(), word.clone(), word],
        [Utf8, Utf8, Utf8, Utf8],
    ];
    for [text, whole, number, time] in others {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let columns = columns.map(|(field, column)| {
            let other = match field.data_type() {
                Utf8 => &text,
                Int64 => &whole,
                Float64 => &number,
                Timestamp(..) => &time,
                same => same,
            };
            (field.name(), cast(column, other).unwrap())
        });
        let cleaned = clean(parquet(columns.collect()));
        cleaned.assert_rows(made.rows_kept, made.rows_quarantined);
        Parquet::read(&cleaned.taxi.lake(TRIPS)).assert_sums(&made);
    }
}

#[test]
fn a_parquet_time_with_a_zone_is_read_as_it_stands() {
    let micros = [1_578_218_400_000_000, 0, 1_578_218_460_000_000];
    let times = TimestampMicrosecondArray::from(micros.to_vec()).with_timezone("UTC");
    let column: ArrayRef = Arc::new(times);
    let cleaned = clean(parquet(vec![("lpep_pickup_datetime", column)]));
    cleaned.assert_rows(2, 1);
    assert_eq!(cleaned.set_aside()[0].fields, ["1970-01-01 00:00:00"]);
}

#[test]
fn a_parquet_value_that_fits_no_column_spoils_its_own_row_only() {
    let cleaned = clean(parquet(vec![
        pickups(6),
        numbers("fare_amount", vec![1.0, f64::NEG_INFINITY, 3.0, f64::INFINITY, 5.0, 6.0]),
        integers("PULocationID", vec![1, 2, 1 << 40, 4, -40_000, 266]),
        numbers("passenger_count", vec![1.0, 1.0, 1.0, 1.0, 1.0, 2.0]),
    ]));
    cleaned.assert_rows(2, 4);
    let rows = cleaned.set_aside();
    let lines: Vec<_> = rows.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 3, 4, 5]);
    assert!(rows.iter().all(|row| row.reasons == ["unreadable"]));
    assert_eq!(rows[0].fields, ["2020-01-05 10:01:00", "-inf", "2", "1.0"]);
    assert_eq!(rows[1].fields[2], "1099511627776");
    assert_eq!(cleaned.ran.rules("flags")["unknown_location"], 1);
}

#[test]
fn lines_that_end_in_carriage_returns_alone_are_not_taken_for_a_header() {
    let cleaned = clean((HEADER.to_owned() + TRIP).replace("\r\n", "\r").replace('\n', "\r"));
    insta::assert_snapshot!(cleaned.failure(), @r"
        the lines of green 2020-01 end in carriage returns alone, which is not supported: use line feeds
        ");
}
