//! Encodes the columns of a row group as column chunks of a Parquet file.
//!
//! The writer of the parquet crate accepts values one by one, of any type and nesting, and took
//! half the time of a run. Here a whole row group of flat columns is available, so a column is
//! numbered, packed and compressed at once. Page headers, footer, schema and the meaning of
//! statistics come from that crate; the tests compare both. The encodings are those that every
//! reader supports: PLAIN, RLE and RLE_DICTIONARY.

mod chunk_writer;
mod hybrid;
mod interner;
mod number;
mod page_compressor;
mod statistics;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, StringViewArray};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float64Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::util::bit_iterator::BitSliceIterator;
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::schema::types::ColumnDescPtr;

pub(super) use chunk_writer::ColumnChunk;

use chunk_writer::ChunkWriter;
use interner::Interner;
use number::Number;
use page_compressor::{Content, PageCompressor};

/// The most rows of a page: of 8 bytes each, they are a mebibyte.
const PAGE_ROWS: usize = 1 << 17;

/// How long the texts of a page are before it ends, in bytes.
const PAGE_TEXT: usize = 1 << 20;

/// The largest dictionary of numbers, in bytes.
const DICTIONARY: usize = 1 << 20;

/// The largest dictionary of texts, in bytes: whatever a piece of text has in one column. Not
/// every reader gets texts right that are plainly encoded (fastparquet 2026.9 reads nulls), so
/// a dictionary is not given up because it does not pay.
const TEXT_DICTIONARY: usize = 8 << 20;

/// The longest text that is in its view, in bytes.
const SHORT_TEXT: usize = 12;

/// How many values are numbered before it is looked at whether a dictionary pays.
const BLOCK: usize = 1 << 13;

/// Encodes one column after another.
#[derive(Default)]
pub(super) struct ColumnEncoder {
    compressor: PageCompressor,
    numbers: Interner<u64>,
    texts: Interner<u128>,
    codes: Codes,
    /// For each value of the column in hand, its place in the dictionary.
    indices: Vec<u32>,
    page: Vec<u8>,
}

/// Numbers 16-bit values in the order in which they come first.
struct Codes {
    /// For each value its number and 1, or 0.
    numbers: Vec<u32>,
    values: Vec<i32>,
}

impl Default for Codes {
    fn default() -> Self {
        Self { numbers: vec![0; 1 << u16::BITS], values: Vec::new() }
    }
}

/// The rows of a column.
#[derive(Clone, Copy)]
struct Rows<'a> {
    count: usize,
    nulls: Option<&'a NullBuffer>,
}

impl<'a> Rows<'a> {
    fn of(array: &'a dyn Array) -> Self {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        Self { count: array.len(), nulls }
    }

    fn all(self) -> Range<usize> {
        0..self.count
    }

    /// The runs of rows that have values.
    fn runs(self, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let all = self.nulls.is_none().then(|| rows.clone());
        let some = self.nulls.into_iter().flat_map(move |nulls| {
            let start = rows.start;
            BitSliceIterator::new(nulls.validity(), nulls.offset() + start, rows.len())
                .map(move |(from, to)| start + from..start + to)
        });
        all.into_iter().chain(some)
    }

    fn nulls(self, rows: &Range<usize>) -> usize {
        self.nulls.map_or(0, |nulls| nulls.slice(rows.start, rows.len()).null_count())
    }
}

