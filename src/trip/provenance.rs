use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Colour, Digest, Month};

/// What a published month says of itself, kept in the footer of its Parquet file.
///
/// Two months with equal source digest, schema digest and rules digest hold the same rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The colour of the trips.
    pub colour: Colour,
    /// The month of the trips.
    pub month: Month,
    /// Where the bytes came from and what they were.
    pub source: SourceFacts,
    /// The rows, counted.
    #[serde(flatten)]
    pub counts: Counts,
    /// Columns of the source that the canonical schema does not know.
    pub unknown_columns: Vec<String>,
    /// The key in the lake of the rows set aside; none where no row was.
    pub quarantine: Option<String>,
    /// The digest of the canonical schema.
    pub schema_digest: Digest,
    /// The digest of the rules as they were in force.
    pub rules_digest: Digest,
    /// The program and its version.
    pub program: String,
}

impl Provenance {
    /// The footer entry that holds it, as JSON.
    pub const KEY: &'static str = "nyc_taxi_etl.provenance";

    /// This program, as it names itself.
    pub const PROGRAM: &'static str = concat!("taxi ", env!("CARGO_PKG_VERSION"));

    /// Whether another version of the month holds the same rows.
    pub fn same_rows(&self, other: &Self) -> bool {
        self.source.sha256 == other.source.sha256
            && self.schema_digest == other.schema_digest
            && self.rules_digest == other.rules_digest
            && self.counts.rows_kept == other.counts.rows_kept
    }
}

/// Where a month's bytes came from and what they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// The address asked, without user, password or query: never a signed one.
    pub address: String,
    /// The entity tag given with the bytes; for a local file, one of its size and time.
    pub etag: Option<String>,
    /// The time given with the bytes, as sent.
    pub last_modified: Option<String>,
    /// How many bytes.
    pub size: u64,
    /// Their digest.
    pub sha256: Digest,
}

impl SourceFacts {
    /// The footer entry that holds them, as JSON, in a file that has no [`Provenance`].
    pub const KEY: &'static str = "nyc_taxi_etl.source";
}

/// The rows of a month, counted. `rows_read` is always `rows_kept` + `rows_quarantined`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records found in the source.
    pub rows_read: u64,
    /// Records that became trips.
    pub rows_kept: u64,
    /// Records set aside.
    pub rows_quarantined: u64,
    /// Records set aside by reason; one with two reasons counts under both.
    pub reasons: BTreeMap<String, u64>,
    /// Trips kept that a rule flags.
    pub flags: BTreeMap<String, u64>,
}

impl Counts {
    /// Adds the counts of another part of the same month.
    pub fn add(&mut self, part: &Self) {
        self.rows_read += part.rows_read;
        self.rows_kept += part.rows_kept;
        self.rows_quarantined += part.rows_quarantined;
        for (sum, parts) in [(&mut self.reasons, &part.reasons), (&mut self.flags, &part.flags)] {
            for (rule, rows) in parts {
                *sum.entry(rule.clone()).or_default() += rows;
            }
        }
    }

    /// Whether no row was lost.
    pub const fn balance(&self) -> bool {
        self.rows_read == self.rows_kept + self.rows_quarantined
    }
}
