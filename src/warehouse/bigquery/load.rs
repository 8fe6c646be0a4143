//! Replaces one month by one load job.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gcp_bigquery_client::model::job_configuration_load::JobConfigurationLoad;
use gcp_bigquery_client::model::table::Table;
use tokio::sync::OnceCell;

use crate::flow::Progress;
use crate::guard::{Before, Guard};
use crate::trip::{Colour, Month, Provenance, TripFile};
use crate::warehouse::Loaded;

use super::api::Api;
use super::jobs::{Finished, JobIds, Jobs, LoadJob, Media};
use super::ledger::{Action, Entry, NewEntry};
use super::location::beside;
use super::names::{Dataset, check_table, in_month, partition, partition_id, trips};
use super::query::field;
use super::tables::{labels, load_schema, misfit};
use super::{BigQueryError, Target};

/// A dataset of BigQuery that months are loaded into.
#[derive(Debug, Clone)]
pub struct Warehouse {
    pub(super) api: Api,
    pub(super) dataset: Dataset,
    location: Option<String>,
    table: Option<String>,
    /// What is made once in a run: the dataset, the ledger.
    ready: Arc<OnceCell<Jobs>>,
    /// The colours after whose tables the view was looked at in this run.
    viewed: Arc<Mutex<BTreeSet<Colour>>>,
}

/// What a job reads, as it is in the lake.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    /// Its address: `gs://bucket/key`, or a file's.
    pub address: &'a str,
    /// What tells its versions apart: the generation of an object in a bucket.
    pub version: &'a str,
    /// Its size in bytes.
    pub bytes: u64,
    /// The file, where it is one of this machine and has to be sent.
    pub local: Option<&'a Path>,
}

/// A month to load.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// The month.
    pub file: TripFile,
    /// What it says of itself.
    pub month: &'a Provenance,
    /// Its trips.
    pub object: Object<'a>,
    /// Whether it is loaded again even if the ledger agrees.
    pub force: bool,
    /// The limits it is held against.
    pub guard: Guard,
}

impl<'a> Object<'a> {
    /// What a job reads.
    pub(super) fn media(&self) -> Media<'a> {
        self.local.map_or(Media::Stored, Media::File)
    }

    /// Refuses an object whose address stands for others too.
    pub(super) fn refuse_pattern(&self) -> Result<(), BigQueryError> {
        if self.local.is_none() && self.address.contains('*') {
            return Err(BigQueryError::Pattern { address: self.address.to_owned() });
        }
        Ok(())
    }

    /// The configuration of a job that reads it, where `gs://` tells it from where.
    pub(super) fn parquet(&self) -> JobConfigurationLoad {
        JobConfigurationLoad {
            source_uris: self.local.is_none().then(|| vec![self.address.to_owned()]),
            source_format: Some("PARQUET".to_owned()),
            write_disposition: Some("WRITE_TRUNCATE".to_owned()),
            ..JobConfigurationLoad::default()
        }
    }
}

impl Warehouse {
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

    /// Where it is, for people: project and dataset.
    pub fn address(&self) -> String {
        format!("{}.{}", self.dataset.project, self.dataset.dataset)
    }

    /// Where a month goes, for people.
    pub fn place(&self, file: TripFile) -> String {
        let partition = partition(&self.table_of(file.colour), file);
        format!("bigquery {}", self.dataset.shown(&partition))
    }

    pub(super) fn table_of(&self, colour: Colour) -> String {
        self.table.clone().unwrap_or_else(|| trips(colour))
    }

    /// The dataset with its ledger, made where they are missing: asked once in a run.
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

    /// Refuses a bucket that BigQuery cannot load from into this dataset. A bucket is in one
    /// location, or in a pair of regions.
    pub async fn refuse_elsewhere(
        &self,
        bucket: &str,
        location: &str,
        pair: &[String],
    ) -> Result<(), BigQueryError> {
        let jobs = self.ready().await?;
        if beside(&jobs.location, location, pair) {
            return Ok(());
        }
        Err(BigQueryError::BucketElsewhere {
            bucket: bucket.to_owned(),
            bucket_location: location.to_owned(),
            dataset: format!("{}.{}", self.dataset.project, self.dataset.dataset),
            dataset_location: jobs.location.clone(),
        })
    }

