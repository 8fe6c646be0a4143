//! `etl-zones`: the lookup of the taxi zones, into the lake.

use crate::flow::{Failure, Progress, Run, State, TaskName, ZonesReport};
use crate::lake::Lake;
use crate::pipeline::{Pipeline, TaskError};
use crate::source::{Outcome, Source};
use crate::trip::Item;

/// The name of the flow.
pub(crate) const NAME: &str = "etl-zones";

/// A lookup of fewer zones is hardly whole.
const WHOLE: u64 = 260;

/// Brings the zones to the lake where it has none. They serve the months and hold nothing up: the
/// source is asked once, by `look`, and where they cannot be had, a warning says so.
pub(crate) async fn zones_if_missing(run: &Run, look: &Run, pipeline: &Pipeline) {
    let settings = pipeline.settings();
    // The sample months need no network, nor does a run of them.
    if settings.source.source == Source::Sample && settings.source.zones == "web" {
        return;
    }
    let outcome = match pipeline.lake().zones().await {
        // A run that was killed after it had outcome them may have left its place.
        Ok(Some(_)) => {
            if let Ok(lease) = pipeline.lease(look, Item::Zones).await
                && pipeline.lake().clear_uploads(lease.folder()).await.is_ok()
            {
                lease.clear();
            }
            return;
        }
        Ok(None) => zones(run, look, pipeline, true).await.map(drop),
        Err(error) => Err(error.into()),
    };
    let why = match outcome {
        Ok(()) => return,
        Err(_) if run.is_cancelled() => return,
        Err(error) if error.is_interruption() => "the months were done before they came".to_owned(),
        Err(error) => error.to_string(),
    };
    let text = format!(
        "the lake has no taxi zones ({why}). They do not delay the months: publish the zones with \
         taxi run etl-zones, from another place with --zones"
    );
    run.warn(Item::Zones, &text);
}

/// Brings the zones to the lake.
pub async fn etl_zones(run: &Run, pipeline: &Pipeline) -> ZonesReport {
    let outcome =
        run.flow_without_months(NAME, zones(run, run, pipeline, false), Result::is_ok).await;
    let (state, rows, error) = match outcome {
        Ok((state, rows)) => (state, rows, None),
        Err(error) => (State::Failed, None, Some(error.to_string())),
    };
    let lake = pipeline.lake().url(Lake::ZONES);
    ZonesReport { flow: NAME, ok: error.is_none(), state, rows, lake, error }
}

async fn zones(
    run: &Run,
    look: &Run,
    pipeline: &Pipeline,
    if_missing: bool,
) -> Result<(State, Option<u64>), TaskError> {
    let lease = pipeline.lease(look, Item::Zones).await?;

    let fetched = look.task(TaskName::Fetch, Item::Zones, async |progress: Progress| {
        pipeline.lake().clear_uploads(lease.folder()).await?;
        let before = pipeline.lake().zones().await?;
        // Another run may have outcome them while this one waited for its turn.
        if if_missing && before.is_some() {
            return Ok(Outcome::Unchanged(None));
        }
        Ok::<_, TaskError>(pipeline.fetch_zones(before.as_ref(), &lease, &progress).await?)
    });
    let fetched = match fetched.await {
        Ok(Outcome::Fetched(fetched)) => fetched,
        Ok(Outcome::Unchanged(_) | Outcome::NotPublished) => {
            lease.clear();
            return Ok((State::Unchanged, None));
        }
        // So small a file is not resumed.
        Err(error) => {
            lease.clear();
            return Err(error);
        }
    };
    let cleaned = run
        .task(TaskName::Clean, Item::Zones, async |_| pipeline.clean_zones(&fetched, &lease).await);
    // A bad file is of no use to the next run.
    let cleaned = cleaned.await;
    let ((path, rows), lease) = lease.unless_damaged(cleaned, |_| true)?;
    if rows < WHOLE {
        let text = format!(
            "the file has {rows} taxi zones, but the TLC has 265: is it complete? Check the address"
        );
        run.warn(Item::Zones, &text);
    }
    let written = run.task(TaskName::WriteGcs, Item::Zones, async |progress: Progress| {
        Ok::<_, TaskError>(pipeline.lake().publish_zones(&path, lease.folder(), &progress).await?)
    });
    written.await?;
    lease.clear();
    Ok((State::Published, Some(rows)))
}
