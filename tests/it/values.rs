//! What the values and the columns of a file mean, in CSV and in Parquet: each is right, or its
//! row is set aside, or the month fails with a sentence.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    DurationMicrosecondArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt64Array,
};
use arrow::datatypes::{Float64Type, Int16Type, TimestampMicrosecondType};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Encoding;
use parquet::data_type::{ByteArray, ByteArrayType, Int96, Int96Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};

use crate::harness::month::{Parquet, SetAside};
use crate::harness::taxi::{Ran, Taxi, month_args};

const GREEN: &str = "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID,PULocationID,DOLocationID,passenger_count,trip_distance,fare_amount,extra,mta_tax,tip_amount,tolls_amount,ehail_fee,improvement_surcharge,total_amount,payment_type,trip_type,congestion_surcharge";
const TRIP: &str = "2,2020-01-05 10:00:00,2020-01-05 10:20:00,N,1,74,41,1,2.5,10.5,0.5,0.5,1.25,0,,0.3,13.05,1,1,0";
const FHV_2018: &str = "\"Pickup_DateTime\",\"DropOff_datetime\",\"PUlocationID\",\"DOlocationID\",\"SR_Flag\",\"Dispatching_base_number\",\"Dispatching_base_num\"";

/// 2020-01-05 15:00:00 in universal time, in seconds: 10:00 in New York.
const TEN: i64 = 1_578_236_400;

/// A month that was cleaned, or not.
struct Month {
    taxi: Taxi,
    ran: Ran,
    colour: &'static str,
    month: &'static str,
}

fn run(colour: &'static str, month: &'static str, extension: &str, bytes: &[u8]) -> Month {
    run_with(colour, month, extension, bytes, &[])
}

fn run_with(
    colour: &'static str,
    month: &'static str,
    extension: &str,
    bytes: &[u8],
    more: &[&str],
) -> Month {
    let taxi = Taxi::new();
    let folder = taxi.folder().join("in");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join(format!("{colour}_tripdata_{month}.{extension}")), bytes).unwrap();
    let args = month_args(colour, month, "in/").into_iter();
    let ran = taxi.run(args.chain(more.iter().map(ToString::to_string)));
    Month { taxi, ran, colour, month }
}

