use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Colour;

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;

/// A calendar month, `2020-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month {
    year: u16,
    month: u8,
}

/// Why a month is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MonthError {
    /// Text that is not a month.
    #[error("'{0}' is not a month: write it as 2020-01")]
    NotAMonth(String),
    /// A month's number outside 1 to 12.
    #[error("there is no month {0}: months go from 1 to 12")]
    NoSuchMonth(u32),
    /// A year before the records or after any of us.
    #[error("there is no year {0} of trip records: they begin in 2009")]
    NoSuchYear(u32),
    /// Text that is not a list of months.
    #[error("'{0}' is not a list of months: write it as 1-3,7")]
    NotAList(String),
    /// A range that ends before it starts.
    #[error("the months {0} to {1} are in the wrong order: put the earlier one first")]
    Backwards(String, String),
    /// No month at all.
    #[error("the list of months is empty: name at least one")]
    Empty,
    /// Before the colour's first month.
    #[error(
        "there are no {colour} trips for {month}: {colour} records begin in {}",
        colour.first_month()
    )]
    BeforeFirst {
        /// The colour asked for.
        colour: Colour,
        /// The month asked for.
        month: Month,
    },
    /// After the current month.
    #[error("there are no {colour} trips for {month} yet: it is now {this_month}")]
    Future {
        /// The colour asked for.
        colour: Colour,
        /// The month asked for.
        month: Month,
        /// The current month.
        this_month: Month,
    },
}

impl Colour {
    /// The first month with records of this colour
    /// (TLC trip record data, <https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page>).
    pub const fn first_month(self) -> Month {
        match self {
            Self::Yellow => Month::known(2009, 1),
            Self::Green => Month::known(2013, 8),
            Self::Fhv => Month::known(2015, 1),
            Self::Fhvhv => Month::known(2019, 2),
        }
    }

    /// Refuses a month for which no file of this colour can exist: before its first, or later
    /// than `this_month`.
    pub fn check(self, month: Month, this_month: Month) -> Result<(), MonthError> {
        if month < self.first_month() {
            return Err(MonthError::BeforeFirst { colour: self, month });
        }
        if month > this_month {
            return Err(MonthError::Future { colour: self, month, this_month });
        }
        Ok(())
    }
}

impl Month {
    /// A month known when the program is written.
    pub(crate) const fn known(year: u16, month: u8) -> Self {
        Self { year, month }
    }

    /// The month of a year, both as people count.
    pub fn new(year: u32, month: u32) -> Result<Self, MonthError> {
        if !(2009..=9999).contains(&year) {
            return Err(MonthError::NoSuchYear(year));
        }
        if !(1..=12).contains(&month) {
            return Err(MonthError::NoSuchMonth(month));
        }
        Ok(Self { year: year as u16, month: month as u8 })
    }

    /// The month it is now on this machine.
    pub fn current() -> Self {
        let today = chrono::Local::now().date_naive();
        Self { year: today.year().clamp(2009, 9999) as u16, month: today.month() as u8 }
    }

    /// The year, `2020`.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The number of the month, 1 to 12.
    pub const fn number(self) -> u8 {
        self.month
    }

