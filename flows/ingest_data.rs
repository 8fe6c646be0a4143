//! `ingest-data`: a month from the web straight into Postgres, without a lake: it is cleaned and
//! copied while it is fetched, and replaces what was there once all of it is proven.

use crate::flow::{MonthReport, Progress, Run, RunReport, State, Stop, TaskName};
use crate::settings::{Ingested, TaskError, Tools};
use crate::source::Outcome;
use crate::trip::{Provenance, TripFile};
use crate::warehouse::postgres::{PostgresError, Warehouse};

/// The name of the flow.
pub(crate) const NAME: &str = "ingest-data";

/// Brings months from the web to Postgres: one is fetched while another is cleaned and loaded.
pub async fn ingest_data(
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

    let fetch = async |run: &Run| {
        let fetched = run.task(TaskName::Fetch, file, async |progress: Progress| {
            let known = warehouse.known(file).await?;
            let outcome = tools.fetch(file, known.as_ref(), false, &held, &progress).await?;
            if let (Outcome::Unchanged(Some(facts)), Some(known)) = (&outcome, &known) {
                warehouse.remember(file, known, facts).await;
            }
            Ok::<_, TaskError>((outcome, known))
        });
        fetched.await
    };
    let ingest = async |run: &Run| {
        if held.arrival(&run.progress()).await.is_none() {
            return Ok(None);
        }
        let ingested = run.task(TaskName::Ingest, file, async |progress: Progress| {
            tools.ingest(file, &held, warehouse, &progress).await
        });
        ingested.await
    };

    let done = Box::pin(run.abreast(fetch, ingest)).await;
    let (done, held) = held.unless_damaged(done, TaskError::is_damage)?;
    match done {
        ((Outcome::Fetched(_), _), Some(Ingested { month, before, forced })) => {
            held.clear();
            run.warn_of(file, &month);
            if let Some(refusal) = &forced {
                refusal.warn(run);
            }
            let report = reported(warehouse, file, State::Loaded, &month);
            Ok(report.replacing(before, month.counts.rows_kept))
        }
        ((Outcome::Fetched(_), _), None) => Err(Stop::Interrupted.into()),
        ((Outcome::Unchanged(_), Some(known)), _) => {
            tools.clear_refused(file).await;
            held.clear();
            Ok(reported(warehouse, file, State::Unchanged, &known))
        }
        ((Outcome::NotPublished | Outcome::Unchanged(_), _), _) => {
            held.clear();
            Ok(MonthReport::new(file, State::NotPublished))
        }
    }
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
