//! What is in a file that was made: the truth that a reader has to find.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::column::{Column, Kind, Row, Value};
use super::dirt::{Dirt, Fate};
use super::layout::Layout;

/// The contents of a trip file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    pub rows_read: u64,
    pub rows_kept: u64,
    pub rows_quarantined: u64,
    /// Rejected rows by rule. No row breaks two rules.
    pub reasons: BTreeMap<String, u64>,
    /// Kept rows by the rule that marks them.
    pub flags: BTreeMap<String, u64>,
    /// In the order of the file.
    pub planted: Vec<Planted>,
    /// Of the kept rows, for each column that the file has, by its canonical name.
    pub sums: BTreeMap<String, Sum>,
    /// The file's size.
    pub bytes: u64,
}

/// A row with dirt in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Planted {
    /// Where the record starts: the line of the inflated CSV, or the row of the Parquet file,
    /// from 1.
    pub line: u64,
    pub dirt: String,
    /// The rule that has to find it; the dirt's own name where none has to.
    /// `malformed_quotes` counts as `wrong_field_count`.
    pub rule: String,
    /// The record as written, without its line end.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sum {
    pub nulls: u64,
    pub sum: Total,
}

/// A column's sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Total {
    /// Of whole numbers and codes, of microseconds since 1970, of texts' bytes once trimmed.
    Whole(i128),
    Real(f64),
}

#[derive(Clone, Copy, Default)]
struct Count {
    present: u64,
    whole: i64,
    real: f64,
}

/// Counts while a file is made.
pub struct Tally {
    columns: Vec<Column>,
    counts: Vec<Count>,
    made: Made,
}

impl Tally {
    pub fn new(layout: &Layout) -> Self {
        let columns: Vec<_> = layout.fields.iter().filter_map(|(_, column)| *column).collect();
        Self { counts: vec![Count::default(); columns.len()], columns, made: Made::default() }
    }

    pub fn kept(&mut self, row: &Row) {
        self.made.rows_kept += 1;
        for (column, count) in self.columns.iter().zip(&mut self.counts) {
            match row[*column] {
                Value::Null => continue,
                Value::Whole(value) | Value::Cents(value) | Value::Time(value) => {
                    count.whole += value;
                }
                Value::Coded(code, _) => count.whole += code,
                Value::Degrees(degrees) => count.real += degrees,
                Value::Text(text) if text.trim().is_empty() => continue,
                Value::Text(text) => count.whole += text.trim().len() as i64,
            }
            count.present += 1;
        }
    }

    pub fn dirty(&mut self, dirt: Dirt, row: &Row, line: u64, text: String) {
        let rule = match dirt.fate() {
            Fate::Rejected(rule) => {
                self.made.rows_quarantined += 1;
                *self.made.reasons.entry(rule.to_owned()).or_default() += 1;
                if dirt == Dirt::UnclosedQuote { "malformed_quotes" } else { rule }
            }
            Fate::Flagged(rule) => {
                self.kept(row);
                *self.made.flags.entry(rule.to_owned()).or_default() += 1;
                rule
            }
            Fate::Kept => {
                self.kept(row);
                dirt.name()
            }
        };
        let (dirt, rule) = (dirt.name().to_owned(), rule.to_owned());
        self.made.planted.push(Planted { line, dirt, rule, text });
    }

    pub fn finish(mut self) -> Made {
        self.made.rows_read = self.made.rows_kept + self.made.rows_quarantined;
        for (column, count) in self.columns.iter().zip(&self.counts) {
            let sum = match column.kind() {
                Kind::Amount => Total::Real(count.whole as f64 / 100.0),
                Kind::Degrees => Total::Real(count.real),
                Kind::Time => Total::Whole(i128::from(count.whole) * 1_000_000),
                Kind::Code | Kind::Long | Kind::Text => Total::Whole(i128::from(count.whole)),
            };
            let nulls = self.made.rows_kept - count.present;
            self.made.sums.insert(column.name().to_owned(), Sum { nulls, sum });
        }
        self.made
    }
}

impl Made {
    /// All of it but the planted rows. A whole sum beyond 64 bits becomes text.
    pub fn to_json(&self) -> Json {
        let total = |total: Total| match total {
            Total::Real(sum) => json!(sum),
            Total::Whole(sum) => match i64::try_from(sum) {
                Ok(sum) => json!(sum),
                Err(_) => json!(sum.to_string()),
            },
        };
        let sums: serde_json::Map<String, Json> = self
            .sums
            .iter()
            .map(|(name, it)| (name.clone(), json!({ "nulls": it.nulls, "sum": total(it.sum) })))
            .collect();
        json!({
            "rows_read": self.rows_read,
            "rows_kept": self.rows_kept,
            "rows_quarantined": self.rows_quarantined,
            "reasons": self.reasons,
            "flags": self.flags,
            "sums": sums,
            "bytes": self.bytes,
        })
    }

    pub fn planted_json(&self) -> Json {
        let planted = self.planted.iter().map(
            |it| json!({ "line": it.line, "dirt": it.dirt, "rule": it.rule, "text": it.text }),
        );
        planted.collect()
    }
}
