//! Reads a month back from the lake, and holds it against what was made.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{
    DataType, Float64Type, Int16Type, Int32Type, Int64Type, SchemaRef, TimeUnit,
    TimestampMicrosecondType,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use taxi_test_support::generate::{Made, Sum, Total};

/// A Parquet file, read whole.
pub struct Parquet {
    pub rows: RecordBatch,
    footer: BTreeMap<String, String>,
}

/// A row of a quarantine file.
#[derive(Debug)]
pub struct SetAside {
    pub line: i64,
    pub reasons: Vec<String>,
    pub fields: Vec<String>,
}

impl Parquet {
    pub fn read(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let entries = builder.metadata().file_metadata().key_value_metadata();
        let entries = entries.into_iter().flatten().cloned();
        let footer = entries.map(|entry| (entry.key, entry.value.unwrap_or_default())).collect();
        let schema = builder.schema().clone();
        let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
        Self { rows: concat_batches(&schema, &batches).unwrap(), footer }
    }

    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    /// What the month says of itself.
    pub fn provenance(&self) -> Value {
        serde_json::from_str(&self.footer["nyc_taxi_etl.provenance"]).unwrap()
    }

    /// Checks that every column adds up to what was made, that a column which the source lacks
    /// is null throughout, and that one without a place in the lake is named in the footer.
    pub fn assert_sums(&self, made: &Made) {
        let rows = self.rows.num_rows() as u64;
        assert_eq!(rows, made.rows_kept);
        for (field, column) in self.schema().fields().iter().zip(self.rows.columns()) {
            let name = field.name();
            let nothing = Sum { nulls: rows, sum: Total::Whole(0) };
            let expected = made.sums.get(name).unwrap_or(&nothing);
            assert_eq!(column.null_count() as u64, expected.nulls, "{name}");
            let found = sum(name, column);
            let alike = match expected.sum {
                Total::Whole(sum) => found == Total::Whole(sum) || found == Total::Real(sum as f64),
                Total::Real(sum) => matches!(found, Total::Real(found)
                    if (sum - found).abs() <= 1e-6 * sum.abs().max(1.0)),
            };
            assert!(alike, "{name}: {found:?} for {expected:?}");
        }
        let unknown = &self.provenance()["unknown_columns"];
        let unknown: Vec<String> = serde_json::from_value(unknown.clone()).unwrap();
        for name in made.sums.keys() {
            let named = unknown.iter().any(|it| it.to_lowercase().starts_with(name));
            let kept = self.rows.column_by_name(name).is_some();
            assert!(kept || named, "{name} is lost in silence");
        }
    }

    /// The rows of a quarantine file.
    pub fn set_aside(&self) -> Vec<SetAside> {
        let types: Vec<_> = self.rows.columns().iter().map(Array::data_type).collect();
        let texts = |kind: &DataType| matches!(kind, DataType::List(item) if item.data_type() == &DataType::Utf8);
        assert!(types[0] == &DataType::Int64 && texts(types[1]) && texts(types[2]));
        let lines = self.rows["line"].as_primitive::<Int64Type>();
        let list = |name: &str, row| -> Vec<String> {
            let texts = self.rows[name].as_list::<i32>().value(row);
            let texts = texts.as_string::<i32>().iter();
            texts.map(|text| text.unwrap_or_default().to_owned()).collect()
        };
        let rows = 0..self.rows.num_rows();
        rows.map(|row| SetAside {
            line: lines.value(row),
            reasons: list("reasons", row),
            fields: list("fields", row),
        })
        .collect()
    }
}

/// What a column adds up to, as the maker of files counts it.
fn sum(name: &str, column: &dyn Array) -> Total {
    let whole: i128 = match column.data_type() {
        DataType::Float64 => {
            let sum = column.as_primitive::<Float64Type>().iter().flatten().sum();
            return Total::Real(sum);
        }
        // Written as 1, or as Y and N: the maker counts their letters.
        _ if name == "sr_flag" => (column.len() - column.null_count()) as i128,
        DataType::Int16 => {
            let values = column.as_primitive::<Int16Type>().iter().flatten();
            values.map(i128::from).sum()
        }
        DataType::Int32 => {
            let values = column.as_primitive::<Int32Type>().iter().flatten();
            values.map(i128::from).sum()
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            let values = column.as_primitive::<TimestampMicrosecondType>();
            values.iter().flatten().map(i128::from).sum()
        }
        DataType::Utf8 => {
            let texts = column.as_string::<i32>().iter().flatten();
            texts.map(|text| text.len() as i128).sum()
        }
        other => panic!("{name} has the type {other}"),
    };
    Total::Whole(whole)
}

/// Checks a month of a report against what was made.
pub fn assert_counts(month: &Value, made: &Made) {
    let rules =
        |of: &str| -> BTreeMap<String, u64> { serde_json::from_value(month[of].clone()).unwrap() };
    let name = format!("{} {}", month["colour"], month["month"]);
    assert_eq!(month["rows_read"], made.rows_read, "{name}");
    assert_eq!(month["rows_kept"], made.rows_kept, "{name}");
    assert_eq!(month["rows_quarantined"], made.rows_quarantined, "{name}");
    assert_eq!(rules("reasons"), made.reasons, "{name}");
    assert_eq!(rules("flags"), made.flags, "{name}");
}
