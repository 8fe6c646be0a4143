//! The steps that recipes are made of: fetch, clean, publish, load, ingest. Each does one thing to
//! one month and returns what it did; the recipes in `flows/` say in which order, as which tasks
//! and how it is reported.
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

use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;

use crate::config::{NewColumn, Settings};
use crate::flow::{Run, Stop};
use crate::lake::{BucketLocation, Lake, LakeAddress};
use crate::schema;
use crate::source::{Fetcher, Held, Spool};
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
    /// Makes what the steps need; asks nobody yet.
    pub fn new(settings: Settings) -> Result<Self, TaskError> {
        let lake = settings.lake.open(&settings.gcs)?;
        Self::with(settings, lake)
    }

    /// The same for commands that only look: nothing is made, and a lake that cannot be opened
    /// says so when it is asked.
    pub fn to_look(settings: Settings) -> Result<Self, TaskError> {
        let lake = settings.lake_to_look_at();
        Self::with(settings, lake)
    }

    fn with(settings: Settings, lake: Lake) -> Result<Self, TaskError> {
        let fetcher = Fetcher::new(&settings.http)?;
        let spool = Spool::new(&settings.spool);
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
    pub async fn hold(&self, run: &Run, item: impl Into<Item>) -> Result<Held, TaskError> {
        let item = item.into();
        // However the lake is spelled.
        let lake = match &self.settings.lake {
            LakeAddress::Folder(root) => real(root).display().to_string(),
            lake @ LakeAddress::Gcs { .. } => lake.to_string(),
        };
        match self.spool.hold(item, &lake, &run.progress()).await {
            Ok(Some(held)) if !run.is_cancelled() => Ok(held),
            Ok(_) => Err(Stop::Interrupted.into()),
            Err(error) => {
                run.warn(item, &error.to_string());
                Err(error.into())
            }
        }
    }

    /// Whether a month as published was made by this schema and these rules.
    pub fn is_current(&self, provenance: &Provenance) -> bool {
        let keep = self.settings.on_new_column == NewColumn::Keep;
        let left_out = !provenance.unknown_columns.is_empty() && provenance.kept_columns.is_none();
        !(keep && left_out)
            && provenance.schema_digest == schema::digest(provenance.colour)
            && provenance.rules_digest == self.settings.rules.digest()
    }

    /// A place in the spool for a month of the lake that is only read.
    pub fn reading_place(&self, file: TripFile) -> PathBuf {
        let name = format!("{}.{}.parquet", file.stem(), std::process::id());
        self.settings.spool.join(name)
    }
}

/// A path without links, also of a folder that is still to be made.
fn real(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = whole.ancestors().find_map(|above| {
        let rest = whole.strip_prefix(above).ok()?;
        Some((std::fs::canonicalize(above).ok()?, rest))
    });
    match there {
        Some((above, rest)) if rest.as_os_str().is_empty() => above,
        Some((above, rest)) => above.join(rest),
        None => whole.clone(),
    }
}
