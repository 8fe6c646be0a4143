use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Month, MonthError};

/// A kind of for-hire vehicle, after the colour of its cars or the licence of its base.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Medallion taxis: hailed in the street anywhere.
    Yellow,
    /// Boro taxis: hailed outside the Manhattan core.
    Green,
    /// For-hire vehicles: dispatched by a base.
    Fhv,
    /// High-volume for-hire vehicles: Uber, Lyft, Via, Juno.
    Fhvhv,
}

impl Colour {
    /// Every colour the TLC publishes.
    pub const ALL: [Self; 4] = [Self::Yellow, Self::Green, Self::Fhv, Self::Fhvhv];

    /// The name in file names and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yellow => "yellow",
            Self::Green => "green",
            Self::Fhv => "fhv",
            Self::Fhvhv => "fhvhv",
        }
    }

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

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that is no colour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no colour of trip records: use yellow, green, fhv or fhvhv")]
pub struct UnknownColour(pub String);

impl FromStr for Colour {
    type Err = UnknownColour;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim();
        Self::ALL
            .into_iter()
            .find(|colour| name.eq_ignore_ascii_case(colour.as_str()))
            .ok_or_else(|| UnknownColour(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_read_in_any_case() {
        assert_eq!(" Green".parse(), Ok(Colour::Green));
        assert_eq!(
            "blue".parse::<Colour>().unwrap_err().to_string(),
            "'blue' is no colour of trip records: use yellow, green, fhv or fhvhv"
        );
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
