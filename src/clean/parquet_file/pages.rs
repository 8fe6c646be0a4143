//! What the pages of a column contain, from their headers alone, so that the memory needed to read
//! them is known before any page is read.

use std::fs::File;
use std::os::unix::fs::FileExt;

use parquet::basic::{Compression, Type};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::inflate::{self, Oversized};
use super::thrift::{Compact, FALSE, INTEGERS, STRUCT, TRUE};

/// How many bytes of a page header are read at first, and at most.
const HEADER: usize = 256;
const LONGEST_HEADER: usize = 1 << 20;

/// What the levels of a nested value take, in bytes.
pub(super) const LEVELS: u64 = 8;

/// A row of more bytes than this is large.
const LARGE_ROW: u64 = 1 << 20;

/// What the pages of one column are, over all row groups.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pages {
    /// The most bytes that a page takes once decompressed.
    pub(super) largest: u64,
    /// The most bytes that a compressed page takes, and its decoder.
    pub(super) compressed: u64,
    /// The most bytes that a dictionary takes.
    pub(super) dictionary: u64,
    /// What a row takes once decoded, in bytes.
    pub(super) row: u64,
    /// The most bytes that two neighbours take: one is still there when the next is decompressed.
    pub(super) pair: u64,
    /// What a value takes once decoded, in bytes.
    pub(super) value: u64,
    /// How many values a part of the column has, if a row may have several; else 0.
    pub(super) nested: u64,
    /// How far the values have to be looked at.
    pub(super) measure: Measure,
}

/// How far the values of a column have to be looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    /// Not at all: its type tells.
    #[default]
    None,
    /// The texts of its dictionaries.
    Dictionaries,
    /// All of them.
    All,
}

impl Pages {
    /// What is in memory while one page is read: a row that is large is decoded, and written as
    /// text, more than once.
    pub(super) const fn at_once(&self) -> u64 {
        let row = if self.row > LARGE_ROW { 4 * self.row } else { 0 };
        self.pair.saturating_add(self.compressed + 2 * self.dictionary).saturating_add(row)
    }
}

/// What is wrong with the pages of a column.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error("page header {page} of the column '{column}' is invalid")]
    Header { column: String, page: usize },
    #[error("the column '{column}' has {found} values in its pages, but {expected} in the footer")]
    Values { column: String, found: i64, expected: i64 },
    #[error("page {page} of the column '{column}' decompresses to {oversized}")]
    Oversized { column: String, page: usize, oversized: Oversized },
    #[error("the column '{column}' lies outside the file")]
    Outside { column: String },
    #[error("the row groups have {found} rows in total, but the footer says {expected}")]
    Rows { found: i64, expected: i64 },
}

/// Checks the counts and places of all columns: the numbers that a reader believes.
pub(super) fn check(metadata: &ParquetMetaData, size: u64) -> Result<(), PageError> {
    let mut rows = 0_i64;
    for group in metadata.row_groups() {
        rows = if group.num_rows() < 0 { -1 } else { rows.saturating_add(group.num_rows()) };
        if rows < 0 {
            break;
        }
        for chunk in group.columns() {
            let column = || chunk.column_path().string();
            range(chunk, size).ok_or_else(|| PageError::Outside { column: column() })?;
            let (found, expected) = (chunk.num_values(), group.num_rows());
            let flat = chunk.column_descr().max_rep_level() == 0;
            if found < 0 || flat && found != expected {
                return Err(PageError::Values { column: column(), found, expected });
            }
        }
    }
    let expected = metadata.file_metadata().num_rows();
    if rows == expected { Ok(()) } else { Err(PageError::Rows { found: rows, expected }) }
}

/// Where the pages of a column's part are: the first byte and how many.
fn range(chunk: &ColumnChunkMetaData, size: u64) -> Option<(u64, u64)> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let start = u64::try_from(start).ok()?;
    let length = u64::try_from(chunk.compressed_size()).ok()?;
    (start.checked_add(length)? <= size).then_some((start, length))
}

