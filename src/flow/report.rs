use std::collections::BTreeMap;

use serde::Serialize;

use crate::trip::{Colour, Counts, Month, TripFile};

/// What became of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was fetched, cleaned and published.
    Published,
    /// It was loaded into the warehouse.
    Loaded,
    /// It was there already, from the same bytes, schema and rules.
    Unchanged,
    /// The source does not have it yet.
    NotPublished,
    /// It could not be done; what was there before is still there.
    Failed,
}

impl State {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Loaded => "loaded",
            Self::Unchanged => "unchanged",
            Self::NotPublished => "not published",
            Self::Failed => "failed",
        }
    }
}

/// What a run did to one month.
#[derive(Debug, Clone, Serialize)]
pub struct MonthReport {
    /// The colour.
    pub colour: Colour,
    /// The month.
    pub month: Month,
    /// What became of it.
    pub state: State,
    /// Records found in the source; null where it was not read.
    pub rows_read: Option<u64>,
    /// Records kept.
    pub rows_kept: Option<u64>,
    /// Records set aside.
    pub rows_quarantined: Option<u64>,
    /// Records set aside by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Records kept by the rule that flags them.
    pub flags: BTreeMap<String, u64>,
    /// The address it came from.
    pub source: Option<String>,
    /// Where its trips are.
    pub lake: Option<String>,
    /// Where the rows set aside are.
    pub quarantine: Option<String>,
    /// Where in the warehouse it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warehouse: Option<String>,
    /// Rows in the warehouse, counted by its server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_loaded: Option<u64>,
    /// What became of it in each warehouse, where the flow loads into several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<LoadReport>,
    /// The size of the published file in bytes.
    pub bytes: Option<u64>,
    /// How long it took.
    pub seconds: f64,
    /// Why it failed.
    pub error: Option<String>,
}

impl MonthReport {
    /// A report of a month with nothing done yet.
    pub const fn new(file: TripFile, state: State) -> Self {
        Self {
            colour: file.colour,
            month: file.month,
            state,
            rows_read: None,
            rows_kept: None,
            rows_quarantined: None,
            reasons: BTreeMap::new(),
            flags: BTreeMap::new(),
            source: None,
            lake: None,
            quarantine: None,
            warehouse: None,
            rows_loaded: None,
            loads: Vec::new(),
            bytes: None,
            seconds: 0.0,
            error: None,
        }
    }

    /// A report of a month that failed.
    pub fn failed(file: TripFile, error: &dyn std::error::Error) -> Self {
        Self { error: Some(error.to_string()), ..Self::new(file, State::Failed) }
    }

    /// The same with its rows counted.
    #[must_use]
    pub fn counted(mut self, counts: &Counts) -> Self {
        self.rows_read = Some(counts.rows_read);
        self.rows_kept = Some(counts.rows_kept);
        self.rows_quarantined = Some(counts.rows_quarantined);
        self.reasons.clone_from(&counts.reasons);
        self.flags.clone_from(&counts.flags);
        self
    }

    /// The month.
    pub const fn file(&self) -> TripFile {
        TripFile::new(self.colour, self.month)
    }
}

/// What became of a month in one warehouse.
#[derive(Debug, Clone, Serialize)]
pub struct LoadReport {
    /// The warehouse: `postgres` or `bigquery`.
    pub to: &'static str,
    /// Where in it the month is.
    pub place: String,
    /// `loaded`, `unchanged` or `failed`.
    pub state: State,
    /// Rows there, counted by its server.
    pub rows_loaded: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// The flow.
    pub flow: &'static str,
    /// Whether no month failed.
    pub ok: bool,
    /// The months in the order asked for.
    pub months: Vec<MonthReport>,
}

impl RunReport {
    /// The report of a flow's months.
    pub fn new(flow: &'static str, months: Vec<MonthReport>) -> Self {
        let ok = months.iter().all(|month| month.state != State::Failed);
        Self { flow, ok, months }
    }
}
