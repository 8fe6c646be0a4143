//! Refused editions of a month: their rows set aside are kept, so that people can inspect them.

use crate::clean::{CleanError, Streamed};
use crate::lake::{Lake, LakeAddress, LakeError, Quarantine, RefusedEdition, StoreOptions};
use crate::source::SpoolLease;
use crate::trip::TripFile;

use super::{Pipeline, TaskError};

impl Pipeline {
    /// The edition of a month that was refused last, on its way to the lake or to Postgres.
    pub async fn refused(
        &self,
        file: TripFile,
    ) -> Result<Option<(RefusedEdition, Quarantine)>, LakeError> {
        let local = self.settings.run.spool.join("refused.parquet");
        let in_lake = self.lake.refused(file, &local).await?;
        let in_spool = match self.refusals()? {
            Some(refusals) => refusals.refused(file, &local).await?,
            None => None,
        };
        Ok(in_lake.into_iter().chain(in_spool).max_by_key(|(refused, _)| refused.at))
    }

    /// Clears what a refused edition of a month, on its way to Postgres, left in the spool.
    pub async fn clear_refused(&self, file: TripFile) {
        match self.refusals() {
            Ok(Some(refusals)) => refusals.clear_refused(file).await,
            Ok(None) => {}
            Err(error) => tracing::debug!("{file}: {error}"),
        }
    }

    /// Where editions that Postgres was to get straight from the web are kept if they are refused;
    /// `None` if there are none.
    fn refusals(&self) -> Result<Option<Lake>, LakeError> {
        if !self.settings.run.spool.join("refused").is_dir() {
            return Ok(None);
        }
        self.spool_as_lake().map(Some)
    }

    pub(super) fn spool_as_lake(&self) -> Result<Lake, LakeError> {
        LakeAddress::folder(&self.settings.run.spool).open(&StoreOptions::default())
    }

    /// If this error refuses an edition, keeps its rows set aside, so that people can look at them,
    /// and says where they are.
    pub(super) async fn keep_unfit(
        &self,
        store: &Lake,
        error: TaskError,
        edition: Option<Streamed>,
        lease: &SpoolLease,
    ) -> TaskError {
        let edition = match &error {
            TaskError::Clean(CleanError::NothingKept { edition, .. }) => Some((**edition).clone()),
            error if error.is_refusal() => edition,
            _ => None,
        };
        let Some(Streamed { provenance, quarantine }) = edition else {
            return error;
        };
        let file = TripFile::new(provenance.colour, provenance.month);
        let why = error.to_string();
        let kept = store.keep_refused(&provenance, why, quarantine.as_deref(), lease.folder());
        match kept.await {
            Ok(Some(rows)) => TaskError::Refused { error: Box::new(error), file, rows },
            Ok(None) => error,
            Err(failed) => {
                tracing::warn!("{file}: the rows set aside cannot be stored: {failed}");
                error
            }
        }
    }

    /// The rows of a month that were set aside, as the lake has them.
    pub async fn quarantine(&self, file: TripFile) -> Result<Option<Quarantine>, LakeError> {
        let local = self.settings.run.spool.join("quarantine.parquet");
        self.lake.quarantine(file, &local).await
    }
}
