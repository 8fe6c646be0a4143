//! Small parsers that read one field straight into its type, and tell empty from unreadable.
//!
//! There are two parsers for each type: a fast one that starts at a field's first byte, stops at
//! the delimiter and gives up at anything unusual, and a full one for a whole field. Both give the
//! same result for what the fast one reads.

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Field<T> {
    /// Nothing, or blanks.
    Empty,
    /// A value.
    Value(T),
    /// Something that is not a value of this type.
    Unreadable,
}

const MICROSECONDS: i64 = 1_000_000;
const MICROSECONDS_PER_DAY: i64 = 86_400 * MICROSECONDS;

/// 10^0 to 10^22: the powers of ten that a 64-bit float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Whether a field ends at `at`: at the end of the line or before a comma.
fn ends(line: &[u8], at: usize) -> bool {
    line.get(at).is_none_or(|byte| *byte == b',')
}

fn digit(line: &[u8], at: usize) -> Option<u8> {
    line.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
}

/// Reads a decimal number that starts at `at`: the value and where the field ends. `None` if
/// only the full parser can tell: more than 15 digits or so, an exponent, blanks, rubbish.
#[inline]
pub(super) fn number_at(line: &[u8], at: usize) -> Option<(f64, usize)> {
    let negative = line.get(at) == Some(&b'-');
    let mut end = at + usize::from(negative);
    let first = end;
    let mut mantissa = 0_u64;
    while let Some(digit) = digit(line, end) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        end += 1;
    }
    let mut digits = end - first;
    let mut decimals = 0;
    if line.get(end) == Some(&b'.') {
        let point = end;
        end += 1;
        while let Some(digit) = digit(line, end) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            end += 1;
        }
        decimals = end - point - 1;
        digits += decimals;
    }
    // 19 digits fit 64 bits; below 2^53 both the digits and the power of ten are exact
    // floats, so one division rounds right (Clinger 1990).
    if digits == 0 || digits > 19 || mantissa >= 1 << 53 || !ends(line, end) {
        return None;
    }
    let value = mantissa as f64 / POWERS[decimals];
    Some((if negative { -value } else { value }, end))
}

/// Reads a whole field as a finite decimal number.
pub(super) fn number(field: &[u8]) -> Field<f64> {
    let field = field.trim_ascii();
    if field.is_empty() {
        return Field::Empty;
    }
    // Words such as `nan` and `inf` are numbers to the library, not to us.
    let plain = field
        .iter()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    match fast_float2::parse::<f64, _>(field) {
        Ok(value) if plain && value.is_finite() => Field::Value(value),
        _ => Field::Unreadable,
    }
}

/// Reads a plain integer of a few digits that starts at `at`.
#[inline]
pub(super) fn integer_at(line: &[u8], at: usize) -> Option<(i64, usize)> {
    let mut end = at;
    let mut value = 0_i64;
    while let Some(digit) = digit(line, end) {
        value = value * 10 + i64::from(digit);
        end += 1;
        if end - at > 9 {
            return None;
        }
    }
    (end > at && ends(line, end)).then_some((value, end))
}

/// Reads a whole field as an integer, also when it is written `1.0`.
pub(super) fn integer(field: &[u8]) -> Field<i64> {
    let field = field.trim_ascii();
    if field.is_empty() {
        return Field::Empty;
    }
    let (sign, rest) = match field {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] | rest => (1, rest),
    };
    let (whole, zeros) = match memchr::memchr(b'.', rest) {
        Some(point) => (&rest[..point], &rest[point + 1..]),
        None => (rest, &rest[rest.len()..]),
    };
    if whole.is_empty() || zeros.iter().any(|byte| *byte != b'0') {
        return Field::Unreadable;
    }
    let mut value = 0_i64;
    for at in 0..whole.len() {
        let next =
            digit(whole, at).and_then(|digit| value.checked_mul(10)?.checked_add(i64::from(digit)));
        match next {
            Some(next) => value = next,
            None => return Field::Unreadable,
        }
    }
    Field::Value(sign * value)
}

/// Reads wall-clock times, remembering the last day: neighbours mostly share it.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    text: [u8; 10],
    midnight: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { text: *b"1970-01-01", midnight: 0 }
    }
}

