//! Reads batches of a Parquet file into typed columns.
//!
//! A type that cannot hold the values of its column fails the month. A value that the column
//! cannot hold spoils its row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float64Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use polars_arrow::array::View;

use super::batch::{Marks, Refused, marks};
use super::fields::Field;
use super::rules::UNREADABLE;
use super::text::{Reading, push_field};
use super::typed::{Texts, Typed, Values};
use super::zone::{WallClock, Zone, with_offset};
use super::{Batch, CleanError, Rejects};
use crate::schema::{Column, Kind, Mapping, Target};
use crate::trip::TripFile;

/// The times that have a date of four digits: the years 1 to 9999, in microseconds since 1970.
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// The largest whole number below which a 64-bit float holds all others.
const EXACT: u128 = 1 << 53;

/// 10^22, the largest power of ten that a 64-bit float holds exactly, has this exponent.
const EXACT_POWER: i8 = 22;

/// The values of a column and the rows that have none.
type Read = (Values, Vec<u32>);

/// Reads batches of one file.
#[derive(Debug)]
pub(super) struct BatchReader {
    file: TripFile,
    schema: Vec<&'static Column>,
    /// For each canonical column, the source columns that fill it, with their marks.
    sources: Vec<Vec<(usize, Marks)>>,
    reading: Reading,
    clocks: WallClock,
}

/// A source column being read.
struct Source<'a> {
    name: &'a str,
    kind: Kind,
    mark: Marks,
    /// For each row, the columns that spoil it.
    failed: &'a mut [Marks],
}

impl Source<'_> {
    fn fail(&mut self, row: usize) {
        self.failed[row] |= self.mark;
    }
}

impl BatchReader {
    pub(super) fn new(file: TripFile, schema: Vec<&'static Column>, mapping: &Mapping) -> Self {
        let mut sources = vec![Vec::new(); schema.len()];
        for ((at, target), mark) in mapping.targets.iter().enumerate().zip(marks(mapping)) {
            if let Target::Column(column) | Target::Alternative(column) = target {
                sources[*column].push((at, mark));
            }
        }
        let (reading, clocks) = (Reading::default(), WallClock::default());
        Self { file, schema, sources, reading, clocks }
    }

    /// Reads every row of a batch.
    pub(super) fn read(&mut self, batch: &RecordBatch) -> Result<Batch, CleanError> {
        let rows = batch.num_rows();
        let mut typed = Typed::of_rows(&self.schema, rows);
        let mut failed: Vec<Marks> = vec![0; rows];
        let mut universal = 0;
        let schema = batch.schema();
        for column in 0..self.schema.len() {
            let mut filled: Option<Read> = None;
            for (source, mark) in self.sources[column].clone() {
                let name = schema.field(source).name();
                let kind = self.schema[column].kind;
                let mut of = Source { name, kind, mark, failed: &mut failed };
                let read = self.column(batch.column(source), &mut of)?;
                if std::mem::take(&mut self.reading.universal) {
                    universal |= mark;
                }
                filled = match (filled, read) {
                    (None, read) => read,
                    (filled, None) => filled,
                    (Some(one), Some(other)) => Some(merged(one, &other, rows, &mut of)),
                };
            }
            if let Some((values, nulls)) = filled {
                typed.set(column, values, nulls);
            }
        }
        let failed = failed.iter().enumerate().filter(|(_, columns)| **columns != 0);
        let failed = failed.map(|(row, columns)| Refused {
            row: row as u32,
            reasons: 1 << UNREADABLE,
            columns: *columns,
        });
        Ok(Batch { typed, failed: failed.collect(), universal })
    }

