//! Infers the types of columns that the schema does not know, by reading the whole file before it
//! is cleaned. Only done if such columns are kept.

use arrow::datatypes::{DataType, Schema};

use super::fields::{self, Clock, Field};
use super::input::Rest;
use super::part::Part;
use super::records::{End, Shape, field_text, record_end, split_fields};
use super::text::Piece;
use super::{CleanError, zone::Zone};
use crate::flow::Progress;
use crate::schema::is_missing_word;
use crate::trip::{KeptType, Month};

/// The types of some columns of a text, as far as it was read.
struct TypeInference {
    columns: Vec<InferredColumn>,
    shape: Shape,
    clock: Clock,
}

/// What was seen of a column.
#[derive(Debug, Clone, Copy)]
struct InferredColumn {
    /// Its place among the fields.
    at: usize,
    /// Its type; `None` if no value was seen.
    found: Option<KeptType>,
    /// Whether there are whole numbers that a 64-bit float does not hold.
    large: bool,
}

/// The most digits of a decimal that every 64-bit float keeps.
const DIGITS: usize = 15;

/// Reads a text to its end: the type of each of these columns, `None` for one without a value.
pub(super) fn types_of_text(
    mut rest: Rest,
    columns: &[usize],
    shape: Shape,
    progress: &Progress,
) -> Result<Vec<Option<KeptType>>, CleanError> {
    let mut look = TypeInference::new(columns, shape);
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
    Ok(look.found())
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
        Decimal32(digits, 0) | Decimal64(digits, 0) | Decimal128(digits, 0) if *digits <= 18 => {
            KeptType::Whole
        }
        // Those of more digits are text, which keeps them all.
        Decimal32(digits, _) | Decimal64(digits, _) | Decimal128(digits, _)
            if usize::from(*digits) <= DIGITS =>
        {
            KeptType::Number
        }
        Float16 | Float32 | Float64 => KeptType::Number,
        Timestamp(_, None) => KeptType::Time,
        Timestamp(_, Some(zone)) if Zone::named(zone, month).is_some() => KeptType::Time,
        // Whatever it is, its text says it.
        _ => KeptType::Text,
    })
}

impl TypeInference {
    fn new(columns: &[usize], shape: Shape) -> Self {
        let seen = |at: &usize| InferredColumn { at: *at, found: None, large: false };
        Self { columns: columns.iter().map(seen).collect(), shape, clock: Clock::default() }
    }

    /// The type of each column.
    fn found(self) -> Vec<Option<KeptType>> {
        let of = |seen: InferredColumn| match seen.found {
            Some(KeptType::Number) if seen.large => Some(KeptType::Text),
            found => found,
        };
        self.columns.into_iter().map(of).collect()
    }

    fn at(&mut self, piece: &Piece) {
        let text = piece.text.as_slice();
        let mut ranges = Vec::new();
        let mut at = 0;
        while let End::At { content, next, wellformed } = record_end(&text[at..], self.shape, true)
        {
            if next == 0 {
                break;
            }
            let record = &text[at..at + content];
            if wellformed && !record.trim_ascii().is_empty() {
                split_fields(record, true, &mut ranges);
                for InferredColumn { at, found, large } in &mut self.columns {
                    let Some(range) = ranges.get(*at) else {
                        continue;
                    };
                    let quoted = range.start > 0 && record[range.start - 1] == b'"';
                    let field = field_text(&record[range.clone()], quoted);
                    let field = field.trim().as_bytes();
                    let value = type_of(field, &mut self.clock);
                    *large |= value == Some(KeptType::Whole) && !is_held(field);
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
        if is_held(field) { KeptType::Number } else { KeptType::Text }
    } else if matches!(clock.time(field), Field::Value(_)) {
        KeptType::Time
    } else {
        KeptType::Text
    })
}

/// Whether a 64-bit float holds all digits of a number.
fn is_held(field: &[u8]) -> bool {
    let Field::Value(value) = fields::number(field) else {
        return false;
    };
    let mantissa = field.split(|byte| byte.eq_ignore_ascii_case(&b'e')).next().unwrap_or_default();
    let digits: String = mantissa
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .map(|digit| char::from(*digit))
        .collect();
    let digits = digits.trim_start_matches('0').trim_end_matches('0');
    if digits.len() <= DIGITS {
        return true;
    }
    // Written with as many digits again, it is the same.
    let again = format!("{:.*e}", digits.len() - 1, value.abs());
    let again: String =
        again.chars().take_while(|letter| *letter != 'e').filter(char::is_ascii_digit).collect();
    again.trim_end_matches('0') == digits
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
            ("2.6299999999999999", Some(KeptType::Number)),
            ("0.1000000000000000056", Some(KeptType::Number)),
            ("0.12345678901234567891", Some(KeptType::Text)),
            ("-1234567890123456.78", Some(KeptType::Text)),
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
        let mut look = TypeInference::new(&[0, 1, 2, 3], Shape { fields: 4, surplus: 0 });
        look.at(&piece("1,1,1,\n2,2.5,x\n\n\"3\",,\"a,b\",\n"));
        let wanted = [Some(KeptType::Whole), Some(KeptType::Number), Some(KeptType::Text), None];
        assert_eq!(look.found(), wanted);
    }

    #[test]
    fn whole_numbers_that_a_float_does_not_hold_are_text_beside_fractions() {
        let found = |text: &str| {
            let mut look = TypeInference::new(&[0], Shape { fields: 1, surplus: 0 });
            let text = text.as_bytes().to_vec();
            look.at(&Piece { text, lines_before: 0, lines: 3, quoted: false });
            look.found()[0]
        };
        assert_eq!(found("9007199254740993\n1\n"), Some(KeptType::Whole));
        assert_eq!(found("9007199254740993\n1.5\n"), Some(KeptType::Text));
        assert_eq!(found("9007199254740992\n1.5\n"), Some(KeptType::Number));
    }
}
