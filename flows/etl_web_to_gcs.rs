//! `etl-web-to-gcs`: a month from the web, cleaned, into the lake.

use crate::flow::{MonthReport, Progress, Run, RunReport, State, TaskName};
use crate::lake::Published;
use crate::pipeline::{Pipeline, TaskError};
use crate::source::Outcome;
use crate::trip::TripFile;

/// The name of the flow.
pub(crate) const NAME: &str = "etl-web-to-gcs";

/// What bringing a month to the lake did.
pub(crate) struct MonthOutcome {
    state: State,
    /// What the lake has of the month now; `None` if nothing.
    pub(crate) month: Option<Published>,
    /// The trips of the edition that it replaced.
    before: Option<u64>,
}

/// Brings months from the web to the lake: one is fetched while another is cleaned.
pub async fn etl_web_to_gcs(run: &Run, pipeline: &Pipeline, files: &[TripFile]) -> RunReport {
    let months = run.months(files, async |file| {
        let outcome = month(run, pipeline, file).await?;
        Ok::<_, TaskError>(outcome.report(pipeline, file))
    });
    run.flow(NAME, files, months).await
}

/// One month.
pub(crate) async fn month(
    run: &Run,
    pipeline: &Pipeline,
    file: TripFile,
) -> Result<MonthOutcome, TaskError> {
    let lease = pipeline.lease(run, file).await?;

    let fetched = run.task(TaskName::Fetch, file, async |progress: Progress| {
        pipeline.lake().clear_leftovers(file, lease.folder()).await?;
        let before = pipeline.lake().published(file).await?;
        let known = before.as_ref().map(|month| &month.provenance);
        let outcome = pipeline.fetch(file, known, true, &lease, &progress).await?;
        Ok::<_, TaskError>((outcome, before))
    });
    let (fetched, before) = match fetched.await? {
        (Outcome::Fetched(fetched), before) => (fetched, before),
        (Outcome::Unchanged(_), Some(before)) => {
            pipeline.lake().clear_refused(file).await;
            lease.clear();
            return Ok(MonthOutcome { state: State::Unchanged, month: Some(before), before: None });
        }
        // The source does not have it, or not any more: what the lake has of it stays.
        (Outcome::NotPublished | Outcome::Unchanged(_), month) => {
            lease.clear();
            return Ok(MonthOutcome { state: State::NotPublished, month, before: None });
        }
    };

    let cleaned = run.task(TaskName::Clean, file, async |progress: Progress| {
        pipeline.clean(file, &fetched, &lease, &progress).await
    });
    let cleaned = cleaned.await;
    let (cleaned, lease) = lease.unless_damaged(cleaned, TaskError::is_damage)?;
    run.warn_of(file, &cleaned.provenance);

    let written = run.task(TaskName::WriteGcs, file, async |progress: Progress| {
        pipeline.publish(file, &fetched, &cleaned, &lease, &progress).await
    });
    let written = written.await?;
    if let Some(refusal) = &written.forced {
        refusal.warn(run);
    }
    lease.clear();
    let month = Published { provenance: cleaned.provenance, bytes: written.bytes };
    let before = before.map(|month| month.provenance.counts.rows_kept);
    Ok(MonthOutcome { state: State::Published, month: Some(month), before })
}

impl MonthOutcome {
    /// The same for people.
    pub(crate) fn report(&self, pipeline: &Pipeline, file: TripFile) -> MonthReport {
        let report = MonthReport::new(file, self.state);
        let Some(Published { provenance, bytes }) = &self.month else {
            return report;
        };
        let mut report = report.of_month(provenance);
        report.lake = Some(pipeline.lake().url(&file.lake_key()));
        report.quarantine = provenance.quarantine.as_ref().map(|key| pipeline.lake().url(key));
        report.bytes = Some(*bytes);
        report.replacing(self.before, provenance.counts.rows_kept)
    }
}
