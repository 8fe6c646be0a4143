//! Loads a month from the lake into any warehouse: shared by the flows into one warehouse and the
//! parent flow.

use crate::flow::{Failure, MonthReport, Progress, Run, RunReport, State};
use crate::lake::Published;
use crate::pipeline::{Pipeline, TaskError};
use crate::trip::{Item, TripFile};
use crate::warehouse::{Loaded, LoadedMonth, Warehouse, WarehouseKind};
use futures_util::future::join;

/// Loads months from the lake into a warehouse, several at once.
pub(crate) async fn gcs_to_warehouse(
    run: &Run,
    pipeline: &Pipeline,
    flow: &'static str,
    kind: WarehouseKind,
    files: &[TripFile],
) -> Result<RunReport, TaskError> {
    let warehouse = pipeline.settings().warehouse(kind)?;
    let warehouse = warehouse.as_ref();
    let months = run.months(files, async |file| month(run, pipeline, warehouse, file, None).await);
    let aside = run.aside();
    let zones = zones(&aside, pipeline, warehouse);
    Ok(Box::pin(run.flow(flow, files, async { join(months, zones).await.0 })).await)
}

/// One month; `known` is the month as it is in the lake, if the run knows that already.
pub(crate) async fn month(
    run: &Run,
    pipeline: &Pipeline,
    warehouse: &dyn Warehouse,
    file: TripFile,
    known: Option<&Published>,
) -> Result<MonthReport, TaskError> {
    let loading = run.task(warehouse.kind().about().load_task, file, async |progress: Progress| {
        pipeline.load(run, file, known, warehouse, &progress).await
    });
    let LoadedMonth { month, loaded } = loading.await?;
    let (state, rows, before) = match loaded {
        Loaded::Replaced { rows, before, forced } => {
            if let Some(refusal) = &forced {
                refusal.warn(run);
            }
            (State::Loaded, rows, before)
        }
        Loaded::Unchanged => (State::Unchanged, month.provenance.counts.rows_kept, None),
    };
    let mut report = MonthReport::new(file, state).of_month(&month.provenance);
    report.lake = Some(month.address);
    report.bytes = Some(month.bytes);
    report.warehouse = Some(warehouse.place(file));
    report.rows_loaded = Some(rows);
    Ok(report.replacing(before, rows))
}

/// The zones are small and serve the months: if they cannot be loaded, the months are there all
/// the same.
pub(crate) async fn zones(run: &Run, pipeline: &Pipeline, warehouse: &dyn Warehouse) {
    let about = warehouse.kind().about();
    let loaded = run.task(about.load_task, Item::Zones, async |progress: Progress| {
        pipeline.load_zones(warehouse, &progress).await
    });
    match loaded.await {
        Ok(true) => {}
        Ok(false) => {
            let text =
                "there is a table 'zones' that this program did not create: it was not changed";
            run.warn(Item::Zones, text);
        }
        Err(error) if error.is_interruption() => {}
        Err(error) => {
            let text = format!("the taxi zones are not loaded into {}: {error}", about.title);
            run.warn(Item::Zones, &text);
        }
    }
}
