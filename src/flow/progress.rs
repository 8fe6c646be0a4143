use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Event, Listener, Task};

/// How often listeners hear of a task's progress.
const INTERVAL: Duration = Duration::from_millis(100);

/// A running task's way to say how far it is, and to learn that it should stop.
#[derive(Clone)]
pub struct Progress(Arc<Inner>);

struct Inner {
    task: Option<Task>,
    listeners: Arc<[Arc<dyn Listener>]>,
    cancelled: CancellationToken,
    done: AtomicU64,
    total: AtomicU64,
    started: Instant,
    told: AtomicU64,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress").field(&self.0.task).finish()
    }
}

impl Progress {
    pub(super) fn new(
        task: Option<Task>,
        listeners: Arc<[Arc<dyn Listener>]>,
        cancelled: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            task,
            listeners,
            cancelled,
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            started: Instant::now(),
            told: AtomicU64::new(0),
        }))
    }

    /// A progress that nobody watches and that is never cancelled.
    pub fn unwatched() -> Self {
        Self::new(None, Arc::new([]), CancellationToken::new())
    }

    /// A progress that nobody watches, cancelled when this one is: for a second count of the
    /// same work.
    #[must_use]
    pub fn quietly(&self) -> Self {
        Self::new(None, Arc::new([]), self.0.cancelled.clone())
    }

    /// Starts again, with so many bytes to do; 0 where unknown.
    pub fn begin(&self, total: u64) {
        self.0.done.store(0, Relaxed);
        self.0.total.store(total, Relaxed);
    }

    /// So many bytes more are done.
    pub fn advance(&self, bytes: u64) {
        let done = self.0.done.fetch_add(bytes, Relaxed) + bytes;
        let Some(task) = self.0.task else {
            return;
        };
        let now = self.0.started.elapsed().as_millis() as u64;
        let told = self.0.told.load(Relaxed);
        if now >= told + INTERVAL.as_millis() as u64
            && self.0.told.compare_exchange(told, now, Relaxed, Relaxed).is_ok()
        {
            let event = Event::TaskProgress { task, done, total: self.0.total.load(Relaxed) };
            for listener in self.0.listeners.iter() {
                listener.hear(&event);
            }
        }
    }

    /// Whether the run was interrupted.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_cancelled()
    }

    /// Ends when the run is interrupted.
    pub async fn cancelled(&self) {
        self.0.cancelled.cancelled().await;
    }
}
