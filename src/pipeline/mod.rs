//! The steps of the recipes: fetch, clean, publish, load, ingest. Each does one thing to one month
//! and returns what it did; the recipes in `flows/` decide the order, the tasks and the reports.
//!
//! The rooms of the work (source, clean, lake, warehouse) do not know one another. They meet here.

mod clean;
mod error;
mod fetch;
mod ingest;
mod load;
mod publish;
mod refused;
mod zones;

use std::path::PathBuf;

use tokio::sync::OnceCell;

use crate::flow::{Run, Stop};
use crate::lake::{BucketLocation, Lake};
use crate::schema;
use crate::settings::{NewColumn, Settings};
use crate::source::{Fetcher, Spool, SpoolLease};
use crate::trip::{Item, Provenance, TripFile};

pub use error::TaskError;
pub use ingest::Ingested;

/// What the steps work with, made from the settings.
#[derive(Debug)]
pub struct Pipeline {
    settings: Settings,
    fetcher: Fetcher,
    lake: Lake,
    spool: Spool,
    /// Where the lake's bucket is, once it was asked.
    bucket: OnceCell<Option<BucketLocation>>,
}

impl Pipeline {
    /// Makes what the steps need; does not connect yet.
    pub fn new(settings: Settings) -> Result<Self, TaskError> {
        let lake = settings.lake.open.open()?;
        Self::with(settings, lake)
    }

    /// The same for commands that only look: nothing is made, and a lake that cannot be opened
    /// says so when it is asked.
    pub fn to_look(settings: Settings) -> Result<Self, TaskError> {
        let lake = settings.lake.open.open_to_look();
        Self::with(settings, lake)
    }

    fn with(settings: Settings, lake: Lake) -> Result<Self, TaskError> {
        let fetcher = Fetcher::new(&settings.source.http)?;
        let spool = Spool::new(&settings.run.spool);
        Ok(Self { settings, fetcher, lake, spool, bucket: OnceCell::new() })
    }

    /// The settings that it was made from.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The lake.
    pub const fn lake(&self) -> &Lake {
        &self.lake
    }

    /// Takes hold of a place in the spool; waits where another run has it.
    pub async fn lease(&self, run: &Run, item: impl Into<Item>) -> Result<SpoolLease, TaskError> {
        let item = item.into();
        let lake = self.settings.lake.address().canonical();
        match self.spool.lease(item, &lake, &run.progress()).await {
            Ok(Some(lease)) if !run.is_cancelled() => Ok(lease),
            Ok(_) => Err(Stop::Interrupted.into()),
            Err(error) => {
                run.warn(item, &error.to_string());
                Err(error.into())
            }
        }
    }

    /// Whether a month as published was made by this schema and these rules.
    pub fn is_current(&self, provenance: &Provenance) -> bool {
        let keep = self.settings.cleaning.on_new_column == NewColumn::Keep;
        let left_out = !provenance.unknown_columns.is_empty() && provenance.kept_columns.is_none();
        !(keep && left_out)
            && provenance.schema_digest == schema::digest(provenance.colour)
            && provenance.rules_digest == self.settings.cleaning.rules.digest()
    }

    /// A place in the spool for a month of the lake that is only read.
    pub fn reading_place(&self, file: TripFile) -> PathBuf {
        let name = format!("{}.{}.parquet", file.stem(), std::process::id());
        self.settings.run.spool.join(name)
    }
}
