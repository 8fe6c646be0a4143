//! `ingest-data`: a month from the web straight into Postgres, without a lake: it is cleaned and
//! copied while it is downloaded, and replaces the stored month once the download is verified.

use crate::flow::{MonthReport, Progress, Run, RunReport, State, Stop, TaskName};
use crate::pipeline::{Ingested, Pipeline, TaskError};
use crate::source::Outcome;
use crate::trip::{Provenance, TripFile};
use crate::warehouse::Warehouse;
use crate::warehouse::postgres::{Postgres, PostgresError};

/// The name of the flow.
pub(crate) const NAME: &str = "ingest-data";

/// Brings months from the web to Postgres: one is fetched while another is cleaned and loaded.
pub async fn ingest_data(
    run: &Run,
    pipeline: &Pipeline,
    files: &[TripFile],
) -> Result<RunReport, PostgresError> {
    let postgres = pipeline.settings().postgres.open()?;
    let months = run.months(files, async |file| month(run, pipeline, &postgres, file).await);
    Ok(run.flow(NAME, files, months).await)
}

async fn month(
    run: &Run,
    pipeline: &Pipeline,
    postgres: &Postgres,
    file: TripFile,
) -> Result<MonthReport, TaskError> {
    let lease = pipeline.lease(run, file).await?;

    let fetch = async |run: &Run| {
        let fetched = run.task(TaskName::Fetch, file, async |progress: Progress| {
            let known = postgres.known(file).await?;
            let outcome = pipeline.fetch(file, known.as_ref(), false, &lease, &progress).await?;
            if let (Outcome::Unchanged(Some(facts)), Some(known)) = (&outcome, &known) {
                postgres.remember(file, known, facts).await;
            }
            Ok::<_, TaskError>((outcome, known))
        });
        fetched.await
    };
    let ingest = async |run: &Run| {
        if lease.arrival(&run.progress()).await.is_none() {
            return Ok(None);
        }
        let ingested = run.task(TaskName::Ingest, file, async |progress: Progress| {
            pipeline.ingest(file, &lease, postgres, &progress).await
        });
        ingested.await
    };

    let done = Box::pin(run.abreast(fetch, ingest)).await;
    let (done, lease) = lease.unless_damaged(done, TaskError::is_damage)?;
    match done {
        ((Outcome::Fetched(_), _), Some(Ingested { month, before, forced })) => {
            lease.clear();
            run.warn_of(file, &month);
            if let Some(refusal) = &forced {
                refusal.warn(run);
            }
            let report = reported(postgres, file, State::Loaded, &month);
            Ok(report.replacing(before, month.counts.rows_kept))
        }
        ((Outcome::Fetched(_), _), None) => Err(Stop::Interrupted.into()),
        ((Outcome::Unchanged(_), Some(known)), _) => {
            pipeline.clear_refused(file).await;
            lease.clear();
            Ok(reported(postgres, file, State::Unchanged, &known))
        }
        ((Outcome::NotPublished | Outcome::Unchanged(_), _), _) => {
            lease.clear();
            Ok(MonthReport::new(file, State::NotPublished))
        }
    }
}

fn reported(postgres: &Postgres, file: TripFile, state: State, month: &Provenance) -> MonthReport {
    let mut report = MonthReport::new(file, state).of_month(month);
    report.warehouse = Some(postgres.place(file));
    report.rows_loaded = Some(month.counts.rows_kept);
    report
}
