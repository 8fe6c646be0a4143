use std::collections::BTreeMap;
use std::io::{Read, Write};

use arrow::array::{Array, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::DataType::{Float64, Int32, Int64, LargeUtf8, Null, Utf8};
use arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use flate2::read::GzDecoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::Colour::*;
use super::*;

/// A recipe for each CSV vintage.
fn every_vintage() -> impl Iterator<Item = Recipe> {
    VINTAGES.iter().map(|vintage| Recipe {
        newer_edition: vintage.newer,
        ..Recipe::new(vintage.colour, vintage.from.year, vintage.from.number)
    })
}

/// The records of a CSV file with their lines, each split at its commas and trimmed.
fn records(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.ends_with('\n'));
    let mut records = Vec::new();
    let mut lines = (1..).zip(text.lines()).skip(1).filter(|(_, line)| !line.is_empty());
    while let Some((number, line)) = lines.next() {
        let mut record = line.to_owned();
        let open = line.contains("\"B02817") && !line.contains("\"B02817\"");
        if open {
            record += lines.next().unwrap().1;
        }
        let trim = |field: &str| field.trim_matches([' ', '"']).to_owned();
        records.push((number, record.split(',').map(trim).collect()));
    }
    records
}

/// What a column's values add up to, if its text can be added up.
fn close(sum: Total, other: f64) -> bool {
    match sum {
        Total::Real(sum) => (sum - other).abs() < 1e-6 * sum.abs().max(1.0),
        Total::Whole(sum) => sum == other as i128,
    }
}

#[test]
fn records_agree_with_what_is_known_of_them() {
    for recipe in every_vintage().map(|recipe| recipe.every_dirt(6)) {
        let (bytes, made) = recipe.bytes();
        let layout = Layout::of(&recipe);
        let name = format!("{} {}", recipe.colour, recipe.month);
        let records = records(&bytes);
        assert_eq!(made.bytes, bytes.len() as u64);
        assert_eq!((records.len() as u64, made.rows_read), (1000, 1000), "{name}");
        assert_eq!(made.rows_kept + made.rows_quarantined, 1000, "{name}");
        assert_eq!(made.reasons.values().sum::<u64>(), made.rows_quarantined, "{name}");
        let planted: usize = recipe.dirt.iter().map(|(_, times)| times).sum();
        assert_eq!(made.planted.len(), planted, "{name}");

        let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
        let mut rejected = Vec::new();
        for it in &made.planted {
            let first = it.text.split('\n').next().unwrap();
            let line = std::str::from_utf8(lines[it.line as usize - 1]).unwrap();
            assert_eq!(line.trim_end_matches('\r'), first, "{name} line {}", it.line);
            let dirt = Dirt::all().find(|dirt| dirt.name() == it.dirt).unwrap();
            if let Fate::Rejected(_) = dirt.fate() {
                rejected.push(it.line);
            }
        }

        let kept: Vec<_> = records.iter().filter(|(line, _)| !rejected.contains(line)).collect();
        assert_eq!(kept.len() as u64, made.rows_kept, "{name}");
        for (index, (_, column)) in layout.fields.iter().enumerate() {
            let Some(column) = column else { continue };
            let fields = kept.iter().map(|(_, fields)| fields[index].as_str());
            let values: Vec<_> = fields.filter(|field| !field.is_empty()).collect();
            let sum = made.sums[column.name()];
            assert_eq!(sum.nulls, made.rows_kept - values.len() as u64, "{name} {column:?}");
            if column.kind() == Kind::Text && *column != Column::SrFlag {
                let length = values.iter().map(|text| text.len()).sum::<usize>();
                assert!(close(sum.sum, length as f64), "{name} {column:?}");
            } else if let Ok(numbers) =
                values.iter().map(|it| it.parse()).collect::<Result<Vec<f64>, _>>()
            {
                assert!(close(sum.sum, numbers.iter().sum()), "{name} {column:?}");
            }
        }
    }
}

#[test]
fn clean_rows_break_no_rule() {
    for recipe in every_vintage() {
        let (bytes, made) = recipe.meterless_percent(5).rows(3000).bytes();
        assert_eq!((made.rows_kept, made.planted.len()), (3000, 0));
        let (reasons, flags) = (&made.reasons, &made.flags);
        assert!(reasons.is_empty() && flags.is_empty());
        let header = std::str::from_utf8(&bytes).unwrap().lines().next().unwrap();
        let columns: Vec<_> = header.split(',').map(Column::named).collect();
        let month =
            &records(&bytes)[0].1.iter().find(|it| it.contains(':')).unwrap()[..7].to_owned();
        for (line, fields) in records(&bytes) {
            assert!(fields.len() == columns.len() || fields[columns.len()..].concat().is_empty());
            let of = |column| {
                let index = columns.iter().position(|it| *it == Some(column));
                index.map_or("", |index| fields[index].as_str())
            };
            let number = |column| of(column).parse::<f64>().unwrap_or_default();
            let pickup = of(Column::PickupDatetime);
            assert!(pickup.starts_with(month.as_str()), "line {line}: {pickup}");
            let dropoff = of(Column::DropoffDatetime);
            assert!(dropoff.is_empty() || pickup <= dropoff, "line {line}: {pickup} {dropoff}");
            assert!((0.0..=1000.0).contains(&number(Column::TripDistance)));
            assert!(number(Column::FareAmount) >= 0.0 && number(Column::PassengerCount) <= 9.0);
            for zone in [Column::PickupLocationId, Column::DropoffLocationId] {
                assert!(of(zone).is_empty() || (1.0..=265.0).contains(&number(zone)));
            }
            assert!(["", "1", "2", "3", "4", "5", "6", "99"].contains(&of(Column::RateCode)));
        }
    }
}

