use std::fmt;

use serde::{Serialize, Serializer};

use crate::warehouse::WarehouseKind;

/// What a connection leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionKind {
    /// A lake.
    Lake,
    /// A warehouse: a Postgres database, a dataset of BigQuery.
    Warehouse(WarehouseKind),
}

impl ConnectionKind {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Lake).chain(WarehouseKind::all().map(Self::Warehouse))
    }

    /// The setting that names one.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Lake => "lake",
            Self::Warehouse(kind) => kind.as_str(),
        }
    }

    /// The table of `taxi.toml` that they are in.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Lake => "lakes",
            Self::Warehouse(kind) => kind.as_str(),
        }
    }
}

impl Serialize for ConnectionKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

impl fmt::Display for ConnectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}
