//! `etl-parent-flow`: every month to the lake, and from there on to the warehouses.

use futures_util::future::join_all;
use nyc_taxi_etl::config::{TaskError, Tools};
use nyc_taxi_etl::flow::{LoadReport, Run, RunReport};
use nyc_taxi_etl::trip::TripFile;
use nyc_taxi_etl::warehouse::{Warehouse, WarehouseKind};

use crate::{etl_web_to_gcs, etl_zones, gcs_to_warehouse};

/// The name of the flow.
pub(crate) const NAME: &str = "etl-parent-flow";

/// Brings months to the lake and on to the warehouses, several in flight at once. A month that
/// fails stops no other, and neither does a warehouse.
pub(crate) async fn etl_parent_flow(
    run: &Run,
    tools: &Tools,
    files: &[TripFile],
    to_warehouse: &[WarehouseKind],
) -> Result<RunReport, TaskError> {
    let mut kinds = to_warehouse.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    let warehouses = kinds.into_iter().map(|kind| tools.settings().warehouse(kind));
    let warehouses = warehouses.collect::<Result<Vec<_>, _>>()?;
    let months = run.months(files, async |file| {
        let report = etl_web_to_gcs::month(run, tools, file).await?;
        if report.lake.is_none() {
            return Ok::<_, TaskError>(report);
        }
        let loads = warehouses.iter().map(|warehouse| load(run, tools, warehouse.as_ref(), file));
        Ok(report.with_loads(join_all(loads).await))
    });
    let aside = run.aside();
    let zones = async |look: &Run| {
        etl_zones::zones_if_missing(&aside, look, tools).await;
        let zones = warehouses.iter().map(|it| gcs_to_warehouse::zones(&aside, tools, it.as_ref()));
        join_all(zones).await;
    };
    Ok(run.flow(NAME, files, aside.beside(months, zones)).await)
}

async fn load(run: &Run, tools: &Tools, warehouse: &dyn Warehouse, file: TripFile) -> LoadReport {
    let loaded = gcs_to_warehouse::month(run, tools, warehouse, file).await;
    LoadReport::new(warehouse.kind().as_str(), warehouse.place(file), loaded)
}
