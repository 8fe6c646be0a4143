//! Reads batches of a Parquet file into typed columns.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use polars_arrow::array::View;

use super::fields::Clock;
use super::rules::UNREADABLE;
use super::text::push_field;
use super::typed::{Typed, Values};
use super::{Batch, CleanError, Rejects};
use crate::schema::{Column, Kind, Mapping, Target};

/// The times that have a date of four digits: the years 1 to 9999, in microseconds since 1970.
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// Reads batches of one file.
#[derive(Debug)]
pub(super) struct BatchReader {
    schema: Vec<&'static Column>,
    /// For each canonical column, the source columns that fill it.
    sources: Vec<Vec<usize>>,
    clock: Clock,
    buffer: Vec<u8>,
}

impl BatchReader {
    pub(super) fn new(schema: Vec<&'static Column>, mapping: &Mapping) -> Self {
        let mut sources = vec![Vec::new(); schema.len()];
        for (at, target) in mapping.targets.iter().enumerate() {
            if let Target::Column(column) | Target::Alternative(column) = target {
                sources[*column].push(at);
            }
        }
        Self { schema, sources, clock: Clock::default(), buffer: Vec::new() }
    }

    /// Reads every row of a batch.
    pub(super) fn read(&mut self, batch: &RecordBatch) -> Result<Batch, CleanError> {
        let rows = batch.num_rows();
        let mut typed = Typed::of_rows(&self.schema, rows);
        let mut failed = vec![false; rows];
        for column in 0..self.schema.len() {
            let read = match self.sources[column].as_slice() {
                [] => continue,
                [source] => {
                    let name = batch.schema().field(*source).name().clone();
                    self.column(column, batch.column(*source), &name, &mut failed)?
                }
                several => {
                    let arrays: Vec<&ArrayRef> =
                        several.iter().map(|at| batch.column(*at)).collect();
                    self.coalesced(column, &arrays, &mut failed)?
                }
            };
            if let Some((values, nulls)) = read {
                typed.set(column, values, nulls);
            }
        }
        let failed = failed.iter().enumerate().filter(|(_, failed)| **failed);
        let failed = failed.map(|(row, _)| (row as u32, 1 << UNREADABLE)).collect();
        Ok(Batch { typed, failed })
    }

    fn column(
        &mut self,
        column: usize,
        array: &ArrayRef,
        name: &str,
        failed: &mut [bool],
    ) -> Result<Option<(Values, Vec<u32>)>, CleanError> {
        let kind = self.schema[column].kind;
        let mut as_type = |target: &DataType| {
            strictly(array, target, failed).map_err(|_| CleanError::ColumnType {
                column: name.to_owned(),
                found: array.data_type().to_string(),
            })
        };
        let whole = |array: &ArrayRef| {
            use DataType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32};
            matches!(array.data_type(), Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32)
        };
        let read = match kind {
            _ if array.data_type() == &DataType::Null => return Ok(None),
            Kind::Number if array.data_type().is_numeric() => {
                let floats = as_type(&DataType::Float64)?;
                let floats = floats.as_primitive::<Float64Type>();
                let (values, nulls) = taken(floats, floats.values(), failed, |value| {
                    value.is_finite().then_some(value)
                });
                (Values::Number(values), nulls)
            }
            Kind::Time if matches!(array.data_type(), DataType::Timestamp(..)) => {
                let times = as_type(&DataType::Timestamp(TimeUnit::Microsecond, None))?;
                let times = times.as_primitive::<TimestampMicrosecondType>();
                let (values, nulls) = taken(times, times.values(), failed, |time| {
                    TIMES.contains(&time).then_some(time)
                });
                (Values::Time(values), nulls)
            }
            Kind::Code(_) | Kind::Seconds if whole(array) => {
                let whole = as_type(&DataType::Int64)?;
                let whole = whole.as_primitive::<Int64Type>();
                integers(kind, whole, whole.values(), failed, Some)
            }
            Kind::Code(_) | Kind::Seconds if array.data_type().is_numeric() => {
                let floats = as_type(&DataType::Float64)?;
                let floats = floats.as_primitive::<Float64Type>();
                integers(kind, floats, floats.values(), failed, |value| {
                    (value.fract() == 0.0 && value.abs() < 1e15).then_some(value as i64)
                })
            }
            Kind::Text | Kind::Base | Kind::Flag if is_dictionary(array) => {
                self.dictionary(column, array, failed)?
            }
            _ => {
                let texts = as_type(&DataType::Utf8)?;
                self.text(column, &texts, failed)
            }
        };
        Ok(Some(read))
    }

    /// Reads a column of text as the fields of a CSV file are read.
    fn text(&mut self, column: usize, array: &ArrayRef, failed: &mut [bool]) -> (Values, Vec<u32>) {
        let texts = array.as_string::<i32>();
        let kind = self.schema[column].kind;
        let mut one = Typed::new(&self.schema[column..=column], &[true], texts.len());
        for (row, field) in texts.iter().enumerate() {
            let field = field.unwrap_or_default().as_bytes();
            failed[row] |= !push_field(&mut one, 0, kind, field, &mut self.clock, &mut self.buffer);
            one.end_record();
        }
        one.into_only()
    }

    /// Reads a column of text that comes as a dictionary: each of its texts once.
    fn dictionary(
        &mut self,
        column: usize,
        array: &ArrayRef,
        failed: &mut [bool],
    ) -> Result<(Values, Vec<u32>), CleanError> {
        let array = array.as_dictionary::<Int32Type>();
        let mut bad = vec![false; array.values().len()];
        let values = cast(array.values(), &DataType::Utf8)?;
        let (values, none) = self.text(column, &values, &mut bad);
        let Values::Text(distinct) = values else {
            return Ok((values, none));
        };
        let mut null = vec![false; bad.len()];
        for at in &none {
            null[*at as usize] = true;
        }
        let mut texts = distinct.emptied(array.len());
        let mut nulls = Vec::new();
        for (row, key) in array.keys().iter().enumerate() {
            match key.map(|key| key as usize) {
                Some(key) if !null[key] => texts.views.push(distinct.views[key]),
                key => {
                    failed[row] |= key.is_some_and(|key| bad[key]);
                    nulls.push(row as u32);
                    texts.views.push(View::default());
                }
            }
        }
        Ok((Values::Text(texts), nulls))
    }

    /// Reads several source columns of one meaning: a row's value is in whichever is not
    /// blank; two that are not cannot both be kept.
    fn coalesced(
        &mut self,
        column: usize,
        arrays: &[&ArrayRef],
        failed: &mut [bool],
    ) -> Result<Option<(Values, Vec<u32>)>, CleanError> {
        let texts = arrays
            .iter()
            .map(|array| strictly(array, &DataType::Utf8, failed))
            .collect::<Result<Vec<_>, _>>()?;
        let mut merged = arrow::array::StringBuilder::new();
        for (row, failed) in failed.iter_mut().enumerate() {
            let mut filled = texts.iter().filter_map(|text| {
                let text = text.as_string::<i32>();
                let text = text.is_valid(row).then(|| text.value(row).trim())?;
                (!text.is_empty()).then_some(text)
            });
            merged.append_option(filled.next());
            *failed |= filled.next().is_some();
        }
        let merged: ArrayRef = std::sync::Arc::new(merged.finish());
        Ok(Some(self.text(column, &merged, failed)))
    }
}

