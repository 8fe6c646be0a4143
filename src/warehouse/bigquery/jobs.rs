//! Load jobs: each exactly once, under an id that is made from what it loads.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use gcp_bigquery_client::model::job::Job;
use gcp_bigquery_client::model::job_configuration::JobConfiguration;
use gcp_bigquery_client::model::job_configuration_load::JobConfigurationLoad;
use gcp_bigquery_client::model::job_reference::JobReference;
use gcp_bigquery_client::model::table_schema::TableSchema;
use reqwest::Method;

use crate::flow::Progress;
use crate::support::http::percent_encoded;
use crate::trip::{Digest, Hashing};

use super::BigQueryError;
use super::api::Api;
use super::fault::Faults;
use super::names::Dataset;
use super::tables::kind;

/// The first wait between two looks at a running job, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(8));

/// The ids of the attempts at one load. Letters, digits, underscores and dashes are allowed, and
/// an id is good for one job in the life of a project
/// (<https://cloud.google.com/bigquery/docs/running-jobs#generate-jobid>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobIds(String);

impl JobIds {
    /// The ids of what is loaded where. `shown` is for people who look at a list of jobs.
    pub(super) fn of(shown: &str, parts: &[&str]) -> Self {
        let mut hashing = Hashing::default();
        for part in parts {
            // With its length, so that no two lists of parts run together.
            hashing.update(format!("{}:", part.len()).as_bytes());
            hashing.update(part.as_bytes());
        }
        let digest: Digest = hashing.finish();
        Self(format!("taxi_{shown}_{}", &digest.to_string()[..32]))
    }

    /// The ids of what follows a job.
    pub(super) fn after(job: &str, what: &str) -> Self {
        Self(format!("{job}_{what}"))
    }

    /// The id of an attempt, counted from 1.
    pub(super) fn attempt(&self, number: u32) -> String {
        format!("{}_{number}", self.0)
    }
}

/// What a load job reads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Media<'a> {
    /// What its configuration names in `gs://`.
    Stored,
    /// A local file, sent along.
    File(&'a Path),
    /// These bytes, sent along.
    Bytes(&'a [u8]),
}

/// A load job to run.
#[derive(Debug)]
pub(super) struct LoadJob<'a> {
    pub(super) ids: JobIds,
    pub(super) load: JobConfigurationLoad,
    pub(super) labels: HashMap<String, String>,
    pub(super) media: Media<'a>,
}

/// A load job that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) id: String,
    /// The rows it wrote.
    pub(super) rows: u64,
    /// When it ended by BigQuery's clock, in milliseconds since 1970.
    pub(super) ended: i64,
    /// Whether it was begun by this process, or running when it was found.
    pub(super) fresh: bool,
}

/// What came of handing a job in.
pub(super) enum Inserted {
    /// It is accepted.
    Accepted(Box<Job>),
    /// There is a job of its id.
    Exists,
}

/// The jobs of a dataset.
#[derive(Debug, Clone)]
pub(super) struct Jobs {
    pub(super) api: Api,
    pub(super) dataset: Dataset,
    pub(super) location: String,
    /// The ids that this process handed in: those of a call whose answer was lost too.
    begun: Arc<Mutex<HashSet<String>>>,
}

impl Jobs {
    pub(super) fn new(api: Api, dataset: Dataset, location: String) -> Self {
        Self { api, dataset, location, begun: Arc::default() }
    }

    /// Runs a load job, or finds that it ran. The attempts are looked through from the first:
    /// one that runs is waited for; one that succeeded is as good, where its configuration is
    /// this one and `holds` says that what it wrote is still there; one that failed stays, and
    /// its id is not used again.
    pub(super) async fn settle(
        &self,
        job: &LoadJob<'_>,
        progress: &Progress,
        holds: impl AsyncFn(&Finished) -> Result<bool, BigQueryError>,
    ) -> Result<Finished, BigQueryError> {
        for number in 1_u32.. {
            let id = job.ids.attempt(number);
            let (found, new) = match self.job(&id).await? {
                Some(found) => (found, false),
                None => {
                    self.begin(&id);
                    match self.insert(&id, job, progress).await? {
                        Inserted::Accepted(job) => (job, true),
                        Inserted::Exists => (self.existing(&id).await?, false),
                    }
                }
            };
            let ran = is_done(&found);
            let found = if ran { found } else { self.wait(&id, found).await? };
            let fresh = new || !ran || self.has_begun(&id);
            let finished = match outcome(&id, &found, fresh) {
                Ok(finished) => finished,
                // What failed before is no answer to what is asked now.
                Err(_) if ran && !new => continue,
                Err(error) => return Err(error),
            };
            if new || same(&job.load, loaded(&found)) && holds(&finished).await? {
                return Ok(finished);
            }
            tracing::debug!("the job {id} is not what is asked for: the next attempt begins");
        }
        Err(BigQueryError::Client("there are no more ids for jobs".to_owned()))
    }

