//! `etl-gcs-to-postgres`: a month from the lake into Postgres.

use nyc_taxi_etl::config::{TaskError, Tools};
use nyc_taxi_etl::flow::{MonthReport, Progress, Run, RunReport, State};
use nyc_taxi_etl::trip::{Item, TripFile};
use nyc_taxi_etl::warehouse::postgres::{Load, Loaded, PostgresError, Proven, Warehouse};

/// The name of the flow.
pub(crate) const NAME: &str = "etl-gcs-to-postgres";

/// Loads months from the lake into Postgres, several at once.
pub(crate) async fn etl_gcs_to_postgres(
    run: &Run,
    tools: &Tools,
    files: &[TripFile],
) -> Result<RunReport, PostgresError> {
    let warehouse = tools.postgres()?;
    let jobs = tools.settings().jobs;
    let months =
        run.months(NAME, files, jobs, async |file| month(run, tools, &warehouse, file).await);
    let report = months.await;
    zones(run, tools, &warehouse).await;
    Ok(report)
}

/// One month.
pub(crate) async fn month(
    run: &Run,
    tools: &Tools,
    warehouse: &Warehouse,
    file: TripFile,
) -> Result<MonthReport, TaskError> {
    run.task("write-postgres", file, async |progress: Progress| {
        let trips = tools.trips(file).await?;
        let provenance = trips.month.provenance;
        let load = Load {
            file,
            known: Some(&provenance),
            lake_object: Some(&trips.address),
            force: tools.settings().force,
        };
        // The lake has proven it already.
        let proven = Proven { provenance: provenance.clone(), quarantine: None };
        let proof = std::future::ready(Ok::<_, TaskError>(proven));
        let loaded = warehouse.load(load, Box::new(trips.batches), proof, &progress).await?;
        let state = match loaded {
            Loaded::Replaced(_) => State::Loaded,
            Loaded::Unchanged => State::Unchanged,
        };
        let mut report = MonthReport::new(file, state).counted(&provenance.counts);
        report.source = Some(provenance.source.address.clone());
        report.lake = Some(trips.address);
        report.bytes = Some(trips.month.bytes);
        report.warehouse = Some(warehouse.place(file));
        report.rows_loaded = match loaded {
            Loaded::Replaced(rows) => Some(rows),
            Loaded::Unchanged => Some(provenance.counts.rows_kept),
        };
        Ok(report)
    })
    .await
}

/// The zones are small and serve the months: where they cannot be loaded, the months are there
/// all the same.
async fn zones(run: &Run, tools: &Tools, warehouse: &Warehouse) {
    let loaded =
        run.task("write-postgres", Item::Zones, async |_| tools.load_zones(warehouse).await);
    if matches!(loaded.await, Ok(false)) {
        let text = "a table 'zones' is there already and is not ours: it was left as it is";
        run.warn(Item::Zones, text);
    }
}
