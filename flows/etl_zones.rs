//! `etl-zones`: the lookup of the taxi zones, into the lake.

use nyc_taxi_etl::config::{TaskError, Tools};
use nyc_taxi_etl::flow::{Progress, Run, State};
use nyc_taxi_etl::lake::Lake;
use nyc_taxi_etl::source::{Outcome, Source};
use nyc_taxi_etl::trip::Item;
use serde::Serialize;

/// The name of the flow.
pub(crate) const NAME: &str = "etl-zones";

/// What became of the zones.
#[derive(Debug, Serialize)]
pub(crate) struct ZonesReport {
    flow: &'static str,
    pub(crate) ok: bool,
    pub(crate) state: State,
    /// How many zones; null where they were not read.
    pub(crate) rows: Option<u64>,
    pub(crate) lake: String,
    pub(crate) error: Option<String>,
}

/// Brings the zones to the lake where it has none. They serve the months: where they cannot be
/// had, the months are there all the same.
pub(crate) async fn zones_if_missing(run: &Run, tools: &Tools) {
    let settings = tools.settings();
    // The sample months need no network, nor does a run of them.
    if settings.source == Source::Sample && settings.zones == "web" {
        return;
    }
    // Said by the task that failed.
    let _ = zones(run, tools, true).await;
}

/// Brings the zones to the lake.
pub(crate) async fn etl_zones(run: &Run, tools: &Tools) -> ZonesReport {
    let (state, rows, error) = match zones(run, tools, false).await {
        Ok((state, rows)) => (state, rows, None),
        Err(error) => (State::Failed, None, Some(error.to_string())),
    };
    let lake = tools.lake().url(Lake::ZONES);
    ZonesReport { flow: NAME, ok: error.is_none(), state, rows, lake, error }
}

async fn zones(
    run: &Run,
    tools: &Tools,
    if_missing: bool,
) -> Result<(State, Option<u64>), TaskError> {
    let held = tools.hold(run, Item::Zones).await?;

    let fetched = run.task("fetch", Item::Zones, async |progress: Progress| {
        tools.lake().clear_uploads(held.folder()).await?;
        let before = tools.lake().zones().await?;
        if if_missing && before.is_some() {
            return Ok(Outcome::Unchanged);
        }
        Ok::<_, TaskError>(tools.fetch_zones(before.as_ref(), &held, &progress).await?)
    });
    let fetched = match fetched.await? {
        Outcome::Fetched(fetched) => fetched,
        Outcome::Unchanged | Outcome::NotPublished => {
            held.clear();
            return Ok((State::Unchanged, None));
        }
    };
    let cleaned = run.task("clean", Item::Zones, async |_| {
        Ok::<_, TaskError>(tools.clean_zones(&fetched, &held)?)
    });
    // A bad file is of no use to the next run.
    let cleaned = cleaned.await;
    let ((path, rows), held) = held.unless_damaged(cleaned, |_| true)?;
    let written = run.task("write-gcs", Item::Zones, async |progress: Progress| {
        Ok::<_, TaskError>(tools.lake().publish_zones(&path, held.folder(), &progress).await?)
    });
    written.await?;
    held.clear();
    Ok((State::Published, Some(rows)))
}
