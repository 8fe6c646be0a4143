//! What a command needs: a run that a signal interrupts, and its pipeline, from the settings.

use std::sync::Arc;

use crate::flow::{Journal, Listener, Run};
use crate::pipeline::Pipeline;
use crate::prefect::ServerBlocks;
use crate::settings::{Options, Settings};

use super::exit::{Error, Exit};
use super::terminal::cancelled_by_signal;

/// A run and its pipeline, as the settings say.
pub(super) async fn start(
    options: &Options,
    listener: Arc<dyn Listener>,
) -> Result<(Run, Pipeline), Error> {
    let settings = Settings::resolve_with(options, &ServerBlocks).await?;
    Ok((run_of(&settings, listener), Pipeline::new(settings)?))
}

/// The same for a command that only looks: a store that cannot be opened says so when it is asked.
pub(super) async fn start_to_look(
    options: &Options,
    listener: Arc<dyn Listener>,
) -> Result<(Run, Pipeline), Error> {
    let settings = Settings::resolve_to_look(options, &ServerBlocks).await?;
    Ok((run_of(&settings, listener), Pipeline::to_look(settings)?))
}

fn run_of(settings: &Settings, listener: Arc<dyn Listener>) -> Run {
    let journal = Arc::new(Journal::new(&settings.run.runs, settings.run.keep_runs));
    let (policy, limits) = (settings.run.policy, settings.run.limits);
    Run::new(vec![listener, journal], cancelled_by_signal(), policy, limits)
}

/// How the program ends after a run; `ok` says whether all went well.
pub(super) fn ended(run: &Run, ok: bool) -> Exit {
    match (run.is_cancelled(), ok) {
        (_, true) => Exit::Done,
        (true, false) => Exit::Interrupted,
        (false, false) => Exit::Failed,
    }
}
