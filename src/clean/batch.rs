//! A batch between reading and judging, and the rows set aside.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, ListBuilder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;

use super::rules::RULES;
use super::typed::Typed;
use crate::trip::quarantine;

/// A batch that was read: its columns, and the rows that could not be.
#[derive(Debug)]
pub(super) struct Batch {
    /// The columns, with nulls for the rows that could not be read.
    pub(super) typed: Typed,
    /// The rows that could not be read, in order, each with the bits of its reasons.
    pub(super) failed: Vec<(u32, u32)>,
}

/// Rows set aside, as the quarantine keeps them.
#[derive(Debug)]
pub(super) struct Rejects {
    line: Int64Builder,
    reasons: ListBuilder<StringBuilder>,
    fields: ListBuilder<StringBuilder>,
}

impl Default for Rejects {
    fn default() -> Self {
        Self {
            line: Int64Builder::new(),
            reasons: ListBuilder::new(StringBuilder::new()).with_field(item(false)),
            fields: ListBuilder::new(StringBuilder::new()).with_field(item(true)),
        }
    }
}

pub(super) fn item(nullable: bool) -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Utf8, nullable))
}

impl Rejects {
    /// The schema of a quarantine file.
    pub(super) fn schema() -> Arc<Schema> {
        Arc::new(Schema::new(vec![
            Field::new(quarantine::LINE, DataType::Int64, false),
            Field::new(quarantine::REASONS, DataType::List(item(false)), false),
            Field::new(quarantine::FIELDS, DataType::List(item(true)), false),
        ]))
    }

    /// Adds a row: its line, the bits of its reasons, its fields as text.
    pub(super) fn push(
        &mut self,
        line: u64,
        reasons: u32,
        fields: impl Iterator<Item = Option<String>>,
    ) {
        self.line.append_value(line as i64);
        for rule in names(reasons) {
            self.reasons.values().append_value(rule);
        }
        self.reasons.append(true);
        for field in fields {
            self.fields.values().append_option(field);
        }
        self.fields.append(true);
    }

    /// The rows so far.
    pub(super) fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.line.finish()),
            Arc::new(self.reasons.finish()),
            Arc::new(self.fields.finish()),
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
