use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that is not a colour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a colour of trip records; expected yellow, green, fhv or fhvhv")]
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
            "'blue' is not a colour of trip records; expected yellow, green, fhv or fhvhv"
        );
    }
}