#[test]
fn a_seed_makes_the_same_file_every_time() {
    for form in [Form::Csv, Form::CsvGz, Form::Parquet] {
        let recipe = Recipe::new(Green, 2019, 3).form(form).every_dirt(6);
        assert_eq!(recipe.bytes(), recipe.bytes());
        assert_ne!(recipe.bytes().0, recipe.seed(2).bytes().0);
    }
}

#[test]
fn gzip_holds_the_same_lines() {
    let recipe = Recipe::new(Yellow, 2016, 8).rows(20_000).every_dirt(6);
    let (plain, _) = recipe.bytes();
    let mut inflated = Vec::new();
    GzDecoder::new(&recipe.form(Form::CsvGz).bytes().0[..]).read_to_end(&mut inflated).unwrap();
    assert!(plain == inflated);
}

fn read(bytes: &[u8]) -> RecordBatch {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(builder.metadata().num_row_groups(), 1);
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

#[test]
fn parquet_files_have_one_row_group_and_the_types_of_their_months() {
    let months = [
        (Yellow, 2009, 1),
        (Yellow, 2010, 2),
        (Yellow, 2011, 7),
        (Yellow, 2019, 1),
        (Yellow, 2023, 2),
        (Yellow, 2025, 1),
        (Green, 2014, 1),
        (Green, 2020, 4),
        (Green, 2024, 1),
        (Green, 2025, 3),
        (Fhv, 2015, 1),
        (Fhv, 2019, 7),
        (Fhv, 2021, 2),
        (Fhvhv, 2019, 2),
        (Fhvhv, 2025, 6),
    ];
    for (colour, year, month) in months {
        let recipe = Recipe::new(colour, year, month).form(Form::Parquet).every_dirt(6);
        let (bytes, made) = recipe.rows(70_000).bytes();
        let batch = read(&bytes);
        assert_eq!((batch.num_rows(), made.rows_read), (70_000, 70_000));
        assert!(made.rows_quarantined > 0 && !made.planted.is_empty());
    }

    let types = |colour, year, month, names: &[&str]| -> Vec<DataType> {
        let batch = read(&Recipe::new(colour, year, month).form(Form::Parquet).bytes().0);
        let of = |name: &&str| batch.schema().field_with_name(name).unwrap().data_type().clone();
        names.iter().map(of).collect()
    };
    assert_eq!(
        types(Yellow, 2010, 2, &["pickup_datetime", "payment_type", "__index_level_0__"]),
        [Utf8, Utf8, Int64]
    );
    let some = ["VendorID", "passenger_count", "congestion_surcharge"];
    assert_eq!(types(Yellow, 2018, 1, &some), [Int64, Int64, Null]);
    assert_eq!(types(Yellow, 2023, 1, &some), [Int64, Float64, Float64]);
    assert_eq!(types(Yellow, 2023, 2, &some), [Int32, Int64, Float64]);
    let some = ["PULocationID", "payment_type", "ehail_fee", "store_and_fwd_flag"];
    assert_eq!(types(Green, 2020, 4, &some), [Int64, Float64, Null, Utf8]);
    assert_eq!(types(Green, 2025, 1, &some), [Int32, Int64, Float64, LargeUtf8]);
}

#[test]
fn parquet_sums_are_those_of_the_kept_rows() {
    let recipe = Recipe::new(Yellow, 2020, 5).form(Form::Parquet).meterless_percent(4);
    let (bytes, made) = recipe.rows(5000).bytes();
    let batch = read(&bytes);
    let sums: BTreeMap<_, _> = made.sums.into_iter().collect();
    let fares = batch.column_by_name("fare_amount").unwrap().as_primitive::<Float64Type>();
    assert!(close(sums["fare_amount"].sum, fares.iter().flatten().sum()));
    let passengers = batch.column_by_name("passenger_count").unwrap();
    assert_eq!(sums["passenger_count"].nulls, passengers.null_count() as u64);
    let pickups = batch.column_by_name("tpep_pickup_datetime").unwrap();
    let pickups = pickups.as_primitive::<TimestampMicrosecondType>();
    let sum = pickups.iter().flatten().map(i128::from).sum();
    assert_eq!(sums["pickup_datetime"].sum, Total::Whole(sum));
}

#[test]
fn json_has_everything_in_it() {
    let (_, made) = Recipe::new(Fhv, 2020, 1).dirt(Dirt::NoPickup, 2).bytes();
    let json = made.to_json();
    assert_eq!(json["rows_quarantined"], 2);
    assert_eq!(json["reasons"]["no_pickup"], 2);
    assert!(json["sums"]["pickup_datetime"]["sum"].is_i64());
    assert_eq!(made.planted_json()[1]["rule"], "no_pickup");
}

#[test]
#[should_panic(expected = "too_few_fields can't be in yellow 2019-01 as parquet")]
fn a_parquet_file_refuses_a_wrong_field_count() {
    Recipe::new(Yellow, 2019, 1).form(Form::Parquet).dirt(Dirt::TooFewFields, 1).bytes();
}

#[test]
#[should_panic(expected = "negative_fare can't be in fhv 2019-01 as csv")]
fn a_file_without_fares_refuses_a_negative_one() {
    Recipe::new(Fhv, 2019, 1).dirt(Dirt::NegativeFare, 1).bytes();
}

#[test]
#[should_panic(expected = "600 dirty rows need 1200 rows, not 1000")]
fn a_file_needs_a_clean_row_for_every_dirty_one() {
    Recipe::new(Green, 2019, 1).dirt(Dirt::NoPickup, 600).bytes();
}
