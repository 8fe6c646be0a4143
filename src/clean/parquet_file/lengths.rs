//! How long the texts of a column are and how many values a row has, without decoding them.
//!
//! A page may hold far more than it takes: in a delta encoding texts share their beginnings, a
//! dictionary has a long text once, and a row of a list may have all values of its page.

use std::fs::File;
use std::sync::Arc;

use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

/// What the values of a column are at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Measured {
    /// How many bytes a text takes once decoded.
    pub(super) text: u64,
    /// How many values a row has.
    pub(super) per_row: u64,
}

/// The lengths of some texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Lengths {
    count: u64,
    total: u64,
    longest: u64,
}

/// A page cannot be what was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum LengthError {
    #[error("the lengths in a page of the column '{0}' cannot be understood")]
    Lengths(String),
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// Looks through the dictionaries of a column, and through its other pages too if `all` of them are
/// wanted. A text counts with the average of its page if the page has not more than `at_once` bytes,
/// else with the longest.
pub(super) fn of_column(
    opened: &Arc<File>,
    metadata: &ParquetMetaData,
    leaf: usize,
    at_once: u64,
    all: bool,
) -> Result<Measured, LengthError> {
    let mut most = Measured::default();
    for group in metadata.row_groups() {
        let chunk = group.column(leaf);
        let column = chunk.column_descr();
        let wrong = || LengthError::Lengths(chunk.column_path().string());
        let rows = usize::try_from(group.num_rows()).unwrap_or_default();
        let is_text = column.physical_type() == Type::BYTE_ARRAY;
        let mut pages = SerializedPageReader::new(Arc::clone(opened), chunk, rows, None)?;
        let mut row = 0;
        while let Some(page) = pages.get_next_page()? {
            if let Page::DictionaryPage { buf, num_values, .. } = &page {
                if is_text {
                    most.text = most.text.max(plain(buf, u64::from(*num_values)).longest);
                }
            } else if all {
                let levels = [column.max_rep_level(), column.max_def_level()];
                let parts = Parts::of(&page, levels).ok_or_else(wrong)?;
                let lengths = parts.lengths(is_text).ok_or_else(wrong)?;
                let average = lengths.total.div_ceil(lengths.count.max(1));
                let text = if lengths.total > at_once { lengths.longest } else { average };
                most.text = most.text.max(text);
                if levels[0] > 0 {
                    most.per_row = most.per_row.max(parts.per_row(levels[0], &mut row));
                }
            }
            if !all {
                break;
            }
        }
    }
    Ok(most)
}

/// A page of data: the levels of repetition, and the values.
struct Parts<'a> {
    repetition: &'a [u8],
    values: &'a [u8],
    count: u64,
    encoding: Encoding,
}

impl<'a> Parts<'a> {
    fn of(page: &'a Page, [repetition, definition]: [i16; 2]) -> Option<Self> {
        Some(match page {
            Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding,
                rep_level_encoding,
                ..
            } => {
                let (levels, rest) = levels(buf, repetition, *rep_level_encoding, *num_values)?;
                let (_, values) = self::levels(rest, definition, *def_level_encoding, *num_values)?;
                let count = u64::from(*num_values);
                Self { repetition: levels, values, count, encoding: *encoding }
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => {
                let (levels, rest) = buf.split_at_checked(*rep_levels_byte_len as usize)?;
                let values = rest.get(*def_levels_byte_len as usize..)?;
                let count = u64::from(*num_values);
                Self { repetition: levels, values, count, encoding: *encoding }
            }
            Page::DictionaryPage { .. } => return None,
        })
    }

    /// The lengths of the texts that are in the page; `None` if they are wrong.
    fn lengths(&self, is_text: bool) -> Option<Lengths> {
        Some(match self.encoding {
            Encoding::PLAIN if is_text => plain(self.values, self.count),
            Encoding::DELTA_LENGTH_BYTE_ARRAY => packed(self.values, self.count)?.0,
            Encoding::DELTA_BYTE_ARRAY => {
                let (prefixes, after) = packed(self.values, self.count)?;
                let (suffixes, _) = packed(self.values.get(after..)?, self.count)?;
                if prefixes.count != suffixes.count {
                    return None;
                }
                Lengths {
                    count: prefixes.count,
                    total: prefixes.total.checked_add(suffixes.total)?,
                    longest: prefixes.longest + suffixes.longest,
                }
            }
            _ => Lengths::default(),
        })
    }