    /// Reads a column; `None` if it has no value.
    fn column(
        &mut self,
        array: &ArrayRef,
        of: &mut Source<'_>,
    ) -> Result<Option<Read>, CleanError> {
        use DataType::{
            Binary, BinaryView, Boolean, Decimal32, Decimal64, Decimal128, Decimal256, Dictionary,
            FixedSizeBinary, Float16, Float32, Float64, Int8, Int16, Int32, Int64, LargeBinary,
            LargeUtf8, Null, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
        };
        let kind = of.kind;
        let is_text = matches!(kind, Kind::Text | Kind::Base | Kind::Flag | Kind::Any);
        let is_whole = matches!(kind, Kind::Code(_) | Kind::Seconds | Kind::Whole);
        let read = match array.data_type() {
            Null => return Ok(None),
            Dictionary(..) if is_text && is_dictionary(array) => self.dictionary(array, of)?,
            Dictionary(_, value) => {
                let plain = cast(array, value).map_err(|_| self.misfit(array, of))?;
                return self.column(&plain, of);
            }
            Utf8 | LargeUtf8 | Utf8View => self.text(&cast(array, &Utf8)?, of),
            Binary | LargeBinary | BinaryView | FixedSizeBinary(_) if is_text => {
                self.bytes(&cast(array, &Binary)?, of)
            }
            Boolean if kind == Kind::Flag || has_words_for_booleans(kind) => {
                self.text(&cast(array, &Utf8)?, of)
            }
            Timestamp(unit, zone) if kind == Kind::Time => {
                let zone = match zone {
                    None => None,
                    Some(name) => match Zone::named(name, self.file.month) {
                        Some(zone) => Some(zone),
                        None => return self.nothing(array, of),
                    },
                };
                self.times(array, *unit, zone, of)?
            }
            Float16 | Float32 | Float64 | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16
            | UInt32 | UInt64 | Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..)
                if kind == Kind::Flag =>
            {
                self.text(&cast(array, &Utf8)?, of)
            }
            Float16 | Float32 | Float64 if kind == Kind::Number => {
                let floats = cast(array, &Float64)?;
                let floats = floats.as_primitive::<Float64Type>();
                let read = |value: f64| match value {
                    value if value.is_finite() => Field::Value(value),
                    value if value.is_nan() => Field::Empty,
                    _ => Field::Unreadable,
                };
                let (values, nulls) = taken(floats, floats.values(), of, read);
                (Values::Number(values), nulls)
            }
            Float16 | Float32 | Float64 if is_whole => {
                let floats = cast(array, &Float64)?;
                let floats = floats.as_primitive::<Float64Type>();
                integers(floats, floats.values(), of, |value| match value {
                    value if value.is_nan() => Field::Empty,
                    value if value.fract() == 0.0 && value.abs() < 1e15 => {
                        Field::Value(value as i64)
                    }
                    _ => Field::Unreadable,
                })
            }
            Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64
                if is_whole || kind == Kind::Number =>
            {
                let whole = strictly(array, &Int64, of)?;
                let whole = whole.as_primitive::<Int64Type>();
                if kind == Kind::Number {
                    let (values, nulls) = taken(whole, whole.values(), of, |value| {
                        let float = value as f64;
                        let exact = float as i128 == i128::from(value);
                        if exact { Field::Value(float) } else { Field::Unreadable }
                    });
                    (Values::Number(values), nulls)
                } else {
                    integers(whole, whole.values(), of, Field::Value)
                }
            }
            Decimal32(_, scale) | Decimal64(_, scale) | Decimal128(_, scale)
                if is_whole || kind == Kind::Number =>
            {
                let scale = *scale;
                let decimals = cast(array, &Decimal128(38, scale))?;
                let decimals = decimals.as_primitive::<Decimal128Type>();
                if kind == Kind::Number {
                    let read =
                        |value| decimal(value, scale).map_or(Field::Unreadable, Field::Value);
                    let (values, nulls) = taken(decimals, decimals.values(), of, read);
                    (Values::Number(values), nulls)
                } else {
                    integers(decimals, decimals.values(), of, |value| whole(value, scale))
                }
            }
            Decimal256(_, scale) if is_whole || kind == Kind::Number => {
                let scale = *scale;
                let decimals = array.as_primitive::<Decimal256Type>();
                if kind == Kind::Number {
                    let read = |value: arrow::datatypes::i256| {
                        let read = match value.to_i128() {
                            Some(value) => decimal(value, scale),
                            None => parsed(&value.to_string(), scale),
                        };
                        read.map_or(Field::Unreadable, Field::Value)
                    };
                    let (values, nulls) = taken(decimals, decimals.values(), of, read);
                    (Values::Number(values), nulls)
                } else {
                    integers(decimals, decimals.values(), of, |value| {
                        value.to_i128().map_or(Field::Unreadable, |value| whole(value, scale))
                    })
                }
            }
            _ if kind == Kind::Any => self.text(&texts_of(array, self.file)?, of),
            _ => return self.nothing(array, of),
        };
        Ok(Some(read))
    }

    /// A column whose type does not belong: no matter while it has no value, as tools write a
    /// column without any.
    fn nothing(&self, array: &ArrayRef, of: &Source<'_>) -> Result<Option<Read>, CleanError> {
        let values = if array.data_type().is_floating() {
            let floats = cast(array, &DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>();
            floats.iter().flatten().filter(|value| !value.is_nan()).count()
        } else {
            array.len() - array.logical_null_count()
        };
        if values == 0 { Ok(None) } else { Err(self.misfit(array, of)) }
    }

    fn misfit(&self, array: &ArrayRef, of: &Source<'_>) -> CleanError {
        CleanError::ColumnType {
            file: self.file,
            column: of.name.to_owned(),
            found: array.data_type().to_string(),
            expected: of.kind.expected(),
        }
    }

    fn times(
        &mut self,
        array: &ArrayRef,
        unit: TimeUnit,
        zone: Option<Zone>,
        of: &mut Source<'_>,
    ) -> Result<Read, CleanError> {
        // The same numbers without their meaning: the name of a zone is more than arrow can read.
        let times = cast(array, &DataType::Int64)?;
        let times = times.as_primitive::<Int64Type>();
        let clocks = &mut self.clocks;
        let (values, nulls) = taken(times, times.values(), of, |time| {
            if is_nat(time, unit) {
                return Field::Empty;
            }
            let time = micros(time, unit).and_then(|time| match zone {
                Some(Zone::NewYork) => clocks.at(time),
                Some(Zone::Universal) | None => Some(time),
            });
            match time {
                Some(time) if TIMES.contains(&time) => Field::Value(time),
                _ => Field::Unreadable,
            }
        });
        self.reading.universal |= zone == Some(Zone::Universal) && nulls.len() < times.len();
        Ok((Values::Time(values), nulls))
    }

    /// Reads a column of text as the fields of a CSV file are read.
    fn text(&mut self, array: &ArrayRef, of: &mut Source<'_>) -> Read {
        let fields = array.as_string::<i32>().iter();
        self.fields(array.len(), fields.map(|field| field.unwrap_or_default().as_bytes()), of)
    }

    /// Reads a column of bytes as text: what has no mark of being text may be text all the same.
    fn bytes(&mut self, array: &ArrayRef, of: &mut Source<'_>) -> Read {
        let fields = array.as_binary::<i32>().iter();
        self.fields(array.len(), fields.map(Option::unwrap_or_default), of)
    }

    fn fields<'f>(
        &mut self,
        rows: usize,
        fields: impl Iterator<Item = &'f [u8]>,
        of: &mut Source<'_>,
    ) -> Read {
        let mut one = Typed::of_kind(of.kind, rows);
        for (row, field) in fields.enumerate() {
            if push_field(&mut one, 0, of.kind, field, &mut self.reading) == Field::Unreadable {
                of.fail(row);
            }
            one.end_record();
        }
        one.into_only()
    }

    /// Reads a column of text that comes as a dictionary: each of its texts once.
    fn dictionary(&mut self, array: &ArrayRef, of: &mut Source<'_>) -> Result<Read, CleanError> {
        let array = array.as_dictionary::<Int32Type>();
        let mut bad: Vec<Marks> = vec![0; array.values().len()];
        let values = cast(array.values(), &DataType::Utf8)?;
        let mut of_values = Source { failed: &mut bad, ..*of };
        let (values, none) = self.text(&values, &mut of_values);
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
                    if key.is_some_and(|key| bad[key] != 0) {
                        of.fail(row);
                    }
                    nulls.push(row as u32);
                    texts.views.push(View::default());
                }
            }
        }
        Ok((Values::Text(texts), nulls))
    }
}