/// Looks at every page header of a column; so many bytes of it are decoded at once. A page that
/// says to take more than `most` is not read, so nothing is checked of it.
pub(super) fn of_column(
    opened: &File,
    size: u64,
    metadata: &ParquetMetaData,
    leaf: usize,
    at_once: u64,
    most: u64,
) -> Result<Pages, PageError> {
    let mut pages = Pages::default();
    for group in metadata.row_groups() {
        let chunk = group.column(leaf);
        let of_chunk = of_chunk(opened, size, chunk, at_once, most)?;
        let values = u64::try_from(chunk.num_values()).unwrap_or_default();
        let rows = u64::try_from(group.num_rows()).unwrap_or_default().max(1);
        let nested = chunk.column_descr().max_rep_level() > 0;
        let all = of_chunk.row.saturating_add(LEVELS).saturating_mul(values);
        let measure = if nested && all > at_once { Measure::All } else { of_chunk.measure };
        let row = of_chunk.row.saturating_mul(values).div_ceil(rows);
        pages = Pages {
            pair: pages.pair.max(of_chunk.pair),
            value: pages.value.max(of_chunk.row),
            nested: pages.nested.max(if nested { values } else { 0 }),
            measure: pages.measure.max(measure),
            largest: pages.largest.max(of_chunk.largest),
            compressed: pages.compressed.max(of_chunk.compressed),
            dictionary: pages.dictionary.max(of_chunk.dictionary),
            row: pages.row.max(row),
        };
    }
    Ok(pages)
}

/// The same of one part of a column; `row` is what a value takes. What a page header says of the
/// size of its page is checked, as far as the reader would not.
fn of_chunk(
    opened: &File,
    size: u64,
    chunk: &ColumnChunkMetaData,
    at_once: u64,
    most: u64,
) -> Result<Pages, PageError> {
    let codec = chunk.compression();
    let column = || chunk.column_path().string();
    let (mut at, mut left) =
        range(chunk, size).ok_or_else(|| PageError::Outside { column: column() })?;
    let mut pages = Pages::default();
    let (mut values, mut value, mut before) = (0_i64, 0_u64, 0_u64);
    let is_text = chunk.column_type() == Type::BYTE_ARRAY;
    if is_text {
        pages.measure = Measure::Dictionaries;
    }
    let mut buffer = vec![0; HEADER];
    for page in 0_usize.. {
        if left == 0 {
            break;
        }
        let wrong = || PageError::Header { column: column(), page };
        let (header, length) = read_header(opened, at, left, &mut buffer).ok_or_else(wrong)?;
        left -= length;
        let compressed = u64::try_from(header.compressed).map_err(|_| wrong())?;
        let mut decompressed = u64::try_from(header.decompressed).map_err(|_| wrong())?;
        let levels = u64::try_from(header.levels).map_err(|_| wrong())?;
        if compressed > left || header.values < 0 || levels > compressed.min(decompressed) {
            return Err(wrong());
        }
        if codec == Compression::UNCOMPRESSED || header.is_plain {
            // The page is as long as it is stored, whatever its header says.
            decompressed = decompressed.max(compressed);
        } else if !inflate::is_bounded(codec) && decompressed > levels && decompressed <= most {
            let place = [at + length + levels, compressed - levels];
            let oversized = inflate::check(codec, opened, place, decompressed - levels);
            oversized.map_err(|oversized| PageError::Oversized {
                column: column(),
                page,
                oversized,
            })?;
        }
        at += length + compressed;
        left -= compressed;
        let each = || decompressed.div_ceil(header.values.max(1) as u64);
        match header.kind {
            Some(PageKind::Dictionary) => {
                pages.dictionary = pages.dictionary.max(decompressed);
                value = value.max(each());
            }
            Some(PageKind::Data { plain, delta }) => {
                // The lengths of its texts are decoded at once, two numbers for each.
                let lengths = if delta { 8 * header.values as u64 } else { 0 };
                let decompressed = decompressed.saturating_add(lengths);
                if delta || plain && is_text && decompressed > at_once {
                    pages.measure = Measure::All;
                }
                pages.pair = pages.pair.max(before.saturating_add(decompressed));
                before = decompressed;
                pages.largest = pages.largest.max(decompressed);
                values = values.saturating_add(header.values);
                if plain {
                    value = value.max(each());
                }
            }
            None => {}
        }
        let beside = inflate::beside(codec, decompressed);
        pages.compressed = pages.compressed.max(compressed.saturating_add(beside));
    }
    if values != chunk.num_values() {
        let expected = chunk.num_values();
        return Err(PageError::Values { column: column(), found: values, expected });
    }
    pages.row = match chunk.column_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT => 4,
        Type::INT64 | Type::INT96 | Type::DOUBLE => 8,
        Type::FIXED_LEN_BYTE_ARRAY => {
            u64::try_from(chunk.column_descr().type_length()).unwrap_or_default()
        }
        Type::BYTE_ARRAY => value + 4,
    };
    Ok(pages)
}

/// A page header, as far as it matters here.
#[derive(Debug, Default)]
struct Header {
    kind: Option<PageKind>,
    compressed: i64,
    decompressed: i64,
    values: i64,
    /// How many bytes of levels a page of version 2 begins with, which are never compressed.
    levels: i64,
    /// Whether it says that its values are not compressed either.
    is_plain: bool,
}

