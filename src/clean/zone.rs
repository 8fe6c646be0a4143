//! New York's wall clock: what an instant shows there, and which zones show the same.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, Offset, TimeZone};
use chrono_tz::{America::New_York, TZ_VARIANTS, Tz};

use crate::trip::Month;

const MICROSECONDS: i64 = 1_000_000;
const MICROSECONDS_PER_HOUR: i64 = 3_600 * MICROSECONDS;

/// The names of universal time, in upper case.
const UNIVERSAL: &[&str] = &[
    "UTC",
    "Z",
    "GMT",
    "UCT",
    "ZULU",
    "UNIVERSAL",
    "GREENWICH",
    "GMT0",
    "ETC/UTC",
    "ETC/GMT",
    "ETC/UCT",
    "ETC/ZULU",
    "ETC/UNIVERSAL",
    "ETC/GREENWICH",
    "ETC/GMT0",
];

/// What the zone of a column of instants means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// Universal time. Most writers mark times without a zone so: they are read as they stand.
    Universal,
    /// New York's, or one that shows the same time all through the month.
    NewYork,
}

impl Zone {
    /// What a zone's name or offset means in the files of a month; `None` if its clocks show
    /// another time than New York's.
    pub(super) fn named(name: &str, month: Month) -> Option<Self> {
        let name = name.trim();
        if UNIVERSAL.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Some(Self::Universal);
        }
        let days = || {
            let (start, end) = (month.micros().start, month.micros().end);
            (start..end).step_by(24 * 3_600 * MICROSECONDS as usize)
        };
        let offset = fixed(name);
        if offset == Some(0) {
            return Some(Self::Universal);
        }
        let named = TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name));
        let alike = |at: i64| {
            let there = offset.or_else(|| offset_at(*named?, at));
            there.is_some() && there == offset_at(New_York, at)
        };
        (days().all(alike) && alike(month.micros().end - 1)).then_some(Self::NewYork)
    }
}

/// A time of another zone than New York's, as its own clocks show it, with its offset; in universal
/// time if the zone is not known. `None` beyond all calendars.
pub(super) fn with_offset(instant: i64, zone: &str) -> Option<String> {
    let zone = zone.trim();
    let named = TZ_VARIANTS.iter().find(|known| known.name().eq_ignore_ascii_case(zone));
    let there = fixed(zone).or_else(|| offset_at(*named?, instant)).unwrap_or_default();
    let there = FixedOffset::east_opt(there)?;
    let time = DateTime::from_timestamp_micros(instant)?.with_timezone(&there);
    Some(time.format("%Y-%m-%d %H:%M:%S%.f%:z").to_string())
}

/// The seconds of an offset as zones are named by: `-05:00`, `UTC-05:00`, `pytz.FixedOffset(-300)`.
fn fixed(name: &str) -> Option<i32> {
    let minutes = name.strip_prefix("pytz.FixedOffset(").and_then(|rest| rest.strip_suffix(')'));
    if let Some(minutes) = minutes {
        return minutes.parse::<i32>().ok()?.checked_mul(60);
    }
    offset(name.strip_prefix("UTC").unwrap_or(name).as_bytes())
}

