//! A batch between reading and judging, and the rows set aside.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, ListBuilder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;

use super::rules::RULES;
use super::typed::Typed;
use crate::schema::{Mapping, Target};
use crate::trip::{Counts, quarantine};

/// A set of source columns, of those that are read: the bit of each is its place among them. A
/// file that has more than there are bits shares the last.
pub(super) type Marks = u128;

/// The mark of each source column; 0 for one that is not read.
pub(super) fn marks(mapping: &Mapping) -> Vec<Marks> {
    let mut known = 0;
    let mark = |target: &Target| {
        if *target == Target::Unknown {
            return 0;
        }
        let mark = 1 << known.min(Marks::BITS - 1);
        known += 1;
        mark
    };
    mapping.targets.iter().map(mark).collect()
}

/// The names of the source columns in a set.
pub(super) fn marked(mapping: &Mapping, set: Marks) -> Vec<String> {
    let columns = marks(mapping).into_iter().zip(&mapping.names);
    columns.filter(|(mark, _)| mark & set != 0).map(|(_, name)| name.clone()).collect()
}

/// A row that is set aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Refused {
    /// Its place in the batch.
    pub(super) row: u32,
    /// The bits of its reasons.
    pub(super) reasons: u32,
    /// The columns that could not be read.
    pub(super) columns: Marks,
}

impl Refused {
    /// A row, whatever the reason.
    pub(super) fn plain(row: u32) -> Self {
        Self { row, ..Self::default() }
    }
}

/// A batch that was read: its columns, and the rows that could not be.
#[derive(Debug)]
pub(super) struct Batch {
    /// The columns, with nulls for the rows that could not be read.
    pub(super) typed: Typed,
    /// The rows that could not be read, in order.
    pub(super) failed: Vec<Refused>,
    /// The columns that have times marked as universal.
    pub(super) universal: Marks,
}

/// Rows set aside, as the quarantine keeps them.
#[derive(Debug)]
pub(super) struct Rejects {
    /// The names and the marks of the source columns.
    names: Vec<String>,
    marks: Vec<Marks>,
    line: Int64Builder,
    reasons: ListBuilder<StringBuilder>,
    fields: ListBuilder<StringBuilder>,
    unreadable: ListBuilder<StringBuilder>,
    /// How many rows each source column spoils.
    spoiled: BTreeMap<usize, u64>,
    /// Their values, the first of them.
    values: Counts,
}

pub(super) fn item(nullable: bool) -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Utf8, nullable))
}

impl Default for Rejects {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            marks: Vec::new(),
            line: Int64Builder::new(),
            reasons: ListBuilder::new(StringBuilder::new()).with_field(item(false)),
            fields: ListBuilder::new(StringBuilder::new()).with_field(item(true)),
            unreadable: ListBuilder::new(StringBuilder::new()).with_field(item(false)),
            spoiled: BTreeMap::new(),
            values: Counts::default(),
        }
    }
}

impl Rejects {
    /// No rows yet, of a file with these columns.
    pub(super) fn new(mapping: &Mapping) -> Self {
        Self { names: mapping.names.clone(), marks: marks(mapping), ..Self::default() }
    }

    /// The schema of a quarantine file.
    pub(super) fn schema() -> Arc<Schema> {
        Arc::new(Schema::new(vec![
            Field::new(quarantine::LINE, DataType::Int64, false),
            Field::new(quarantine::REASONS, DataType::List(item(false)), false),
            Field::new(quarantine::FIELDS, DataType::List(item(true)), false),
            Field::new(quarantine::UNREADABLE, DataType::List(item(false)), false),
        ]))
    }

    /// Adds a row: its line, why it is refused, its fields as text.
    pub(super) fn push(
        &mut self,
        line: u64,
        refused: &Refused,
        fields: impl Iterator<Item = Option<String>>,
    ) {
        self.line.append_value(line as i64);
        for rule in names(refused.reasons) {
            self.reasons.values().append_value(rule);
        }
        self.reasons.append(true);
        for (at, field) in fields.enumerate() {
            if self.marks.get(at).is_some_and(|mark| mark & refused.columns != 0) {
                let name = &self.names[at];
                self.unreadable.values().append_value(name);
                *self.spoiled.entry(at).or_default() += 1;
                if let Some(value) = &field {
                    self.values.note_unreadable(name, value);
                }
            }
            self.fields.values().append_option(field);
        }
        self.fields.append(true);
        self.unreadable.append(true);
    }

    /// The rows so far; `counts` learns which columns could not be read.
    pub(super) fn finish(mut self, counts: &mut Counts) -> Result<RecordBatch, ArrowError> {
        for (at, rows) in self.spoiled {
            *counts.unreadable.entry(self.names[at].clone()).or_default() += rows;
        }
        counts.unreadable_values = self.values.unreadable_values;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.line.finish()),
            Arc::new(self.reasons.finish()),
            Arc::new(self.fields.finish()),
            Arc::new(self.unreadable.finish()),
        ];
        RecordBatch::try_new(Self::schema(), columns)
    }
}

/// The names of the rules whose bits are set.
pub(super) fn names(reasons: u32) -> impl Iterator<Item = &'static str> {
    RULES
        .iter()
        .enumerate()
        .filter(move |(at, _)| reasons >> at & 1 == 1)
        .map(|(_, rule)| rule.name)
}
