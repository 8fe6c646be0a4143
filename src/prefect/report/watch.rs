//! Learns from the server that the flow run is to stop.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::super::{Api, FlowRun, Id, StateType};
use super::uploader::once;

/// Why the server wants the run to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It is being cancelled.
    Cancelling,
    /// It is over: somebody else has said so.
    Over,
    /// Another process runs it.
    Taken,
}

impl Why {
    /// What the record says to the process that began the so many-th try.
    pub(super) fn of(run: &FlowRun, attempt: u32) -> Option<Self> {
        match run.state.as_ref()?.kind {
            _ if run.run_count > attempt => Some(Self::Taken),
            StateType::Cancelling => Some(Self::Cancelling),
            // A crash is what others take a silent process for: it may well end its work.
            StateType::Cancelled | StateType::Completed | StateType::Failed => Some(Self::Over),
            _ => None,
        }
    }
}

/// The flow run that is watched.
pub(super) struct Watched {
    pub(super) run: Id,
    pub(super) attempt: u32,
}

/// Asks after the flow run now and then; ends on drop.
pub(super) struct Watch {
    seen: Arc<OnceLock<Why>>,
    task: AbortHandle,
}

impl Watch {
    /// Cancels `stop` once the flow run is to stop.
    pub(super) fn start(
        api: &Api,
        watched: Watched,
        every: Duration,
        stop: CancellationToken,
    ) -> Self {
        let (api, seen) = (once(api), Arc::<OnceLock<Why>>::default());
        let tell = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let why = asked(&api, &watched, every).await;
            let _ = tell.set(why);
            let said = match why {
                Why::Cancelling => "the flow run is being cancelled",
                Why::Over => "the flow run was ended by somebody else",
                Why::Taken => "another process runs this flow run",
            };
            tracing::warn!("{said}: stopping at a safe point");
            stop.cancel();
        });
        Self { seen, task: task.abort_handle() }
    }

    /// Why it was told to stop, if it was.
    pub(super) fn seen(&self) -> Option<Why> {
        self.seen.get().copied()
    }
}

/// Ends when the flow run is to stop.
async fn asked(api: &Api, watched: &Watched, every: Duration) -> Why {
    loop {
        tokio::time::sleep(every).await;
        // A server that is away wants nothing.
        let Ok(found) = api.flow_run(&watched.run).await else { continue };
        if let Some(why) = Why::of(&found, watched.attempt) {
            return why;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
