use std::path::Path;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::clean::{CleanError, Job, new_columns, stream};
use crate::flow::{Progress, Stop};
use crate::guard::Refusal;
use crate::settings::NewColumn;
use crate::source::{Arrival, SpoolLease};
use crate::support::blocking::{blocking, finished};
use crate::trip::{KeptColumn, Provenance, TripFile};
use crate::warehouse::postgres::{Load, Postgres, Proven};
use crate::warehouse::{Batches, Loaded};

use super::{Pipeline, TaskError};

/// A month that came straight into a warehouse.
#[derive(Debug)]
pub struct Ingested {
    /// What it says of itself.
    pub month: Provenance,
    /// The rows of the edition that it replaced; `None` if there was none.
    pub before: Option<u64>,
    /// Why it would have been refused, if it was forced.
    pub forced: Option<Box<Refusal>>,
}

/// How many cleaned batches wait for the warehouse.
const BATCHES_AHEAD: usize = 1;

impl Pipeline {
    /// Cleans a month straight into a warehouse while its file comes: while one part is copied,
    /// the next is cleaned, and the one after that fetched. What the server has of the month
    /// before stays until all is proven. `None` if the file turns out not to come.
    pub async fn ingest(
        &self,
        file: TripFile,
        lease: &SpoolLease,
        postgres: &Postgres,
        progress: &Progress,
    ) -> Result<Option<Ingested>, TaskError> {
        let Some(arrival) = lease.arrival(progress).await else {
            return Ok(None);
        };
        let loaded = self.load_arriving(file, &arrival, lease, postgres, progress).await;
        match loaded {
            Err(_) if arrival.is_needless() => Ok(None),
            Err(error) => {
                // Whatever it seems to be: these were not the bytes of the month.
                arrival.check()?;
                Err(error)
            }
            Ok(ingested) => Ok(Some(ingested)),
        }
    }

    async fn load_arriving(
        &self,
        file: TripFile,
        arrival: &Arrival,
        lease: &SpoolLease,
        postgres: &Postgres,
        progress: &Progress,
    ) -> Result<Ingested, TaskError> {
        let mut job = self.job(file, &arrival.path, arrival.format, lease);
        if self.settings.cleaning.on_new_column == NewColumn::Keep {
            job.keep = Some(new_columns_arriving(&job, arrival, progress).await?);
        }
        let kept = job.keep.clone().unwrap_or_default();
        progress.begin(arrival.size);
        let (to_warehouse, batches) = std::sync::mpsc::sync_channel(BATCHES_AHEAD);
        let cleaning = tokio::task::spawn_blocking({
            let (arrival, progress) = (arrival.clone(), progress.clone());
            move || {
                let text = arrival.reader().map_err(|e| CleanError::reading(&arrival.path, e))?;
                let source = || arrival.facts().ok_or(CleanError::Interrupted);
                stream(&job, Some(Box::new(text)), source, &progress, |batch| {
                    // Where nobody takes it, the load has failed and says why.
                    to_warehouse.send(Ok(batch)).map_err(|_| CleanError::Interrupted)
                })
            }
        });
        let mut proven = None;
        let mut cleaning = Some(cleaning);
        let proof = async {
            let Some(cleaning) = cleaning.take() else {
                return Err(Stop::Interrupted.into());
            };
            let streamed = finished(cleaning).await.ok_or(Stop::Interrupted)??;
            let set_aside: Batches = match &streamed.quarantine {
                Some(path) => parquet_batches(path)?,
                None => Box::new(std::iter::empty()),
            };
            proven = Some(streamed.clone());
            let quarantine = Some(set_aside);
            Ok::<_, TaskError>(Proven { provenance: streamed.provenance, quarantine })
        };
        let guard = self.settings.guard(file);
        let load = Load { file, known: None, kept: &kept, lake_object: None, guard };
        let batches = Box::new(batches.into_iter());
        let loaded = postgres.replace_month(load, batches, proof, &progress.quietly()).await;
        if let Some(cleaning) = cleaning {
            // Nobody takes its batches: it ends soon, and must before the next try begins.
            arrival.leave();
            let _ = cleaning.await;
        }
        match loaded {
            Ok(Loaded::Replaced { before, forced, .. }) => {
                self.clear_refused(file).await;
                let month = proven.ok_or(Stop::Interrupted)?.provenance;
                Ok(Ingested { month, before, forced })
            }
            // It was not asked whether it is there.
            Ok(Loaded::Unchanged) => Err(Stop::Interrupted.into()),
            Err(error) if error.is_refusal() => {
                let store = self.spool_as_lake()?;
                Err(self.keep_unfit(&store, error, proven, lease).await)
            }
            Err(error) => Err(error),
        }
    }
}

/// The new columns of a file that is still arriving: they are known when all of it is there.
async fn new_columns_arriving(
    job: &Job,
    arrival: &Arrival,
    progress: &Progress,
) -> Result<Vec<KeptColumn>, CleanError> {
    let (job, arrival, progress) = (job.clone(), arrival.clone(), progress.clone());
    let found = blocking(move || {
        let reading = |source| CleanError::reading(&arrival.path, source);
        let mut text = arrival.reader().map_err(reading)?;
        std::io::copy(&mut text, &mut std::io::sink()).map_err(reading)?;
        new_columns(&job, &progress)
    });
    found.await.unwrap_or(Err(CleanError::Interrupted))
}

/// The rows of a local Parquet file.
fn parquet_batches(path: &Path) -> Result<Batches, CleanError> {
    let opened = std::fs::File::open(path);
    let opened = opened.map_err(|source| CleanError::reading(path, source))?;
    Ok(Box::new(ParquetRecordBatchReaderBuilder::try_new(opened)?.build()?))
}
