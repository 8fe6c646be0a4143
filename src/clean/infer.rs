//! What the values of columns that the schema does not know look like: a look through the whole
//! file, before it is cleaned, if such columns are to be kept.

use arrow::datatypes::{DataType, Schema};

use super::fields::{self, Clock, Field};
use super::input::{Part, Rest};
use super::records::{End, field_text, record_end, split_fields};
use super::text::Piece;
use super::{CleanError, zone::Zone};
use crate::flow::Progress;
use crate::schema::is_missing_word;
use crate::trip::{KeptType, Month};

/// The types of some columns of a text, as far as it was read.
struct Look {
    /// The places of the columns among the fields, and their types; `None` if no value was seen.
    columns: Vec<(usize, Option<KeptType>)>,
    clock: Clock,
}

/// Reads a text to its end: the type of each of these columns, `None` for one without a value.
pub(super) fn types_of_text(
    mut rest: Rest,
    columns: &[usize],
    progress: &Progress,
) -> Result<Vec<Option<KeptType>>, CleanError> {
    let columns = columns.iter().map(|at| (*at, None)).collect();
    let mut look = Look { columns, clock: Clock::default() };
    let mut buffer = Vec::new();
    while let Some(part) = rest.next(std::mem::take(&mut buffer))? {
        if progress.is_cancelled() {
            return Err(CleanError::Interrupted);
        }
        if let Part::Text(piece) = part {
            look.at(&piece);
            buffer = piece.text;
        }
    }
    Ok(look.columns.into_iter().map(|(_, found)| found).collect())
}

/// The type of a column of a Parquet file; `None` if it has no value, or bytes that are not text.
pub(super) fn type_of_column(schema: &Schema, at: usize, month: Month) -> Option<KeptType> {
    use DataType::{
        Binary, BinaryView, Decimal32, Decimal64, Decimal128, FixedSizeBinary, Float16, Float32,
        Float64, Int8, Int16, Int32, Int64, LargeBinary, Null, Timestamp, UInt8, UInt16, UInt32,
    };
    Some(match schema.field(at).data_type() {
        Null | Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => return None,
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 => KeptType::Whole,
        Float16 | Float32 | Float64 | Decimal32(..) | Decimal64(..) | Decimal128(..) => {
            KeptType::Number
        }
        Timestamp(_, None) => KeptType::Time,
        Timestamp(_, Some(zone)) if Zone::named(zone, month).is_some() => KeptType::Time,
        // Whatever it is, its text says it.
        _ => KeptType::Text,
    })
}

impl Look {
    fn at(&mut self, piece: &Piece) {
        let text = piece.text.as_slice();
        let mut ranges = Vec::new();
        let mut at = 0;
        while let End::At { content, next, wellformed } = record_end(&text[at..], true) {
            if next == 0 {
                break;
            }
            let record = &text[at..at + content];
            if wellformed && !record.trim_ascii().is_empty() {
                split_fields(record, true, &mut ranges);
                for (column, found) in &mut self.columns {
                    let Some(range) = ranges.get(*column) else {
                        continue;
                    };
                    let quoted = range.start > 0 && record[range.start - 1] == b'"';
                    let field = field_text(&record[range.clone()], quoted);
                    let value = type_of(field.trim().as_bytes(), &mut self.clock);
                    *found = match (*found, value) {
                        (Some(one), Some(other)) => Some(one.widened(other)),
                        (one, other) => one.or(other),
                    };
                }
            }
            at += next;
            if at >= text.len() {
                break;
            }
        }
    }
}

/// What a field looks like; `None` if it is missing. Digits that would not be written the same
/// way again, as those of a postcode, are text.
fn type_of(field: &[u8], clock: &mut Clock) -> Option<KeptType> {
    if field.is_empty() || is_missing_word(field) {
        return None;
    }
    let digits = field.strip_prefix(b"-").unwrap_or(field);
    let all_digits = digits.iter().all(u8::is_ascii_digit) && !digits.is_empty();
    let padded = digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit();
    Some(if padded {
        KeptType::Text
    } else if all_digits {
        let text = std::str::from_utf8(field).unwrap_or_default();
        if text.parse::<i64>().is_ok() { KeptType::Whole } else { KeptType::Text }
    } else if matches!(fields::number(field), Field::Value(_)) {
        KeptType::Number
    } else if matches!(clock.time(field), Field::Value(_)) {
        KeptType::Time
    } else {
        KeptType::Text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_looks_like_what_it_is() {
        let look = |field: &str| type_of(field.as_bytes(), &mut Clock::default());
        for (field, wanted) in [
            ("", None),
            ("NULL", None),
            ("0", Some(KeptType::Whole)),
            ("-12", Some(KeptType::Whole)),
            ("9223372036854775808", Some(KeptType::Text)),
            ("007", Some(KeptType::Text)),
            ("0.75", Some(KeptType::Number)),
            ("1e3", Some(KeptType::Number)),
            ("2025-01-05 10:00:00", Some(KeptType::Time)),
            ("2025-01-05", Some(KeptType::Text)),
            ("moon", Some(KeptType::Text)),
        ] {
            assert_eq!(look(field), wanted, "{field}");
        }
    }

    #[test]
    fn a_column_has_the_type_that_holds_all_its_values() {
        let piece = |text: &str| Piece {
            text: text.as_bytes().to_vec(),
            lines_before: 0,
            lines: text.lines().count(),
            quoted: true,
        };
        let columns = [0, 1, 2, 3].map(|at| (at, None)).to_vec();
        let mut look = Look { columns, clock: Clock::default() };
        look.at(&piece("1,1,1,\n2,2.5,x\n\n\"3\",,\"a,b\",\n"));
        let found: Vec<_> = look.columns.into_iter().map(|(_, found)| found).collect();
        let wanted = [Some(KeptType::Whole), Some(KeptType::Number), Some(KeptType::Text), None];
        assert_eq!(found, wanted);
    }
}
