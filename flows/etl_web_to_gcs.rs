//! `etl-web-to-gcs`: a month from the web, cleaned, into the lake.

use crate::flow::{MonthReport, Progress, Run, RunReport, State, TaskName};
use crate::lake::Published;
use crate::settings::{TaskError, Tools};
use crate::source::Outcome;
use crate::trip::TripFile;

/// The name of the flow.
pub(crate) const NAME: &str = "etl-web-to-gcs";

/// Brings months from the web to the lake: one is fetched while another is cleaned.
pub async fn etl_web_to_gcs(run: &Run, tools: &Tools, files: &[TripFile]) -> RunReport {
    run.flow(NAME, files, run.months(files, async |file| month(run, tools, file).await)).await
}

/// One month.
pub(crate) async fn month(
    run: &Run,
    tools: &Tools,
    file: TripFile,
) -> Result<MonthReport, TaskError> {
    let held = tools.hold(run, file).await?;

    let fetched = run.task(TaskName::Fetch, file, async |progress: Progress| {
        tools.lake().clear_leftovers(file, held.folder()).await?;
        let before = tools.lake().published(file).await?;
        let known = before.as_ref().map(|month| &month.provenance);
        let outcome = tools.fetch(file, known, true, &held, &progress).await?;
        Ok::<_, TaskError>((outcome, before))
    });
    let (fetched, before) = match fetched.await? {
        (Outcome::Fetched(fetched), before) => (fetched, before),
        (Outcome::Unchanged(_), Some(before)) => {
            tools.lake().clear_refused(file).await;
            held.clear();
            return Ok(reported(tools, file, State::Unchanged, &before));
        }
        // The source does not have it, or not any more: what the lake has of it stays.
        (Outcome::NotPublished, Some(before)) => {
            held.clear();
            return Ok(reported(tools, file, State::NotPublished, &before));
        }
        (Outcome::NotPublished | Outcome::Unchanged(_), None) => {
            held.clear();
            return Ok(MonthReport::new(file, State::NotPublished));
        }
    };

    let cleaned = run.task(TaskName::Clean, file, async |progress: Progress| {
        tools.clean(file, &fetched, &held, &progress).await
    });
    let cleaned = cleaned.await;
    let (cleaned, held) = held.unless_damaged(cleaned, TaskError::is_damage)?;
    run.warn_of(file, &cleaned.provenance);

    let written = run.task(TaskName::WriteGcs, file, async |progress: Progress| {
        tools.publish(file, &fetched, &cleaned, &held, &progress).await
    });
    let written = written.await?;
    if let Some(refusal) = &written.forced {
        refusal.warn(run);
    }
    held.clear();
    let published = Published { provenance: cleaned.provenance, bytes: written.bytes };
    let rows = |month: &Published| month.provenance.counts.rows_kept;
    let report = reported(tools, file, State::Published, &published);
    Ok(report.replacing(before.as_ref().map(rows), rows(&published)))
}

fn reported(tools: &Tools, file: TripFile, state: State, month: &Published) -> MonthReport {
    let provenance = &month.provenance;
    let mut report = MonthReport::new(file, state).counted(&provenance.counts);
    report.source = Some(provenance.source.address.clone());
    report.lake = Some(tools.lake().url(&file.lake_key()));
    report.quarantine = provenance.quarantine.as_ref().map(|key| tools.lake().url(key));
    report.bytes = Some(month.bytes);
    report
}
