//! `etl-gcs-to-bq`: a month from the lake into BigQuery.

use crate::flow::{Run, RunReport};
use crate::pipeline::{Pipeline, TaskError};
use crate::trip::TripFile;
use crate::warehouse::WarehouseKind;

use super::gcs_to_warehouse::gcs_to_warehouse;

/// The name of the flow.
pub(crate) const NAME: &str = "etl-gcs-to-bq";

/// Loads months from the lake into BigQuery, several at once.
pub async fn etl_gcs_to_bq(
    run: &Run,
    pipeline: &Pipeline,
    files: &[TripFile],
) -> Result<RunReport, TaskError> {
    gcs_to_warehouse(run, pipeline, NAME, WarehouseKind::BigQuery, files).await
}
