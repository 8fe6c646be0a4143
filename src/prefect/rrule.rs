//! The recurrence rules that a Prefect server takes: those of dateutil's `rrulestr`, within the
//! ranges of RFC 5545.

use std::str::FromStr;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;

use super::recurrence::{Frequency, Recurrence};

/// What Prefect takes at most.
const LONGEST: usize = 6500;

const FREQUENCIES: [(&str, Frequency); 7] = [
    ("YEARLY", Frequency::Yearly),
    ("MONTHLY", Frequency::Monthly),
    ("WEEKLY", Frequency::Weekly),
    ("DAILY", Frequency::Daily),
    ("HOURLY", Frequency::Hourly),
    ("MINUTELY", Frequency::Minutely),
    ("SECONDLY", Frequency::Secondly),
];

const DAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Mon),
    ("TU", Weekday::Tue),
    ("WE", Weekday::Wed),
    ("TH", Weekday::Thu),
    ("FR", Weekday::Fri),
    ("SA", Weekday::Sat),
    ("SU", Weekday::Sun),
];

fn names<T, const N: usize>(table: [(&str, T); N]) -> String {
    table.map(|(name, _)| name).join(", ")
}

/// Parts of a rule that are lists of numbers: from, to, and whether they are counted from the end
/// too.
const LISTS: [(&str, i64, i64, bool); 9] = [
    ("BYSECOND", 0, 59, false),
    ("BYMINUTE", 0, 59, false),
    ("BYHOUR", 0, 23, false),
    ("BYMONTH", 1, 12, false),
    ("BYMONTHDAY", 1, 31, true),
    ("BYYEARDAY", 1, 366, true),
    ("BYWEEKNO", 1, 53, true),
    ("BYSETPOS", 1, 366, true),
    ("BYEASTER", 0, 366, true),
];

/// Why Prefect would not take a rule.
pub(super) fn check(text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("the rrule has {} characters: Prefect takes {LONGEST}", text.len()));
    }
    let upper = text.to_uppercase();
    let lines: Vec<&str> = upper.split_whitespace().collect();
    let (mut rules, mut dates) = (Vec::new(), false);
    // Whether it is counted from an instant rather than a time on the clock.
    let (mut anchored, mut start) = (false, None);
    for line in lines {
        let (property, value) = line.split_once(':').unwrap_or(("RRULE", line));
        let mut parts = property.split(';');
        let name = parts.next().unwrap_or_default();
        match name {
            "RRULE" | "EXRULE" => rules.push((name, value)),
            "RDATE" | "EXDATE" | "DTSTART" => {
                let mut zone = false;
                for part in parts.clone() {
                    zone |= parameter(name, part)?;
                }
                let values: Vec<_> = value.split(',').map(date).collect::<Result<_, _>>()?;
                if name == "DTSTART" {
                    let [(at, utc)] = values[..] else {
                        return Err(format!("DTSTART is one date, and '{value}' is several"));
                    };
                    if utc && zone {
                        return Err(format!("DTSTART has a TZID, so '{value}' cannot end in Z"));
                    }
                    (anchored, start) = (utc || zone, Some(at));
                }
                dates |= name == "RDATE";
            }
            _ => return Err(format!("the rrule has an unknown property '{name}'")),
        }
        if matches!(name, "RRULE" | "EXRULE")
            && let Some(part) = parts.next()
        {
            return Err(format!("{name} takes no parameter '{part}'"));
        }
    }
    if rules.iter().all(|(name, _)| *name == "EXRULE") && !dates {
        return Err("the rrule has no rule: write it as FREQ=WEEKLY;BYDAY=MO".to_owned());
    }
    // A rule whose last day is past may stand beside one that goes on.
    let yesterday = Utc::now().naive_utc() - TimeDelta::days(1);
    let (mut ended, mut goes_on) = (None, dates);
    for (name, value) in rules {
        let recurrence = rule(value, anchored)?;
        if name == "RRULE" {
            match recurrence.until.filter(|until| *until < yesterday) {
                Some(until) => ended = Some((value, until.date())),
                None => goes_on = true,
            }
        }
        if name == "RRULE" && !recurrence.comes(start) {
            return Err(format!(
                "the rrule '{value}' never comes: no day and time fits all of its parts"
            ));
        }
    }
    match ended {
        Some((value, last)) if !goes_on => {
            Err(format!("the rrule '{value}' never comes again: it ends on {last}"))
        }
        _ => Ok(()),
    }
}