    /// Whether a month is what the ledger says that was loaded, and the table agrees.
    async fn holds(&self, file: TripFile, loaded: &Provenance) -> Result<bool, BigQueryError> {
        let (jobs, table) = (self.ready().await?, self.table_of(file.colour));
        let rows = jobs.partitions(&table, Some(file.month)).await?;
        Ok(loaded.counts.rows_kept == rows.get(&file.month).copied().unwrap_or_default())
    }

    /// Loads a month in place of what the table has of it. `proof` says at the end that the
    /// object is still the one that `load` tells of: BigQuery reads whatever has its name. A run
    /// that is told to stop leaves its job to run; the next run finds it.
    pub async fn load<E: From<BigQueryError>>(
        &self,
        load: Load<'_>,
        proof: impl Future<Output = Result<(), E>>,
        progress: &Progress,
    ) -> Result<Loaded, E> {
        let loaded = tokio::select! {
            loaded = Box::pin(self.replace(load, proof, progress)) => loaded?,
            () = progress.cancelled() => return Err(BigQueryError::Interrupted.into()),
        };
        if loaded != Loaded::Unchanged {
            // The month is in: what follows serves those who ask, and may fail without harm.
            if let Err(error) = self.view(load.file.colour).await {
                tracing::warn!("{}: the view trips cannot be made: {error}", load.file);
            }
        }
        Ok(loaded)
    }

    async fn replace<E: From<BigQueryError>>(
        &self,
        load: Load<'_>,
        proof: impl Future<Output = Result<(), E>>,
        progress: &Progress,
    ) -> Result<Loaded, E> {
        let Load { file, month, object, force, guard } = load;
        object.refuse_pattern()?;
        let (jobs, name) = (self.ready().await?, self.table_of(file.colour));
        let table = self.table_that_keeps(jobs, file, month.counts.rows_kept).await?;
        if let Some((column, found, wanted)) = misfit(&table, month.kept()) {
            let table = self.dataset.shown(&name);
            return Err(BigQueryError::OtherType { table, column, found, wanted }.into());
        }
        let latest = jobs.latest(&name, file.month).await?;
        if let Some(entry) = &latest
            && let Some(known) = entry.loaded().filter(|known| !force && known.same_rows(month))
            && self.holds(file, known).await?
        {
            // Where it was this run, the answer that said so was lost.
            let rows = known.counts.rows_kept;
            let ours = jobs.has_begun(&entry.job);
            let replaced = Loaded::Replaced { rows, before: None, forced: None };
            return Ok(if ours { replaced } else { Loaded::Unchanged });
        }
        let before = jobs.before(&name, file.month, latest.as_ref()).await?;
        let forced = guard.judge(month, before.as_ref()).map_err(BigQueryError::from)?;
        let row = NewEntry {
            file,
            table: &name,
            job: "",
            at: 0,
            month,
            lake_object: Some(object.address),
            action: Action::Loaded,
        };
        if let Some(Entry { job, at, .. }) = latest.filter(|row| row.action == Some(Action::Loaded))
        {
            // A run that is killed between its job and its row must not leave the row of what was
            // there before: a load of that version would find it unchanged.
            let (job, at) = (JobIds::after(&job, "replaced").attempt(1), at.saturating_add(1));
            jobs.append(NewEntry { job: &job, at, action: Action::Begun, ..row }).await?;
        }

        let job = self.job(&table, &name, load);
        let holds = async |found: &Finished| {
            if force && !found.fresh {
                return Ok(false);
            }
            let later = jobs.latest(&name, file.month).await?;
            let replaced = later.is_some_and(|row| row.job != found.id && row.at >= found.ended);
            Ok(!replaced && jobs.count(&name, file.month).await? == found.rows)
        };
        let finished = jobs.settle(&job, progress, holds).await?;
        proof.await?;

        let (kept, written) = (month.counts.rows_kept, finished.rows);
        let counted = jobs.count(&name, file.month).await?;
        if written != kept || counted != kept {
            return Err(BigQueryError::Unbalanced { file, kept, written, counted }.into());
        }
        jobs.append(NewEntry { job: &finished.id, at: finished.ended, ..row }).await?;
        let before = before.map(|before| before.kept);
        Ok(Loaded::Replaced { rows: counted, before, forced })
    }

