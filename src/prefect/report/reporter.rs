use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Utc;
use tokio::task::AbortHandle;

use crate::flow::{Event, Listener};

use super::super::{Api, FlowRun};
use super::event_recorder::{EventRecorder, lock};
use super::line::Mask;
use super::queue::Queue;
use super::uploader::Uploader;

/// Reports what it hears to the record of a flow run. It keeps nobody waiting: an uploader in the
/// background does.
pub(super) struct Reporter {
    recorder: Arc<Mutex<EventRecorder>>,
    queue: Arc<Queue>,
    uploader: AbortHandle,
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").finish_non_exhaustive()
    }
}

impl Reporter {
    /// Begins to report to the record of a flow run, whose tasks may be tried again so often.
    pub(super) fn start(api: &Api, run: &FlowRun, retries: usize, mask: Mask) -> Self {
        let recorder = Arc::new(Mutex::new(EventRecorder::new(retries, mask)));
        let queue = Arc::<Queue>::default();
        let uploader = Uploader::new(api, run, Arc::clone(&queue), Arc::clone(&recorder));
        let uploader = tokio::spawn(uploader.run()).abort_handle();
        Self { recorder, queue, uploader }
    }

    /// The flow run is tried for the so many-th time.
    pub(super) fn begin(&self, attempt: u32) {
        lock(&self.recorder).begin(attempt);
    }

    /// Waits until all that was heard is in the record, or never will be; false if that takes
    /// longer than this.
    pub(super) async fn delivered(&self, within: Duration) -> bool {
        tokio::time::timeout(within, self.queue.emptied(within)).await.is_ok()
    }

    /// How many reports wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.uploader.abort();
    }
}

impl Listener for Reporter {
    fn hear(&self, event: &Event<'_>) {
        // Under one lock, so that the reports of two threads keep their order.
        let mut recorder = lock(&self.recorder);
        self.queue.push(recorder.note(event, Utc::now()));
    }
}
