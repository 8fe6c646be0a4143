//! `etl-web-to-gcs`: a month from the web, cleaned, into the lake.

use std::time::Instant;

use nyc_taxi_etl::clean::CleanError;
use nyc_taxi_etl::config::Tools;
use nyc_taxi_etl::flow::{Event, Failure, MonthReport, Progress, Retry, Run, RunReport, State};
use nyc_taxi_etl::lake::{LakeError, Published};
use nyc_taxi_etl::source::{FetchError, Outcome, SpoolError};
use nyc_taxi_etl::trip::TripFile;

/// The name of the flow.
pub(crate) const NAME: &str = "etl-web-to-gcs";

/// Why a month failed.
#[derive(Debug, thiserror::Error)]
enum MonthError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Clean(#[from] CleanError),
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("interrupted")]
    Interrupted,
}

impl Failure for MonthError {
    fn retry(&self) -> Retry {
        match self {
            Self::Fetch(error) => error.retry(),
            Self::Clean(error) => error.retry(),
            Self::Lake(error) => error.retry(),
            Self::Spool(_) | Self::Interrupted => Retry::Never,
        }
    }

    fn is_interruption(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_interruption(),
            Self::Clean(error) => error.is_interruption(),
            Self::Lake(error) => error.is_interruption(),
            Self::Spool(_) => false,
            Self::Interrupted => true,
        }
    }
}

/// Brings months from the web to the lake, one after the other.
pub(crate) async fn etl_web_to_gcs(run: &Run, tools: &Tools, files: &[TripFile]) -> RunReport {
    let mut months = Vec::with_capacity(files.len());
    for &file in files {
        let started = Instant::now();
        let mut report = match month(run, tools, file).await {
            Ok(report) => report,
            Err(error) => MonthReport::failed(file, &error),
        };
        report.seconds = started.elapsed().as_secs_f64();
        run.tell(&Event::MonthDone(&report));
        months.push(report);
    }
    RunReport::new(NAME, months)
}

async fn month(run: &Run, tools: &Tools, file: TripFile) -> Result<MonthReport, MonthError> {
    let held = tools.hold(file, &run.progress()).await;
    let held = match held.inspect_err(|error| run.warn(file, &error.to_string()))? {
        Some(held) if !run.is_cancelled() => held,
        _ => return Err(MonthError::Interrupted),
    };

    let fetched = run.task("fetch", file, async |progress: Progress| {
        tools.lake().clear_leftovers(file, held.folder()).await?;
        let before = tools.lake().published(file).await?;
        let known = before.as_ref().map(|month| &month.provenance);
        let outcome = tools.fetch(file, known, &held, &progress).await?;
        Ok::<_, MonthError>((outcome, before))
    });
    let fetched = match fetched.await? {
        (Outcome::Fetched(fetched), _) => fetched,
        (Outcome::Unchanged, Some(before)) => {
            held.clear();
            return Ok(reported(tools, file, State::Unchanged, &before));
        }
        (Outcome::NotPublished | Outcome::Unchanged, _) => {
            held.clear();
            return Ok(MonthReport::new(file, State::NotPublished));
        }
    };

    let cleaned = run.task("clean", file, async |progress: Progress| {
        tools.clean(file, &fetched, &held, &progress).await
    });
    let cleaned = match cleaned.await {
        Err(error) if error.is_damage() => {
            held.clear();
            return Err(error.into());
        }
        cleaned => cleaned?,
    };
    run.warn_of(file, &cleaned.provenance);

    let written = run.task("write-gcs", file, async |progress: Progress| {
        tools.publish(file, &fetched, &cleaned, &held, &progress).await
    });
    let bytes = written.await?;
    held.clear();
    let published = Published { provenance: cleaned.provenance, bytes };
    Ok(reported(tools, file, State::Published, &published))
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
