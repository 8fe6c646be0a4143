//! `etl-gcs-to-postgres`: a month from the lake into Postgres.

use futures_util::future::join;

use crate::flow::{Failure, MonthReport, Progress, Run, RunReport, State, TaskName};
use crate::lake::Published;
use crate::settings::{TaskError, Tools};
use crate::trip::{Item, TripFile};
use crate::warehouse::Loaded;
use crate::warehouse::postgres::{Load, PostgresError, Proven, Warehouse};

/// The name of the flow.
pub(crate) const NAME: &str = "etl-gcs-to-postgres";

/// Loads months from the lake into Postgres, several at once.
pub async fn etl_gcs_to_postgres(
    run: &Run,
    tools: &Tools,
    files: &[TripFile],
) -> Result<RunReport, PostgresError> {
    let warehouse = tools.postgres()?;
    let months = run.months(files, async |file| month(run, tools, &warehouse, file).await);
    let aside = run.aside();
    let zones = zones(&aside, tools, &warehouse);
    Ok(Box::pin(run.flow(NAME, files, async { join(months, zones).await.0 })).await)
}

/// One month.
pub(crate) async fn month(
    run: &Run,
    tools: &Tools,
    warehouse: &Warehouse,
    file: TripFile,
) -> Result<MonthReport, TaskError> {
    run.task(TaskName::WritePostgres, file, async |progress: Progress| {
        let force = tools.settings().run.force;
        // The footer and the ledger tell, without a look at the rows.
        if let Some(known) = tools.lake().published(file).await?
            && !force
            && warehouse.holds(file, &known.provenance).await?
        {
            let rows = known.provenance.counts.rows_kept;
            return Ok(reported(tools, warehouse, file, State::Unchanged, &known, rows));
        }
        let trips = tools.trips(file, &progress).await?;
        let provenance = &trips.month.provenance;
        let load = Load {
            file,
            known: Some(provenance),
            kept: provenance.kept(),
            lake_object: Some(&trips.address),
            force,
            guard: tools.settings().guard(file).of_lake(),
        };
        // The lake has proven it already.
        let proven = Proven { provenance: provenance.clone(), quarantine: None };
        let proof = std::future::ready(Ok::<_, TaskError>(proven));
        let loaded = warehouse.load(load, Box::new(trips.batches), proof, &progress).await?;
        let (state, rows, before) = match loaded {
            Loaded::Replaced { rows, before, forced } => {
                if let Some(refusal) = &forced {
                    refusal.warn(run);
                }
                (State::Loaded, rows, before)
            }
            Loaded::Unchanged => (State::Unchanged, provenance.counts.rows_kept, None),
        };
        let report = reported(tools, warehouse, file, state, &trips.month, rows);
        Ok(report.replacing(before, rows))
    })
    .await
}

fn reported(
    tools: &Tools,
    warehouse: &Warehouse,
    file: TripFile,
    state: State,
    month: &Published,
    rows_loaded: u64,
) -> MonthReport {
    let provenance = &month.provenance;
    let mut report = MonthReport::new(file, state).counted(&provenance.counts);
    report.source = Some(provenance.source.address.clone());
    report.lake = Some(tools.lake().url(&file.lake_key()));
    report.bytes = Some(month.bytes);
    report.warehouse = Some(warehouse.place(file));
    report.rows_loaded = Some(rows_loaded);
    report
}

/// The zones are small and serve the months: where they cannot be loaded, the months are there
/// all the same.
pub(crate) async fn zones(run: &Run, tools: &Tools, warehouse: &Warehouse) {
    let loaded =
        run.task(TaskName::WritePostgres, Item::Zones, async |_| tools.load_zones(warehouse).await);
    match loaded.await {
        Ok(true) => {}
        Ok(false) => {
            let text = "a table 'zones' is there already and is not ours: it was left as it is";
            run.warn(Item::Zones, text);
        }
        Err(error) if error.is_interruption() => {}
        Err(error) => {
            run.warn(Item::Zones, &format!("the taxi zones are not loaded into Postgres: {error}"));
        }
    }
}
