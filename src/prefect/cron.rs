//! The cron expressions that a Prefect server takes: those of its own croniter, field by field,
//! without the random and the hashed ones. Found out on 3.8.8 and 3.9.1.
//!
//! No crate reads these: croniter has its seconds in the sixth field and its years in the
//! seventh, ranges that run backwards (`fri-mon`), `10/5` and `sat#1`. A test reads a table of
//! expressions here and by the server's croniter.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use chrono::{Datelike, Utc};

/// A field of an expression.
struct Field {
    name: &'static str,
    from: u32,
    to: u32,
    words: &'static [(&'static str, u32)],
}

const MONTHS: [(&str, u32); 12] = [
    ("jan", 1),
    ("feb", 2),
    ("mar", 3),
    ("apr", 4),
    ("may", 5),
    ("jun", 6),
    ("jul", 7),
    ("aug", 8),
    ("sep", 9),
    ("oct", 10),
    ("nov", 11),
    ("dec", 12),
];

const DAYS: [(&str, u32); 7] =
    [("sun", 0), ("mon", 1), ("tue", 2), ("wed", 3), ("thu", 4), ("fri", 5), ("sat", 6)];

const FIELDS: [Field; 7] = [
    Field { name: "minute", from: 0, to: 59, words: &[] },
    Field { name: "hour", from: 0, to: 23, words: &[] },
    Field { name: "day of month", from: 1, to: 31, words: &[] },
    Field { name: "month", from: 1, to: 12, words: &MONTHS },
    Field { name: "day of week", from: 0, to: 6, words: &DAYS },
    Field { name: "second", from: 0, to: 59, words: &[] },
    Field { name: "year", from: 1970, to: 2099, words: &[] },
];

const DAY: usize = 2;
const MONTH: usize = 3;
const WEEKDAY: usize = 4;
const YEAR: usize = 6;

/// Short for a whole expression.
const ALIASES: [&str; 7] =
    ["@midnight", "@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually"];

/// What a field allows.
#[derive(Default)]
struct Allowed {
    all: bool,
    values: BTreeSet<u32>,
    /// The last day of a month.
    last: bool,
    /// The nth or last one of its weekday in a month.
    nth: BTreeSet<u32>,
}

/// Why Prefect would not take an expression.
pub(super) fn check(expression: &str, day_or: bool) -> Result<(), String> {
    let lower = expression.to_lowercase();
    if ALIASES.contains(&lower.as_str()) {
        return Ok(());
    }
    if lower.starts_with('@') {
        return Err(format!("'{expression}' is not known: there are {}", ALIASES.join(", ")));
    }
    let parts: Vec<&str> = lower.split_whitespace().collect();
    if !(5..=7).contains(&parts.len()) {
        return Err(format!(
            "'{expression}' has {} fields: cron has five (minute, hour, day of month, month, day \
             of week), then perhaps second and year",
            parts.len()
        ));
    }
    let mut fields = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let field = read(at, part, parts.len()).map_err(|what| {
            format!("'{part}' cannot be the {} of '{expression}': {what}", FIELDS[at].name)
        })?;
        fields.push(field);
    }
    if let Some(last) = fields.get(YEAR).filter(|years| !years.all).and_then(|y| y.values.last())
        && i64::from(*last) < i64::from(Utc::now().year())
    {
        return Err(format!("'{expression}' never comes again: its last year is {last}"));
    }
    if never(&fields, day_or) {
        return Err(format!("'{expression}' never comes: no such month has such a day"));
    }
    Ok(())
}

fn read(at: usize, part: &str, len: usize) -> Result<Allowed, String> {
    if part == "h" || part == "r" || part.starts_with("h(") || part.starts_with("r(") {
        return Err("Prefect takes no random or hashed values".to_owned());
    }
    if part.contains('?') {
        return match (part, at) {
            ("?", DAY | WEEKDAY) => Ok(Allowed { all: true, ..Allowed::default() }),
            ("?", _) => Err("only a day can be '?'".to_owned()),
            _ => Err("'?' cannot be combined with other values".to_owned()),
        };
    }
    let mut allowed = Allowed::default();
    for item in part.split(',') {
        read_item(at, item, len, &mut allowed)?;
    }
    let whole = allowed.values.len() as u32 == FIELDS[at].to - FIELDS[at].from + 1;
    let plain: Vec<_> = allowed.values.difference(&allowed.nth).collect();
    if !allowed.nth.is_empty() && !plain.is_empty() && !whole {
        return Err("days of the week and nth days of the week do not go together".to_owned());
    }
    Ok(allowed)
}

