//! `etl-parent-flow`: every month to the lake, and from there on to the warehouses.

use crate::flow::{LoadReport, Run, RunReport};
use crate::pipeline::{Pipeline, TaskError};
use crate::trip::TripFile;
use crate::warehouse::WarehouseKind;
use futures_util::future::join_all;

use super::{etl_web_to_gcs, etl_zones, gcs_to_warehouse};

/// The name of the flow.
pub(crate) const NAME: &str = "etl-parent-flow";

/// Brings months to the lake and on to the warehouses, several in flight at once. A month that
/// fails stops no other, and neither does a warehouse.
pub async fn etl_parent_flow(
    run: &Run,
    pipeline: &Pipeline,
    files: &[TripFile],
    to_warehouse: &[WarehouseKind],
) -> Result<RunReport, TaskError> {
    let mut kinds = to_warehouse.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    let warehouses = kinds.into_iter().map(|kind| pipeline.settings().warehouse(kind));
    let warehouses = warehouses.collect::<Result<Vec<_>, _>>()?;
    let months = run.months(files, async |file| {
        let outcome = etl_web_to_gcs::month(run, pipeline, file).await?;
        let report = outcome.report(pipeline, file);
        let Some(month) = &outcome.month else {
            return Ok::<_, TaskError>(report);
        };
        let loads = warehouses.iter().map(async |warehouse| {
            let warehouse = warehouse.as_ref();
            let loaded = gcs_to_warehouse::month(run, pipeline, warehouse, file, Some(month)).await;
            LoadReport::new(warehouse.kind().as_str(), warehouse.place(file), loaded)
        });
        Ok(report.with_loads(join_all(loads).await))
    });
    let aside = run.aside();
    let zones = async |look: &Run| {
        etl_zones::zones_if_missing(&aside, look, pipeline).await;
        let zones =
            warehouses.iter().map(|it| gcs_to_warehouse::zones(&aside, pipeline, it.as_ref()));
        join_all(zones).await;
    };
    Ok(run.flow(NAME, files, aside.beside(months, zones)).await)
}
