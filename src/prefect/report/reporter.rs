use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Utc;
use tokio::task::AbortHandle;

use crate::flow::{Event, Listener};

use super::super::{Api, FlowRun};
use super::book::{Book, book};
use super::courier::Courier;
use super::line::Mask;
use super::queue::Queue;

/// Reports what it hears to the record of a flow run. It keeps nobody waiting: a courier in the
/// background does.
pub(super) struct Reporter {
    book: Arc<Mutex<Book>>,
    queue: Arc<Queue>,
    courier: AbortHandle,
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").finish_non_exhaustive()
    }
}

impl Reporter {
    /// Begins to report to the record of a flow run, whose tasks may be tried again so often.
    pub(super) fn start(api: &Api, run: &FlowRun, retries: usize, mask: Mask) -> Self {
        let book = Arc::new(Mutex::new(Book::new(retries, mask)));
        let queue = Arc::<Queue>::default();
        let courier = Courier::new(api, run, Arc::clone(&queue), Arc::clone(&book));
        let courier = tokio::spawn(courier.run()).abort_handle();
        Self { book, queue, courier }
    }

    /// The flow run is tried for the so many-th time.
    pub(super) fn begin(&self, attempt: u32) {
        book(&self.book).begin(attempt);
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
        self.courier.abort();
    }
}

impl Listener for Reporter {
    fn hear(&self, event: &Event<'_>) {
        // Under one lock, so that the reports of two threads keep their order.
        let mut book = book(&self.book);
        self.queue.push(book.note(event, Utc::now()));
    }
}