impl ColumnEncoder {
    /// Encodes an array as the chunk of a column. Equal arrays give equal bytes, whatever was
    /// encoded before.
    pub(super) fn encode(
        &mut self,
        array: &ArrayRef,
        column: &ColumnDescPtr,
    ) -> Result<ColumnChunk, ParquetError> {
        if column.max_def_level() == 0 && array.null_count() > 0 {
            let name = column.name();
            return Err(ParquetError::General(format!("the column {name} may not be null")));
        }
        match array.data_type() {
            DataType::Int16 => self.codes(array.as_primitive(), column),
            DataType::Int32 => self.numbers::<Int32Type>(array.as_primitive(), column),
            DataType::Int64 => self.numbers::<Int64Type>(array.as_primitive(), column),
            DataType::Float64 => self.numbers::<Float64Type>(array.as_primitive(), column),
            // Times hardly repeat, so a dictionary does not pay. Delta encodings would be smaller,
            // but not every reader knows them, and some misread them. The level of compression
            // makes up for it.
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let times = array.as_primitive::<TimestampMicrosecondType>();
                self.plain(times, Content::Times, column)
            }
            DataType::Utf8View => self.texts(array.as_string_view(), column),
            other => Err(ParquetError::NYI(format!("columns of type {other}"))),
        }
    }

    fn codes(
        &mut self,
        array: &PrimitiveArray<Int16Type>,
        column: &ColumnDescPtr,
    ) -> Result<ColumnChunk, ParquetError> {
        let rows = Rows::of(array);
        let Codes { numbers, values } = &mut self.codes;
        self.indices.clear();
        for run in rows.runs(rows.all()) {
            self.indices.extend(array.values()[run].iter().map(|value| {
                let number = &mut numbers[usize::from(*value as u16)];
                if *number == 0 {
                    values.push(i32::from(*value));
                    *number = values.len() as u32;
                }
                *number - 1
            }));
        }
        let values = std::mem::take(values);
        for value in &values {
            numbers[usize::from(*value as u16)] = 0;
        }
        self.page.clear();
        i32::put(&values, &mut self.page);
        let writer = self.indexed(rows, column, values.len(), |_| None)?;
        let nulls = array.null_count() as u64;
        writer.close(i32::statistics(values.iter().copied(), nulls), None)
    }

    fn numbers<T: ArrowPrimitiveType<Native: Number>>(
        &mut self,
        array: &PrimitiveArray<T>,
        column: &ColumnDescPtr,
    ) -> Result<ColumnChunk, ParquetError> {
        let rows = Rows::of(array);
        self.indices.clear();
        self.numbers.clear();
        for run in rows.runs(rows.all()) {
            for values in array.values()[run].chunks(BLOCK) {
                self.numbers.put(values.iter().map(|value| value.key()), &mut self.indices);
                let distinct = self.numbers.keys().len();
                if !pays(distinct, self.indices.len(), distinct * size_of::<T::Native>()) {
                    return self.plain(array, Content::Other, column);
                }
            }
        }
        let values: Vec<T::Native> =
            self.numbers.keys().iter().map(|key| T::Native::of_key(*key)).collect();
        self.page.clear();
        T::Native::put(&values, &mut self.page);
        let writer = self.indexed(rows, column, values.len(), |_| None)?;
        let nulls = array.null_count() as u64;
        writer.close(T::Native::statistics(values.iter().copied(), nulls), None)
    }

    fn plain<T: ArrowPrimitiveType<Native: Number>>(
        &mut self,
        array: &PrimitiveArray<T>,
        content: Content,
        column: &ColumnDescPtr,
    ) -> Result<ColumnChunk, ParquetError> {
        let rows = Rows::of(array);
        let mut writer = ChunkWriter::new(column, content, &mut self.compressor);
        for page_rows in pages(rows.count) {
            begin_page(&mut self.page, rows, &page_rows, column);
            for run in rows.runs(page_rows.clone()) {
                T::Native::put(&array.values()[run], &mut self.page);
            }
            let nulls = rows.nulls(&page_rows);
            writer.data(&self.page, Encoding::PLAIN, &page_rows, nulls, None)?;
        }
        let values = rows.runs(rows.all()).flat_map(|run| &array.values()[run]);
        let nulls = array.null_count() as u64;
        writer.close(T::Native::statistics(values.copied(), nulls), None)
    }

    fn texts(
        &mut self,
        array: &StringViewArray,
        column: &ColumnDescPtr,
    ) -> Result<ColumnChunk, ParquetError> {
        let rows = Rows::of(array);
        let (views, buffers) = (array.views(), array.data_buffers());
        self.indices.clear();
        self.texts.clear();
        let mut long = HashMap::new();
        for run in rows.runs(rows.all()) {
            let keys = views[run].iter().map(|view| match long_text(*view, buffers) {
                // Equal short texts are equal views, long ones may be in several places.
                None => *view,
                Some(text) => *long.entry(text).or_insert(*view),
            });
            self.texts.put(keys, &mut self.indices);
        }
        let words: Vec<[u8; 16]> = self.texts.keys().iter().map(|key| key.to_le_bytes()).collect();
        let texts: Vec<&[u8]> = words.iter().map(|word| text_of(word, buffers)).collect();
        if texts.iter().map(|text| text.len() + size_of::<u32>()).sum::<usize>() > TEXT_DICTIONARY {
            return self.plain_texts(array, column);
        }
        self.page.clear();
        for text in &texts {
            put_text(text, &mut self.page);
        }
        let lengths = |page: Range<usize>| Some(text_bytes(array, rows, page));
        let writer = self.indexed(rows, column, texts.len(), lengths)?;
        let statistics = statistics::of_texts(texts.into_iter(), array.null_count() as u64);
        writer.close(statistics, lengths(rows.all()))
    }

    fn plain_texts(
        &mut self,
        array: &StringViewArray,
        column: &ColumnDescPtr,
    ) -> Result<ColumnChunk, ParquetError> {
        let rows = Rows::of(array);
        let mut writer = ChunkWriter::new(column, Content::Other, &mut self.compressor);
        let mut at = 0;
        while at < rows.count {
            let page_rows = at..text_page_end(array, at);
            at = page_rows.end;
            begin_page(&mut self.page, rows, &page_rows, column);
            for row in rows.runs(page_rows.clone()).flatten() {
                put_text(array.value(row).as_bytes(), &mut self.page);
            }
            let (nulls, bytes) =
                (rows.nulls(&page_rows), text_bytes(array, rows, page_rows.clone()));
            writer.data(&self.page, Encoding::PLAIN, &page_rows, nulls, Some(bytes))?;
        }
        let texts = rows.runs(rows.all()).flatten().map(|row| array.value(row).as_bytes());
        let statistics = statistics::of_texts(texts, array.null_count() as u64);
        writer.close(statistics, Some(text_bytes(array, rows, rows.all())))
    }

    /// Writes the dictionary, which is in `page` and has so many values, and the indices.
    fn indexed(
        &mut self,
        rows: Rows<'_>,
        column: &ColumnDescPtr,
        values: usize,
        text_bytes: impl Fn(Range<usize>) -> Option<i64>,
    ) -> Result<ChunkWriter<'_>, ParquetError> {
        let mut writer = ChunkWriter::new(column, Content::Other, &mut self.compressor);
        writer.dictionary(&self.page, values)?;
        let width = hybrid::width(values);
        let mut indices = self.indices.as_slice();
        for page_rows in pages(rows.count) {
            let nulls = rows.nulls(&page_rows);
            let (of_page, rest) = indices.split_at(page_rows.len() - nulls);
            indices = rest;
            begin_page(&mut self.page, rows, &page_rows, column);
            self.page.push(width as u8);
            hybrid::put(of_page, width, &mut self.page);
            let text_bytes = text_bytes(page_rows.clone());
            writer.data(&self.page, Encoding::RLE_DICTIONARY, &page_rows, nulls, text_bytes)?;
        }
        Ok(writer)
    }
}