/// The seconds of an offset from universal time: `+HH`, `-HHMM`, `+HH:MM`.
pub(super) fn offset(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let two = |digits: &[u8]| match digits {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i32::from(a - b'0') * 10 + i32::from(b - b'0')),
        _ => None,
    };
    let (hours, minutes) = match digits.len() {
        2 => (two(digits)?, 0),
        4 => (two(&digits[..2])?, two(&digits[2..])?),
        5 if digits[2] == b':' => (two(&digits[..2])?, two(&digits[3..])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

/// How far the clocks of a zone are from universal time at an instant, in seconds.
fn offset_at(zone: Tz, instant: i64) -> Option<i32> {
    let at = DateTime::from_timestamp_micros(instant)?.naive_utc();
    Some(zone.offset_from_utc_datetime(&at).fix().local_minus_utc())
}

/// Whether New York's clocks can show a time, in microseconds, with this offset.
pub(super) fn is_new_york(wall: i64, offset: i32) -> bool {
    let instant = wall.checked_sub(i64::from(offset) * MICROSECONDS);
    instant.and_then(|instant| offset_at(New_York, instant)) == Some(offset)
}

/// Reads New York's clocks, remembering the last hour: neighbours mostly share it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WallClock(Option<(i64, i64)>);

impl WallClock {
    /// What the clocks show at an instant, both in microseconds; `None` beyond all calendars.
    pub(super) fn at(&mut self, instant: i64) -> Option<i64> {
        let hour = instant.div_euclid(MICROSECONDS_PER_HOUR);
        let shift = match self.0 {
            Some((last, shift)) if last == hour => shift,
            _ => {
                let shift = i64::from(offset_at(New_York, instant)?) * MICROSECONDS;
                self.0 = Some((hour, shift));
                shift
            }
        };
        instant.checked_add(shift)
    }
}

/// The midnight, in microseconds, of a day of the years 0 to 9999.
pub(super) fn midnight(year: i32, month: u32, day: u32) -> Option<i64> {
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    (0..=9999).contains(&date.year()).then_some(days * 24 * MICROSECONDS_PER_HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, month: &str) -> Option<Zone> {
        Zone::named(name, month.parse().unwrap())
    }

    #[test]
    fn zones_that_show_new_york_s_time_are_read_and_others_are_not() {
        for name in ["America/New_York", "US/Eastern", "america/toronto", "EST5EDT"] {
            assert_eq!(named(name, "2020-03"), Some(Zone::NewYork), "{name}");
        }
        for name in ["UTC", "Etc/UTC", "+00:00", "-0000", "+00", "Z", "gmt", "UTC+00:00"] {
            assert_eq!(named(name, "2020-03"), Some(Zone::Universal), "{name}");
        }
        for name in
            ["Europe/Paris", "+05:00", "America/Chicago", "Mars/Base", "", "-5", "Europe/London"]
        {
            assert_eq!(named(name, "2020-01"), None, "{name}");
        }
        for name in ["-05:00", "UTC-05:00", "pytz.FixedOffset(-300)"] {
            assert_eq!(named(name, "2020-01"), Some(Zone::NewYork), "{name}");
        }
        assert_eq!(named("-04:00", "2020-07"), Some(Zone::NewYork));
        assert_eq!(named("EST", "2020-12"), Some(Zone::NewYork));
        for (name, month) in [("-05:00", "2020-07"), ("-05:00", "2020-03"), ("EST", "2020-11")] {
            assert_eq!(named(name, month), None, "{name} {month}");
        }
    }

    #[test]
    fn a_time_of_another_zone_is_written_with_its_offset() {
        let instant = midnight(2020, 7, 5).unwrap() + 5 * MICROSECONDS_PER_HOUR + 250_000;
        for (zone, text) in [
            ("Europe/Paris", "2020-07-05 07:00:00.250+02:00"),
            ("+05:30", "2020-07-05 10:30:00.250+05:30"),
            ("Mars/Base", "2020-07-05 05:00:00.250+00:00"),
        ] {
            assert_eq!(with_offset(instant, zone).as_deref(), Some(text));
        }
        assert_eq!(with_offset(i64::MAX, "Europe/Paris"), None);
    }

    #[test]
    fn the_clocks_show_summer_and_winter_time() {
        let mut clocks = WallClock::default();
        let hour = |hours: i64| hours * MICROSECONDS_PER_HOUR;
        let winter = midnight(2020, 1, 5).unwrap();
        let summer = midnight(2020, 7, 5).unwrap();
        assert_eq!(clocks.at(winter + hour(15) + 7), Some(winter + hour(10) + 7));
        assert_eq!(clocks.at(summer + hour(14)), Some(summer + hour(10)));
        // The night of the change: 1:59 is followed by 3:00.
        let change = midnight(2020, 3, 8).unwrap();
        assert_eq!(clocks.at(change + hour(7) - 1), Some(change + hour(2) - 1));
        assert_eq!(clocks.at(change + hour(7)), Some(change + hour(3)));
        assert_eq!(clocks.at(i64::MAX), None);
        assert_eq!(clocks.at(i64::MIN), None);
    }

    #[test]
    fn an_offset_has_to_be_that_of_new_york_at_the_time() {
        let winter = midnight(2020, 1, 5).unwrap();
        assert!(is_new_york(winter, -5 * 3600) && !is_new_york(winter, -4 * 3600));
        assert!(!is_new_york(i64::MIN, 3600));
        // Shown twice: once in each time.
        let twice = midnight(2020, 11, 1).unwrap() + 3 * MICROSECONDS_PER_HOUR / 2;
        assert!(is_new_york(twice, -5 * 3600) && is_new_york(twice, -4 * 3600));
    }
}
