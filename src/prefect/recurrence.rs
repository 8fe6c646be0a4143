//! Whether a rule of RFC 5545 comes at all, by the days of four hundred years: after these the
//! calendar begins again. As dateutil has it, which the server uses.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, Timelike, Weekday};

/// Where the server counts from if a rule has no DTSTART.
const ANCHOR: Option<NaiveDate> = NaiveDate::from_ymd_opt(2020, 1, 1);

const YEARS: i32 = 400;

const SECONDS_OF_DAY: u32 = 86_400;

/// How often a rule comes, from seldom to often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Frequency {
    #[default]
    Yearly,
    Monthly,
    Weekly,
    Daily,
    Hourly,
    Minutely,
    Secondly,
}

/// A rule whose parts are in their ranges; an empty list allows all.
#[derive(Debug, Default)]
pub(super) struct Recurrence {
    pub(super) frequency: Frequency,
    pub(super) interval: u32,
    pub(super) until: Option<NaiveDateTime>,
    pub(super) week_start: Option<Weekday>,
    pub(super) months: Vec<i64>,
    pub(super) month_days: Vec<i64>,
    pub(super) year_days: Vec<i64>,
    pub(super) weeks: Vec<i64>,
    pub(super) easter: Vec<i64>,
    /// Weekdays, and which of the month or the year; 0 for each.
    pub(super) weekdays: Vec<(i64, Weekday)>,
    pub(super) hours: Vec<i64>,
    pub(super) minutes: Vec<i64>,
    pub(super) seconds: Vec<i64>,
    pub(super) positions: Vec<i64>,
}

impl Recurrence {
    /// Whether it comes at least once, from its first day on.
    pub(super) fn comes(mut self, start: Option<NaiveDateTime>) -> bool {
        let start = start.or_else(|| ANCHOR?.and_hms_opt(0, 0, 0));
        let Some(start) = start else { return true };
        self.complete(start);
        let times = self.times(start);
        if times == 0 {
            return false;
        }
        let (first, last) = (start.date(), start.year().saturating_add(YEARS));
        // The period in hand, and how many of its days fit.
        let (mut period, mut fitting) = (None, 0_u64);
        let mut day = self.first_of_period(first);
        // It may be in another time zone.
        let until = self.until.and_then(|until| until.date().succ_opt());
        while day.year() < last && until.is_none_or(|until| day <= until) {
            let current = self.period(first, day);
            if period != Some(current) {
                if period.is_some() && self.has_position(fitting * times) {
                    return true;
                }
                (period, fitting) = (Some(current), 0);
            }
            if current.rem_euclid(self.interval.into()) == 0 && self.fits(day) {
                if self.positions.is_empty() && day >= first {
                    return true;
                }
                fitting += 1;
            }
            let Some(next) = day.checked_add_days(Days::new(1)) else { break };
            day = next;
        }
        self.has_position(fitting * times)
    }

    /// What a rule without a day takes from its first.
    fn complete(&mut self, start: NaiveDateTime) {
        let no_day = self.weeks.is_empty()
            && self.year_days.is_empty()
            && self.month_days.is_empty()
            && self.weekdays.is_empty()
            && self.easter.is_empty();
        match self.frequency {
            Frequency::Yearly if no_day => {
                if self.months.is_empty() {
                    self.months.push(start.month().into());
                }
                self.month_days.push(start.day().into());
            }
            Frequency::Monthly if no_day => self.month_days.push(start.day().into()),
            Frequency::Weekly if no_day => self.weekdays.push((0, start.weekday())),
            _ => {}
        }
        self.interval = self.interval.max(1);
    }

    /// How many times a period has on each day that fits; 0 if it has none on any.
    fn times(&self, start: NaiveDateTime) -> u64 {
        let step = match self.frequency {
            Frequency::Hourly => 3600,
            Frequency::Minutely => 60,
            Frequency::Secondly => 1,
            _ => {
                let count = |list: &[i64]| {
                    let distinct: BTreeSet<_> = list.iter().collect();
                    distinct.len().max(1) as u64
                };
                return count(&self.hours) * count(&self.minutes) * count(&self.seconds);
            }
        };
        // Steps that divide no day reach other times on other days.
        let step = gcd(u64::from(self.interval) * step, SECONDS_OF_DAY.into()) as u32;
        let allows = |list: &[i64], value: u32| list.is_empty() || list.contains(&value.into());
        let mut found = BTreeSet::new();
        let first = start.num_seconds_from_midnight();
        for second in (first % step..SECONDS_OF_DAY).step_by(step as usize) {
            // Within an hour or a minute, its own parts say which.
            let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
            let minute_fits = self.frequency < Frequency::Minutely || allows(&self.minutes, minute);
            let second_fits = self.frequency < Frequency::Secondly || allows(&self.seconds, second);
            if allows(&self.hours, hour) && minute_fits && second_fits {
                found.insert((hour, minute, second));
            }
        }
        if found.is_empty() {
            return 0;
        }
        // In one hour, minute or second.
        let within = |list: &[i64]| list.iter().collect::<BTreeSet<_>>().len().max(1) as u64;
        match self.frequency {
            Frequency::Hourly => within(&self.minutes) * within(&self.seconds),
            Frequency::Minutely => within(&self.seconds),
            _ => 1,
        }
    }