impl Clock {
    /// Reads `YYYY-MM-DD HH:MM:SS`, and no more, that starts at `at`: microseconds since 1970
    /// and where the field ends.
    #[inline]
    pub(super) fn time_at(&mut self, line: &[u8], at: usize) -> Option<(i64, usize)> {
        let text = line.get(at..at + 19)?;
        if !ends(line, at + 19) || !matches!(text[10], b' ' | b'T') {
            return None;
        }
        Some((self.midnight(text)? + seconds(&text[11..])? * MICROSECONDS, at + 19))
    }

    /// Reads a whole field as a time, with a `T` or a fraction of a second if it likes. What a
    /// fraction has beyond the microsecond is dropped.
    pub(super) fn time(&mut self, field: &[u8]) -> Field<i64> {
        let field = field.trim_ascii();
        if field.is_empty() {
            return Field::Empty;
        }
        self.time_of(field).map_or(Field::Unreadable, Field::Value)
    }

    fn time_of(&mut self, field: &[u8]) -> Option<i64> {
        let text = field.get(..19)?;
        if !matches!(text[10], b' ' | b'T') {
            return None;
        }
        let whole = self.midnight(text)? + seconds(&text[11..])? * MICROSECONDS;
        let fraction = match &field[19..] {
            [] => 0,
            [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
                let mut micros = 0;
                for at in 0..digits.len() {
                    let digit = i64::from(digit(digits, at)?);
                    if at < 6 {
                        micros = micros * 10 + digit;
                    }
                }
                micros * 10_i64.pow(6_u32.saturating_sub(digits.len() as u32))
            }
            _ => return None,
        };
        Some(whole + fraction)
    }

    /// The microseconds from 1970 to the day a text begins with.
    #[inline]
    fn midnight(&mut self, text: &[u8]) -> Option<i64> {
        let date: [u8; 10] = text.get(..10)?.try_into().ok()?;
        if date != self.text {
            self.midnight = days(&date)? * MICROSECONDS_PER_DAY;
            self.text = date;
        }
        Some(self.midnight)
    }
}

fn two(text: &[u8], at: usize) -> Option<i64> {
    Some(i64::from(digit(text, at)?) * 10 + i64::from(digit(text, at + 1)?))
}

/// The seconds of `HH:MM:SS`.
fn seconds(text: &[u8]) -> Option<i64> {
    let (hour, minute, second) = (two(text, 0)?, two(text, 3)?, two(text, 6)?);
    let valid = text[2] == b':' && text[5] == b':' && hour < 24 && minute < 60 && second < 60;
    valid.then_some((hour * 60 + minute) * 60 + second)
}