/// Whether a parameter of a date names a time zone.
fn parameter(name: &str, text: &str) -> Result<bool, String> {
    match text.strip_prefix("TZID=") {
        Some(zone) if name != "RDATE" => {
            let known = chrono_tz::TZ_VARIANTS.iter().any(|tz| tz.name().to_uppercase() == zone);
            if known { Ok(true) } else { Err(format!("'{zone}' is not an IANA time zone")) }
        }
        _ if text == "VALUE=DATE-TIME" || text == "VALUE=DATE" && name != "RDATE" => Ok(false),
        _ => Err(format!("{name} takes no parameter '{text}'")),
    }
}

/// A date, and whether it is in UTC.
fn date(text: &str) -> Result<(NaiveDateTime, bool), String> {
    let (plain, utc) = match text.strip_suffix('Z') {
        Some(plain) => (plain, true),
        None => (text, false),
    };
    let time = ["%Y%m%dT%H%M%S", "%Y-%m-%dT%H:%M:%S"];
    let day = ["%Y%m%d", "%Y-%m-%d"];
    let at = time.iter().find_map(|form| NaiveDateTime::parse_from_str(plain, form).ok());
    let mut days = day.iter().filter_map(|form| NaiveDate::parse_from_str(plain, form).ok());
    let on = || if utc { None } else { days.next()?.and_hms_opt(0, 0, 0) };
    match at.or_else(on) {
        Some(at) => Ok((at, utc)),
        None => Err(format!("'{text}' is not a date of an rrule: write it as 20260131T060000")),
    }
}

fn rule(text: &str, anchored: bool) -> Result<Recurrence, String> {
    let (mut read, mut frequency) = (Recurrence::default(), false);
    for part in text.split(';') {
        let Some((name, value)) = part.split_once('=') else {
            return Err(format!("'{part}' is not a part of an rrule: write NAME=VALUE;NAME=VALUE"));
        };
        let told = |what: String| format!("{name}={value}: {what}");
        let wrong = |what: String| Err(told(what));
        match name {
            "FREQ" => match FREQUENCIES.iter().find(|(known, _)| *known == value) {
                Some((_, known)) => (read.frequency, frequency) = (*known, true),
                None => return wrong(format!("expected one of {}", names(FREQUENCIES))),
            },
            "INTERVAL" | "COUNT" => match u32::from_str(value) {
                Ok(number) if number > 0 => {
                    if name == "INTERVAL" {
                        read.interval = number;
                    }
                }
                _ => return wrong("expected a whole number from 1".to_owned()),
            },
            "UNTIL" => {
                let (until, utc) = date(value)?;
                read.until = Some(until);
                if utc != anchored {
                    return wrong(if anchored {
                        "DTSTART has a time zone, so UNTIL must end in Z".to_owned()
                    } else {
                        "without a time zone in DTSTART, UNTIL must not end in Z".to_owned()
                    });
                }
            }
            "WKST" => match DAYS.iter().find(|(known, _)| *known == value) {
                Some((_, known)) => read.week_start = Some(*known),
                None => return wrong(format!("expected one of {}", names(DAYS))),
            },
            "BYDAY" | "BYWEEKDAY" => match value.split(',').map(day).collect() {
                Some(days) => read.weekdays = days,
                None => return wrong("expected days such as MO,WE or 1MO or -1FR".to_owned()),
            },
            _ => match LISTS.iter().find(|(known, ..)| *known == name) {
                Some(list) => *numbers_of(&mut read, name) = numbers(value, list).map_err(told)?,
                None => return Err(format!("the rrule has an unknown part '{name}'")),
            },
        }
    }
    if frequency { Ok(read) } else { Err("the rrule has no FREQ: add FREQ=DAILY, say".to_owned()) }
}

/// Where the numbers of a part go.
fn numbers_of<'a>(read: &'a mut Recurrence, name: &str) -> &'a mut Vec<i64> {
    match name {
        "BYSECOND" => &mut read.seconds,
        "BYMINUTE" => &mut read.minutes,
        "BYHOUR" => &mut read.hours,
        "BYMONTH" => &mut read.months,
        "BYMONTHDAY" => &mut read.month_days,
        "BYYEARDAY" => &mut read.year_days,
        "BYWEEKNO" => &mut read.weeks,
        "BYEASTER" => &mut read.easter,
        _ => &mut read.positions,
    }
}

