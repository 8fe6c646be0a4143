//! `etl-gcs-to-bq`: a month from the lake into BigQuery.

use futures_util::future::join;

use crate::flow::{Failure, MonthReport, Progress, Run, RunReport, State, TaskName};
use crate::settings::{TaskError, Tools};
use crate::trip::{Item, TripFile};
use crate::warehouse::Loaded;
use crate::warehouse::bigquery::Warehouse;

/// The name of the flow.
pub(crate) const NAME: &str = "etl-gcs-to-bq";

/// Loads months from the lake into BigQuery, several at once.
pub async fn etl_gcs_to_bq(
    run: &Run,
    tools: &Tools,
    files: &[TripFile],
) -> Result<RunReport, TaskError> {
    let warehouse = tools.bigquery()?;
    let months = run.months(files, async |file| month(run, tools, &warehouse, file).await);
    let aside = run.aside();
    let zones = Box::pin(zones(&aside, tools, &warehouse));
    Ok(run.flow(NAME, files, async { join(months, zones).await.0 }).await)
}

/// One month.
pub(crate) async fn month(
    run: &Run,
    tools: &Tools,
    warehouse: &Warehouse,
    file: TripFile,
) -> Result<MonthReport, TaskError> {
    run.task(TaskName::WriteBq, file, async |progress: Progress| {
        let (month, object, loaded) = tools.load_bigquery(run, file, warehouse, &progress).await?;
        let (state, rows, before) = match loaded {
            Loaded::Replaced { rows, before, forced } => {
                if let Some(refusal) = &forced {
                    refusal.warn(run);
                }
                (State::Loaded, rows, before)
            }
            Loaded::Unchanged => (State::Unchanged, month.provenance.counts.rows_kept, None),
        };
        let mut report = MonthReport::new(file, state).counted(&month.provenance.counts);
        report.source = Some(month.provenance.source.address.clone());
        report.lake = Some(object.address);
        report.bytes = Some(month.bytes);
        report.warehouse = Some(warehouse.place(file));
        report.rows_loaded = Some(rows);
        Ok(report.replacing(before, rows))
    })
    .await
}

/// The zones are small and serve the months: where they cannot be loaded, the months are there
/// all the same.
pub(crate) async fn zones(run: &Run, tools: &Tools, warehouse: &Warehouse) {
    let loaded = run.task(TaskName::WriteBq, Item::Zones, async |progress: Progress| {
        tools.load_zones_bigquery(warehouse, &progress).await
    });
    match loaded.await {
        Ok(true) => {}
        Ok(false) => {
            let text = "a table 'zones' is there already and is not ours: it was left as it is";
            run.warn(Item::Zones, text);
        }
        Err(error) if error.is_interruption() => {}
        Err(error) => {
            run.warn(Item::Zones, &format!("the taxi zones are not loaded into BigQuery: {error}"));
        }
    }
}
