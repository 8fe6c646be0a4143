//! The recurrence rules that a Prefect server takes: those of dateutil's `rrulestr`, within the
//! ranges of RFC 5545.

use std::str::FromStr;

use chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Tz;

/// What Prefect takes at most.
const LONGEST: usize = 6500;

const FREQUENCIES: [&str; 7] =
    ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"];

const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

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
    let mut anchored = false;
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
                let values: Vec<bool> = value.split(',').map(date).collect::<Result<_, _>>()?;
                if name == "DTSTART" {
                    let [utc] = values[..] else {
                        return Err(format!("DTSTART is one date, and '{value}' is several"));
                    };
                    if utc && zone {
                        return Err(format!("DTSTART has a TZID, so '{value}' cannot end in Z"));
                    }
                    anchored = utc || zone;
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
    rules.into_iter().try_for_each(|(_, value)| rule(value, anchored))
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

/// Whether a date is in UTC.
fn date(text: &str) -> Result<bool, String> {
    let (plain, utc) = match text.strip_suffix('Z') {
        Some(plain) => (plain, true),
        None => (text, false),
    };
    let time = ["%Y%m%dT%H%M%S", "%Y-%m-%dT%H:%M:%S"];
    let day = ["%Y%m%d", "%Y-%m-%d"];
    let is_time = time.iter().any(|form| NaiveDateTime::parse_from_str(plain, form).is_ok());
    let is_day = !utc && day.iter().any(|form| NaiveDate::parse_from_str(plain, form).is_ok());
    if is_time || is_day {
        Ok(utc)
    } else {
        Err(format!("'{text}' is not a date of an rrule: write it as 20260131T060000"))
    }
}

fn rule(text: &str, anchored: bool) -> Result<(), String> {
    let mut frequency = false;
    for part in text.split(';') {
        let Some((name, value)) = part.split_once('=') else {
            return Err(format!("'{part}' is not a part of an rrule: write NAME=VALUE;NAME=VALUE"));
        };
        let wrong = |what: String| Err(format!("{name}={value}: {what}"));
        match name {
            "FREQ" if FREQUENCIES.contains(&value) => frequency = true,
            "FREQ" => return wrong(format!("expected one of {}", FREQUENCIES.join(", "))),
            "INTERVAL" | "COUNT" => {
                if !u32::from_str(value).is_ok_and(|number| number > 0) {
                    return wrong("expected a whole number from 1".to_owned());
                }
            }
            "UNTIL" => {
                if date(value)? != anchored {
                    return wrong(if anchored {
                        "DTSTART has a time zone, so UNTIL must end in Z".to_owned()
                    } else {
                        "without a time zone in DTSTART, UNTIL must not end in Z".to_owned()
                    });
                }
            }
            "WKST" if DAYS.contains(&value) => {}
            "WKST" => return wrong(format!("expected one of {}", DAYS.join(", "))),
            "BYDAY" | "BYWEEKDAY" => {
                if !value.split(',').all(is_day) {
                    return wrong("expected days such as MO,WE or 1MO or -1FR".to_owned());
                }
            }
            _ => match LISTS.iter().find(|(known, ..)| *known == name) {
                Some(list) => numbers(value, list).or_else(wrong)?,
                None => return Err(format!("the rrule has an unknown part '{name}'")),
            },
        }
    }
    if frequency { Ok(()) } else { Err("the rrule has no FREQ: add FREQ=DAILY, say".to_owned()) }
}

fn numbers(value: &str, (_, from, to, signed): &(&str, i64, i64, bool)) -> Result<(), String> {
    let range = *from..=*to;
    let fits = |number: i64| range.contains(&number) || *signed && range.contains(&-number);
    if value.split(',').all(|text| i64::from_str(text).is_ok_and(fits)) {
        return Ok(());
    }
    let end = if *signed { " or below 0, counted from the end" } else { "" };
    Err(format!("expected numbers from {from} to {to}{end}"))
}

/// `MO`, `+1MO`, `-1FR` or `MO(+1)`.
fn is_day(text: &str) -> bool {
    let (number, day) = match text.split_once('(') {
        Some((day, number)) => match number.strip_suffix(')') {
            Some(number) => (number, day),
            None => return false,
        },
        None => text
            .split_at(text.len() - text.chars().rev().take(2).map(char::len_utf8).sum::<usize>()),
    };
    let nth = |number: &str| i64::from_str(number).is_ok_and(|n| n != 0 && (-53..=53).contains(&n));
    DAYS.contains(&day) && (number.is_empty() || nth(number))
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
