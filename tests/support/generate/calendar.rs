//! Months and seconds since 1970, without a zone.

use std::fmt;
use std::str::FromStr;

pub const DAY: i64 = 86_400;

/// A month of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    pub year: u16,
    pub number: u8,
}

impl Month {
    pub const fn new(year: u16, number: u8) -> Self {
        assert!(number >= 1 && number <= 12, "a month is 1 to 12");
        Self { year, number }
    }

    /// The month's first second.
    pub fn start(self) -> i64 {
        seconds(i64::from(self.year), i64::from(self.number), 1)
    }

    /// The first second of the month after.
    pub fn end(self) -> i64 {
        match self.number {
            12 => seconds(i64::from(self.year) + 1, 1, 1),
            number => seconds(i64::from(self.year), i64::from(number) + 1, 1),
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02}", self.year, self.number)
    }
}

impl FromStr for Month {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once('-')
            .and_then(|(year, number)| Some((year.parse().ok()?, number.parse().ok()?)))
            .filter(|(_, number)| (1..=12).contains(number))
            .map(|(year, number)| Self { year, number })
            .ok_or_else(|| format!("{text:?} is no month: write it as 2019-01"))
    }
}

/// Midnight of a date (Howard Hinnant's `days_from_civil`).
pub fn seconds(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) * DAY
}

/// Year, month and day of a second.
pub fn date(seconds: i64) -> (i64, u8, u8) {
    let days = seconds.div_euclid(DAY) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = (shifted + 2) % 12 + 1;
    (year_of_era + era * 400 + i64::from(month <= 2), month as u8, day as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_a_thousand_years_is_its_own_date() {
        for day in -40_000..400_000 {
            let (year, month, date) = date(day * DAY + 1);
            assert_eq!(seconds(year, i64::from(month), i64::from(date)), day * DAY);
        }
    }

    #[test]
    fn a_month_ends_where_the_next_one_starts() {
        assert_eq!(Month::new(2019, 1).start(), 1_546_300_800);
        assert_eq!(Month::new(2020, 2).end() - Month::new(2020, 2).start(), 29 * DAY);
        assert_eq!(Month::new(2019, 12).end(), Month::new(2020, 1).start());
    }
}