    fn begin(&self, id: &str) {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }

    /// Whether this process handed a job in.
    pub(super) fn has_begun(&self, id: &str) -> bool {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// A job by its id; `None` if there is none
    /// (<https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/get>).
    async fn job(&self, id: &str) -> Result<Option<Box<Job>>, BigQueryError> {
        let path = format!(
            "projects/{}/jobs/{}",
            percent_encoded(&self.dataset.project),
            percent_encoded(id)
        );
        let request = self.api.request(Method::GET, &path).query(&[("location", &self.location)]);
        match self.api.ask("looking for the job", request, None::<&()>).await {
            Ok(job) => Ok(Some(job)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn existing(&self, id: &str) -> Result<Box<Job>, BigQueryError> {
        self.job(id).await?.ok_or_else(|| BigQueryError::Garbled {
            step: "starting the job",
            what: format!("the id {id} is taken, and there is no such job in {}", self.location),
        })
    }

    /// Hands a job in (<https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/insert>).
    async fn insert(
        &self,
        id: &str,
        job: &LoadJob<'_>,
        progress: &Progress,
    ) -> Result<Inserted, BigQueryError> {
        let resource = Box::new(Job {
            configuration: Some(JobConfiguration {
                load: Some(job.load.clone()),
                labels: Some(job.labels.clone()),
                ..JobConfiguration::default()
            }),
            job_reference: Some(JobReference {
                project_id: Some(self.dataset.project.clone()),
                job_id: Some(id.to_owned()),
                location: Some(self.location.clone()),
            }),
            ..Job::default()
        });
        let path = format!("projects/{}/jobs", percent_encoded(&self.dataset.project));
        let inserted = match job.media {
            Media::Stored => {
                let request = self.api.request(Method::POST, &path);
                self.api.ask("starting the job", request, Some(&resource)).await
            }
            media => self.api.insert_with(&path, &resource, media, progress).await,
        };
        match inserted {
            Ok(job) => Ok(Inserted::Accepted(job)),
            Err(error) if error.is_there() => Ok(Inserted::Exists),
            Err(error) => Err(error),
        }
    }

    /// Waits until a job is done.
    async fn wait(&self, id: &str, mut job: Box<Job>) -> Result<Box<Job>, BigQueryError> {
        let (first, longest) = WAITS;
        let mut waits = ExponentialBuilder::default()
            .with_jitter()
            .with_factor(1.5)
            .with_min_delay(first)
            .with_max_delay(longest)
            .without_max_times()
            .build();
        while !is_done(&job) {
            tokio::time::sleep(waits.next().unwrap_or(longest)).await;
            job = self.existing(id).await?;
        }
        Ok(job)
    }
}

fn is_done(job: &Job) -> bool {
    job.status.as_ref().and_then(|status| status.state.as_deref()) == Some("DONE")
}

fn loaded(job: &Job) -> Option<&JobConfigurationLoad> {
    job.configuration.as_ref()?.load.as_ref()
}

/// What came of a job that is done.
fn outcome(id: &str, job: &Job, fresh: bool) -> Result<Finished, BigQueryError> {
    let status = job.status.as_ref();
    if let Some(result) = status.and_then(|status| status.error_result.as_ref()) {
        let all = status.and_then(|status| status.errors.as_deref()).unwrap_or_default();
        return Err(BigQueryError::Job { id: id.to_owned(), faults: Faults::of_job(result, all) });
    }
    let statistics = job.statistics.as_ref();
    let rows = statistics
        .and_then(|statistics| statistics.load.as_ref()?.output_rows.as_deref()?.parse().ok());
    let ended = statistics.and_then(|statistics| statistics.end_time.as_deref()?.parse().ok());
    match (rows, ended) {
        (Some(rows), Some(ended)) => Ok(Finished { id: id.to_owned(), rows, ended, fresh }),
        _ => Err(BigQueryError::Garbled {
            step: "reading what the job did",
            what: format!("the job {id} says neither its rows nor its end"),
        }),
    }
}

/// Whether two jobs load the same into the same.
fn same(ours: &JobConfigurationLoad, theirs: Option<&JobConfigurationLoad>) -> bool {
    let Some(theirs) = theirs else {
        return false;
    };
    let to = |load: &JobConfigurationLoad| {
        let to = load.destination_table.as_ref()?;
        Some((to.project_id.clone(), to.dataset_id.clone(), to.table_id.clone()))
    };
    let columns = |schema: Option<&TableSchema>| -> Vec<(String, &'static str)> {
        let fields = schema.and_then(|schema| schema.fields.as_deref()).unwrap_or_default();
        fields.iter().map(|field| (field.name.clone(), kind(&field.r#type))).collect()
    };
    to(ours) == to(theirs)
        && ours.source_uris.as_deref().unwrap_or_default()
            == theirs.source_uris.as_deref().unwrap_or_default()
        && ours.source_format == theirs.source_format
        && ours.write_disposition == theirs.write_disposition
        && columns(ours.schema.as_ref()) == columns(theirs.schema.as_ref())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job(json: serde_json::Value) -> Job {
        serde_json::from_value(json).unwrap()
    }

    fn load() -> serde_json::Value {
        serde_json::json!({
            "destinationTable": {"projectId": "p", "datasetId": "d", "tableId": "t$202001"},
            "sourceUris": ["gs://b/k"], "sourceFormat": "PARQUET",
            "writeDisposition": "WRITE_TRUNCATE",
            "schema": {"fields": [{"name": "a", "type": "INT64"}]},
        })
    }

    #[test]
    fn an_id_is_that_of_what_is_loaded_where() {
        let ids = JobIds::of("green_2020-01", &["p", "d", "green_trips", "2020-01", "x"]);
        assert_eq!(ids.attempt(2), format!("{}_2", ids.attempt(1).strip_suffix("_1").unwrap()));
        assert!(ids.attempt(1).starts_with("taxi_green_2020-01_"), "{ids:?}");
        assert_ne!(ids, JobIds::of("green_2020-01", &["p", "d", "green_trips", "2020-01", "y"]));
    }

    #[test]
    fn a_job_is_the_same_where_it_loads_the_same_into_the_same() {
        let ours: JobConfigurationLoad = serde_json::from_value(load()).unwrap();
        let with = |key: &str, value: serde_json::Value| {
            let mut theirs = load();
            theirs[key] = value;
            serde_json::from_value::<JobConfigurationLoad>(theirs).unwrap()
        };
        // BigQuery may call a type by its other name.
        let other_name = serde_json::json!({"fields": [{"name": "a", "type": "INTEGER"}]});
        assert!(same(&ours, Some(&with("schema", other_name))));
        assert!(!same(&ours, None));
        for (key, value) in [
            ("sourceUris", serde_json::json!(["gs://b/other"])),
            ("writeDisposition", "WRITE_APPEND".into()),
            ("schema", serde_json::json!({"fields": [{"name": "a", "type": "STRING"}]})),
            (
                "destinationTable",
                serde_json::json!({"projectId": "p", "datasetId": "d", "tableId": "t$202002"}),
            ),
        ] {
            assert!(!same(&ours, Some(&with(key, value))), "{key}");
        }
    }

    #[test]
    fn what_a_job_did_is_read() {
        let done = job(serde_json::json!({"status": {"state": "DONE"},
            "statistics": {"endTime": "1700000000123", "load": {"outputRows": "7"}}}));
        assert!(is_done(&done));
        let finished = outcome("j", &done, true).unwrap();
        assert_eq!((finished.rows, finished.ended), (7, 1_700_000_000_123));
        let failed = job(serde_json::json!({"status": {"state": "DONE",
            "errorResult": {"reason": "invalid", "message": "Bad."},
            "errors": [{"reason": "invalid", "message": "Row 1"}, {"reason": "invalid", "message": "Row 2"}]}}));
        assert_eq!(
            outcome("j", &failed, true).unwrap_err().to_string(),
            "the BigQuery job j failed: Bad (invalid); Row 1 (invalid); Row 2 (invalid)"
        );
        assert!(!is_done(&job(serde_json::json!({"status": {"state": "RUNNING"}}))));
    }

    proptest! {
        #[test]
        fn ids_are_of_letters_that_are_allowed(table in "\\PC{0,40}", attempt in 1_u32..) {
            let id = JobIds::of("fhvhv_2020-01", &[&table]).attempt(attempt);
            prop_assert!(id.len() <= 1024);
            prop_assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)), "{}", id);
        }

        #[test]
        fn parts_do_not_run_together(one in "[a-c:1-3]{0,4}", other in "[a-c:1-3]{0,4}") {
            let joined = format!("{one}{other}");
            prop_assume!(!one.is_empty());
            prop_assert_ne!(JobIds::of("x", &[&one, &other]), JobIds::of("x", &["", &joined]));
        }
    }
}