    /// Whether a set of so many has one of the positions asked for.
    fn has_position(&self, count: u64) -> bool {
        count > 0 && self.positions.iter().any(|position| position.unsigned_abs() <= count)
    }

    fn week_start(&self) -> Weekday {
        self.week_start.unwrap_or(Weekday::Mon)
    }

    /// The first day of the period that a day is in.
    fn first_of_period(&self, day: NaiveDate) -> NaiveDate {
        let first = match self.frequency {
            Frequency::Yearly => NaiveDate::from_ymd_opt(day.year(), 1, 1),
            Frequency::Monthly => day.with_day(1),
            Frequency::Weekly => {
                day.checked_sub_days(Days::new(self.days_of_week_before(day).into()))
            }
            _ => None,
        };
        first.unwrap_or(day)
    }

    /// How many days of its week come before a day.
    fn days_of_week_before(&self, day: NaiveDate) -> u32 {
        day.weekday().days_since(self.week_start())
    }

    /// The number of a day's period, counted from that of the first.
    fn period(&self, first: NaiveDate, day: NaiveDate) -> i64 {
        let months = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
        match self.frequency {
            Frequency::Yearly => i64::from(day.year()) - i64::from(first.year()),
            Frequency::Monthly => months(day) - months(first),
            Frequency::Weekly => {
                let start = self.first_of_period(first);
                (day - start).num_days().div_euclid(7)
            }
            Frequency::Daily => (day - first).num_days(),
            // Their steps are those of `times`.
            _ => (day - first).num_days() * i64::from(self.interval),
        }
    }

    fn fits(&self, day: NaiveDate) -> bool {
        let length = if day.leap_year() { 366 } else { 365 };
        let month_length = i64::from(day.num_days_in_month());
        let (of_month, of_year) = (i64::from(day.day()), i64::from(day.ordinal()));
        either(&self.months, |month| month == i64::from(day.month()))
            && either(&self.month_days, |n| n == of_month || n == of_month - month_length - 1)
            && either(&self.year_days, |n| n == of_year || n == of_year - length - 1)
            && either(&self.weeks, |n| self.is_in_week(day, n))
            && either(&self.easter, |n| {
                easter(day.year()).is_some_and(|e| (day - e).num_days() == n)
            })
            && self.fits_weekdays(day, of_month, of_year)
    }

    /// Weekdays with a number and those without one are asked for both.
    fn fits_weekdays(&self, day: NaiveDate, of_month: i64, of_year: i64) -> bool {
        let counted = |nth: i64| nth != 0 && self.frequency <= Frequency::Monthly;
        let (mut any, mut numbered) = (Vec::new(), Vec::new());
        for (nth, weekday) in &self.weekdays {
            let fits = *weekday == day.weekday() && self.is_nth(day, *nth, of_month, of_year);
            if counted(*nth) { numbered.push(fits) } else { any.push(fits) }
        }
        let fits = |list: &[bool]| list.is_empty() || list.contains(&true);
        fits(&any) && fits(&numbered)
    }

    /// Whether a day is the nth of its weekday, of the month or the year.
    fn is_nth(&self, day: NaiveDate, nth: i64, of_month: i64, of_year: i64) -> bool {
        let (at, length) = match self.frequency {
            Frequency::Yearly if self.months.is_empty() => {
                (of_year, if day.leap_year() { 366 } else { 365 })
            }
            Frequency::Yearly | Frequency::Monthly => (of_month, day.num_days_in_month().into()),
            // It is not counted then.
            _ => return true,
        };
        nth == 0 || nth == (at - 1) / 7 + 1 || nth == -((length - at) / 7 + 1)
    }

    /// Whether a day is in a week of its year: the first one has four days of it at least.
    fn is_in_week(&self, day: NaiveDate, number: i64) -> bool {
        let begins = |year: i32| {
            let fourth = NaiveDate::from_ymd_opt(year, 1, 4)?;
            fourth.checked_sub_days(Days::new(self.days_of_week_before(fourth).into()))
        };
        let year = [day.year() + 1, day.year(), day.year() - 1]
            .into_iter()
            .find(|year| begins(*year).is_some_and(|first| first <= day));
        let bounds = year.and_then(|year| Some((begins(year)?, begins(year + 1)?)));
        bounds.is_some_and(|(first, next)| {
            let week = (day - first).num_days() / 7 + 1;
            let count = (next - first).num_days() / 7;
            number == week || number == week - count - 1
        })
    }
}

fn either(list: &[i64], fits: impl Fn(i64) -> bool) -> bool {
    list.is_empty() || list.iter().any(|number| fits(*number))
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// Easter Sunday, by the anonymous Gregorian algorithm.
fn easter(year: i32) -> Option<NaiveDate> {
    let (golden, century, rest) = (year % 19, year / 100, year % 100);
    let epact =
        (19 * golden + century - century / 4 - (century - (century + 8) / 25 + 1) / 3 + 15) % 30;
    let weekday = (32 + 2 * (century % 4) + 2 * (rest / 4) - epact - rest % 4) % 7;
    let late = (golden + 11 * epact + 22 * weekday) / 451;
    let sum = epact + weekday - 7 * late + 114;
    NaiveDate::from_ymd_opt(year, (sum / 31) as u32, (sum % 31 + 1) as u32)
}