fn numbers(
    value: &str,
    (_, from, to, signed): &(&str, i64, i64, bool),
) -> Result<Vec<i64>, String> {
    let range = *from..=*to;
    let fits = |number: &i64| range.contains(number) || *signed && range.contains(&-number);
    let found = value.split(',').map(|text| i64::from_str(text).ok().filter(fits));
    found.collect::<Option<_>>().ok_or_else(|| {
        let end = if *signed { " or below 0, counted from the end" } else { "" };
        format!("expected numbers from {from} to {to}{end}")
    })
}

/// `MO`, `+1MO`, `-1FR` or `MO(+1)`.
fn day(text: &str) -> Option<(i64, Weekday)> {
    let (number, day) = match text.split_once('(') {
        Some((day, number)) => (number.strip_suffix(')')?, day),
        None => text
            .split_at(text.len() - text.chars().rev().take(2).map(char::len_utf8).sum::<usize>()),
    };
    let (_, weekday) = DAYS.iter().find(|(known, _)| *known == day)?;
    let nth =
        |number: &str| i64::from_str(number).ok().filter(|n| *n != 0 && (-53..=53).contains(n));
    let number = if number.is_empty() { 0 } else { nth(number)? };
    Some((number, *weekday))
}

/// The IANA time zone of a name, spelled as Prefect wants it.
pub(super) fn time_zone(name: &str) -> Result<(), String> {
    const ALIKE: f64 = 0.85;
    if Tz::from_str(name).is_ok() {
        return Ok(());
    }
    let lower = name.to_lowercase();
    let likeness = |zone: &str| {
        let zone = zone.to_lowercase();
        let city = zone.rsplit('/').next().unwrap_or_default();
        strsim::jaro_winkler(&lower, &zone).max(strsim::jaro_winkler(&lower, city))
    };
    let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| (zone.name(), likeness(zone.name())));
    let best = zones.max_by(|(_, one), (_, other)| one.total_cmp(other));
    let best = best.filter(|(_, likeness)| *likeness > ALIKE).map(|(name, _)| name);
    Err(match best {
        Some(best) => format!("'{name}' is not an IANA time zone: did you mean '{best}'?"),
        None => {
            format!("'{name}' is not an IANA time zone: write one such as America/New_York or UTC")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_rule_is_said_part_by_part() {
        let said = [
            "",
            "DAILY",
            "COUNT=3",
            "FREQ=FORTNIGHTLY",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY;UNTIL=tomorrow",
            "FREQ=DAILY;UNTIL=20270101T000000Z",
            "DTSTART:20260101T000000Z RRULE:FREQ=DAILY;UNTIL=20270101T000000",
            "FREQ=WEEKLY;BYDAY=Mon",
            "FREQ=YEARLY;BYMONTH=13",
            "FREQ=MONTHLY;BYMONTHDAY=0",
            "FREQ=DAILY;BYHOURS=6",
            "FREQ=DAILY;",
            "DTSTART;TZID=New_York:20260101T000000 FREQ=DAILY",
            "BEGIN:VEVENT",
        ]
        .map(|text| check(text).unwrap_err());
        insta::assert_snapshot!(said.join("\n"), @r"
        the rrule has no rule: write it as FREQ=WEEKLY;BYDAY=MO
        'DAILY' is not a part of an rrule: write NAME=VALUE;NAME=VALUE
        the rrule has no FREQ: add FREQ=DAILY, say
        FREQ=FORTNIGHTLY: expected one of YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY
        INTERVAL=0: expected a whole number from 1
        'TOMORROW' is not a date of an rrule: write it as 20260131T060000
        UNTIL=20270101T000000Z: without a time zone in DTSTART, UNTIL must not end in Z
        UNTIL=20270101T000000: DTSTART has a time zone, so UNTIL must end in Z
        BYDAY=MON: expected days such as MO,WE or 1MO or -1FR
        BYMONTH=13: expected numbers from 1 to 12
        BYMONTHDAY=0: expected numbers from 1 to 31 or below 0, counted from the end
        the rrule has an unknown part 'BYHOURS'
        '' is not a part of an rrule: write NAME=VALUE;NAME=VALUE
        'NEW_YORK' is not an IANA time zone
        the rrule has an unknown property 'BEGIN'
        ");
        for fine in [
            "FREQ=WEEKLY;BYDAY=MO,-1FR,TU(+2);BYHOUR=9;BYMINUTE=0;BYSECOND=0",
            "freq=monthly;bymonthday=-1,15;interval=2",
            "DTSTART:20260101T060000\nRRULE:FREQ=DAILY;UNTIL=20270101T000000\nEXDATE:20260704T060000",
            "DTSTART;TZID=America/New_York:20260101T060000\nRRULE:FREQ=DAILY;COUNT=10",
            "RDATE:20260101T060000,20260201T060000",
        ] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
    }

    #[test]
    fn a_rule_that_never_comes_is_refused() {
        for never in [
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=MONTHLY;BYMONTH=4,6,9,11;BYMONTHDAY=31",
            "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=-30",
            "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=YEARLY;BYMONTH=1;BYYEARDAY=32",
            "FREQ=YEARLY;BYMONTH=6;BYWEEKNO=53",
            "FREQ=MONTHLY;BYDAY=MO,-1FR",
            "FREQ=MONTHLY;BYDAY=6MO",
            "FREQ=YEARLY;BYMONTH=2;BYDAY=-6TU",
            "FREQ=YEARLY;BYDAY=MO;BYMONTHDAY=1;BYMONTH=2;BYYEARDAY=60",
            "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
            "FREQ=DAILY;BYSETPOS=2",
            "FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=9,10;BYSETPOS=5",
            "DTSTART:20230131T060000\nRRULE:FREQ=YEARLY;BYMONTH=2",
            "DTSTART:20230101T060000\nRRULE:FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29",
            "DTSTART:20230101T060000\nRRULE:FREQ=MONTHLY;INTERVAL=12;BYMONTH=2",
            "DTSTART:20260105T060000\nRRULE:FREQ=DAILY;INTERVAL=7;BYDAY=TU",
            "DTSTART:20260105T060000\nRRULE:FREQ=HOURLY;INTERVAL=2;BYHOUR=7",
            "DTSTART:20260105T060100\nRRULE:FREQ=MINUTELY;INTERVAL=2;BYMINUTE=0",
            "DTSTART:20260105T060000\nRRULE:FREQ=DAILY;UNTIL=20260101",
            "DTSTART:20260105T060000\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;UNTIL=20271231",
            "RDATE:20260101T060000\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31",
            "FREQ=DAILY;UNTIL=20210101",
        ] {
            let said = check(never).unwrap_err();
            assert!(said.contains("never comes"), "{never}: {said}");
        }
        for comes in [
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31,1",
            "FREQ=MONTHLY;BYMONTHDAY=31",
            "FREQ=MONTHLY;BYMONTHDAY=-31",
            "FREQ=YEARLY;BYYEARDAY=366",
            "FREQ=YEARLY;BYWEEKNO=53",
            "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=1",
            "FREQ=YEARLY;BYWEEKNO=-1;BYDAY=SU",
            "FREQ=MONTHLY;BYDAY=5MO,-5TU",
            "FREQ=YEARLY;BYDAY=53MO",
            "FREQ=DAILY;BYDAY=6MO",
            "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=5",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "FREQ=DAILY;BYHOUR=6,18;BYSETPOS=2",
            "FREQ=YEARLY;BYEASTER=0",
            "FREQ=YEARLY;BYEASTER=-2;BYMONTH=3",
            "FREQ=HOURLY;INTERVAL=5;BYHOUR=7",
            "FREQ=HOURLY;BYMINUTE=30",
            "FREQ=MINUTELY;INTERVAL=7;BYMINUTE=0",
            "FREQ=SECONDLY;INTERVAL=90;BYSECOND=30",
            "DTSTART:20240229T060000\nRRULE:FREQ=YEARLY",
            "DTSTART:20260105T060000\nRRULE:FREQ=DAILY;UNTIL=20990105T060000",
            "RRULE:FREQ=DAILY;UNTIL=20210101\nRRULE:FREQ=WEEKLY",
            "FREQ=YEARLY;INTERVAL=1000",
        ] {
            assert_eq!(check(comes), Ok(()), "{comes}");
        }
    }

    #[test]
    fn a_time_zone_is_an_iana_name_and_the_nearest_is_told() {
        for fine in ["UTC", "America/New_York", "US/Eastern", "Europe/Paris"] {
            assert_eq!(time_zone(fine), Ok(()));
        }
        let said = ["America/NewYork", "new york", "utc", "", "Mars/Olympus", "EDT"];
        let said = said.map(|name| time_zone(name).unwrap_err());
        insta::assert_snapshot!(said.join("\n"), @r"
        'America/NewYork' is not an IANA time zone: did you mean 'America/New_York'?
        'new york' is not an IANA time zone: did you mean 'America/New_York'?
        'utc' is not an IANA time zone: did you mean 'UTC'?
        '' is not an IANA time zone: write one such as America/New_York or UTC
        'Mars/Olympus' is not an IANA time zone: write one such as America/New_York or UTC
        'EDT' is not an IANA time zone: write one such as America/New_York or UTC
        ");
    }
}
