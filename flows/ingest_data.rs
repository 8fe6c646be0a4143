//! `ingest-data`: a month from the web straight into Postgres, without a lake.

use std::time::Instant;

use nyc_taxi_etl::config::{IngestError, Tools};
use nyc_taxi_etl::flow::{Event, MonthReport, Progress, Run, RunReport, State};
use nyc_taxi_etl::source::{FetchError, Outcome, SpoolError};
use nyc_taxi_etl::trip::{Provenance, TripFile};
use nyc_taxi_etl::warehouse::postgres::{Loaded, PostgresError, Warehouse};

/// The name of the flow.
pub(crate) const NAME: &str = "ingest-data";

/// Why a month failed.
#[derive(Debug, thiserror::Error)]
enum MonthError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Ingest(#[from] IngestError),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("interrupted")]
    Interrupted,
}

/// Brings months from the web to Postgres, one after the other.
pub(crate) async fn ingest_data(
    run: &Run,
    tools: &Tools,
    files: &[TripFile],
) -> Result<RunReport, PostgresError> {
    let warehouse = tools.postgres()?;
    let mut months = Vec::with_capacity(files.len());
    for &file in files {
        let started = Instant::now();
        let mut report = match month(run, tools, &warehouse, file).await {
            Ok(report) => report,
            Err(error) => MonthReport::failed(file, &error),
        };
        report.seconds = started.elapsed().as_secs_f64();
        run.tell(&Event::MonthDone(&report));
        months.push(report);
    }
    Ok(RunReport::new(NAME, months))
}

async fn month(
    run: &Run,
    tools: &Tools,
    warehouse: &Warehouse,
    file: TripFile,
) -> Result<MonthReport, MonthError> {
    let held = match tools.hold(file, &run.progress()).await? {
        Some(held) if !run.is_cancelled() => held,
        _ => return Err(MonthError::Interrupted),
    };
    let known = run.task("look", file, async |_| warehouse.known(file).await).await?;

    let fetched = run.task("fetch", file, async |progress: Progress| {
        tools.fetch(file, known.as_ref(), &held, &progress).await
    });
    let fetched = match (fetched.await?, &known) {
        (Outcome::Fetched(fetched), _) => fetched,
        (Outcome::Unchanged, Some(known)) => {
            held.clear();
            return Ok(reported(warehouse, file, State::Unchanged, known));
        }
        (Outcome::NotPublished | Outcome::Unchanged, _) => {
            held.clear();
            return Ok(MonthReport::new(file, State::NotPublished));
        }
    };

    let ingested = run.task("ingest", file, async |progress: Progress| {
        tools.ingest(file, &fetched, &held, warehouse, &progress).await
    });
    let provenance = match ingested.await {
        Ok((provenance, Loaded::Replaced(_) | Loaded::Unchanged)) => provenance,
        Err(IngestError::Clean(error)) if error.is_damage() => {
            held.clear();
            return Err(IngestError::from(error).into());
        }
        Err(error) => return Err(error.into()),
    };
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
