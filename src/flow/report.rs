use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::trip::{Colour, Counts, Month, Provenance, TripFile};

use super::Failure;

/// What became of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// The run was interrupted while it was under way.
    Interrupted,
    /// The run was interrupted before it was its turn.
    NotBegun,
}

impl State {
    /// What an error makes of it, and what is to be said of that.
    fn ended(error: &impl Failure) -> (Self, Option<String>) {
        if error.is_interruption() {
            (Self::Interrupted, None)
        } else {
            (Self::Failed, Some(error.to_string()))
        }
    }

    /// Whether all is well with it.
    pub const fn is_ok(self) -> bool {
        !matches!(self, Self::Failed | Self::Interrupted | Self::NotBegun)
    }

    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Loaded => "loaded",
            Self::Unchanged => "unchanged",
            Self::NotPublished => "not published",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::NotBegun => "not begun",
        }
    }
}

/// The edition of a month that another took the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The trips of the one that was there.
    pub rows_before: u64,
    /// The trips of the one that is there now.
    pub rows_after: u64,
}

/// What a run did to one month.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// Records that could not be read, by the source column that is at fault.
    #[serde(default)]
    pub unreadable: BTreeMap<String, u64>,
    /// Records kept by the rule that flags them.
    pub flags: BTreeMap<String, u64>,
    /// The address it came from.
    pub source: Option<String>,
    /// Where its trips are.
    pub lake: Option<String>,
    /// Where the rows set aside are.
    pub quarantine: Option<String>,
    /// What it replaced; null if nothing of the month was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replaced>,
    /// Where in the warehouse it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warehouse: Option<String>,
    /// Rows in the warehouse, counted by its server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_loaded: Option<u64>,
    /// What became of it in each warehouse, where the flow loads into several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
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
            unreadable: BTreeMap::new(),
            flags: BTreeMap::new(),
            source: None,
            lake: None,
            quarantine: None,
            replaced: None,
            warehouse: None,
            rows_loaded: None,
            loads: Vec::new(),
            bytes: None,
            seconds: 0.0,
            error: None,
        }
    }

    /// A report of a month that ended so: it failed, unless it was interrupted.
    pub fn ended(file: TripFile, error: &impl Failure) -> Self {
        let (state, error) = State::ended(error);
        Self { error, ..Self::new(file, state) }
    }

    /// The same with what became of it in the warehouses it went on to: a month is done where all
    /// have it.
    #[must_use]
    pub fn with_loads(mut self, loads: Vec<LoadReport>) -> Self {
        for worse in [State::Interrupted, State::Failed] {
            if loads.iter().any(|load| load.state == worse) {
                self.state = worse;
            }
        }
        self.loads = loads;
        self
    }

    /// The same with its rows counted.
    #[must_use]
    pub fn counted(mut self, counts: &Counts) -> Self {
        self.rows_read = Some(counts.rows_read);
        self.rows_kept = Some(counts.rows_kept);
        self.rows_quarantined = Some(counts.rows_quarantined);
        self.reasons.clone_from(&counts.reasons);
        self.unreadable.clone_from(&counts.unreadable);
        self.flags.clone_from(&counts.flags);
        self
    }

    /// The same with what the month says of itself: its rows counted, and where it came from.
    #[must_use]
    pub fn of_month(self, month: &Provenance) -> Self {
        let source = Some(month.source.address.clone());
        Self { source, ..self.counted(&month.counts) }
    }

    /// The same with the trips of the edition that it replaced, and its own.
    #[must_use]
    pub fn replacing(mut self, rows_before: Option<u64>, rows_after: u64) -> Self {
        self.replaced = rows_before.map(|rows_before| Replaced { rows_before, rows_after });
        self
    }

    /// Records set aside by reason, and by column those that could not be read:
    /// `unreadable: trip_distance`.
    pub fn set_aside(&self) -> BTreeMap<String, u64> {
        let columns = self.unreadable.iter();
        let columns = columns.map(|(column, rows)| (format!("unreadable: {column}"), *rows));
        self.reasons.clone().into_iter().chain(columns).collect()
    }

    /// Why it failed: itself, or while it was loaded into the warehouses. `None` if it did not.
    pub fn reason(&self) -> Option<String> {
        let loads = self.loads.iter();
        let loads = loads.filter_map(|load| Some(format!("{}: {}", load.to, load.error.as_ref()?)));
        let all: Vec<String> = self.error.iter().cloned().chain(loads).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// The rows in the warehouse, or in each of those it went on to.
    pub fn loaded(&self) -> Vec<Option<u64>> {
        if self.loads.is_empty() {
            return vec![self.rows_loaded];
        }
        let mut rows: Vec<_> = self.loads.iter().map(|load| load.rows_loaded).collect();
        rows.dedup();
        rows
    }

    /// The month.
    pub const fn file(&self) -> TripFile {
        TripFile::new(self.colour, self.month)
    }
}

/// What became of a month in one warehouse.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadReport {
    /// The warehouse: `postgres` or `bigquery`.
    pub to: Cow<'static, str>,
    /// Where in it the month is.
    pub place: String,
    /// `loaded`, `unchanged`, `failed` or `interrupted`.
    pub state: State,
    /// Rows there, counted by its server.
    pub rows_loaded: Option<u64>,
    /// What it replaced there; null if nothing of the month was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replaced>,
    /// Why it failed.
    pub error: Option<String>,
}

impl LoadReport {
    /// What came of loading a month into a warehouse.
    pub fn new(
        to: impl Into<Cow<'static, str>>,
        place: String,
        loaded: Result<MonthReport, impl Failure>,
    ) -> Self {
        let (state, rows_loaded, replaced, error) = match loaded {
            Ok(month) => (month.state, month.rows_loaded, month.replaced, month.error),
            Err(error) => {
                let (state, error) = State::ended(&error);
                (state, None, None, error)
            }
        };
        Self { to: to.into(), place, state, rows_loaded, replaced, error }
    }
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// The flow.
    pub flow: &'static str,
    /// Whether all is well with every month.
    pub ok: bool,
    /// The months in the order asked for.
    pub months: Vec<MonthReport>,
}

impl RunReport {
    /// The report of a flow's months.
    pub fn new(flow: &'static str, months: Vec<MonthReport>) -> Self {
        let ok = months.iter().all(|month| month.state.is_ok());
        Self { flow, ok, months }
    }
}
