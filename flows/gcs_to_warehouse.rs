//! A month from the lake into a warehouse, whichever it is: what the flows into one warehouse and
//! the parent flow have in common.

use futures_util::future::join;
use nyc_taxi_etl::config::{TaskError, Tools};
use nyc_taxi_etl::flow::{Failure, MonthReport, Progress, Run, RunReport, State};
use nyc_taxi_etl::trip::{Item, TripFile};
use nyc_taxi_etl::warehouse::{Loaded, Warehouse, WarehouseKind};

/// Loads months from the lake into a warehouse, several at once.
pub(crate) async fn gcs_to_warehouse(
    run: &Run,
    tools: &Tools,
    flow: &'static str,
    kind: WarehouseKind,
    files: &[TripFile],
) -> Result<RunReport, TaskError> {
    let warehouse = tools.settings().warehouse(kind)?;
    let warehouse = warehouse.as_ref();
    let months = run.months(files, async |file| month(run, tools, warehouse, file).await);
    let aside = run.aside();
    let zones = zones(&aside, tools, warehouse);
    Ok(Box::pin(run.flow(flow, files, async { join(months, zones).await.0 })).await)
}

/// One month.
pub(crate) async fn month(
    run: &Run,
    tools: &Tools,
    warehouse: &dyn Warehouse,
    file: TripFile,
) -> Result<MonthReport, TaskError> {
    run.task(warehouse.kind().about().load_task, file, async |progress: Progress| {
        let guard = tools.settings().guard(file).of_lake();
        let loading = warehouse.load(&tools.lake_month(run, file), guard, &progress).await?;
        let month = loading.month;
        let counts = &month.provenance.counts;
        let (state, rows, before) = match loading.loaded {
            Loaded::Replaced { rows, before, forced } => {
                if let Some(refusal) = &forced {
                    refusal.warn(run);
                }
                (State::Loaded, rows, before)
            }
            Loaded::Unchanged => (State::Unchanged, counts.rows_kept, None),
        };
        let mut report = MonthReport::new(file, state).counted(counts).replacing(before, rows);
        report.source = Some(month.provenance.source.address);
        report.lake = Some(month.address);
        report.bytes = Some(month.bytes);
        report.warehouse = Some(warehouse.place(file));
        report.rows_loaded = Some(rows);
        Ok(report)
    })
    .await
}

/// The zones are small and serve the months: if they cannot be loaded, the months are there all
/// the same.
pub(crate) async fn zones(run: &Run, tools: &Tools, warehouse: &dyn Warehouse) {
    let about = warehouse.kind().about();
    let loaded = run.task(about.load_task, Item::Zones, async |progress: Progress| {
        Ok::<_, TaskError>(warehouse.load_zones(&tools.lake_zones(), &progress).await?)
    });
    match loaded.await {
        Ok(true) => {}
        Ok(false) => {
            let text = "a table 'zones' is there already and is not ours: it was left as it is";
            run.warn(Item::Zones, text);
        }
        Err(error) if error.is_interruption() => {}
        Err(error) => {
            let text = format!("the taxi zones are not loaded into {}: {error}", about.title);
            run.warn(Item::Zones, &text);
        }
    }
}