/// Two columns of one meaning as one: a row's value is in whichever has one. Two values that
/// differ cannot both be kept.
fn merged(one: Read, other: &Read, rows: usize, of: &mut Source<'_>) -> Read {
    let (mut values, mut nulls) = (one, vec![[false; 2]; rows]);
    for (at, read) in [(0, &values.1), (1, &other.1)] {
        for row in read {
            nulls[*row as usize][at] = true;
        }
    }
    match (&mut values.0, &other.0) {
        (Values::Code(one), Values::Code(other)) => choose(one, other, &nulls, of),
        (Values::Seconds(one), Values::Seconds(other)) => choose(one, other, &nulls, of),
        (Values::Number(one), Values::Number(other)) => choose(one, other, &nulls, of),
        (Values::Whole(one), Values::Whole(other)) | (Values::Time(one), Values::Time(other)) => {
            choose(one, other, &nulls, of);
        }
        (Values::Text(one), Values::Text(other)) => choose_text(one, other, &nulls, of),
        // Both are of the column's kind.
        _ => {}
    }
    let none = nulls.iter().enumerate().filter(|(_, nulls)| **nulls == [true; 2]);
    values.1 = none.map(|(row, _)| row as u32).collect();
    values
}

fn choose<T: Copy + PartialEq>(
    one: &mut [T],
    other: &[T],
    nulls: &[[bool; 2]],
    of: &mut Source<'_>,
) {
    for (row, nulls) in nulls.iter().enumerate() {
        match nulls {
            [true, false] => one[row] = other[row],
            [false, false] if one[row] != other[row] => of.fail(row),
            _ => {}
        }
    }
}

