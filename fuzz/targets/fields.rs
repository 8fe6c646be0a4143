//! What the fast parser of a field reads, the full one reads alike; numbers are those of the
//! standard library, and times are those of chrono. An input is a line of fields.
#![no_main]

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../src/clean/fields.rs"]
mod fields;

use fields::{Clock, Field, integer, integer_at, number, number_at};

fuzz_target!(|line: &[u8]| {
    // A clock remembers the last day: what it has read must not show in what it reads next.
    let mut clock = Clock::default();
    let mut at = 0;
    for field in line.split(|byte| *byte == b',') {
        let end = at + field.len();
        check_number(line, at, field, end);
        check_integer(line, at, field, end);
        check_time(&mut clock, line, at, field, end);
        at = end + 1;
    }
    assert_eq!(number_at(line, at), None);
    assert_eq!(integer_at(line, at), None);
    assert_eq!(clock.time_at(line, at), None);
});

fn is_blank(field: &[u8]) -> bool {
    field.trim_ascii().is_empty()
}

fn check_number(line: &[u8], at: usize, field: &[u8], end: usize) {
    let full = number(field);
    if let Some((fast, stop)) = number_at(line, at) {
        assert_eq!(stop, end);
        let Field::Value(full) = full else {
            panic!("only the fast parser reads {field:?}");
        };
        assert_eq!(fast.to_bits(), full.to_bits());
    }
    assert_eq!(full == Field::Empty, is_blank(field));
    // A word such as `nan` is no number here, and overflow is no infinity.
    let expected = std::str::from_utf8(field.trim_ascii())
        .ok()
        .filter(|text| !text.contains(|c: char| c.is_alphabetic() && !matches!(c, 'e' | 'E')))
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|value| value.is_finite());
    match full {
        Field::Value(value) => assert_eq!(Some(value.to_bits()), expected.map(f64::to_bits)),
        Field::Empty | Field::Unreadable => assert_eq!(expected, None),
    }
}

fn check_integer(line: &[u8], at: usize, field: &[u8], end: usize) {
    let full = integer(field);
    if let Some((fast, stop)) = integer_at(line, at) {
        assert_eq!(stop, end);
        assert_eq!(Field::Value(fast), full);
    }
    assert_eq!(full == Field::Empty, is_blank(field));
    if let Field::Value(value) = full {
        assert_eq!(number(field), Field::Value(value as f64));
    }
}

fn check_time(clock: &mut Clock, line: &[u8], at: usize, field: &[u8], end: usize) {
    let full = Clock::default().time(field);
    assert_eq!(clock.time(field), full);
    let fast = clock.time_at(line, at);
    assert_eq!(Clock::default().time_at(line, at), fast);
    if let Some((fast, stop)) = fast {
        assert_eq!(stop, end);
        assert_eq!(Field::Value(fast), full);
    }
    assert_eq!(full == Field::Empty, is_blank(field));
    if let Field::Value(micros) = full {
        assert_eq!(DateTime::from_timestamp_micros(micros), known_time(field));
    }
}

/// A time as chrono reads it, to the microsecond and within the years of four digits.
fn known_time(field: &[u8]) -> Option<DateTime<chrono::Utc>> {
    let text = std::str::from_utf8(field.trim_ascii()).ok()?;
    let (date, clock) = text.split_once([' ', 'T'])?;
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let clock = chrono::NaiveTime::parse_from_str(clock, "%H:%M:%S%.f").ok()?;
    let read = NaiveDateTime::new(date, clock).and_utc();
    assert!((0..=9999).contains(&chrono::Datelike::year(&date)));
    DateTime::from_timestamp_micros(read.timestamp_micros())
}