    /// The most values of a row of the page; `row` is what its first row has from pages before, and
    /// becomes what its last one has. Where the levels end too soon, the rest is one row.
    fn per_row(&self, most: i16, row: &mut u64) -> u64 {
        let width = (i16::BITS - most.leading_zeros()) as u8;
        let (mut at, mut left, mut longest) = (0, self.count, 0);
        let mut add = |level: u64, times: u64| {
            if level == 0 {
                *row = 1;
            } else {
                *row += times;
            }
            longest = longest.max(*row);
        };
        while left > 0 {
            let Some(run) = varint(self.repetition, &mut at) else {
                break;
            };
            let rest = self.repetition.get(at..).unwrap_or_default();
            if run & 1 == 0 {
                let times = (run >> 1).min(left);
                add(bits(rest, 0, width), times);
                at += usize::from(width.div_ceil(8));
                left -= times;
            } else {
                let times = (run >> 1).saturating_mul(8).min(left);
                for index in 0..times {
                    add(bits(rest, index * u64::from(width), width), 1);
                }
                let bytes = (times.div_ceil(8) * u64::from(width)) as usize;
                at = at.saturating_add(bytes);
                left -= times;
            }
        }
        add(1, left);
        longest
    }
}

/// The levels that begin a page of version 1, and what follows them.
#[allow(deprecated)]
fn levels(bytes: &[u8], most: i16, encoding: Encoding, values: u32) -> Option<(&[u8], &[u8])> {
    if most == 0 {
        return Some((&[], bytes));
    }
    if encoding == Encoding::BIT_PACKED {
        let width = u64::from(i16::BITS - most.leading_zeros());
        let length = usize::try_from((u64::from(values) * width).div_ceil(8)).ok()?;
        return Some((&[], bytes.get(length..)?));
    }
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// The lengths of texts that each have theirs before them. Where the page ends too soon, so do they.
fn plain(mut bytes: &[u8], most: u64) -> Lengths {
    let mut lengths = Lengths::default();
    while lengths.count < most {
        let Some((length, rest)) = bytes.split_first_chunk() else {
            break;
        };
        let length = u32::from_le_bytes(*length);
        let Some(rest) = rest.get(length as usize..) else {
            break;
        };
        lengths.add(u64::from(length));
        bytes = rest;
    }
    lengths
}

/// Lengths as DELTA_BINARY_PACKED has them, never more than `most`, and how many bytes they take
/// (<https://parquet.apache.org/docs/file-format/data-pages/encodings/>).
fn packed(bytes: &[u8], most: u64) -> Option<(Lengths, usize)> {
    let mut at = 0;
    let block = varint(bytes, &mut at)?;
    let miniblocks = varint(bytes, &mut at)?;
    let count = varint(bytes, &mut at)?;
    let mut value = zigzag(varint(bytes, &mut at)?);
    let mut lengths = Lengths::default();
    if count > most || miniblocks == 0 {
        return None;
    }
    let each = block / miniblocks;
    if count > 1 && (each == 0 || each % 8 != 0) {
        return None;
    }
    let mut left = count;
    let mut take = |value: i64| -> Option<()> {
        // The lengths are numbers of 32 bits, and wrap around as such.
        lengths.add(u64::try_from(value as i32).ok()?);
        Some(())
    };
    if left > 0 {
        take(value)?;
        left -= 1;
    }
    while left > 0 {
        let least = zigzag(varint(bytes, &mut at)?);
        let widths = bytes.get(at..at.checked_add(usize::try_from(miniblocks).ok()?)?)?;
        at += widths.len();
        for width in widths {
            if left == 0 {
                break;
            }
            if *width > 32 {
                return None;
            }
            let size = usize::try_from(each.checked_mul(u64::from(*width))? / 8).ok()?;
            let used = each.min(left);
            let needed = usize::try_from((used * u64::from(*width)).div_ceil(8)).ok()?;
            let rest = bytes.get(at..)?;
            let packed = rest.get(..needed)?;
            for index in 0..used {
                let delta = bits(packed, index * u64::from(*width), *width);
                value = value.wrapping_add(least).wrapping_add(delta as i64);
                take(value)?;
            }
            // The last one may be cut short.
            at += size.min(rest.len());
            left -= used;
        }
    }
    Some((lengths, at))
}

impl Lengths {
    fn add(&mut self, length: u64) {
        self.count += 1;
        self.total += length;
        self.longest = self.longest.max(length);
    }
}

/// So many bits of a text of bits, from the lowest of each byte on.
fn bits(bytes: &[u8], first: u64, width: u8) -> u64 {
    let mut window = [0; 8];
    let start = (first / 8) as usize;
    let there = bytes.get(start..).unwrap_or_default();
    let length = there.len().min(8);
    window[..length].copy_from_slice(&there[..length]);
    (u64::from_le_bytes(window) >> (first % 8)) & ((1 << width) - 1)
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

const fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder};
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::ParquetMetaDataReader;
    use parquet::file::properties::{WriterProperties, WriterVersion};

    use super::*;

    /// What a value takes by [`of_column`], of these texts written so.
    fn of_texts(
        texts: &[Option<String>],
        encoding: Encoding,
        version: WriterVersion,
        at_once: u64,
    ) -> u64 {
        let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let batch = RecordBatch::try_from_iter_with_nullable([("t", texts, true)]).unwrap();
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_encoding(encoding)
            .set_writer_version(version)
            .build();
        let mut file = tempfile::tempfile().unwrap();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
        of_column(&Arc::new(file), &metadata, 0, at_once, true).unwrap().text
    }

    const ENCODINGS: [Encoding; 3] =
        [Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY];

    #[test]
    fn the_average_counts_in_small_pages_and_the_longest_text_in_large_ones() {
        let text = |row: usize| (!row.is_multiple_of(7)).then(|| "x".repeat(1 + row * 37 % 90));
        let mut texts: Vec<Option<String>> = (0..3_000).map(text).collect();
        texts.push(Some("y".repeat(5_000)));
        for encoding in ENCODINGS {
            for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                let average = of_texts(&texts, encoding, version, u64::MAX);
                assert!((40..60).contains(&average), "{encoding} {average}");
                let longest = of_texts(&texts, encoding, version, 0);
                assert!((5_000..5_100).contains(&longest), "{encoding} {longest}");
            }
        }
    }

    #[test]
    fn texts_that_share_their_beginning_are_as_long_as_they_are() {
        let texts = vec![Some("z".repeat(100_000)); 500];
        let version = WriterVersion::PARQUET_1_0;
        let longest = of_texts(&texts, Encoding::DELTA_BYTE_ARRAY, version, 32 << 20);
        assert!((100_000..=200_000).contains(&longest), "{longest}");
    }

    #[test]
    fn the_longest_text_of_a_dictionary_counts_and_the_longest_row_of_a_list() {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for row in 0..3_000_usize {
                let values = if row == 1_501 { 40_000 } else { row % 4 };
                for at in 0..values {
                    lists.values().append_value(format!("{}", at % 100));
                }
                lists.append(row % 5 != 0);
            }
            lists.values().append_value("y".repeat(9_000));
            lists.append(true);
            let lists: ArrayRef = Arc::new(lists.finish());
            let batch = RecordBatch::try_from_iter([("t", lists)]).unwrap();
            let properties = WriterProperties::builder().set_writer_version(version).build();
            let mut file = tempfile::tempfile().unwrap();
            let mut writer =
                ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
            let measured = of_column(&Arc::new(file), &metadata, 0, 1, true).unwrap();
            assert_eq!(measured, Measured { text: 9_000, per_row: 40_000 });
        }
    }

    #[test]
    fn counts_that_lie_are_refused() {
        // A block of 2^30 values of no bits each, 2^31 in all.
        let mut bytes = Vec::new();
        for value in [1_u64 << 30, 1, 1 << 31, 0] {
            let mut value = value;
            while value >= 0x80 {
                bytes.push(value as u8 | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
        }
        bytes.extend([0, 0, 0, 0]);
        assert_eq!(packed(&bytes, 1 << 20), None);
        for bytes in [&b""[..], b"\x80", b"\x80\x01\x00\x05\x00", b"\x80\x01\x04\x05\x00"] {
            assert_eq!(packed(bytes, 100), None, "{bytes:?}");
        }
    }
}
