use std::fmt;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::trip::{Provenance, TripFile};

/// A kind of warehouse.
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
pub enum WarehouseKind {
    /// Postgres
    Postgres,
    /// BigQuery
    #[value(name = "bigquery")]
    BigQuery,
}

impl WarehouseKind {
    /// Its name, as flags and reports spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::BigQuery => "bigquery",
        }
    }
}

impl fmt::Display for WarehouseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a store holds of a month, by its ledger and its partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Holding {
    /// The month.
    pub file: TripFile,
    /// What the ledger says was loaded; none where it says nothing.
    pub ledger: Option<Provenance>,
    /// Whether its partition is there.
    pub there: bool,
    /// The rows of the partition, where its server knows them without counting.
    pub rows: Option<u64>,
}
