//! BigQuery: a month is one load job into one partition, with a ledger beside it.
//!
//! BigQuery reads a month's Parquet file itself, from `gs://` or as it is sent there, and
//! replaces the partition `table$YYYYMM` in one step (`WRITE_TRUNCATE`). The job's id is made
//! from what is loaded where, so that a run that was killed finds its job again and no job runs
//! twice. What was loaded is a row of the table `loads_log`, appended by a load job of its own.
//!
//! Reference: <https://cloud.google.com/bigquery/docs/reference/rest>.

mod api;
mod dataset;
mod error;
mod expiry;
mod fault;
mod holdings;
mod jobs;
mod ledger;
mod load;
mod location;
mod names;
mod query;
mod tables;
mod upload;
mod views;
mod zones;

pub use api::{Target, TokenSource};
pub use dataset::BigQuery;
pub use error::{BigQueryError, TokenError};

use super::about::About;
use crate::flow::TaskName;

/// What it is called where.
pub(super) const ABOUT: About = About {
    name: "bigquery",
    title: "BigQuery",
    load_task: TaskName::WriteBq,
    count_task: TaskName::CountBigQuery,
    load_flow: Some("etl-gcs-to-bq"),
};