    /// The month after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.month == 12 {
            Self { year: self.year + 1, month: 1 }
        } else {
            Self { year: self.year, month: self.month + 1 }
        }
    }

    /// The month `count` before this one.
    #[must_use]
    pub const fn back(self, count: u16) -> Self {
        let index = (self.year as u32 * 12 + self.month as u32 - 1).saturating_sub(count as u32);
        Self { year: (index / 12) as u16, month: (index % 12 + 1) as u8 }
    }

    /// The first instant of the month in microseconds since 1970, wall-clock time.
    pub fn start_micros(self) -> i64 {
        let day = NaiveDate::from_ymd_opt(i32::from(self.year), u32::from(self.month), 1)
            .unwrap_or_default();
        let epoch = NaiveDate::default();
        day.signed_duration_since(epoch).num_days() * MICROSECONDS_PER_DAY
    }

    /// The instants of the month: from its first to the next month's first, that one excluded.
    pub fn micros(self) -> std::ops::Range<i64> {
        self.start_micros()..self.next().start_micros()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || MonthError::NotAMonth(text.to_owned());
        let (year, month) = text.trim().split_once('-').ok_or_else(bad)?;
        if year.len() != 4 || month.len() != 2 {
            return Err(bad());
        }
        Self::new(year.parse().map_err(|_| bad())?, month.parse().map_err(|_| bad())?)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Months in order, each once, never none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Months(Vec<Month>);

impl Months {
    /// Every month from `first` to `last`, both included.
    pub fn range(first: Month, last: Month) -> Result<Self, MonthError> {
        if last < first {
            return Err(MonthError::Backwards(first.to_string(), last.to_string()));
        }
        Ok(Self(
            std::iter::successors(Some(first), |month| Some(month.next()))
                .take_while(|month| *month <= last)
                .collect(),
        ))
    }

    /// These months of one year.
    pub fn of_year(year: u32, numbers: &[u32]) -> Result<Self, MonthError> {
        let mut months =
            numbers.iter().map(|&n| Month::new(year, n)).collect::<Result<Vec<_>, _>>()?;
        months.sort_unstable();
        months.dedup();
        if months.is_empty() { Err(MonthError::Empty) } else { Ok(Self(months)) }
    }

    /// The month `lag` before `this_month`, alone.
    pub fn lagging(this_month: Month, lag: u16) -> Self {
        Self(vec![this_month.back(lag)])
    }

    /// The numbers in a text like `1-3,7`.
    pub fn numbers(text: &str) -> Result<Vec<u32>, MonthError> {
        let bad = || MonthError::NotAList(text.to_owned());
        let number = |part: &str| part.trim().parse::<u32>().map_err(|_| bad());
        let mut numbers = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            match part.split_once('-') {
                None => numbers.push(number(part)?),
                Some((from, to)) => {
                    let (from, to) = (number(from)?, number(to)?);
                    if to < from {
                        return Err(MonthError::Backwards(from.to_string(), to.to_string()));
                    }
                    if to > 12 {
                        return Err(MonthError::NoSuchMonth(to));
                    }
                    numbers.extend(from..=to);
                }
            }
        }
        if numbers.is_empty() { Err(MonthError::Empty) } else { Ok(numbers) }
    }

    /// The months, earliest first.
    pub fn iter(&self) -> impl Iterator<Item = Month> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_month_is_read_and_written_alike() {
        let month: Month = "2020-01".parse().unwrap();
        assert_eq!(month, Month::known(2020, 1));
        assert_eq!(month.to_string(), "2020-01");
        for bad in ["2020", "2020-1", "20-01", "2020-xx", ""] {
            assert_eq!(bad.parse::<Month>(), Err(MonthError::NotAMonth(bad.to_owned())));
        }
        assert_eq!("2020-13".parse::<Month>(), Err(MonthError::NoSuchMonth(13)));
    }

    #[test]
    fn a_list_of_months_may_mix_ranges_and_numbers() {
        assert_eq!(Months::numbers("1-3, 7"), Ok(vec![1, 2, 3, 7]));
        assert_eq!(Months::numbers("x"), Err(MonthError::NotAList("x".to_owned())));
        assert_eq!(Months::numbers(","), Err(MonthError::Empty));
        assert_eq!(Months::numbers("3-1"), Err(MonthError::Backwards("3".into(), "1".into())));
        assert_eq!(Months::numbers("1-99999999"), Err(MonthError::NoSuchMonth(99_999_999)));
    }

    #[test]
    fn months_come_in_order_and_once() {
        let months = Months::of_year(2020, &[7, 1, 7]).unwrap();
        assert_eq!(
            months.iter().map(|m| m.to_string()).collect::<Vec<_>>(),
            ["2020-01", "2020-07"]
        );
    }

    #[test]
    fn a_month_lies_between_its_first_instant_and_the_next_months() {
        let micros = Month::known(2020, 2).micros();
        assert_eq!(micros.end - micros.start, 29 * MICROSECONDS_PER_DAY);
        assert_eq!(Month::known(2020, 1).start_micros(), 1_577_836_800_000_000);
    }

    proptest! {
        #[test]
        fn going_back_undoes_going_on(year in 2009u32..2100, month in 1u32..=12, steps in 0u16..400) {
            let start = Month::new(year, month).unwrap();
            let end = (0..steps).fold(start, |m, _| m.next());
            prop_assert_eq!(end.back(steps), start);
            prop_assert_eq!(Months::range(start, end).unwrap().iter().count(), usize::from(steps) + 1);
        }
    }

    #[test]
    fn months_that_cannot_exist_are_refused_with_a_sentence() {
        let today = Month::known(2026, 11);
        let said = |colour: Colour, month| colour.check(month, today).unwrap_err().to_string();
        assert_eq!(
            said(Colour::Green, Month::known(2012, 5)),
            "there are no green trips for 2012-05: green records begin in 2013-08"
        );
        assert_eq!(
            said(Colour::Yellow, Month::known(2027, 1)),
            "there are no yellow trips for 2027-01 yet: it is now 2026-11"
        );
        assert_eq!(Colour::Fhvhv.check(Month::known(2019, 2), today), Ok(()));
    }
}
