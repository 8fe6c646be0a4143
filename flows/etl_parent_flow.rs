//! `etl-parent-flow`: every month to the lake, and from there on to the warehouses.

use nyc_taxi_etl::config::{TaskError, Tools};
use nyc_taxi_etl::flow::{Run, RunReport};
use nyc_taxi_etl::trip::TripFile;
use nyc_taxi_etl::warehouse::WarehouseKind;

use crate::etl_gcs_to_postgres;
use crate::etl_web_to_gcs;
use crate::terminal::Error;

/// The name of the flow.
pub(crate) const NAME: &str = "etl-parent-flow";

/// Brings months to the lake and on to the warehouses. A failing month stops no other.
pub(crate) async fn etl_parent_flow(
    run: &Run,
    tools: &Tools,
    files: &[TripFile],
    to_warehouse: &[WarehouseKind],
) -> Result<RunReport, Error> {
    let postgres = match to_warehouse.contains(&WarehouseKind::Postgres) {
        true => Some(tools.postgres()?),
        false => None,
    };
    let jobs = tools.settings().jobs;
    let months = run.months(NAME, files, jobs, async |file| {
        let mut report = etl_web_to_gcs::month(run, tools, file).await?;
        if let (Some(warehouse), true) = (&postgres, report.lake.is_some()) {
            let loaded = etl_gcs_to_postgres::month(run, tools, warehouse, file).await?;
            report.warehouse = loaded.warehouse;
            report.rows_loaded = loaded.rows_loaded;
        }
        Ok::<_, TaskError>(report)
    });
    Ok(months.await)
}
