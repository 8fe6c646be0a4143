use serde::Serialize;

use crate::trip::{Colour, Provenance, TripFile};

/// A row of the ledger: which edition of a month a table has. The columns are the same in every
/// warehouse and have the names of these fields. (Postgres calls `rows_loaded` also `rows`: its
/// older ledgers have that name alone.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerRow<'a> {
    /// The table.
    pub table_name: &'a str,
    /// The colour of the trips.
    pub colour: Colour,
    /// The first day of the month.
    pub month: String,
    /// The rows of the month, counted by the warehouse.
    pub rows_loaded: u64,
    /// The address that the file came from, without secrets.
    pub source: &'a str,
    /// The entity tag given with the file.
    pub etag: Option<&'a str>,
    /// The digest of the file.
    pub source_sha256: String,
    /// The digest of the schema that it was read by.
    pub schema_digest: String,
    /// The digest of the rules that it was cleaned by.
    pub rules_digest: String,
    /// The address of its trips in the lake; `None` if it came straight from the web.
    pub lake_object: Option<&'a str>,
    /// The program that loaded it, and its version. The one that cleaned it is in `provenance`.
    pub program: &'static str,
    /// All that the month says of itself, as JSON.
    pub provenance: String,
}

impl<'a> LedgerRow<'a> {
    /// The row of a month whose rows are all in a table.
    pub fn of(
        file: TripFile,
        month: &'a Provenance,
        table: &'a str,
        lake_object: Option<&'a str>,
    ) -> Self {
        Self {
            table_name: table,
            colour: file.colour,
            month: format!("{}-01", file.month),
            rows_loaded: month.counts.rows_kept,
            source: &month.source.address,
            etag: month.source.etag.as_deref(),
            source_sha256: month.source.sha256.to_string(),
            schema_digest: month.schema_digest.to_string(),
            rules_digest: month.rules_digest.to_string(),
            lake_object,
            program: Provenance::PROGRAM,
            provenance: Self::written(month),
        }
    }

    /// The column `provenance` of a month.
    pub fn written(month: &Provenance) -> String {
        serde_json::to_string(month).unwrap_or_default()
    }

    /// What the column `provenance` says; `None` if a later program wrote it and it is not
    /// understood.
    pub fn read(provenance: Option<&str>) -> Option<Provenance> {
        serde_json::from_str(provenance?).ok()
    }
}
