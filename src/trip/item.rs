use std::fmt;

use super::TripFile;

/// What a task works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Item {
    /// A month of trips.
    Month(TripFile),
    /// The taxi zones: what the location ids of trips mean.
    Zones,
}

impl Item {
    /// Its file name without an ending.
    pub fn stem(self) -> String {
        match self {
            Self::Month(file) => file.stem(),
            Self::Zones => "taxi_zone_lookup".to_owned(),
        }
    }
}

impl From<TripFile> for Item {
    fn from(file: TripFile) -> Self {
        Self::Month(file)
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Month(file) => file.fmt(f),
            Self::Zones => f.pad("zones"),
        }
    }
}
