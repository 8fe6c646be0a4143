//! Writes records as a Parquet file with a single row group, as the publisher does.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use arrow::array::{
    ArrayBuilder, ArrayRef, Float64Builder, Int32Builder, Int64Builder, LargeStringBuilder,
    NullArray, RecordBatch, StringBuilder, TimestampMicrosecondBuilder, TimestampNanosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::calendar::Month;
use super::column::{Column, Column::*, Kind, Row, Value};
use super::digits;
use super::layout::Layout;
use super::{Colour, Fault, Sink};

const BATCH: u64 = 1 << 16;

/// Makes the file, encoding on a thread of its own, and gives back what `fill` returns.
pub fn write<W: Write + Send, T>(
    layout: &Layout,
    out: W,
    fill: impl FnOnce(&mut dyn Sink) -> T,
) -> io::Result<(W, T)> {
    let fields = layout.fields.iter().map(|(name, column)| {
        Field::new(*name, column.map_or(DataType::Int64, |it| layout.data_type(it)), true)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let properties = WriterProperties::builder()
        .set_compression(compression(layout.month))
        .set_max_row_group_row_count(None)
        .build();
    let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))?;
    let (sender, batches) = sync_channel(2);
    thread::scope(|scope| {
        let encoder = scope.spawn(move || encode(&batches, writer));
        let mut rows = Rows::new(layout, schema, sender);
        let result = fill(&mut rows);
        rows.flush();
        drop(rows);
        let out = encoder.join().expect("the encoder does not panic")?;
        Ok((out, result))
    })
}

fn encode<W: Write + Send>(
    batches: &Receiver<RecordBatch>,
    mut writer: ArrowWriter<W>,
) -> io::Result<W> {
    for batch in batches {
        writer.write(&batch)?;
    }
    let mut out = writer.into_inner()?;
    out.flush()?;
    Ok(out)
}

fn compression(month: Month) -> Compression {
    match month.year {
        ..2023 => Compression::GZIP(GzipLevel::default()),
        2023..2025 => Compression::SNAPPY,
        _ => Compression::ZSTD(ZstdLevel::default()),
    }
}

impl Layout {
    /// Whether the file has its times as text.
    pub fn time_is_text(&self) -> bool {
        self.vintage.is_some() || self.text_codes()
    }

    /// The type that the publisher gave a column in this month.
    fn data_type(&self, column: Column) -> DataType {
        let until = |year, number| self.month <= Month::new(year, number);
        let text = if until(2024, 12) { DataType::Utf8 } else { DataType::LargeUtf8 };
        let unit = if self.nanoseconds { TimeUnit::Nanosecond } else { TimeUnit::Microsecond };
        let metered = matches!(self.colour, Colour::Yellow | Colour::Green);
        // Whether pandas found a value to infer a type from flips month by month.
        let typed = self.month.number % 4 == 3 || !until(2023, 12);
        match (column, column.kind()) {
            (StoreAndFwdFlag, _) if until(2009, 12) => DataType::Float64,
            (_, Kind::Amount | Kind::Text) if self.empty(column) && !typed => DataType::Null,
            (SrFlag, _) => DataType::Int32,
            (VendorId | PaymentType, _) if self.text_codes() => text,
            (_, Kind::Text) => text,
            (_, Kind::Time) if self.time_is_text() => text,
            (_, Kind::Time) => DataType::Timestamp(unit, None),
            (_, Kind::Amount | Kind::Degrees) => DataType::Float64,
            (_, Kind::Long) => DataType::Int64,
            (VendorId | PickupLocationId | DropoffLocationId, _) if !until(2023, 1) => {
                DataType::Int32
            }
            (PickupLocationId | DropoffLocationId, _) if self.colour == Colour::Fhv => {
                DataType::Float64
            }
            (PassengerCount | RateCode | PaymentType | TripType, _)
                if self.colour == Colour::Green =>
            {
                if until(2019, 12) || !until(2024, 12) {
                    DataType::Int64
                } else {
                    DataType::Float64
                }
            }
            (RateCode, _) if until(2009, 12) => DataType::Float64,
            (PassengerCount | RateCode, _) if metered && !until(2018, 6) && until(2023, 1) => {
                DataType::Float64
            }
            (_, Kind::Code) => DataType::Int64,
        }
    }
}

enum Builder {
    Null(usize),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Micros(TimestampMicrosecondBuilder),
    Nanos(TimestampNanosecondBuilder),
    Text(StringBuilder),
    LargeText(LargeStringBuilder),
}

impl Builder {
    fn new(kind: &DataType) -> Self {
        match kind {
            DataType::Null => Self::Null(0),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Self::Nanos(TimestampNanosecondBuilder::new())
            }
            DataType::Timestamp(..) => Self::Micros(TimestampMicrosecondBuilder::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::LargeUtf8 => Self::LargeText(LargeStringBuilder::new()),
            other => unreachable!("no column has the type {other}"),
        }
    }