/// Whether a dictionary of so many values in so many bytes is worth it for the values so far.
const fn pays(distinct: usize, values: usize, bytes: usize) -> bool {
    bytes <= DICTIONARY && (values < BLOCK || distinct <= values / 4 * 3)
}

/// The rows of each page of a column.
fn pages(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(PAGE_ROWS).map(move |start| start..rows.min(start + PAGE_ROWS))
}

/// Begins a page with the definition levels of its rows, if the column has any.
fn begin_page(page: &mut Vec<u8>, rows: Rows<'_>, of_page: &Range<usize>, column: &ColumnDescPtr) {
    page.clear();
    if column.max_def_level() > 0 {
        page.extend_from_slice(&[0; size_of::<u32>()]);
        hybrid::put_levels(rows.nulls, of_page.clone(), page);
        let length = (page.len() - size_of::<u32>()) as u32;
        page[..size_of::<u32>()].copy_from_slice(&length.to_le_bytes());
    }
}

/// Where the page of texts ends that begins at this row.
fn text_page_end(array: &StringViewArray, start: usize) -> usize {
    let mut bytes = 0;
    let most = array.len().min(start + PAGE_ROWS);
    let full = array.views()[start..most].iter().position(|view| {
        bytes += length(*view) + size_of::<u32>();
        bytes >= PAGE_TEXT
    });
    full.map_or(most, |last| start + last + 1)
}

/// How long the texts of these rows are together, in bytes.
fn text_bytes(array: &StringViewArray, rows: Rows<'_>, of_page: Range<usize>) -> i64 {
    let views = rows.runs(of_page).flat_map(|run| &array.views()[run]);
    views.map(|view| length(*view) as i64).sum()
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
}

/// The length of the text of a view.
const fn length(view: u128) -> usize {
    view as u32 as usize
}

/// The text of a view if it is too long to be in the view.
#[inline]
fn long_text(view: u128, buffers: &[Buffer]) -> Option<&[u8]> {
    if length(view) <= SHORT_TEXT {
        return None;
    }
    let (buffer, start) = ((view >> 64) as u32 as usize, (view >> 96) as usize);
    Some(&buffers[buffer][start..start + length(view)])
}

/// The text of a view whose bytes these are.
fn text_of<'t>(word: &'t [u8; 16], buffers: &'t [Buffer]) -> &'t [u8] {
    let view = u128::from_le_bytes(*word);
    let short = || &word[size_of::<u32>()..][..length(view)];
    long_text(view, buffers).unwrap_or_else(short)
}
