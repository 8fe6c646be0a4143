//! `ingest-data`: a month from the web straight into Postgres, without a lake.

use nyc_taxi_etl::config::{TaskError, Tools};
use nyc_taxi_etl::flow::{MonthReport, Progress, Run, RunReport, State};
use nyc_taxi_etl::source::Outcome;
use nyc_taxi_etl::trip::{Provenance, TripFile};
use nyc_taxi_etl::warehouse::postgres::{PostgresError, Warehouse};

/// The name of the flow.
pub(crate) const NAME: &str = "ingest-data";

/// Brings months from the web to Postgres: one is fetched while another is cleaned and loaded.
pub(crate) async fn ingest_data(
    run: &Run,
    tools: &Tools,
    files: &[TripFile],
) -> Result<RunReport, PostgresError> {
    let warehouse = tools.postgres()?;
    let months = run.months(files, async |file| month(run, tools, &warehouse, file).await);
    Ok(run.flow(NAME, files, months).await)
}

async fn month(
    run: &Run,
    tools: &Tools,
    warehouse: &Warehouse,
    file: TripFile,
) -> Result<MonthReport, TaskError> {
    let held = tools.hold(run, file).await?;

    let fetched = run.task("fetch", file, async |progress: Progress| {
        let known = warehouse.known(file).await?;
        let outcome = tools.fetch(file, known.as_ref(), false, &held, &progress).await?;
        Ok::<_, TaskError>((outcome, known))
    });
    let fetched = match fetched.await? {
        (Outcome::Fetched(fetched), _) => fetched,
        (Outcome::Unchanged, Some(known)) => {
            held.clear();
            return Ok(reported(warehouse, file, State::Unchanged, &known));
        }
        (Outcome::NotPublished | Outcome::Unchanged, _) => {
            held.clear();
            return Ok(MonthReport::new(file, State::NotPublished));
        }
    };

    let ingested = run.task("ingest", file, async |progress: Progress| {
        tools.ingest(file, &fetched, &held, warehouse, &progress).await
    });
    let ingested = ingested.await;
    let (provenance, held) = held.unless_damaged(ingested, TaskError::is_damage)?;
    held.clear();
    run.warn_of(file, &provenance);
    Ok(reported(warehouse, file, State::Loaded, &provenance))
}

fn reported(
    warehouse: &Warehouse,
    file: TripFile,
    state: State,
    month: &Provenance,
) -> MonthReport {
    let mut report = MonthReport::new(file, state).counted(&month.counts);
    report.source = Some(month.source.address.clone());
    report.warehouse = Some(warehouse.place(file));
    report.rows_loaded = Some(month.counts.rows_kept);
    report
}