/// Green trips of January 2020, one for each text, which stands in this column.
fn green_csv(column: &str, texts: &[&str]) -> String {
    let at = GREEN.split(',').position(|name| name == column).unwrap();
    let rows = texts.iter().map(|text| {
        let mut fields: Vec<&str> = TRIP.split(',').collect();
        fields[at] = text;
        fields.join(",")
    });
    std::iter::once(GREEN.to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}

fn green(column: &str, texts: &[&str]) -> Month {
    run("green", "2020-01", "csv", green_csv(column, texts).as_bytes())
}

/// Trips in a Parquet file: a pickup at ten, and these columns.
fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let rows = columns[0].1.len();
    let mut all = columns;
    if !all.iter().any(|(name, _)| name.to_lowercase().contains("pickup")) {
        let pickup = TimestampSecondArray::from(vec![TEN - 5 * 3600; rows]);
        all.insert(0, ("lpep_pickup_datetime", Arc::new(pickup)));
    }
    let batch = RecordBatch::try_from_iter_with_nullable(
        all.into_iter().map(|(name, array)| (name, array, true)),
    );
    let batch = batch.unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn green_parquet(columns: Vec<(&str, ArrayRef)>) -> Month {
    run("green", "2020-01", "parquet", &parquet(columns))
}

impl Month {
    fn failure(self) -> String {
        let ran = self.ran.exits(1);
        assert!(!self.taxi.lake(self.colour).exists());
        ran.first()["error"].as_str().unwrap().to_owned()
    }

    fn lake(&self) -> Parquet {
        assert_eq!(self.ran.code, Some(0), "{}{}", self.ran.stdout, self.ran.stderr);
        let key = format!("{0}/{0}_tripdata_{1}.parquet", self.colour, self.month);
        Parquet::read(&self.taxi.lake(&key))
    }

    fn texts(&self, column: &str) -> Vec<Option<String>> {
        let rows = self.lake().rows;
        let texts = rows[column].as_string::<i32>().iter();
        texts.map(|text| text.map(str::to_owned)).collect()
    }

    fn codes(&self, column: &str) -> Vec<Option<i16>> {
        self.lake().rows[column].as_primitive::<Int16Type>().iter().collect()
    }

    fn numbers(&self, column: &str) -> Vec<Option<f64>> {
        self.lake().rows[column].as_primitive::<Float64Type>().iter().collect()
    }

    /// Times as people write them.
    fn times(&self, column: &str) -> Vec<String> {
        let rows = self.lake().rows;
        let times = rows[column].as_primitive::<TimestampMicrosecondType>().iter();
        let shown = |time: i64| {
            let time = chrono::DateTime::from_timestamp_micros(time).unwrap();
            time.format("%Y-%m-%d %H:%M:%S%.f").to_string()
        };
        times.map(|time| time.map_or_else(|| "null".to_owned(), shown)).collect()
    }

    /// The rows set aside, all of them unreadable, with the columns at fault.
    fn unreadable(&self) -> Vec<(SetAside, Vec<String>)> {
        let month = self.ran.first();
        let Some(path) = month["quarantine"].as_str() else {
            return Vec::new();
        };
        let file = Parquet::read(&self.taxi.folder().join(path));
        let columns = file.rows["unreadable"].as_list::<i32>();
        let columns = columns.iter().map(|names| {
            let names = names.unwrap();
            let names = names.as_string::<i32>().iter().flatten();
            names.map(str::to_owned).collect::<Vec<_>>()
        });
        let columns: Vec<Vec<String>> = columns.collect();
        let rows = file.set_aside();
        assert!(rows.iter().all(|row| row.reasons == ["unreadable"]), "{rows:?}");
        rows.into_iter().zip(columns).collect()
    }

    fn warnings(&self) -> String {
        let lines = self.ran.stderr.lines();
        let warnings = lines.filter_map(|line| Some(line.split_once(" WARN ")?.1.trim()));
        warnings.collect::<Vec<_>>().join("\n")
    }
}

fn some<T: Clone>(values: &[T]) -> Vec<Option<T>> {
    values.iter().cloned().map(Some).collect()
}

#[test]
fn a_flag_is_yes_or_no_or_missing_in_many_words_and_nothing_else() {
    let texts =
        ["Y", "N", "true", "F", "yes", "no", "1", "0.0", "NULL", "\\N", "NaN", " ", "banana", "2"];
    let month = green("store_and_fwd_flag", &texts);
    let expected = ["Y", "N", "Y", "N", "Y", "N", "Y", "N"].map(|flag| Some(flag.to_owned()));
    let expected = expected.into_iter().chain(vec![None; 4]).collect::<Vec<_>>();
    assert_eq!(month.texts("store_and_fwd_flag"), expected);
    let refused = month.unreadable();
    assert_eq!(refused.len(), 2);
    assert_eq!((refused[0].0.line, refused[0].0.fields[3].as_str()), (14, "banana"));
    assert_eq!(refused[0].1, ["store_and_fwd_flag"]);
    assert_eq!(month.ran.first()["unreadable"], json!({"store_and_fwd_flag": 2}));
}

#[test]
fn booleans_of_a_parquet_file_are_flags() {
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]));
    let month = green_parquet(vec![("store_and_fwd_flag", Arc::clone(&flags))]);
    let expected = [Some("Y".to_owned()), Some("N".to_owned()), None];
    assert_eq!(month.texts("store_and_fwd_flag"), expected);

    let bases: ArrayRef = Arc::new(StringArray::from(vec!["NaN", "b00001", "\\N"]));
    let times = TimestampSecondArray::from(vec![TEN; 3]);
    let file = parquet(vec![
        ("pickup_datetime", Arc::new(times)),
        ("SR_Flag", flags),
        ("dispatching_base_num", bases),
    ]);
    let month = run("fhv", "2020-01", "parquet", &file);
    assert_eq!(month.codes("sr_flag"), [Some(1), Some(0), None]);
    assert_eq!(month.texts("dispatching_base_num"), [None, Some("B00001".to_owned()), None]);
}

#[test]
fn missing_words_are_null_in_every_column() {
    let month = green("trip_distance", &["NaN", "null", "<NA>", "2.5", "inf"]);
    assert_eq!(month.numbers("trip_distance"), [None, None, None, Some(2.5)]);
    assert_eq!(month.ran.first()["unreadable"], json!({"trip_distance": 1}));
    let month = green("passenger_count", &["NULL", "nan", "1.0"]);
    assert_eq!(month.codes("passenger_count"), [None, None, Some(1)]);
    let month = green("lpep_dropoff_datetime", &["NaT", "None", "2020-01-05 10:20:00"]);
    assert_eq!(month.times("dropoff_datetime"), ["null", "null", "2020-01-05 10:20:00"]);
}

#[test]
fn nan_in_a_parquet_column_is_a_missing_number() {
    let distances = Float64Array::from(vec![f64::NAN, 1.5, f64::INFINITY, 2.5]);
    let counts = Float64Array::from(vec![f64::NAN, 1.0, 1.0, 2.5]);
    let month = green_parquet(vec![
        ("trip_distance", Arc::new(distances)),
        ("passenger_count", Arc::new(counts)),
    ]);
    assert_eq!(month.numbers("trip_distance"), [None, Some(1.5)]);
    assert_eq!(month.codes("passenger_count"), [None, Some(1)]);
    let refused = month.unreadable();
    assert_eq!(refused[0].1, ["trip_distance"]);
    assert_eq!(refused[1].1, ["passenger_count"]);
}

