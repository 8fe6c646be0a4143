use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::support::text::{printable, shortened};

use super::{Colour, Digest, KeptColumn, Month};

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
    /// Columns of the source that the canonical schema does not know, and that are left out.
    pub unknown_columns: Vec<String>,
    /// Columns that it does not know and that are kept, after the canonical ones; `None` if the
    /// month was cleaned without keeping any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_columns: Option<Vec<KeptColumn>>,
    /// Columns that the month's edition has and the source lacks: their values are null.
    #[serde(default)]
    pub missing_columns: Vec<String>,
    /// Columns of the source whose times are marked as universal time, and are read as they
    /// stand.
    #[serde(default)]
    pub universal_times: Vec<String>,
    /// The key in the lake of the rows set aside; `None` if no row was.
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

    /// The columns that are kept after the canonical ones.
    pub fn kept(&self) -> &[KeptColumn] {
        self.kept_columns.as_deref().unwrap_or_default()
    }

    /// Whether another version of the month holds the same rows.
    pub fn same_rows(&self, other: &Self) -> bool {
        self.source.sha256 == other.source.sha256
            && self.schema_digest == other.schema_digest
            && self.rules_digest == other.rules_digest
            && self.counts.rows_kept == other.counts.rows_kept
            && self.kept() == other.kept()
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
    /// Records that could not be read, by the source column that is at fault; one with two such
    /// columns counts under both.
    #[serde(default)]
    pub unreadable: BTreeMap<String, u64>,
    /// The first distinct values of each of these columns, as they were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unreadable_values: BTreeMap<String, Vec<String>>,
    /// Trips kept that a rule flags.
    pub flags: BTreeMap<String, u64>,
}

impl Counts {
    /// Adds the counts of another part of the same month.
    pub fn add(&mut self, part: &Self) {
        self.rows_read += part.rows_read;
        self.rows_kept += part.rows_kept;
        self.rows_quarantined += part.rows_quarantined;
        for (sum, parts) in [
            (&mut self.reasons, &part.reasons),
            (&mut self.unreadable, &part.unreadable),
            (&mut self.flags, &part.flags),
        ] {
            for (rule, rows) in parts {
                *sum.entry(rule.clone()).or_default() += rows;
            }
        }
        for (column, values) in &part.unreadable_values {
            for value in values {
                self.note_unreadable(column, value);
            }
        }
    }

    /// Remembers a value of a column that could not be read, if it is one of the first.
    pub fn note_unreadable(&mut self, column: &str, value: &str) {
        const FIRST: usize = 3;
        const LONGEST: usize = 60;
        let known = match self.unreadable_values.get_mut(column) {
            Some(known) => known,
            None => self.unreadable_values.entry(column.to_owned()).or_default(),
        };
        if known.len() == FIRST {
            return;
        }
        let text = printable(&shortened(value, LONGEST));
        if !known.contains(&text) {
            known.push(text);
        }
    }

    /// The columns that could not be read, those with the most rows first, for people:
    /// `trip_distance 995 ('3,25', '4,5')`. `None` if there are none.
    pub fn unreadable_columns(&self) -> Option<String> {
        const MOST: usize = 5;
        let mut columns: Vec<(&String, &u64)> = self.unreadable.iter().collect();
        columns.sort_by_key(|(_, rows)| std::cmp::Reverse(**rows));
        let shown = columns.iter().take(MOST).map(|(column, rows)| {
            let values = self.unreadable_values.get(*column).map_or(&[][..], Vec::as_slice);
            let values = values.iter().map(|value| format!("'{value}'")).collect::<Vec<_>>();
            if values.is_empty() {
                format!("{column} {rows}")
            } else {
                format!("{column} {rows} ({})", values.join(", "))
            }
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = columns.len().saturating_sub(MOST);
        match (shown.is_empty(), more) {
            (true, _) => None,
            (false, 0) => Some(shown),
            (false, more) => Some(format!("{shown} and {more} more columns")),
        }
    }

    /// Whether no row was lost.
    pub const fn balance(&self) -> bool {
        self.rows_read == self.rows_kept + self.rows_quarantined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(column: &str, rows: u64, values: &[&str]) -> Counts {
        let mut counts = Counts::default();
        counts.unreadable.insert(column.to_owned(), rows);
        for value in values {
            counts.note_unreadable(column, value);
        }
        counts
    }

    #[test]
    fn the_first_three_distinct_values_of_a_column_are_kept() {
        let mut counts = Counts::default();
        counts.add(&part("trip_distance", 2, &["3,25", "3,25"]));
        counts.add(&part("trip_distance", 900, &["4,5", "1\n2", "9,9"]));
        counts.add(&part("tip_amount", 1, &[]));
        insta::assert_snapshot!(
            counts.unreadable_columns().unwrap(),
            @"trip_distance 902 ('3,25', '4,5', '1�2'), tip_amount 1"
        );
        assert_eq!(Counts::default().unreadable_columns(), None);
        let long = part("fare_amount", 1, &[&"x".repeat(100)]);
        assert_eq!(long.unreadable_values["fare_amount"][0], "x".repeat(60) + "…");
    }

    #[test]
    fn counts_of_earlier_versions_are_read() {
        let json = r#"{"rows_read":1,"rows_kept":1,"rows_quarantined":0,"reasons":{},"flags":{}}"#;
        let counts: Counts = serde_json::from_str(json).unwrap();
        assert_eq!(counts.rows_read, 1);
        assert!(counts.unreadable.is_empty());
    }
}