fn choose_text(one: &mut Texts, other: &Texts, nulls: &[[bool; 2]], of: &mut Source<'_>) {
    for (row, nulls) in nulls.iter().enumerate() {
        let text = other.get(&other.views[row]);
        match nulls {
            [true, false] => one.replace(row, text),
            [false, false] if one.get(&one.views[row]) != text => of.fail(row),
            _ => {}
        }
    }
}

fn is_dictionary(array: &ArrayRef) -> bool {
    matches!(array.data_type(), DataType::Dictionary(key, value)
        if **key == DataType::Int32 && **value == DataType::Utf8)
}

/// Whether a code knows the words true and false.
fn has_words_for_booleans(kind: Kind) -> bool {
    matches!(kind, Kind::Code(words) if words.iter().any(|(word, _)| *word == "true"))
}

/// A time of some unit in microseconds, rounded down; `None` if that is too large a number.
fn micros(time: i64, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Second => time.checked_mul(1_000_000),
        TimeUnit::Millisecond => time.checked_mul(1_000),
        TimeUnit::Microsecond => Some(time),
        TimeUnit::Nanosecond => Some(time.div_euclid(1_000)),
    }
}

/// Whether a time is NaT, which NumPy and pandas write for a missing one: the smallest number of 64
/// bits, also where it stood for nanoseconds and was made coarser.
const fn is_nat(time: i64, unit: TimeUnit) -> bool {
    let per_unit = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    time == i64::MIN || time == i64::MIN / per_unit || time == i64::MIN.div_euclid(per_unit)
}

/// The float nearest to a decimal.
fn decimal(value: i128, scale: i8) -> Option<f64> {
    if value.unsigned_abs() < EXACT && (0..=EXACT_POWER).contains(&scale) {
        // Both are exact, so one division rounds right.
        return Some(value as f64 / 10_f64.powi(i32::from(scale)));
    }
    parsed(&value.to_string(), scale)
}

fn parsed(digits: &str, scale: i8) -> Option<f64> {
    let value: f64 = format!("{digits}e{}", -i32::from(scale)).parse().ok()?;
    value.is_finite().then_some(value)
}

/// A decimal as a whole number.
fn whole(value: i128, scale: i8) -> Field<i64> {
    let Some(power) = 10_i128.checked_pow(u32::from(scale.unsigned_abs())) else {
        return if value == 0 { Field::Value(0) } else { Field::Unreadable };
    };
    let whole = if scale < 0 {
        value.checked_mul(power)
    } else {
        (value % power == 0).then_some(value / power)
    };
    let whole = whole.and_then(|whole| i64::try_from(whole).ok());
    whole.map_or(Field::Unreadable, Field::Value)
}