    /// The job that loads a month. The table is there, partitioned and clustered; new columns of
    /// the schema are added to it as they come
    /// (<https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad>).
    fn job<'a>(&self, table: &Table, name: &str, load: Load<'a>) -> LoadJob<'a> {
        let Load { file, month, object, .. } = load;
        let said = serde_json::to_string(month).unwrap_or_default();
        let (colour, of_month) = (file.colour.as_str(), file.month.to_string());
        let size = object.bytes.to_string();
        let Dataset { project, dataset } = &self.dataset;
        let ids = JobIds::of(
            &format!("{colour}_{of_month}"),
            &[project, dataset, name, &of_month, object.address, object.version, &size, &said],
        );
        let load = JobConfigurationLoad {
            destination_table: Some(self.dataset.reference(&partition(name, file))),
            create_disposition: Some("CREATE_NEVER".to_owned()),
            schema: Some(load_schema(table, file.colour, month.kept())),
            schema_update_options: Some(vec!["ALLOW_FIELD_ADDITION".to_owned()]),
            ..object.parquet()
        };
        let labels = labels([("colour", colour), ("month", of_month.as_str())]);
        LoadJob { ids, load, labels, media: object.media() }
    }

    /// Looks after the view over the taxis, once in a run for each of them.
    async fn view(&self, colour: Colour) -> Result<(), BigQueryError> {
        let taxi = matches!(colour, Colour::Yellow | Colour::Green) && self.table.is_none();
        let new = |viewed: &Mutex<BTreeSet<Colour>>| {
            viewed.lock().unwrap_or_else(PoisonError::into_inner).insert(colour)
        };
        if taxi && new(&self.viewed) {
            self.ready().await?.make_trips().await?;
        }
        Ok(())
    }
}

impl Jobs {
    /// The edition of a month that is there, by the latest row of its ledger.
    async fn before(
        &self,
        table: &str,
        month: Month,
        latest: Option<&Entry>,
    ) -> Result<Option<Before>, BigQueryError> {
        let Some(entry) = latest.filter(|entry| entry.action != Some(Action::Dropped)) else {
            return Ok(None);
        };
        if let Some(loaded) = entry.loaded() {
            return Ok(Some(loaded.into()));
        }
        // A run that was killed left its month or the one before: how many rows that has is known.
        let rows = self.partitions(table, Some(month)).await?;
        Ok(rows.get(&month).copied().map(Before::of_rows))
    }

    /// The rows of a month, counted.
    pub(super) async fn count(&self, table: &str, month: Month) -> Result<u64, BigQueryError> {
        let step = "counting the month";
        let from = self.dataset.quoted(table);
        let sql = format!("SELECT COUNT(*) FROM {from} WHERE {}", in_month(month));
        let rows = self.query(step, sql).await?;
        field(step, rows.first().unwrap_or(&Vec::new()), 0)
    }

    /// The rows of each month of a table, or of one, as BigQuery knows them without counting
    /// (<https://cloud.google.com/bigquery/docs/information-schema-partitions>).
    pub(super) async fn partitions(
        &self,
        table: &str,
        month: Option<Month>,
    ) -> Result<HashMap<Month, u64>, BigQueryError> {
        let step = "looking at the partitions";
        let of_month = month
            .map(|month| format!(" AND partition_id = '{}'", partition_id(month)))
            .unwrap_or_default();
        let sql = format!(
            "SELECT partition_id, total_rows FROM {} WHERE table_name = {}{of_month}",
            self.dataset.quoted_schema("PARTITIONS"),
            super::names::literal(table)
        );
        let rows = self.query(step, sql).await?;
        let mut months = HashMap::new();
        for row in rows {
            // There are partitions of no month: rows without a time, rows not yet in their place.
            let id: Option<String> = row.first().cloned().flatten();
            if let Some(month) = id.as_deref().and_then(super::names::month_of) {
                months.insert(month, field(step, &row, 1)?);
            }
        }
        Ok(months)
    }
}
