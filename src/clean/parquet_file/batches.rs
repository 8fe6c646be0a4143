//! The rows of a Parquet file in batches of bounded size.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::careful::{careful, damaged};
use super::opened::{BATCH, rows_of};
use crate::clean::CleanError;
use crate::clean::part::Part;
use crate::flow::Progress;
use crate::trip::TripFile;

/// The rows of a Parquet file in batches: the columns that are wanted, the others empty.
pub(in crate::clean) struct Batches {
    pub(super) file: TripFile,
    /// One reader of all columns, or one of each.
    pub(super) readers: Vec<ParquetRecordBatchReader>,
    /// The places of the columns that are read.
    pub(super) wanted: Vec<usize>,
    pub(super) schema: SchemaRef,
    /// What is left of a batch that is too large once decoded.
    pub(super) waiting: Option<RecordBatch>,
    pub(super) rows_before: u64,
    pub(super) rows: u64,
    pub(super) size: u64,
    pub(super) progress: Progress,
}

impl Batches {
    /// The columns of the file.
    pub(in crate::clean) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(in crate::clean) fn next(&mut self) -> Result<Option<Part>, CleanError> {
        let file = self.file;
        let read = match self.waiting.take() {
            Some(waiting) => Some(waiting),
            None => careful(file, || self.read())?,
        };
        let Some(mut batch) = read else {
            if self.rows_before == self.rows {
                return Ok(None);
            }
            let (rows, has) = (self.rows, self.rows_before);
            return Err(damaged(file, format!("its footer says {rows} rows, but it has {has}")));
        };
        let rows = rows_of(BATCH, longest_row(&batch));
        if rows < batch.num_rows() {
            self.waiting = Some(batch.slice(rows, batch.num_rows() - rows));
            batch = batch.slice(0, rows);
        }
        let rows_before = self.rows_before;
        self.rows_before += batch.num_rows() as u64;
        self.progress.advance(batch.num_rows() as u64 * self.size / self.rows.max(1));
        Ok(Some(Part::Rows { batch, rows_before }))
    }

    /// The next batch of every reader, as one of all columns of the file.
    fn read(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.wanted.len());
        let mut rows = None;
        for reader in &mut self.readers {
            let batch = reader.next().transpose()?;
            let length = batch.as_ref().map(RecordBatch::num_rows);
            if rows.is_some_and(|rows| rows != length) {
                let differ = "its columns differ in length".to_owned();
                return Err(ArrowError::ParquetError(differ));
            }
            rows = Some(length);
            columns.extend(batch.iter().flat_map(RecordBatch::columns).cloned());
        }
        let Some(Some(rows)) = rows else {
            return Ok(None);
        };
        let mut all = vec![new_null_array(&DataType::Null, rows); self.schema.fields().len()];
        for (root, column) in self.wanted.iter().zip(columns) {
            all[*root] = column;
        }
        let fields = self
            .schema
            .fields()
            .iter()
            .zip(&all)
            .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Some(RecordBatch::try_new(schema, all)?))
    }
}

/// The most that a row takes once its texts are taken out of their dictionaries.
fn longest_row(batch: &RecordBatch) -> u64 {
    let texts = batch.columns().iter().filter_map(|column| column.as_dictionary_opt::<Int32Type>());
    let longest = texts.map(|column| {
        let values = column.values();
        let lengths: &[i32] = match values.data_type() {
            DataType::Utf8 => values.as_string::<i32>().value_offsets(),
            DataType::Binary => values.as_binary::<i32>().value_offsets(),
            _ => return 0,
        };
        lengths.windows(2).map(|pair| (pair[1] - pair[0]) as u64).max().unwrap_or_default()
    });
    longest.sum()
}