#[test]
fn a_comma_within_quotes_does_not_shift_the_column() {
    let month = green("trip_distance", &["\"3,25\"", "1.5", "\"4,5\"", "2.5"]);
    assert_eq!(month.numbers("trip_distance"), some(&[1.5, 2.5]));
    let refused = month.unreadable();
    assert_eq!(refused.iter().map(|(row, _)| row.line).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(refused[0].0.fields[8], "3,25");
}

#[test]
fn times_of_new_york_s_zone_are_its_wall_clock() {
    let times: [ArrayRef; 4] = [
        Arc::new(TimestampSecondArray::from(vec![TEN]).with_timezone("America/New_York")),
        Arc::new(
            TimestampMicrosecondArray::from(vec![TEN * 1_000_000 + 5]).with_timezone("US/Eastern"),
        ),
        Arc::new(
            TimestampNanosecondArray::from(vec![TEN * 1_000_000_000 + 5_999])
                .with_timezone("America/New_York"),
        ),
        Arc::new(TimestampMicrosecondArray::from(vec![TEN * 1_000_000]).with_timezone("-05:00")),
    ];
    for (times, expected) in times.into_iter().zip(["", ".000005", ".000005", ""]) {
        let month = green_parquet(vec![("lpep_pickup_datetime", times)]);
        assert_eq!(month.times("pickup_datetime"), [format!("2020-01-05 10:00:00{expected}")]);
        assert!(!month.warnings().contains("UTC"), "{}", month.warnings());
    }
}

#[test]
fn the_last_hours_of_a_month_in_new_york_s_zone_are_in_it() {
    // 2020-02-01 04:59:59 and 05:00:00 in universal time.
    let times = TimestampSecondArray::from(vec![1_580_533_199, 1_580_533_200]);
    let times = times.with_timezone("America/New_York");
    let month = green_parquet(vec![("lpep_pickup_datetime", Arc::new(times))]);
    assert_eq!(month.times("pickup_datetime"), ["2020-01-31 23:59:59"]);
    assert_eq!(month.ran.rules("reasons")["pickup_outside_month"], 1);
    let quarantine = month.ran.first()["quarantine"].as_str().unwrap().to_owned();
    let rows = Parquet::read(&month.taxi.folder().join(quarantine)).set_aside();
    assert_eq!(rows[0].fields, ["2020-02-01 00:00:00"]);
}

#[test]
fn universal_times_are_read_as_they_stand_with_a_warning() {
    let times = TimestampMicrosecondArray::from(vec![TEN * 1_000_000]).with_timezone("UTC");
    let month = green_parquet(vec![("lpep_pickup_datetime", Arc::new(times))]);
    assert_eq!(month.times("pickup_datetime"), ["2020-01-05 15:00:00"]);
    assert!(month.warnings().contains(
        "green 2020-01: times marked as UTC are read unchanged, as New York wall-clock time: lpep_pickup_datetime"
    ));
    let provenance = month.lake().provenance();
    assert_eq!(provenance["universal_times"], json!(["lpep_pickup_datetime"]));

    let texts = ["2020-01-05 10:00:00 UTC", "2020-01-05T10:00:00Z", "2020-01-05 10:00:00+00:00"];
    let month = green("lpep_dropoff_datetime", &texts);
    assert_eq!(month.times("dropoff_datetime"), ["2020-01-05 10:00:00"; 3]);
    let provenance = month.lake().provenance();
    assert_eq!(provenance["universal_times"], json!(["lpep_dropoff_datetime"]));
}

#[test]
fn times_of_another_zone_fail_the_month() {
    for zone in ["Europe/Paris", "+05:00", "America/Chicago", "Mars/Base"] {
        let times = TimestampMicrosecondArray::from(vec![TEN * 1_000_000]).with_timezone(zone);
        let error = green_parquet(vec![("lpep_pickup_datetime", Arc::new(times))]).failure();
        let expected = format!(
            "the column 'lpep_pickup_datetime' of green 2020-01 has the type Timestamp(µs, \"{zone}\"), but a timestamp in New York wall-clock time is expected: nothing of the file was used. Has the meaning of the column changed? If not, write it as a timestamp in New York wall-clock time"
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn a_time_of_96_bits_never_wraps() {
    const JULIAN_DAY_OF_1970: i64 = 2_440_588;
    let schema =
        "message m { optional int96 lpep_pickup_datetime; optional int96 lpep_dropoff_datetime; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let wide = |seconds: i64, nanos: i64| {
        let day = (seconds.div_euclid(86_400) + JULIAN_DAY_OF_1970) as u32;
        let nanos = (seconds.rem_euclid(86_400) * 1_000_000_000 + nanos) as u64;
        Int96::from(vec![nanos as u32, (nanos >> 32) as u32, day])
    };
    let pickup = TEN - 5 * 3600;
    let year_3019 = 33_106_123_800;
    let columns = [
        vec![wide(pickup, 1_999), wide(pickup, 0), wide(year_3019, 0), wide(pickup, 0)],
        vec![wide(year_3019, 0), wide(20_000_000_000, 0), wide(0, 0), wide(-11_676_096_000, 0)],
    ];
    let mut group = writer.next_row_group().unwrap();
    for values in columns {
        let mut column = group.next_column().unwrap().unwrap();
        let levels = vec![1; values.len()];
        column.typed::<Int96Type>().write_batch(&values, Some(&levels), None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    let month = run("green", "2020-01", "parquet", &writer.into_inner().unwrap());
    let (pickups, dropoffs) = (month.times("pickup_datetime"), month.times("dropoff_datetime"));
    assert_eq!(pickups, ["2020-01-05 10:00:00.000001", "2020-01-05 10:00:00"]);
    assert_eq!(dropoffs, ["3019-02-03 17:30:00", "2603-10-11 11:33:20"]);
    let quarantine = month.ran.first()["quarantine"].as_str().unwrap().to_owned();
    let rows = Parquet::read(&month.taxi.folder().join(quarantine)).set_aside();
    assert_eq!(rows[0].fields, ["3019-02-03 17:30:00", "1970-01-01 00:00:00"]);
    assert_eq!(rows[1].fields[1], "1600-01-01 00:00:00");
}

#[test]
fn a_type_that_does_not_belong_fails_the_month() {
    let times: [ArrayRef; 5] = [
        Arc::new(Int64Array::from(vec![TEN])),
        Arc::new(Date32Array::from(vec![18_266])),
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(DurationMicrosecondArray::from(vec![7])),
        Arc::new(BinaryArray::from(vec![b"2020-01-05 10:20:00".as_slice()])),
    ];
    let errors = times.map(|times| {
        let error = green_parquet(vec![("lpep_dropoff_datetime", times)]).failure();
        error.split(':').next().unwrap().to_owned()
    });
    insta::assert_snapshot!(errors.join("\n"), @"
    the column 'lpep_dropoff_datetime' of green 2020-01 has the type Int64, but a timestamp in New York wall-clock time is expected
    the column 'lpep_dropoff_datetime' of green 2020-01 has the type Date32, but a timestamp in New York wall-clock time is expected
    the column 'lpep_dropoff_datetime' of green 2020-01 has the type Boolean, but a timestamp in New York wall-clock time is expected
    the column 'lpep_dropoff_datetime' of green 2020-01 has the type Duration(µs), but a timestamp in New York wall-clock time is expected
    the column 'lpep_dropoff_datetime' of green 2020-01 has the type Binary, but a timestamp in New York wall-clock time is expected
    ");
    let others: [(&str, ArrayRef); 4] = [
        ("fare_amount", Arc::new(TimestampMicrosecondArray::from(vec![TEN]))),
        ("PULocationID", Arc::new(BooleanArray::from(vec![true]))),
        ("passenger_count", Arc::new(Date32Array::from(vec![1]))),
        ("store_and_fwd_flag", Arc::new(Date32Array::from(vec![1]))),
    ];
    for (name, array) in others {
        let error = green_parquet(vec![(name, array)]).failure();
        assert!(error.contains(&format!("the column '{name}' of green 2020-01")), "{error}");
    }
}

#[test]
fn a_type_that_does_not_belong_is_no_matter_without_a_value() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("lpep_dropoff_datetime", Arc::new(Float64Array::from(vec![Some(f64::NAN), None]))),
        ("store_and_fwd_flag", Arc::new(Date32Array::from(vec![None, None]))),
        ("fare_amount", Arc::new(BooleanArray::from(vec![None, None]))),
    ];
    let month = green_parquet(columns);
    assert_eq!(month.times("dropoff_datetime"), ["null", "null"]);
    assert_eq!(month.numbers("fare_amount"), [None, None]);
}

#[test]
fn decimals_and_large_integers_are_exact_or_set_aside() {
    let fares = Decimal128Array::from(vec![Some(3_250_000_000), Some(-10_000_000), None, Some(0)]);
    let fares = fares.with_precision_and_scale(38, 9).unwrap();
    let counts = Decimal128Array::from(vec![Some(100), Some(200), None, Some(150)]);
    let counts = counts.with_precision_and_scale(10, 2).unwrap();
    let month = green_parquet(vec![
        ("fare_amount", Arc::new(fares)),
        ("passenger_count", Arc::new(counts)),
    ]);
    assert_eq!(month.numbers("fare_amount"), [Some(3.25), Some(-0.01), None]);
    assert_eq!(month.codes("passenger_count"), [Some(1), Some(2), None]);
    assert_eq!(month.unreadable()[0].1, ["passenger_count"]);

    let zones = UInt64Array::from(vec![u64::MAX, 74, 70_000]);
    let fares = Int64Array::from(vec![1, (1 << 53) + 1, 5]);
    let month =
        green_parquet(vec![("PULocationID", Arc::new(zones)), ("fare_amount", Arc::new(fares))]);
    assert_eq!(month.ran.code, Some(1), "{}", month.ran.stdout);
    let error = month.failure();
    assert!(error.contains("PULocationID 2 ('18446744073709551615', '70000')"), "{error}");
    assert!(error.contains("fare_amount 1 ('9007199254740993')"), "{error}");
}

#[test]
fn binary_columns_without_a_mark_are_text() {
    let schema = "message m { required int64 pickup_datetime (TIMESTAMP(MICROS,false)); optional binary dispatching_base_num; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let times = [(TEN - 5 * 3600) * 1_000_000; 2];
    let typed = column.typed::<parquet::data_type::Int64Type>();
    typed.write_batch(&times, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let bases = [ByteArray::from("b00001"), ByteArray::from(vec![0xff, 0xfe])];
    column.typed::<ByteArrayType>().write_batch(&bases, Some(&[1, 1]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let month = run("fhv", "2020-01", "parquet", &writer.into_inner().unwrap());
    assert_eq!(month.texts("dispatching_base_num"), some(&["B00001".to_owned()]));
    assert_eq!(month.unreadable()[0].0.fields[1], "fffe");
}

#[test]
fn the_date_forms_of_open_data_are_read() {
    let texts = ["01/05/2020 12:28:15 AM", "1/5/2020 1:02:03 PM", "2020 Jan 05 12:28:15 PM"];
    let month = green("lpep_pickup_datetime", &texts);
    let expected = ["2020-01-05 00:28:15", "2020-01-05 13:02:03", "2020-01-05 12:28:15"];
    assert_eq!(month.times("pickup_datetime"), expected[..1]);
    // The others began after the drop-off.
    assert_eq!(month.ran.rules("reasons")["dropoff_before_pickup"], 2);
    let texts = ["01/05/2020 11:28:15 AM", "2020 Jan 05 12:28:15 PM", "2020-01-05 10:30:00 EST"];
    let month = green("lpep_dropoff_datetime", &texts);
    let expected = ["2020-01-05 11:28:15", "2020-01-05 12:28:15", "2020-01-05 10:30:00"];
    assert_eq!(month.times("dropoff_datetime"), expected);
}

#[test]
fn a_form_of_dates_that_is_not_read_is_named_with_its_first_values() {
    let texts =
        ["1/5/2020 0:28", "1/5/2020 0:29", "1/5/2020 0:28", "1/6/2020 7:01", "2/6/2020 7:01"];
    let error = green("lpep_pickup_datetime", &texts).failure();
    let error = error.split(" The rows set aside").next().unwrap();
    insta::assert_snapshot!(error, @"none of the 5 rows of green 2020-01 is a trip of that month (unreadable 5): nothing was published. Unreadable: lpep_pickup_datetime 5 ('1/5/2020 0:28', '1/5/2020 0:29', '1/6/2020 7:01'). Is this another month's file, or has its format changed?");
    let month = green("lpep_dropoff_datetime", &["2020-01-05 10:20", "", "05/01/2020 10:20:00"]);
    assert_eq!(month.times("dropoff_datetime"), ["null"]);
    let refused = month.unreadable();
    let columns: Vec<_> = refused.iter().map(|(_, columns)| columns.join(", ")).collect();
    assert_eq!(columns, ["lpep_dropoff_datetime"; 2]);
    assert_eq!(month.ran.first()["unreadable"], json!({"lpep_dropoff_datetime": 2}));
    let counts = month.lake().provenance();
    let values = json!({"lpep_dropoff_datetime": ["2020-01-05 10:20", "05/01/2020 10:20:00"]});
    assert_eq!(counts["unreadable_values"], values);
}

#[test]
fn the_table_names_the_columns_that_could_not_be_read() {
    let taxi = Taxi::new();
    let text = green_csv("trip_distance", &["x", "2.5", "y"]);
    std::fs::write(taxi.folder().join("green_tripdata_2020-01.csv"), text).unwrap();
    let args = ["run", "etl-web-to-gcs", "--colour", "green", "--from", "2020-01"];
    let ran = taxi.run(args.iter().chain(&["--to", "2020-01", "--source", "./"])).exits(0);
    assert!(ran.stdout.contains("unreadable: trip_distance 2"), "{}", ran.stdout);
}

#[test]
fn the_names_of_other_tools_are_known() {
    let bigquery = GREEN
        .replace("lpep_", "")
        .replace("VendorID", "vendor_id")
        .replace("RatecodeID", "rate_code")
        .replace("PULocationID", "pickup_location_id")
        .replace("DOLocationID", "dropoff_location_id")
        .replace("improvement_surcharge", "imp_surcharge");
    let dlt = GREEN
        .replace("VendorID", "vendor_id")
        .replace("RatecodeID", "ratecode_id")
        .replace("PULocationID", "pu_location_id")
        .replace("DOLocationID", "d_olocation_id");
    let blanks = GREEN.replace('_', " ").replace("RatecodeID", "Rate-Code ID");
    for header in [bigquery, dlt, blanks] {
        let text = format!("{header}\n{TRIP}\n");
        let month = run("green", "2020-01", "csv", text.as_bytes());
        assert_eq!(month.codes("pickup_location_id"), [Some(74)]);
        assert_eq!(month.codes("dropoff_location_id"), [Some(41)]);
        assert_eq!(month.codes("rate_code"), [Some(1)]);
        assert_eq!(month.numbers("improvement_surcharge"), [Some(0.3)]);
        assert_eq!(month.warnings(), "");
    }
}

#[test]
fn two_columns_of_one_meaning_agree_or_the_row_is_set_aside() {
    let row = |sr: &str, one: &str, other: &str| {
        format!(
            "\"2018-01-05 10:00:00\",\"2018-01-05 10:20:00\",\"1\",\"2\",\"{sr}\",\"{one}\",\"{other}\""
        )
    };
    let rows = [
        FHV_2018.to_owned(),
        row("", "B00001", "b00001"),
        row("1", "", "B00002"),
        row("true", "B00003", "NULL"),
        row("", "a base with a long name", "A BASE WITH A LONG NAME"),
        row("", "B00001", "B00002"),
        row("", "B00007", ""),
    ];
    let month = run("fhv", "2018-01", "csv", rows.join("\n").as_bytes());
    let bases = ["B00001", "B00002", "B00003", "A BASE WITH A LONG NAME", "B00007"];
    assert_eq!(month.texts("dispatching_base_num"), bases.map(|base| Some(base.to_owned())));
    assert_eq!(month.codes("sr_flag"), [None, Some(1), Some(1), None, None]);
    let refused = month.unreadable();
    assert_eq!(
        (refused[0].0.line, &refused[0].1[..]),
        (6, &["Dispatching_base_num".to_owned()][..])
    );

    let text = |texts: Vec<Option<&str>>| -> ArrayRef { Arc::new(StringArray::from(texts)) };
    let file = parquet(vec![
        ("Pickup_DateTime", Arc::new(TimestampSecondArray::from(vec![1_515_146_400; 4]))),
        ("Dispatching_base_number", text(vec![Some("B00001"), None, Some("B1"), Some(" ")])),
        ("Dispatching_base_num", text(vec![Some("b00001"), Some("B00002"), Some("B2"), None])),
    ]);
    let month = run("fhv", "2018-01", "parquet", &file);
    let bases = [Some("B00001".to_owned()), Some("B00002".to_owned()), None];
    assert_eq!(month.texts("dispatching_base_num"), bases);
    assert_eq!(month.unreadable()[0].0.line, 3);
}

#[test]
fn a_column_that_the_files_of_the_month_have_is_missed() {
    let without = |names: &[&str]| {
        let keep: Vec<bool> = GREEN.split(',').map(|name| !names.contains(&name)).collect();
        let cut = |line: &str| {
            let fields = line.split(',').zip(&keep).filter(|(_, keep)| **keep);
            fields.map(|(field, _)| field).collect::<Vec<_>>().join(",")
        };
        format!("{}\n{}\n", cut(GREEN), cut(TRIP))
    };
    let text = without(&["fare_amount", "PULocationID"]);
    let month = run("green", "2020-01", "csv", text.as_bytes());
    insta::assert_snapshot!(month.warnings(), @"green 2020-01: columns that the month's files have are missing or have no values, so they are null: PULocationID (pickup_location_id), fare_amount");
    let provenance = month.lake().provenance();
    assert_eq!(provenance["missing_columns"], json!(["PULocationID", "fare_amount"]));

    let more = ["--on-missing-column", "fail"];
    let month = run_with("green", "2020-01", "csv", text.as_bytes(), &more);
    insta::assert_snapshot!(month.failure(), @"green 2020-01 lacks columns that the files of that month have: PULocationID, fare_amount. Check the file, or run with --on-missing-column warn to publish the month without their values");
    let whole = run_with("green", "2020-01", "csv", without(&[]).as_bytes(), &more);
    assert_eq!(whole.lake().provenance()["missing_columns"], json!([]));
}

#[test]
fn a_column_without_a_value_counts_as_missing_where_real_months_have_values() {
    let csv = |rows: usize| {
        let trip = green_csv("fare_amount", &["NULL"]);
        let trip = trip.lines().nth(1).unwrap();
        format!("{GREEN}\n{}", format!("{trip}\n").repeat(rows))
    };
    let month = run("green", "2020-01", "csv", csv(100).as_bytes());
    insta::assert_snapshot!(month.warnings(), @"green 2020-01: columns that the month's files have are missing or have no values, so they are null: fare_amount");
    assert_eq!(month.lake().provenance()["missing_columns"], json!(["fare_amount"]));
    let more = ["--on-missing-column", "fail"];
    let failed = run_with("green", "2020-01", "csv", csv(100).as_bytes(), &more);
    insta::assert_snapshot!(failed.failure(), @"green 2020-01 has columns without a value in any row: fare_amount. The files of that month have values there. Check the file, or run with --on-missing-column warn to publish the month without them");
    // In a few rows it says nothing, and the fee for electronic hails never has a value.
    let few = run_with("green", "2020-01", "csv", csv(99).as_bytes(), &more);
    assert_eq!(few.lake().provenance()["missing_columns"], json!([]));
}

#[test]
fn columns_of_any_type_without_a_value_count_as_missing() {
    let rows = 120;
    let month = green_parquet(vec![
        ("PULocationID", Arc::new(Int64Array::from(vec![None; rows]))),
        ("fare_amount", Arc::new(arrow::array::NullArray::new(rows))),
        ("ehail_fee", Arc::new(arrow::array::NullArray::new(rows))),
        ("tip_amount", Arc::new(Float64Array::from(vec![1.5; rows]))),
    ]);
    let missing = month.lake().provenance()["missing_columns"].to_string();
    assert!(missing.contains("PULocationID") && missing.contains("fare_amount"), "{missing}");
    assert!(!missing.contains("ehail_fee") && !missing.contains("tip_amount"), "{missing}");
}

#[test]
fn the_smallest_integer_is_a_missing_time() {
    let ten = TEN - 5 * 3600;
    let times: [ArrayRef; 4] = [
        Arc::new(TimestampSecondArray::from(vec![i64::MIN, ten])),
        Arc::new(TimestampMillisecondArray::from(vec![i64::MIN, ten * 1_000])),
        Arc::new(TimestampMicrosecondArray::from(vec![i64::MIN, ten * 1_000_000])),
        Arc::new(TimestampNanosecondArray::from(vec![i64::MIN, ten * 1_000_000_000])),
    ];
    for times in times {
        let month = green_parquet(vec![("lpep_dropoff_datetime", times)]);
        assert_eq!(month.times("dropoff_datetime"), ["null", "2020-01-05 10:00:00"]);
    }
}

#[test]
fn the_zones_in_the_entry_for_pandas_are_those_of_the_times() {
    let times = TimestampMicrosecondArray::from(vec![TEN * 1_000_000; 2]).with_timezone("UTC");
    let batch = RecordBatch::try_from_iter([("lpep_pickup_datetime", Arc::new(times) as ArrayRef)]);
    let batch = batch.unwrap();
    for (zone, wall) in [("America/New_York", "10:00:00"), ("UTC", "15:00:00")] {
        let entry = json!({"columns": [{"name": "lpep_pickup_datetime",
            "field_name": "lpep_pickup_datetime", "metadata": {"timezone": zone}}]});
        let entry = KeyValue::new("pandas".to_owned(), entry.to_string());
        let properties =
            WriterProperties::builder().set_key_value_metadata(Some(vec![entry])).build();
        let options =
            ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let mut writer =
            ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        let month = run("green", "2020-01", "parquet", &writer.into_inner().unwrap());
        assert_eq!(month.times("pickup_datetime"), vec![format!("2020-01-05 {wall}"); 2]);
        assert_eq!(month.warnings().contains("UTC"), zone == "UTC");
    }
}

#[test]
fn a_kept_time_of_another_zone_keeps_its_offset_and_a_long_decimal_its_digits() {
    let times = TimestampSecondArray::from(vec![TEN]).with_timezone("Europe/Paris");
    let long = Decimal128Array::from(vec![1_234_567_890_123_456_789]);
    let file = parquet(vec![
        ("seen", Arc::new(times)),
        ("exact", Arc::new(long.with_precision_and_scale(38, 2).unwrap())),
    ]);
    let month = run_with("green", "2020-01", "parquet", &file, &["--on-new-column", "keep"]);
    assert_eq!(month.texts("seen"), some(&["2020-01-05 16:00:00+01:00".to_owned()]));
    assert_eq!(month.texts("exact"), some(&["12345678901234567.89".to_owned()]));
}

#[test]
fn a_copy_of_the_month_in_the_lake_is_not_published_over_itself() {
    let month = green("fare_amount", &["1.5", "x"]);
    let before = month.taxi.files("data");
    let copies = month.taxi.folder().join("copies");
    std::fs::create_dir(&copies).unwrap();
    let name = "green_tripdata_2020-01.parquet";
    std::fs::copy(month.taxi.lake("green").join(name), copies.join(name)).unwrap();
    let ran = month.taxi.run(month_args("green", "2020-01", "copies/")).exits(1);
    let error = ran.first()["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("the file of green 2020-01 is the edition in the lake"), "{error}");
    assert_eq!(month.taxi.files("data"), before);
    // In another lake it is a file like any other.
    let args = month_args("green", "2020-01", "copies/").into_iter();
    month.taxi.run(args.chain(["--lake".to_owned(), "other".to_owned()])).exits(0);
}

#[test]
fn rules_of_the_python_flows_are_there_when_asked_for() {
    let rows = [
        GREEN.to_owned(),
        TRIP.to_owned(),
        TRIP.replace(",41,1,2.5,", ",41,0,2.5,"),
        TRIP.replace(",41,1,2.5,", ",41,1,0,"),
        TRIP.replace("13.05", "0"),
        TRIP.replace("13.05", "-1"),
        TRIP.replace("13.05", ""),
    ];
    let text = rows.join("\n");
    let month = run("green", "2020-01", "csv", text.as_bytes());
    assert_eq!(month.ran.first()["rows_kept"], 6);
    assert_eq!(month.ran.first()["flags"], json!({}));
    let more = ["--reject", "zero_passengers,total_not_positive", "--flag", "zero_distance"];
    let month = run_with("green", "2020-01", "csv", text.as_bytes(), &more);
    let expected = json!({"zero_passengers": 1, "total_not_positive": 2});
    assert_eq!(month.ran.first()["reasons"], expected);
    assert_eq!(month.ran.first()["flags"], json!({"zero_distance": 1}));
}

#[test]
fn published_files_have_encodings_that_every_reader_knows() {
    let known = [Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY];
    let files = [
        ("yellow", "2020-01", "tpep_pickup_datetime,trip_distance"),
        ("green", "2020-01", "lpep_pickup_datetime,trip_distance"),
        ("fhv", "2020-01", "pickup_datetime,dispatching_base_num"),
        ("fhvhv", "2020-01", "pickup_datetime,trip_miles"),
    ];
    for (colour, month, header) in files {
        let mut text = format!("{header}\n");
        for second in 0..5_000 {
            let (minute, second) = (second / 60 % 60, second % 60);
            let line = format!("2020-01-05 10:{minute:02}:{second:02},{second}.{minute}\n");
            text.push_str(&line);
        }
        text.push_str("rubbish,1\n2020-01-05 25:00:00,1\n");
        let month = run(colour, month, "csv", text.as_bytes());
        let first = month.ran.first();
        for of in ["lake", "quarantine"] {
            let path = month.taxi.folder().join(first[of].as_str().unwrap());
            let file = std::fs::File::open(path).unwrap();
            let reader = SerializedFileReader::new(file).unwrap();
            assert!(reader.metadata().num_row_groups() > 0, "{colour} {of}");
            for group in reader.metadata().row_groups() {
                for column in group.columns() {
                    let encodings: Vec<Encoding> = column.encodings().collect();
                    let all_known = encodings.iter().all(|it| known.contains(it));
                    assert!(all_known, "{colour} {}: {encodings:?}", column.column_path());
                }
            }
        }
    }
}

#[tokio::test]
async fn zones_that_are_damaged_replace_nothing() {
    use taxi_test_support::web::Web;
    let taxi = Taxi::new();
    let web = Web::start().await;
    let address = web.url() + "/zones.csv";
    let edition = |zones: usize| {
        let rows = (1..=zones).map(|id| format!("{id},\"Queens\",\"Zone {id}\",\"Boro Zone\"\r\n"));
        format!(
            "\"LocationID\",\"Borough\",\"Zone\",\"service_zone\"\r\n{}",
            rows.collect::<String>()
        )
    };
    let bring = |more: &[&str]| -> Value {
        let args = ["run", "etl-zones", "--zones", &address, "--output", "json"];
        taxi.run(args.iter().chain(more)).json()
    };
    web.put("/zones.csv", edition(265));
    assert_eq!(bring(&[])["rows"], 265);
    let latin = edition(265).replace("Zone 7\"", "Zone \u{e9}\"");
    let latin: Vec<u8> = latin.chars().map(|c| c as u8).collect();
    let damaged: [(Vec<u8>, &str); 3] = [
        (edition(100).into_bytes(), "line 101 of the taxi zones: the file ends after 100 zones"),
        (
            edition(265).replacen("Zone 9\"", "Zone 9", 1).into_bytes(),
            "line 10 of the taxi zones: a quote is not closed",
        ),
        (latin, "line 8 of the taxi zones: it contains bytes that are not UTF-8"),
    ];
    for (bytes, error) in damaged {
        web.put("/zones.csv", bytes);
        let report = bring(&[]);
        assert_eq!(report["state"], "failed");
        assert!(report["error"].as_str().unwrap().starts_with(error), "{report}");
        assert_eq!(
            Parquet::read(&taxi.lake("zones/taxi_zone_lookup.parquet")).rows.num_rows(),
            265
        );
    }
    web.put("/zones.csv", edition(100));
    assert_eq!(bring(&["--force"])["rows"], 100);
    let other = ["run", "etl-zones", "--zones", &address, "--lake", "other"];
    let ran = taxi.run(other).exits(0);
    assert!(ran.stderr.contains("the file has 100 taxi zones, but the TLC has 265"));
}