/// The days from 1970-01-01 to `YYYY-MM-DD` of the Gregorian calendar.
fn days(date: &[u8; 10]) -> Option<i64> {
    let year = two(date, 0)? * 100 + two(date, 2)?;
    let (month, day) = (two(date, 5)?, two(date, 8)?);
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let date = chrono::NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32)?;
    Some(date.signed_duration_since(chrono::NaiveDate::default()).num_days())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Field<i64> {
        Clock::default().time(text.as_bytes())
    }

    #[test]
    fn numbers_are_read_as_the_files_write_them() {
        for (text, value) in [
            (".50", 0.5),
            ("2.6299999999999999", 2.63),
            ("-73.991956999999999", -73.991_957),
            ("1e3", 1000.0),
            (" 7 ", 7.0),
            ("12.", 12.0),
            ("+1.5", 1.5),
            ("0007", 7.0),
        ] {
            assert_eq!(number(text.as_bytes()), Field::Value(value), "{text}");
        }
        for text in
            ["NaN", "inf", "-Infinity", "1,5", "x", "1.2.3", "--1", ".", "-", "1e999", "0x1"]
        {
            assert_eq!(number(text.as_bytes()), Field::Unreadable, "{text}");
        }
        assert_eq!(number(b"  "), Field::Empty);
        assert!(matches!(number(b"-0"), Field::Value(zero) if zero.is_sign_negative()));
        assert!(matches!(number_at(b"-0,", 0), Some((zero, 2)) if zero.is_sign_negative()));
    }

    #[test]
    fn integers_may_be_padded_or_written_as_floats() {
        for (text, value) in
            [("1", 1), (" 1 ", 1), ("1.0", 1), ("264.", 264), ("007", 7), ("-3", -3)]
        {
            assert_eq!(integer(text.as_bytes()), Field::Value(value), "{text}");
        }
        for text in ["1.5", "x", "1e2", ".0", "-", "1 2", "99999999999999999999", "N\""] {
            assert_eq!(integer(text.as_bytes()), Field::Unreadable, "{text}");
        }
        assert_eq!(integer(b"\t"), Field::Empty);
    }

    #[test]
    fn times_are_read_to_the_microsecond() {
        let whole = Field::Value(1_577_838_495_000_000);
        assert_eq!(time("2020-01-01 00:28:15"), whole);
        assert_eq!(time("2020-01-01T00:28:15"), whole);
        assert_eq!(time(" 2020-01-01 00:28:15.000000000"), whole);
        assert_eq!(time("2020-01-01 00:28:15.1234569"), Field::Value(1_577_838_495_123_456));
        assert_eq!(time("2020-01-01 00:28:15.5"), Field::Value(1_577_838_495_500_000));
        assert_eq!(time("3019-02-03 17:30:00"), Field::Value(33_106_123_800_000_000));
        assert_eq!(time("2020-02-29 00:00:00"), Field::Value(1_582_934_400_000_000));
        for text in [
            "2020-02-30 00:00:00",
            "2019-02-29 00:00:00",
            "2020-13-01 00:00:00",
            "2020-01-01 24:00:00",
            "2020-01-01 00:60:00",
            "2020-01-01",
            "2020-01-01 00:00",
            "2020-01-01 00:00:00Z",
            "2020-01-01 00:00:00.",
            "2020/01/01 00:00:00",
            "01/01/2020 00:00:00",
        ] {
            assert_eq!(time(text), Field::Unreadable, "{text}");
        }
    }

    #[test]
    fn a_bad_day_does_not_spoil_the_next() {
        let mut clock = Clock::default();
        assert_eq!(clock.time(b"2020-02-30 00:00:00"), Field::Unreadable);
        assert_eq!(clock.time(b"2020-02-30 00:00:00"), Field::Unreadable);
        assert_eq!(clock.time(b"1970-01-02 00:00:00"), Field::Value(MICROSECONDS_PER_DAY));
    }

    proptest! {
        #[test]
        fn any_float_is_read_back_to_the_bit(value in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
            for text in [format!("{value}"), format!("{value:e}"), format!(" {value} ")] {
                let Field::Value(read) = number(text.as_bytes()) else { panic!("{text}") };
                prop_assert_eq!(read.to_bits(), value.to_bits());
            }
        }

        #[test]
        fn the_fast_number_is_the_full_one(text in "-?[0-9]{0,20}(\\.[0-9]{0,20})?") {
            let line = format!("x,{text},y");
            if let Some((fast, end)) = number_at(line.as_bytes(), 2) {
                prop_assert_eq!(end, 2 + text.len());
                let Field::Value(full) = number(text.as_bytes()) else { panic!("{text}") };
                prop_assert_eq!(fast.to_bits(), full.to_bits());
            }
        }

        #[test]
        fn the_fast_integer_is_the_full_one(text in "[ +-]?[0-9]{0,12}(\\.0)?") {
            let line = format!("x,{text}");
            if let Some((fast, end)) = integer_at(line.as_bytes(), 2) {
                prop_assert_eq!(end, line.len());
                prop_assert_eq!(Field::Value(fast), integer(text.as_bytes()));
            }
        }

        #[test]
        fn any_time_is_read_back(seconds in -62_135_596_800_i64..253_402_300_800, micros in 0_i64..1_000_000) {
            let at = chrono::DateTime::from_timestamp(seconds, micros as u32 * 1000).unwrap();
            let text = at.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
            prop_assert_eq!(time(&text), Field::Value(seconds * MICROSECONDS + micros));
            let whole = &text[..19];
            let line = format!("{whole},");
            prop_assert_eq!(Clock::default().time_at(line.as_bytes(), 0), Some((seconds * MICROSECONDS, 19)));
        }

        #[test]
        fn no_bytes_make_a_parser_fall(bytes in proptest::collection::vec(any::<u8>(), 0..40), at in 0_usize..40) {
            let _ = (number(&bytes), integer(&bytes), Clock::default().time(&bytes));
            let _ = (number_at(&bytes, at), integer_at(&bytes, at), Clock::default().time_at(&bytes, at));
        }
    }
}