fn read_item(at: usize, item: &str, len: usize, allowed: &mut Allowed) -> Result<(), String> {
    let field = &FIELDS[at];
    let (item, nth) = match (at, nth_of(item)) {
        (WEEKDAY, Some((day, nth))) => (day, Some(nth)),
        _ => (item, None),
    };
    if let Some(Nth::Number(number)) = nth
        && !(1..=5).contains(&number)
    {
        return Err("a month has a weekday five times at most".to_owned());
    }
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(whole(step, "a step")?)),
        None => (item, None),
    };
    let (low, high) = match (range.split_once('-'), step) {
        _ if range.is_empty() => return Err("a value is missing".to_owned()),
        (None, None) if range == "*" => {
            allowed.all |= nth.is_none();
            return Ok(());
        }
        (None, Some(_)) if range == "*" => (field.from, field.to),
        (None, None) if at == DAY && range == "l" => {
            allowed.last = true;
            return Ok(());
        }
        (None, None) => {
            let value = value(at, range, len)?;
            if value < field.from || value > field.to {
                return Err(format!("expected {} to {}", field.from, field.to));
            }
            allowed.values.insert(value);
            if nth.is_some() {
                allowed.nth.insert(value);
            }
            return Ok(());
        }
        (None, Some(_)) => (value(at, range, len)?, field.to),
        (Some((low, "l")), _) if at == DAY => (value(at, low, len)?, 31),
        (Some((low, high)), _) => (value(at, low, len)?, value(at, high, len)?),
    };
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err("a step is at least 1".to_owned());
    }
    if low.max(high) > field.to || low < high && low < field.from {
        return Err(format!("expected {} to {}", field.from, field.to));
    }
    // The same twice is all of them, and backwards is over the end.
    let span: Vec<u32> = match low.cmp(&high) {
        Ordering::Less => (low..=high).collect(),
        Ordering::Equal => (field.from..=field.to).collect(),
        Ordering::Greater => (low..=field.to).chain(field.from..=high).collect(),
    };
    let values = span.into_iter().step_by(step as usize);
    for value in values {
        allowed.values.insert(value);
        if nth.is_some() {
            allowed.nth.insert(value);
        }
    }
    Ok(())
}

enum Nth {
    Number(u32),
    Last,
}

/// The day and the number of `2#3`, `fri#1` and `l5`.
fn nth_of(item: &str) -> Option<(&str, Nth)> {
    if let Some(day) = item.strip_prefix('l')
        && !day.is_empty()
        && day.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Some((day, Nth::Last));
    }
    let (day, number) = item.rsplit_once('#')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    // Of ranges only those of words.
    let named = |day: &str| DAYS.iter().any(|(word, _)| *word == day);
    let is_day = match day.split_once('-') {
        Some((from, to)) => named(from) && named(to),
        None => day.bytes().all(|byte| byte.is_ascii_alphanumeric()),
    };
    (is_number && is_day).then(|| (day, Nth::Number(number.parse().unwrap_or(u32::MAX))))
}

/// A number or a word for one.
fn value(at: usize, text: &str, len: usize) -> Result<u32, String> {
    let field = &FIELDS[at];
    if let Some((_, value)) = field.words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let value = whole(text, "a value")?;
    Ok(match (at, value, len) {
        // Sunday has two numbers, but only in cron's own five fields.
        (WEEKDAY, 7, 5) => 0,
        (DAY, 0, 6) => 1,
        _ => value,
    })
}

fn whole(text: &str, what: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.ok_or_else(|| format!("{what} is a whole number, and '{text}' is not"))
}

/// Whether no month that is allowed has a day that is, as for 30 February.
fn never(fields: &[Allowed], day_or: bool) -> bool {
    let (days, months, weekdays) = (&fields[DAY], &fields[MONTH], &fields[WEEKDAY]);
    if days.all || days.last || !weekdays.all && day_or {
        return false;
    }
    let Some(&first) = days.values.first() else { return false };
    let leap = fields.get(YEAR).is_none_or(|years| {
        years.all
            || years.values.iter().any(|year| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
    });
    let longest = |month: u32| match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    !months.all && months.values.iter().all(|month| longest(*month) < first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_expression_is_said_field_by_field() {
        let said = [
            "6 5 * *",
            "61 6 5 * *",
            "0 6 5 foo *",
            "0 6 5 * 8",
            "*/0 * * * *",
            "@often",
            "h 6 5 * *",
            "0 0 30 2 *",
            "0 6 ? ? *",
            "0 6 * * fri#6",
            "0 6 * * 1,fri#2",
            "0 6 L-3 * *",
            "0,,1 6 * * *",
        ]
        .map(|text| check(text, true).unwrap_err());
        insta::assert_snapshot!(said.join("\n"), @r"
        '6 5 * *' has 4 fields: cron has five (minute, hour, day of month, month, day of week), then perhaps second and year
        '61' cannot be the minute of '61 6 5 * *': expected 0 to 59
        'foo' cannot be the month of '0 6 5 foo *': a value is a whole number, and 'foo' is not
        '8' cannot be the day of week of '0 6 5 * 8': expected 0 to 6
        '*/0' cannot be the minute of '*/0 * * * *': a step is at least 1
        '@often' is not known: there are @midnight, @hourly, @daily, @weekly, @monthly, @yearly, @annually
        'h' cannot be the minute of 'h 6 5 * *': Prefect takes no random or hashed values
        '0 0 30 2 *' never comes: no such month has such a day
        '?' cannot be the month of '0 6 ? ? *': only a day can be '?'
        'fri#6' cannot be the day of week of '0 6 * * fri#6': a month has a weekday five times at most
        '1,fri#2' cannot be the day of week of '0 6 * * 1,fri#2': days of the week and nth days of the week do not go together
        'l-3' cannot be the day of month of '0 6 L-3 * *': a value is a whole number, and 'l' is not
        '0,,1' cannot be the minute of '0,,1 6 * * *': a value is missing
        ");
    }

    #[test]
    fn a_day_that_no_month_has_never_comes() {
        assert!(check("0 0 29 2 *", true).is_ok());
        assert!(check("0 0 31 4,6 *", true).is_err());
        assert!(check("0 0 31 4,7 *", true).is_ok());
        assert!(check("0 0 30 2 mon", true).is_ok());
        assert!(check("0 0 30 2 mon", false).is_err());
        assert!(check("0 0 29 2 * 0 2099", true).is_err());
        assert!(check("0 0 29 2 * 0 2023-2099", true).is_ok());
        assert!(check("0 0 1 1 * 0 2020", true).unwrap_err().contains("its last year is 2020"));
    }
}
