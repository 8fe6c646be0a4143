//! Replaces one month by one load job.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use gcp_bigquery_client::model::job_configuration_load::JobConfigurationLoad;
use gcp_bigquery_client::model::table::Table;

use crate::flow::Progress;
use crate::guard::{Before, Guard};
use crate::trip::{Colour, Month, Provenance, TripFile};
use crate::warehouse::{LakeMonth, LakeObject, Loaded, WarehouseError};

use super::jobs::{Finished, JobIds, Jobs, LoadJob, Media};
use super::ledger::{Action, Entry, NewEntry};
use super::names::{Dataset, in_month, partition, partition_id};
use super::query::field;
use super::tables::{labels, load_schema, misfit};
use super::{BigQuery, BigQueryError};

impl LakeObject {
    /// What a job reads.
    pub(super) fn media(&self) -> Media<'_> {
        self.local.as_deref().map_or(Media::Stored, Media::File)
    }

    /// Refuses an object whose address stands for others too.
    pub(super) fn refuse_pattern(&self) -> Result<(), BigQueryError> {
        if self.local.is_none() && self.address.contains('*') {
            return Err(BigQueryError::Pattern { address: self.address.clone() });
        }
        Ok(())
    }

    /// The configuration of a job that reads it, if it is in a bucket from there.
    pub(super) fn parquet(&self) -> JobConfigurationLoad {
        JobConfigurationLoad {
            source_uris: self.local.is_none().then(|| vec![self.address.clone()]),
            source_format: Some("PARQUET".to_owned()),
            write_disposition: Some("WRITE_TRUNCATE".to_owned()),
            ..JobConfigurationLoad::default()
        }
    }
}

impl BigQuery {
    /// Whether a month is what the ledger says that was loaded, and the table agrees.
    async fn holds(&self, file: TripFile, loaded: &Provenance) -> Result<bool, BigQueryError> {
        let (jobs, table) = (self.ready().await?, self.table_of(file.colour));
        let rows = jobs.partitions(&table, Some(file.month)).await?;
        Ok(loaded.counts.rows_kept == rows.get(&file.month).copied().unwrap_or_default())
    }

    /// Loads a month in place of what the table has of it. At the end it is asked whether the
    /// object is still the one that was looked at: BigQuery reads whatever has its name.
    pub(super) async fn replace(
        &self,
        source: &dyn LakeMonth,
        month: &Provenance,
        object: &LakeObject,
        guard: Guard,
        progress: &Progress,
    ) -> Result<Loaded, WarehouseError> {
        let file = source.file();
        object.refuse_pattern()?;
        let (jobs, name) = (self.ready().await?, self.table_of(file.colour));
        let table = self.table_that_keeps(jobs, file, month.counts.rows_kept).await?;
        if let Some((column, found, wanted)) = misfit(&table, month.kept()) {
            let table = self.dataset.shown(&name);
            return Err(BigQueryError::OtherType { table, column, found, wanted }.into());
        }
        let latest = jobs.latest(&name, file.month).await?;
        if let Some(entry) = &latest
            && let Some(known) =
                entry.loaded().filter(|known| !guard.force && known.same_rows(month))
            && self.holds(file, known).await?
        {
            // Where it was this run, the answer that said so was lost.
            let rows = known.counts.rows_kept;
            let ours = jobs.has_begun(&entry.job);
            let replaced = Loaded::Replaced { rows, before: None, forced: None };
            return Ok(if ours { replaced } else { Loaded::Unchanged });
        }
        let before = jobs.before(&name, file.month, latest.as_ref()).await?;
        let forced = guard.judge(month, before.as_ref())?;
        let row = NewEntry {
            file,
            table: &name,
            job: "",
            at: 0,
            month,
            lake_object: Some(&object.address),
            action: Action::Loaded,
        };
        if let Some(Entry { job, at, .. }) = latest.filter(|row| row.action == Some(Action::Loaded))
        {
            // A run that is killed between its job and its row must not leave the row of what was
            // there before: a load of that version would find it unchanged.
            let (job, at) = (JobIds::after(&job, "replaced").attempt(1), at.saturating_add(1));
            jobs.append(NewEntry { job: &job, at, action: Action::Begun, ..row }).await?;
        }

        let job = self.job(&table, &name, file, month, object);
        let holds = async |found: &Finished| {
            if guard.force && !found.fresh {
                return Ok(false);
            }
            let later = jobs.latest(&name, file.month).await?;
            let replaced = later.is_some_and(|row| row.job != found.id && row.at >= found.ended);
            Ok(!replaced && jobs.count(&name, file.month).await? == found.rows)
        };
        let finished = jobs.settle(&job, progress, holds).await?;
        source.refuse_replaced(object).await?;

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
    fn job<'a>(
        &self,
        table: &Table,
        name: &str,
        file: TripFile,
        month: &Provenance,
        object: &'a LakeObject,
    ) -> LoadJob<'a> {
        let said = serde_json::to_string(month).unwrap_or_default();
        let (colour, of_month) = (file.colour.as_str(), file.month.to_string());
        let size = object.bytes.to_string();
        let Dataset { project, dataset } = &self.dataset;
        let ids = JobIds::of(
            &format!("{colour}_{of_month}"),
            &[project, dataset, name, &of_month, &object.address, &object.version, &size, &said],
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
    pub(super) async fn view(&self, colour: Colour) -> Result<(), BigQueryError> {
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