#[derive(Debug)]
enum PageKind {
    Dictionary,
    /// `plain` says that its values are in it, not in a dictionary; `delta` that they are texts
    /// without their lengths beside them.
    Data {
        plain: bool,
        delta: bool,
    },
}

/// Reads the page header at a place, and how long it is; `None` if it is not one.
fn read_header(opened: &File, at: u64, left: u64, buffer: &mut Vec<u8>) -> Option<(Header, u64)> {
    let most = usize::try_from(left).map_or(LONGEST_HEADER, |left| left.min(LONGEST_HEADER));
    let mut length = HEADER.min(most);
    loop {
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        opened.read_exact_at(&mut buffer[..length], at).ok()?;
        let mut thrift = Compact::new(&buffer[..length]);
        if let Some(header) = Header::read(&mut thrift) {
            return Some((header, thrift.position() as u64));
        }
        if length == most {
            return None;
        }
        length = (length * 8).min(most);
    }
}

impl Header {
    fn read(thrift: &mut Compact) -> Option<Self> {
        let mut header = Self::default();
        let (mut kind, mut encoding) = (-1, -1);
        let (mut compressed, mut decompressed) = (None, None);
        let (mut definition, mut repetition) = (0_i64, 0_i64);
        thrift.fields(|thrift, number, is| {
            match (number, is) {
                (1, is) if INTEGERS.contains(&is) => kind = thrift.integer()?,
                (2, is) if INTEGERS.contains(&is) => decompressed = Some(thrift.integer()?),
                (3, is) if INTEGERS.contains(&is) => compressed = Some(thrift.integer()?),
                // Pages of data, a dictionary, pages of data of version 2: the first field
                // counts the values, the second or fourth names the encoding.
                (5 | 7 | 8, STRUCT) => {
                    let outer = number;
                    let names_encoding = if outer == 8 { 4 } else { 2 };
                    thrift.fields(|thrift, number, is| {
                        if number == 7 && outer == 8 && matches!(is, TRUE | FALSE) {
                            header.is_plain = is == FALSE;
                        }
                        if !INTEGERS.contains(&is) {
                            return Some(false);
                        }
                        match number {
                            5 if outer == 8 => definition = thrift.integer()?,
                            6 if outer == 8 => repetition = thrift.integer()?,
                            1 => header.values = thrift.integer()?,
                            number if number == names_encoding => encoding = thrift.integer()?,
                            _ => return Some(false),
                        }
                        Some(true)
                    })?;
                }
                _ => return Some(false),
            }
            Some(true)
        })?;
        header.kind = match kind {
            0 | 3 => {
                // PLAIN_DICTIONARY and RLE_DICTIONARY.
                let plain = !matches!(encoding, 2 | 8);
                // DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY.
                let delta = matches!(encoding, 6 | 7);
                Some(PageKind::Data { plain, delta })
            }
            2 => Some(PageKind::Dictionary),
            1 => None,
            _ => return None,
        };
        if definition < 0 || repetition < 0 {
            return None;
        }
        header.levels = definition.checked_add(repetition)?;
        header.compressed = compressed?;
        header.decompressed = decompressed?;
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The page header of so many values that says these sizes; `plain` is a flag of version 2.
    fn header(compressed: u8, decompressed: u8, levels: [u8; 2], plain: Option<bool>) -> Vec<u8> {
        let [definition, repetition] = levels.map(|level| level * 2);
        let mut bytes = vec![0x15, 6, 0x15, decompressed * 2, 0x15, compressed * 2, 0x5c];
        bytes.extend([0x15, 8, 0x15, 0, 0x15, 8, 0x15, 0, 0x15, definition, 0x15, repetition]);
        bytes.extend(plain.map(|plain| if plain { 0x12 } else { 0x11 }));
        bytes.extend([0, 0]);
        bytes
    }

    fn read(bytes: &[u8]) -> Option<(Header, u64)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        read_header(&file, 0, bytes.len() as u64, &mut vec![0; HEADER])
    }

    #[test]
    fn levels_and_the_flag_of_a_page_of_version_2_are_read() {
        for (plain, expected) in [(None, false), (Some(false), false), (Some(true), true)] {
            let bytes = header(30, 40, [3, 5], plain);
            let (header, length) = read(&bytes).unwrap();
            assert_eq!(length, bytes.len() as u64);
            assert_eq!((header.compressed, header.decompressed, header.values), (30, 40, 4));
            assert_eq!((header.levels, header.is_plain), (8, expected));
        }
        // Minus one in zigzag.
        let mut negative = header(30, 40, [3, 5], None);
        negative[16] = 1;
        assert!(read(&negative).is_none());
    }
}
