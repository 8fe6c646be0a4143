//! Encodes batches for COPY in its binary format
//! (<https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>).

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, ListArray, RecordBatch, StringArray, StringViewArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use bytes::{Bytes, BytesMut};

use super::PostgresError;

/// What comes before the rows: the signature, no flags, no extension.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What comes after the rows.
pub(super) const TRAILER: &[u8] = b"\xff\xff";

/// Microseconds from 1970-01-01 to 2000-01-01, where Postgres begins to count.
const EPOCH: i64 = 946_684_800_000_000;

/// The days between the same.
const EPOCH_DAYS: i32 = 10_957;

const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// The values of one column, ready to be picked row by row.
enum Cells<'a> {
    Int2(&'a [i16]),
    Int4(&'a [i32]),
    Float4(&'a [f32]),
    Float8(&'a [f64]),
    Timestamp(&'a [i64]),
    Int8(&'a [i64]),
    Date(&'a [i32]),
    Text(&'a StringArray),
    View(&'a StringViewArray),
    Texts(&'a ListArray),
    /// Encoded already.
    Bytes(&'a BinaryArray),
}

struct Picked<'a> {
    cells: Cells<'a>,
    nulls: Option<&'a NullBuffer>,
}

impl<'a> Picked<'a> {
    fn of(array: &'a ArrayRef, name: &str) -> Result<Self, PostgresError> {
        let cells = match array.data_type() {
            DataType::Int16 => Cells::Int2(array.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Cells::Int4(array.as_primitive::<Int32Type>().values()),
            DataType::Float32 => Cells::Float4(array.as_primitive::<Float32Type>().values()),
            DataType::Binary => Cells::Bytes(array.as_binary::<i32>()),
            DataType::Float64 => Cells::Float8(array.as_primitive::<Float64Type>().values()),
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                Cells::Timestamp(array.as_primitive::<TimestampMicrosecondType>().values())
            }
            DataType::Int64 => Cells::Int8(array.as_primitive::<Int64Type>().values()),
            DataType::Date32 => Cells::Date(array.as_primitive::<Date32Type>().values()),
            DataType::Utf8 => Cells::Text(array.as_string::<i32>()),
            DataType::Utf8View => Cells::View(array.as_string_view()),
            DataType::List(item) if item.data_type() == &DataType::Utf8 => {
                Cells::Texts(array.as_list::<i32>())
            }
            other => {
                let (column, found) = (name.to_owned(), other.to_string());
                return Err(PostgresError::ColumnType { column, found });
            }
        };
        // A column all of whose bits are set has none to ask.
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Self { cells, nulls })
    }

    #[inline]
    fn put(&self, row: usize, out: &mut BytesMut) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(&NULL);
            return;
        }
        match &self.cells {
            Cells::Int2(values) => {
                let [a, b] = values[row].to_be_bytes();
                out.extend_from_slice(&[0, 0, 0, 2, a, b]);
            }
            Cells::Int4(values) => put_four(values[row].to_be_bytes(), out),
            Cells::Float4(values) => put_four(values[row].to_be_bytes(), out),
            Cells::Float8(values) => put_eight(values[row].to_be_bytes(), out),
            Cells::Timestamp(values) => {
                put_eight(values[row].saturating_sub(EPOCH).to_be_bytes(), out);
            }
            Cells::Int8(values) => put_eight(values[row].to_be_bytes(), out),
            Cells::Date(values) => put_four((values[row] - EPOCH_DAYS).to_be_bytes(), out),
            Cells::Bytes(values) => {
                let bytes = values.value(row);
                out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
                out.extend_from_slice(bytes);
            }
            Cells::Text(values) => put_text(values.value(row), out),
            Cells::View(values) => put_text(values.value(row), out),
            Cells::Texts(values) => put_texts(values.value(row).as_string::<i32>(), out),
        }
    }
}

#[inline]
fn put_four(value: [u8; 4], out: &mut BytesMut) {
    let mut cell = [0, 0, 0, 4, 0, 0, 0, 0];
    cell[4..].copy_from_slice(&value);
    out.extend_from_slice(&cell);
}

#[inline]
fn put_eight(value: [u8; 8], out: &mut BytesMut) {
    let mut cell = [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    cell[4..].copy_from_slice(&value);
    out.extend_from_slice(&cell);
}

#[inline]
fn put_text(text: &str, out: &mut BytesMut) {
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// An array of texts, as `array_recv` reads it: dimensions, whether nulls are in it, the type
/// of its elements, how many, the index of the first, then each as a field.
fn put_texts(texts: &StringArray, out: &mut BytesMut) {
    const TEXT_OID: i32 = 25;
    let place = out.len();
    out.extend_from_slice(&[0; 4]);
    let dimensions = i32::from(!texts.is_empty());
    for number in [dimensions, i32::from(texts.null_count() > 0), TEXT_OID] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    if !texts.is_empty() {
        out.extend_from_slice(&(texts.len() as u32).to_be_bytes());
        out.extend_from_slice(&1_u32.to_be_bytes());
    }
    for text in texts {
        match text {
            // No text of the server holds a zero byte: its symbol stands for it.
            Some(text) if text.contains('\0') => put_text(&text.replace('\0', "\u{2400}"), out),
            Some(text) => put_text(text, out),
            None => out.extend_from_slice(&NULL),
        }
    }
    let length = (out.len() - place - 4) as u32;
    out[place..place + 4].copy_from_slice(&length.to_be_bytes());
}

/// A decimal number, written without an exponent, as `numeric_recv` reads it: how many groups of
/// four digits, the weight of the first, the sign, how many digits are shown after the point, the
/// groups. `None` if it is not a number, or has more than so many digits in all or after the point.
pub(super) fn numeric(text: &str, most: Option<(usize, usize)>) -> Option<Vec<u8>> {
    const GROUP: usize = 4;
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if let Some((all, after)) = most
        && (fraction.len() > after || whole.len() + after > all)
    {
        return None;
    }
    let before = whole.len().div_ceil(GROUP);
    let after = fraction.len().div_ceil(GROUP);
    let padded = format!("{whole:0>0$}{fraction:0<1$}", before * GROUP, after * GROUP);
    let groups = padded.as_bytes().chunks(GROUP).map(|group| {
        group.iter().fold(0_i16, |number, digit| number * 10 + i16::from(digit - b'0'))
    });
    let groups: Vec<i16> = groups.collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let groups = &groups[leading..];
    let weight = if groups.is_empty() { 0 } else { before as i16 - leading as i16 - 1 };
    let sign: u16 = if negative && !groups.is_empty() { 0x4000 } else { 0 };
    let mut out = Vec::with_capacity(8 + groups.len() * 2);
    out.extend_from_slice(&(groups.len() as i16).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&(fraction.len() as u16).to_be_bytes());
    for group in groups {
        out.extend_from_slice(&group.to_be_bytes());
    }
    Some(out)
}

/// The rows of a batch, encoded.
pub(super) fn rows(batch: &RecordBatch) -> Result<Bytes, PostgresError> {
    let schema = batch.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, array)| Picked::of(array, field.name()))
        .collect::<Result<Vec<_>, _>>()?;
    let count = (columns.len() as i16).to_be_bytes();
    let mut out = BytesMut::with_capacity(batch.num_rows() * (2 + columns.len() * 12));
    for row in 0..batch.num_rows() {
        out.extend_from_slice(&count);
        for column in &columns {
            column.put(row, &mut out);
        }
    }
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int16Array, TimestampMicrosecondArray};
    use proptest::prelude::*;

    use super::*;

    /// Reads the format back by its description.
    fn decode(mut bytes: &[u8]) -> Vec<Vec<Option<Vec<u8>>>> {
        let mut take = |n: usize| {
            let (head, tail) = bytes.split_at(n);
            bytes = tail;
            (head.to_vec(), bytes.is_empty())
        };
        let mut rows = Vec::new();
        loop {
            let (count, _) = take(2);
            let mut fields = Vec::new();
            let mut ended = false;
            for _ in 0..i16::from_be_bytes(count.try_into().unwrap()) {
                let (length, empty) = take(4);
                ended = empty;
                let length = i32::from_be_bytes(length.try_into().unwrap());
                fields.push((length >= 0).then(|| {
                    let (value, empty) = take(length as usize);
                    ended = empty;
                    value
                }));
            }
            rows.push(fields);
            if ended {
                return rows;
            }
        }
    }

    #[test]
    fn a_number_is_encoded_in_groups_of_four_digits() {
        let groups = |text: &str| {
            let bytes = numeric(text, None).unwrap();
            let numbers = bytes.chunks(2).map(|two| i16::from_be_bytes([two[0], two[1]]));
            numbers.collect::<Vec<_>>()
        };
        assert_eq!(groups("0"), [0, 0, 0, 0]);
        assert_eq!(groups("-0"), [0, 0, 0, 0]);
        assert_eq!(groups("17.16"), [2, 0, 0, 2, 17, 1600]);
        assert_eq!(groups("-12345.5"), [3, 1, 0x4000, 1, 1, 2345, 5000]);
        assert_eq!(groups("0.00001"), [1, -2, 0, 5, 1000]);
        assert_eq!(numeric("NaN", None), None);
        assert_eq!(numeric("inf", None), None);
        assert_eq!(numeric("123.4", Some((3, 1))), None);
        assert!(numeric("12.30", Some((3, 1))).is_some());
    }

    proptest! {
        #[test]
        fn every_value_is_read_back(values in proptest::collection::vec(
            (any::<Option<i16>>(), any::<Option<f64>>(), proptest::option::of(-60_000_000_000_000_000_i64..60_000_000_000_000_000), proptest::option::of("\\PC{0,20}")),
            1..50,
        )) {
            let batch = RecordBatch::try_from_iter_with_nullable([
                ("i", Arc::new(values.iter().map(|v| v.0).collect::<Int16Array>()) as ArrayRef, true),
                ("f", Arc::new(values.iter().map(|v| v.1).collect::<Float64Array>()), true),
                ("t", Arc::new(values.iter().map(|v| v.2).collect::<TimestampMicrosecondArray>()), true),
                ("s", Arc::new(values.iter().map(|v| v.3.clone()).collect::<StringArray>()), true),
            ]).unwrap();
            let rows = decode(&rows(&batch).unwrap());
            prop_assert_eq!(rows.len(), values.len());
            for (row, (int, float, time, text)) in rows.into_iter().zip(values) {
                prop_assert_eq!(&row[0], &int.map(|v| v.to_be_bytes().to_vec()));
                prop_assert_eq!(&row[1], &float.map(|v| v.to_be_bytes().to_vec()));
                prop_assert_eq!(&row[2], &time.map(|v| (v - EPOCH).to_be_bytes().to_vec()));
                prop_assert_eq!(&row[3], &text.map(String::into_bytes));
            }
        }
    }
}