/// An array as another type; a value that has none there fails its row.
fn strictly(
    array: &ArrayRef,
    target: &DataType,
    of: &mut Source<'_>,
) -> Result<ArrayRef, ArrowError> {
    let converted = cast(array, target)?;
    if converted.null_count() > array.logical_null_count() {
        let before = array.logical_nulls();
        for row in 0..array.len() {
            let was = before.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            if was && converted.is_null(row) {
                of.fail(row);
            }
        }
    }
    Ok(converted)
}

/// Values and nulls of an array; a value that `read` finds unreadable fails its row.
fn taken<T: Copy, U: Default>(
    array: &dyn Array,
    values: &[T],
    of: &mut Source<'_>,
    mut read: impl FnMut(T) -> Field<U>,
) -> (Vec<U>, Vec<u32>) {
    let absent = array.nulls().filter(|nulls| nulls.null_count() > 0);
    if absent.is_none() {
        // Mostly every value is readable, and then there is no more to it.
        let mut readable = true;
        let value = |value: &T| match read(*value) {
            Field::Value(value) => value,
            Field::Empty | Field::Unreadable => {
                readable = false;
                U::default()
            }
        };
        let all = values.iter().map(value).collect();
        if readable {
            return (all, Vec::new());
        }
    }
    let mut nulls = Vec::new();
    let taken = values.iter().enumerate().map(|(row, value)| {
        if absent.is_none_or(|absent| absent.is_valid(row)) {
            match read(*value) {
                Field::Value(value) => return value,
                Field::Empty => {}
                Field::Unreadable => of.fail(row),
            }
        }
        nulls.push(row as u32);
        U::default()
    });
    let taken = taken.collect();
    (taken, nulls)
}

fn integers<T: Copy>(
    array: &dyn Array,
    values: &[T],
    of: &mut Source<'_>,
    whole: impl Fn(T) -> Field<i64>,
) -> Read {
    fn narrow<U: TryFrom<i64>>(value: Field<i64>) -> Field<U> {
        match value {
            Field::Value(value) => U::try_from(value).map_or(Field::Unreadable, Field::Value),
            Field::Empty => Field::Empty,
            Field::Unreadable => Field::Unreadable,
        }
    }
    if of.kind == Kind::Seconds {
        let (values, nulls) = taken(array, values, of, |value| narrow(whole(value)));
        (Values::Seconds(values), nulls)
    } else if of.kind == Kind::Whole {
        let (values, nulls) = taken(array, values, of, whole);
        (Values::Whole(values), nulls)
    } else {
        let (values, nulls) = taken(array, values, of, |value| narrow(whole(value)));
        (Values::Code(values), nulls)
    }
}

/// A column as people are to see it: times with a zone as the clocks of that zone show them if
/// it is New York's, as they stand if they are universal, else as text with their offset.
fn shown(array: &ArrayRef, file: TripFile) -> Result<ArrayRef, ArrowError> {
    let DataType::Timestamp(unit, Some(zone)) = array.data_type() else {
        return Ok(Arc::clone(array));
    };
    let known = Zone::named(zone, file.month);
    if known == Some(Zone::Universal) {
        return cast(array, &DataType::Timestamp(*unit, None));
    }
    if known.is_none() {
        let times = cast(array, &DataType::Int64)?;
        let times = times.as_primitive::<Int64Type>().iter();
        let text = |time: i64| {
            let text = micros(time, *unit).and_then(|time| with_offset(time, zone));
            text.unwrap_or_else(|| time.to_string())
        };
        let texts = times.map(|time| time.filter(|time| !is_nat(*time, *unit)).map(text));
        return Ok(Arc::new(texts.collect::<StringArray>()));
    }
    let mut clocks = WallClock::default();
    let times = cast(array, &DataType::Int64)?;
    let times = times.as_primitive::<Int64Type>().iter();
    let times = times.map(|time| clocks.at(micros(time?, *unit)?));
    Ok(Arc::new(times.collect::<PrimitiveArray<TimestampMicrosecondType>>()))
}

