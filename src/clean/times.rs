//! The unusual ways to write a time: with a time zone, and as open-data portals export them. Only
//! unambiguous times are read.

use super::fields::{Clock, Field};
use super::zone::{is_new_york, midnight, offset};

const MICROSECONDS: i64 = 1_000_000;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A time, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Microseconds since 1970, on the clock that is written.
    pub(super) micros: i64,
    /// Whether it is marked as universal time.
    pub(super) universal: bool,
}

/// Reads a field, without blanks around, that is not written the usual way.
pub(super) fn unusual(clock: &mut Clock, field: &[u8]) -> Option<Written> {
    let as_it_stands = |micros| Written { micros, universal: false };
    match marked(field) {
        Some((text, offset)) => {
            let Field::Value(micros) = clock.time(text) else {
                return None;
            };
            match offset {
                0 => Some(Written { micros, universal: true }),
                offset => is_new_york(micros, offset).then_some(as_it_stands(micros)),
            }
        }
        None => exported(field).map(as_it_stands),
    }
}

/// A time without the mark of its zone, and the seconds that mark means.
fn marked(field: &[u8]) -> Option<(&[u8], i32)> {
    const NAMES: [(&str, i32); 5] =
        [("UTC", 0), ("GMT", 0), ("EST", -5 * 3600), ("EDT", -4 * 3600), ("Z", 0)];
    for (name, offset) in NAMES {
        if let Some(text) = without_end(field, name) {
            return Some((text.trim_ascii_end(), offset));
        }
    }
    let sign = memchr::memrchr2(b'+', b'-', field).filter(|sign| *sign >= 19)?;
    Some((field[..sign].trim_ascii_end(), offset(&field[sign..])?))
}

/// A text without its end, which is this name in any case.
fn without_end<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (start, end) = text.split_at_checked(text.len().checked_sub(name.len())?)?;
    end.eq_ignore_ascii_case(name.as_bytes()).then_some(start)
}

/// Reads `01/31/2020 12:28:15 AM`, where the month is always first, and
/// `2020 Jan 31 12:28:15 AM`: what the portals of New York City export.
fn exported(field: &[u8]) -> Option<i64> {
    let (text, afternoon) = match (without_end(field, "AM"), without_end(field, "PM")) {
        (Some(text), _) => (text, false),
        (None, Some(text)) => (text, true),
        (None, None) => return None,
    };
    let parts: Vec<&[u8]> =
        text.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty()).collect();
    let (date, time) = match parts[..] {
        [date, time] => {
            let parts: Vec<&[u8]> = date.split(|byte| *byte == b'/').collect();
            let [month, day, year] = parts[..] else {
                return None;
            };
            ((digits(year, 4..=4)?, digits(month, 1..=2)?, digits(day, 1..=2)?), time)
        }
        [year, month, day, time] => {
            let known = |name: &&str| month.eq_ignore_ascii_case(name.as_bytes());
            let month = MONTHS.iter().position(known)? as u32 + 1;
            ((digits(year, 4..=4)?, month, digits(day, 1..=2)?), time)
        }
        _ => return None,
    };
    let parts: Vec<&[u8]> = time.split(|byte| *byte == b':').collect();
    let [hour, minute, second] = parts[..] else {
        return None;
    };
    let (hour, minute, second) =
        (digits(hour, 1..=2)?, digits(minute, 2..=2)?, digits(second, 2..=2)?);
    if !(1..=12).contains(&hour) || minute > 59 || second > 59 {
        return None;
    }
    let hour = hour % 12 + if afternoon { 12 } else { 0 };
    let seconds = (hour * 60 + minute) * 60 + second;
    let (year, month, day) = date;
    Some(midnight(year as i32, month, day)? + i64::from(seconds) * MICROSECONDS)
}

/// A number of so many digits.
fn digits(text: &[u8], length: std::ops::RangeInclusive<usize>) -> Option<u32> {
    if !length.contains(&text.len()) || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Written> {
        unusual(&mut Clock::default(), text.as_bytes())
    }

    fn usual(text: &str) -> i64 {
        match Clock::default().time(text.as_bytes()) {
            Field::Value(micros) => micros,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn times_marked_as_universal_are_read_as_they_stand() {
        for mark in [" UTC", "UTC", "Z", "z", "+00:00", " +00:00", "-00:00", "+0000", "+00", " GMT"]
        {
            let written = read(&format!("2020-01-01 00:28:15{mark}"));
            let micros = usual("2020-01-01 00:28:15");
            assert_eq!(written, Some(Written { micros, universal: true }), "{mark}");
            let written = read(&format!("2020-01-01T00:28:15.250{mark}"));
            assert_eq!(written.unwrap().micros, micros + 250_000, "{mark}");
        }
    }

    #[test]
    fn times_with_new_york_s_offset_are_its_wall_clock() {
        for (text, wall) in [
            ("2020-01-05 10:00:00-05:00", "2020-01-05 10:00:00"),
            ("2020-07-05T10:00:00-0400", "2020-07-05 10:00:00"),
            ("2020-07-05 10:00:00 -04", "2020-07-05 10:00:00"),
            ("2020-01-05 10:00:00 EST", "2020-01-05 10:00:00"),
            ("2020-07-05 10:00:00 EDT", "2020-07-05 10:00:00"),
        ] {
            let written = Written { micros: usual(wall), universal: false };
            assert_eq!(read(text), Some(written), "{text}");
        }
        for text in [
            "2020-07-05 10:00:00-05:00",
            "2020-01-05 10:00:00 EDT",
            "2020-01-05 10:00:00+05:00",
            "2020-01-05 10:00:00 PST",
            "2020-01-05 10:00:00+5",
            "2020-01-05-05:00",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_forms_of_open_data_are_read() {
        for (text, wall) in [
            ("01/01/2020 12:28:15 AM", "2020-01-01 00:28:15"),
            ("01/31/2020 12:28:15 PM", "2020-01-31 12:28:15"),
            ("1/2/2020 1:28:15 pm", "2020-01-02 13:28:15"),
            ("12/31/2019 11:59:59PM", "2019-12-31 23:59:59"),
            ("2020 Jan 01 12:28:15 AM", "2020-01-01 00:28:15"),
            ("2019 DEC 31 11:59:59 PM", "2019-12-31 23:59:59"),
        ] {
            assert_eq!(
                read(text),
                Some(Written { micros: usual(wall), universal: false }),
                "{text}"
            );
        }
    }

    #[test]
    fn what_could_mean_another_time_is_not_read() {
        for text in [
            "1/1/2020 0:28",
            "1/1/2020 12:28 AM",
            "01/01/2020 00:28:15",
            "01/01/2020 00:28:15 AM",
            "01/01/2020 13:28:15 PM",
            "31/01/2020 12:28:15 AM",
            "01/01/20 12:28:15 AM",
            "2020-01-01 00:28",
            "2020-01-01 00:28 UTC",
            "2020-01-01",
            "2020-01-01Z",
            "2020 Foo 01 12:28:15 AM",
            "2020 Feb 30 12:28:15 AM",
            "43831.019618",
            "1577838495",
            "AM",
            "Z",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = unusual(&mut Clock::default(), &bytes);
        }

        #[test]
        fn every_second_is_read_back_from_an_export(seconds in 0_i64..4_102_444_800) {
            let at = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
            for form in ["%m/%d/%Y %I:%M:%S %p", "%Y %b %d %I:%M:%S %p"] {
                let text = at.format(form).to_string();
                prop_assert_eq!(read(&text).map(|it| it.micros), Some(seconds * MICROSECONDS));
            }
        }
    }
}
