use std::fmt;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::about::About;
use super::{bigquery, postgres};

/// A kind of warehouse. Its name is the variant's in lower case, in flags, settings and reports.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    ValueEnum,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum WarehouseKind {
    /// Postgres
    Postgres,
    /// BigQuery
    BigQuery,
}

impl WarehouseKind {
    /// What it is called where.
    pub const fn about(self) -> &'static About {
        match self {
            Self::Postgres => &postgres::ABOUT,
            Self::BigQuery => &bigquery::ABOUT,
        }
    }

    /// All of them, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::value_variants().iter().copied()
    }

    /// The names of all, for people.
    pub fn names(separator: &str) -> String {
        Self::all().map(Self::as_str).collect::<Vec<_>>().join(separator)
    }

    /// Its name, as flags and reports spell it.
    pub const fn as_str(self) -> &'static str {
        self.about().name
    }
}

impl fmt::Display for WarehouseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_name_everywhere() {
        for kind in WarehouseKind::all() {
            let name = kind.as_str();
            assert_eq!(kind.to_possible_value().unwrap().get_name(), name);
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
        }
    }
}