fn is_dictionary(array: &ArrayRef) -> bool {
    matches!(array.data_type(), DataType::Dictionary(key, value)
        if **key == DataType::Int32 && **value == DataType::Utf8)
}

/// An array as another type; a value that has none there fails its row.
fn strictly(
    array: &ArrayRef,
    target: &DataType,
    failed: &mut [bool],
) -> Result<ArrayRef, ArrowError> {
    let converted = cast(array, target)?;
    if converted.null_count() > array.logical_null_count() {
        let before = array.logical_nulls();
        for (row, failed) in failed.iter_mut().enumerate() {
            let was = before.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            *failed |= was && converted.is_null(row);
        }
    }
    Ok(converted)
}

/// Values and nulls of an array; a value that `read` refuses fails its row.
fn taken<T: Copy, U: Default>(
    array: &dyn Array,
    values: &[T],
    failed: &mut [bool],
    read: impl Fn(T) -> Option<U>,
) -> (Vec<U>, Vec<u32>) {
    let absent = array.nulls().filter(|nulls| nulls.null_count() > 0);
    let mut nulls = Vec::new();
    let mut refuse = |row: usize| {
        nulls.push(row as u32);
        U::default()
    };
    let taken = values.iter().enumerate().map(|(row, value)| {
        if absent.is_some_and(|absent| absent.is_null(row)) {
            return refuse(row);
        }
        read(*value).unwrap_or_else(|| {
            failed[row] = true;
            refuse(row)
        })
    });
    (taken.collect(), nulls)
}

fn integers<T: Copy>(
    kind: Kind,
    array: &dyn Array,
    values: &[T],
    failed: &mut [bool],
    whole: impl Fn(T) -> Option<i64>,
) -> (Values, Vec<u32>) {
    if kind == Kind::Seconds {
        let (values, nulls) = taken(array, values, failed, |v| i32::try_from(whole(v)?).ok());
        (Values::Seconds(values), nulls)
    } else {
        let (values, nulls) = taken(array, values, failed, |v| i16::try_from(whole(v)?).ok());
        (Values::Code(values), nulls)
    }
}

/// Times as they stand: the name of a zone is more than arrow can spell.
fn without_zone(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Timestamp(unit, Some(_)) => cast(array, &DataType::Timestamp(*unit, None)),
        _ => Ok(ArrayRef::clone(array)),
    }
}

/// Writes down the rows of a batch that were rejected; `rows_before` counts the file's rows
/// before it.
pub(super) fn set_aside(
    batch: &RecordBatch,
    rows_before: u64,
    rejected: &[(u32, u32)],
    rejects: &mut Rejects,
) -> Result<(), CleanError> {
    if rejected.is_empty() {
        return Ok(());
    }
    let options = FormatOptions::new().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    let columns = batch.columns().iter().map(without_zone).collect::<Result<Vec<_>, _>>()?;
    let formatters = columns
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<Vec<_>, _>>()?;
    for &(row, reasons) in rejected {
        let row = row as usize;
        let fields = formatters.iter().zip(&columns).map(|(formatter, column)| {
            column.is_valid(row).then(|| formatter.value(row).to_string())
        });
        rejects.push(rows_before + row as u64 + 1, reasons, fields);
    }
    Ok(())
}
