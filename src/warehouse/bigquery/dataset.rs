use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::flow::Progress;
use crate::guard::Guard;
use crate::schema::Sums;
use crate::trip::{Colour, TripFile};
use crate::warehouse::{
    Holding, LakeBucket, LakeMonth, LakeZones, Loaded, LoadedMonth, Warehouse, WarehouseError,
    WarehouseKind,
};

use super::api::Api;
use super::jobs::Jobs;
use super::location::beside;
use super::names::{Dataset, check_table, partition, trips};
use super::tables::SECONDS_A_DAY;
use super::{BigQueryError, Target};

/// A dataset of BigQuery that months are loaded into.
#[derive(Debug, Clone)]
pub struct BigQuery {
    pub(super) api: Api,
    pub(super) dataset: Dataset,
    location: Option<String>,
    pub(super) table: Option<String>,
    /// What is made once in a run: the dataset, the ledger.
    ready: Arc<OnceCell<Jobs>>,
    /// The colours after whose tables the view was looked at in this run.
    pub(super) viewed: Arc<Mutex<BTreeSet<Colour>>>,
}

impl BigQuery {
    /// The months of a dataset, each colour in its table or all in the one named. A dataset that
    /// is missing is made in `location`, or in Google's default.
    pub fn new(
        target: Target,
        project: impl Into<String>,
        dataset: impl Into<String>,
        location: Option<String>,
        table: Option<String>,
    ) -> Result<Self, BigQueryError> {
        let dataset = Dataset::new(project.into(), dataset.into())?;
        if let Some(table) = &table {
            check_table(table)?;
        }
        let (ready, viewed) = (Arc::default(), Arc::default());
        Ok(Self { api: Api::new(target)?, dataset, location, table, ready, viewed })
    }

    pub(super) fn table_of(&self, colour: Colour) -> String {
        self.table.clone().unwrap_or_else(|| trips(colour))
    }

    /// The dataset with its ledger, made if they are missing: asked once in a run.
    pub(super) async fn ready(&self) -> Result<&Jobs, BigQueryError> {
        let made = self.ready.get_or_try_init(|| async {
            let location = self.api.dataset(&self.dataset, self.location.as_deref()).await?;
            let Dataset { project, dataset } = &self.dataset;
            tracing::info!("BigQuery: project {project}, dataset {dataset} in {location}");
            let jobs = Jobs::new(self.api.clone(), self.dataset.clone(), location);
            jobs.make_ledger().await?;
            Ok(jobs)
        });
        made.await
    }

    /// Refuses a bucket that BigQuery cannot load from into this dataset.
    async fn refuse_elsewhere(&self, bucket: LakeBucket) -> Result<(), BigQueryError> {
        let jobs = self.ready().await?;
        if beside(&jobs.location, &bucket.location, &bucket.pair) {
            return Ok(());
        }
        Err(BigQueryError::BucketElsewhere {
            bucket: bucket.name,
            bucket_location: bucket.location,
            dataset: self.address(),
            dataset_location: jobs.location.clone(),
        })
    }

    async fn load_month(
        &self,
        month: &dyn LakeMonth,
        guard: Guard,
        progress: &Progress,
    ) -> Result<LoadedMonth, WarehouseError> {
        if let Some(bucket) = month.bucket().await {
            self.refuse_elsewhere(bucket).await?;
        }
        let (stored, object) = month.object().await?;
        let replaced = self.replace(month, &stored.provenance, &object, guard, progress);
        let loaded = Box::pin(replaced).await?;
        if loaded != Loaded::Unchanged {
            let file = month.file();
            // The month is in: what follows serves those who ask, and may fail without harm.
            if let Err(error) = self.view(file.colour).await {
                tracing::warn!("{file}: the view trips cannot be made: {error}");
            }
        }
        Ok(LoadedMonth { month: stored, loaded })
    }
}

/// Ends with an interruption when the run is interrupted. A job that runs goes on; the next run
/// finds it.
async fn until_cancelled<T>(
    progress: &Progress,
    work: impl Future<Output = Result<T, WarehouseError>>,
) -> Result<T, WarehouseError> {
    tokio::select! {
        done = work => done,
        () = progress.cancelled() => Err(BigQueryError::Interrupted.into()),
    }
}

#[async_trait(?Send)]
impl Warehouse for BigQuery {
    fn kind(&self) -> WarehouseKind {
        WarehouseKind::BigQuery
    }

    /// Project and dataset.
    fn address(&self) -> String {
        format!("{}.{}", self.dataset.project, self.dataset.dataset)
    }

    fn place(&self, file: TripFile) -> String {
        let partition = partition(&self.table_of(file.colour), file);
        format!("bigquery {}", self.dataset.shown(&partition))
    }

    async fn probe(&self) -> Result<String, WarehouseError> {
        let dataset = &self.dataset.dataset;
        let Some(found) = self.api.look_at_dataset(&self.dataset).await? else {
            return Ok(format!("no dataset {dataset} yet, the first load makes it"));
        };
        let location = found.location();
        let days = found.partitions_live().map(|time| time.as_secs() / SECONDS_A_DAY);
        Ok(match days {
            Some(days) => format!(
                "dataset {dataset} in {location}, whose tables forget months that began more than \
                 {days} days ago"
            ),
            None => format!("dataset {dataset} in {location}"),
        })
    }

    /// Nothing is known before a load.
    async fn check(
        &self,
        files: &[TripFile],
        _: bool,
    ) -> Result<Vec<Option<String>>, WarehouseError> {
        Ok(vec![None; files.len()])
    }

    async fn holdings(&self, colour: Colour) -> Result<Vec<Holding>, WarehouseError> {
        Ok(self.read_holdings(colour).await?)
    }

    async fn sums(
        &self,
        file: TripFile,
        progress: &Progress,
    ) -> Result<Option<Sums>, WarehouseError> {
        until_cancelled(progress, async { Ok(self.sum_up(file).await?) }).await
    }

    async fn load(
        &self,
        month: &dyn LakeMonth,
        guard: Guard,
        progress: &Progress,
    ) -> Result<LoadedMonth, WarehouseError> {
        Box::pin(until_cancelled(progress, self.load_month(month, guard, progress))).await
    }

    async fn drop_month(
        &self,
        file: TripFile,
        progress: &Progress,
    ) -> Result<Vec<String>, WarehouseError> {
        let taken = async { Ok(Box::pin(self.take_out(file)).await?) };
        until_cancelled(progress, taken).await
    }

    async fn load_zones(
        &self,
        zones: &dyn LakeZones,
        progress: &Progress,
    ) -> Result<bool, WarehouseError> {
        let load = async {
            match zones.object().await? {
                Some((source, object)) => {
                    let replaced = self.replace_zones(&source, &object, progress);
                    Ok(Box::pin(replaced).await?)
                }
                None => Ok(true),
            }
        };
        until_cancelled(progress, load).await
    }
}

impl From<BigQueryError> for WarehouseError {
    fn from(error: BigQueryError) -> Self {
        match error {
            BigQueryError::NoProject => Self::Unnamed(Box::new(error)),
            error => Self::of(error),
        }
    }
}