/// The values of a column of any type, as text.
fn texts_of(array: &ArrayRef, file: TripFile) -> Result<ArrayRef, ArrowError> {
    let shown = shown(array, file)?;
    let options = options();
    let formatter = ArrayFormatter::try_new(&shown, &options)?;
    let texts = (0..shown.len()).map(|row| value_text(&shown, &formatter, row));
    Ok(Arc::new(texts.collect::<StringArray>()))
}

/// How values are written.
fn options() -> FormatOptions<'static> {
    FormatOptions::new().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
}

/// Writes a value as it is in the file.
fn value_text(column: &ArrayRef, formatter: &ArrayFormatter<'_>, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    let bytes = match column.data_type() {
        DataType::Binary => Some(column.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Some(column.as_binary::<i64>().value(row)),
        DataType::BinaryView => Some(column.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => Some(column.as_fixed_size_binary().value(row)),
        _ => None,
    };
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    if let Some(text) = text.filter(|text| !text.contains(char::is_control)) {
        return Some(text.to_owned());
    }
    // A time beyond all calendars is shown as the number that it is.
    let number = || {
        let numbers = cast(column, &DataType::Int64).ok()?;
        Some(numbers.as_primitive_opt::<Int64Type>()?.value(row).to_string())
    };
    let written = formatter.value(row).try_to_string();
    Some(written.ok().or_else(number).unwrap_or_default())
}

/// Writes down the rows of a batch that were rejected; `rows_before` counts the file's rows
/// before it.
pub(super) fn set_aside(
    file: TripFile,
    batch: &RecordBatch,
    rows_before: u64,
    rejected: &[Refused],
    rejects: &mut Rejects,
) -> Result<(), CleanError> {
    if rejected.is_empty() {
        return Ok(());
    }
    let options = options();
    let columns = batch.columns().iter().map(|column| shown(column, file));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let formatters = columns
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<Vec<_>, _>>()?;
    for refused in rejected {
        let row = refused.row as usize;
        let fields = formatters.iter().zip(&columns);
        let fields = fields.map(|(formatter, column)| value_text(column, formatter, row));
        rejects.push(rows_before + row as u64 + 1, refused, fields);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_the_nearest_floats() {
        assert_eq!(decimal(1_550, 2), Some(15.5));
        assert_eq!(decimal(-325, 2), Some(-3.25));
        assert_eq!(decimal(12_500_000_000, 9), Some(12.5));
        assert_eq!(decimal(7, -2), Some(700.0));
        assert_eq!(
            decimal(123_456_789_012_345_678_901_234, 20),
            "1234.56789012345678901234".parse().ok()
        );
        assert_eq!(decimal(i128::MAX, 38), "1.7014118346046923".parse().ok());
    }

    #[test]
    fn decimals_with_a_fraction_are_not_whole() {
        assert_eq!(whole(300, 2), Field::Value(3));
        assert_eq!(whole(-300, 2), Field::Value(-3));
        assert_eq!(whole(301, 2), Field::Unreadable);
        assert_eq!(whole(3, -2), Field::Value(300));
        assert_eq!(whole(i128::MAX, 0), Field::Unreadable);
        assert_eq!(whole(0, 100), Field::Value(0));
    }

    #[test]
    fn the_smallest_number_is_a_missing_time_in_every_unit() {
        let units =
            [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
        for unit in units {
            assert!(is_nat(i64::MIN, unit) && !is_nat(0, unit) && !is_nat(i64::MIN + 1, unit));
        }
        // As 96 bits hold it, read in microseconds.
        assert!(is_nat(-9_223_372_036_854_776, TimeUnit::Microsecond));
        assert!(!is_nat(-9_223_372_036_854_777, TimeUnit::Microsecond));
    }

    #[test]
    fn units_never_wrap() {
        assert_eq!(micros(i64::MAX, TimeUnit::Second), None);
        assert_eq!(micros(i64::MIN, TimeUnit::Millisecond), None);
        assert_eq!(micros(-1, TimeUnit::Nanosecond), Some(-1));
        assert_eq!(micros(1_999, TimeUnit::Nanosecond), Some(1));
        assert_eq!(micros(-2, TimeUnit::Second), Some(-2_000_000));
    }
}
