//! `etl-gcs-to-postgres`: a month from the lake into Postgres.

use nyc_taxi_etl::flow::{Run, RunReport};
use nyc_taxi_etl::pipeline::{Pipeline, TaskError};
use nyc_taxi_etl::trip::TripFile;
use nyc_taxi_etl::warehouse::WarehouseKind;

use crate::gcs_to_warehouse::gcs_to_warehouse;

/// The name of the flow.
pub(crate) const NAME: &str = "etl-gcs-to-postgres";

/// Loads months from the lake into Postgres, several at once.
pub(crate) async fn etl_gcs_to_postgres(
    run: &Run,
    pipeline: &Pipeline,
    files: &[TripFile],
) -> Result<RunReport, TaskError> {
    gcs_to_warehouse(run, pipeline, NAME, WarehouseKind::Postgres, files).await
}