    fn push(&mut self, value: Value) {
        match self {
            Self::Null(rows) => *rows += 1,
            Self::Int32(it) => it.append_option(whole(value).map(|value| value as i32)),
            Self::Int64(it) => it.append_option(whole(value)),
            Self::Float64(it) => it.append_option(real(value)),
            Self::Micros(it) => it.append_option(whole(value).map(|value| value * 1_000_000)),
            Self::Nanos(it) => it.append_option(whole(value).map(|value| value * 1_000_000_000)),
            Self::Text(it) => match value {
                Value::Null => it.append_null(),
                value => it.append_value(text(value)),
            },
            Self::LargeText(it) => match value {
                Value::Null => it.append_null(),
                value => it.append_value(text(value)),
            },
        }
    }

    /// A value that no row has by itself, given as text.
    fn push_text(&mut self, text: &str) {
        let number = || text.parse::<f64>().expect("what is no number does not fit the column");
        match self {
            Self::Int32(it) => it.append_value(number() as i32),
            Self::Int64(it) => it.append_value(number() as i64),
            Self::Float64(it) => it.append_value(number()),
            Self::Text(it) => it.append_value(text),
            Self::LargeText(it) => it.append_value(text),
            Self::Null(_) | Self::Micros(_) | Self::Nanos(_) => {
                unreachable!("{text:?} does not fit the column")
            }
        }
    }

    fn finish(&mut self) -> ArrayRef {
        let builder: &mut dyn ArrayBuilder = match self {
            Self::Null(rows) => return Arc::new(NullArray::new(std::mem::take(rows))),
            Self::Int32(it) => it,
            Self::Int64(it) => it,
            Self::Float64(it) => it,
            Self::Micros(it) => it,
            Self::Nanos(it) => it,
            Self::Text(it) => it,
            Self::LargeText(it) => it,
        };
        builder.finish()
    }
}

fn whole(value: Value) -> Option<i64> {
    match value {
        Value::Whole(value) | Value::Time(value) | Value::Coded(value, _) => Some(value),
        _ => None,
    }
}

fn real(value: Value) -> Option<f64> {
    match value {
        Value::Cents(cents) => Some(cents as f64 / 100.0),
        Value::Degrees(degrees) => Some(degrees),
        Value::Text(text) => text.parse().ok(),
        value => whole(value).map(|value| value as f64),
    }
}

/// A value as a Parquet file of text would have it.
fn text(value: Value) -> Cow<'static, str> {
    let mut out = Vec::new();
    match value {
        Value::Null => {}
        Value::Text(text) | Value::Coded(_, text) => return text.into(),
        Value::Whole(value) => digits::whole(&mut out, value),
        Value::Cents(cents) => digits::shortest(&mut out, cents),
        Value::Degrees(degrees) => digits::seventeen(&mut out, degrees),
        Value::Time(seconds) => digits::time(&mut out, seconds),
    }
    String::from_utf8(out).expect("digits are UTF-8").into()
}

struct Rows<'a> {
    fields: &'a [(&'static str, Option<Column>)],
    schema: SchemaRef,
    builders: Vec<Builder>,
    sender: SyncSender<RecordBatch>,
    written: u64,
    last: (Row, Fault),
}

impl<'a> Rows<'a> {
    fn new(layout: &'a Layout, schema: SchemaRef, sender: SyncSender<RecordBatch>) -> Self {
        let builders = schema.fields().iter().map(|it| Builder::new(it.data_type())).collect();
        let last = (Row::empty(), Fault::None);
        Self { fields: &layout.fields, schema, builders, sender, written: 0, last }
    }

    /// Hands the batch over. An encoder that has failed says so itself when it is joined.
    fn flush(&mut self) {
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        let _ = self.sender.send(batch.expect("the columns are those of the schema"));
    }
}

impl Sink for Rows<'_> {
    fn record(&mut self, row: &Row, fault: &Fault) {
        for ((_, column), builder) in self.fields.iter().zip(&mut self.builders) {
            match (column, fault) {
                (Some(column), Fault::Written(faulty, text)) if column == faulty => {
                    builder.push_text(text);
                }
                (Some(column), _) => builder.push(row[*column]),
                (None, _) => builder.push(Value::Whole(self.written as i64)),
            }
        }
        self.written += 1;
        self.last = (*row, fault.clone());
        if self.written.is_multiple_of(BATCH) {
            self.flush();
        }
    }

    fn blank_line(&mut self) {
        unreachable!("a Parquet file has no lines");
    }

    fn last(&self) -> (u64, String) {
        let (row, fault) = &self.last;
        let fields = self.fields.iter().filter_map(|(_, column)| *column);
        let texts = fields.map(|column| match fault {
            Fault::Written(faulty, text) if column == *faulty => text.clone().into(),
            _ => text(row[column]),
        });
        (self.written, texts.collect::<Vec<_>>().join(","))
    }
}
