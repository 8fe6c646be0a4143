use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use futures_util::{FutureExt, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::trip::{Item, Provenance, TripFile};

use super::{Event, Failure, Listener, MonthReport, Progress, Retry, RunReport, TaskName};

/// The longest wait another side may ask for: who asks for more is told that the task failed.
const LONGEST_ASKED: Duration = Duration::from_secs(900);

/// How often and after how long a task is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How many times after the first.
    pub retries: usize,
    /// How long until the second try; doubled for each after it, with jitter.
    pub first_delay: Duration,
    /// No wait is longer than this, unless the other side asks for it.
    pub longest_delay: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retries: 5,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(60),
        }
    }
}

/// A fault of this program in the midst of a month.
#[derive(Debug, thiserror::Error)]
#[error("a fault of this program (said above): please report it")]
struct Fault;

/// A run of a flow: runs its tasks and tells its listeners.
#[derive(Clone)]
pub struct Run {
    listeners: Arc<[Arc<dyn Listener>]>,
    cancelled: CancellationToken,
    policy: Policy,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Run {
    /// A run that tells these listeners and stops when `cancelled` is.
    pub fn new(
        listeners: Vec<Arc<dyn Listener>>,
        cancelled: CancellationToken,
        policy: Policy,
    ) -> Self {
        Self { listeners: listeners.into(), cancelled, policy }
    }

    /// Tells every listener.
    pub fn tell(&self, event: &Event<'_>) {
        for listener in self.listeners.iter() {
            listener.hear(event);
        }
    }

    /// Warns of something.
    pub fn warn(&self, item: impl Into<Item>, text: &str) {
        self.tell(&Event::Warning { item: item.into(), text });
    }

    /// Warns of what a cleaned month says of itself that people should know.
    pub fn warn_of(&self, file: TripFile, month: &Provenance) {
        if !month.unknown_columns.is_empty() {
            let (some, more) = month.unknown_columns.split_at(month.unknown_columns.len().min(20));
            let more =
                if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            let names = some.join(", ");
            self.warn(
                file,
                &format!("columns the schema does not know are left out: {names}{more}"),
            );
        }
        if month.counts.rows_kept == 0 {
            self.warn(file, "the month has not a single trip");
        }
    }

    /// Whether the run was told to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// A progress of no task: to learn that the run was told to stop.
    pub fn progress(&self) -> Progress {
        Progress::new(None, Arc::clone(&self.listeners), self.cancelled.clone())
    }

    /// Runs a flow's months, `jobs` at once, and reports them in their order. A month that fails
    /// stops no other; a run that was told to stop begins none.
    pub async fn months<E: Failure>(
        &self,
        flow: &'static str,
        files: &[TripFile],
        jobs: usize,
        month: impl AsyncFn(TripFile) -> Result<MonthReport, E>,
    ) -> RunReport {
        let month = &month;
        self.tell(&Event::RunStarted { flow, files });
        let months = futures_util::stream::iter(files).map(|&file| async move {
            let started = Instant::now();
            self.tell(&Event::MonthStarted(file));
            // A fault in one month stops no other. What it was is on stderr already.
            let done = AssertUnwindSafe(month(file)).catch_unwind().await;
            let mut report = match done {
                Ok(Ok(report)) => report,
                Ok(Err(error)) => MonthReport::failed(file, &error),
                Err(_) => MonthReport::failed(file, &Fault),
            };
            report.seconds = started.elapsed().as_secs_f64();
            self.tell(&Event::MonthDone(&report));
            report
        });
        let report = RunReport::new(flow, months.buffered(jobs).collect().await);
        self.tell(&Event::RunDone(&report));
        report
    }

    /// Runs a task, and again after a transient failure. `work` is given the means to say how
    /// far it is and must end soon after they say that the run is cancelled.
    pub async fn task<T, E, W, F>(
        &self,
        name: &'static str,
        item: impl Into<Item>,
        work: W,
    ) -> Result<T, E>
    where
        E: Failure,
        W: Fn(Progress) -> F,
        F: Future<Output = Result<T, E>>,
    {
        let task = TaskName { name, item: item.into() };
        let started = Instant::now();
        self.tell(&Event::TaskStarted(task));
        let progress =
            Progress::new(Some(task), Arc::clone(&self.listeners), self.cancelled.clone());
        let cancelled = self.cancelled.clone();
        let delays = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(self.policy.first_delay.min(self.policy.longest_delay))
            .with_max_delay(self.policy.longest_delay)
            .with_max_times(self.policy.retries);
        let result = (|| work(progress.clone()))
            .retry(delays)
            // A cancelled run does not wait: the next try sees it and ends.
            .sleep(move |delay| {
                let cancelled = cancelled.clone();
                async move {
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        () = cancelled.cancelled() => {}
                    }
                }
            })
            .when(|error| !error.is_interruption() && can_help(error.retry()))
            .adjust(|error, delay| match error.retry() {
                Retry::After(asked) => delay.map(|delay| delay.max(asked)),
                _ => delay,
            })
            .notify(|error, wait| self.tell(&Event::TaskRetrying { task, error, wait }))
            .await;
        match &result {
            Ok(_) => self.tell(&Event::TaskDone { task, took: started.elapsed() }),
            Err(error) => self.tell(&Event::TaskFailed { task, error }),
        }
        result
    }
}

/// Whether another try can help, and soon enough.
fn can_help(retry: Retry) -> bool {
    match retry {
        Retry::Never => false,
        Retry::Backoff => true,
        Retry::After(asked) => asked <= LONGEST_ASKED,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it failed")]
    struct Failed(Retry);

    impl Failure for Failed {
        fn retry(&self) -> Retry {
            self.0
        }

        fn is_interruption(&self) -> bool {
            false
        }
    }

    #[derive(Default)]
    struct Waits(Mutex<Vec<Duration>>);

    impl Listener for Waits {
        fn hear(&self, event: &Event<'_>) {
            if let Event::TaskRetrying { wait, .. } = event {
                self.0.lock().unwrap().push(*wait);
            }
        }
    }

    fn file() -> Item {
        Item::Zones
    }

    async fn tries(failures: usize, retry: Retry, retries: usize) -> (bool, usize, Vec<Duration>) {
        let waits = Arc::new(Waits::default());
        let policy = Policy {
            retries,
            first_delay: Duration::from_millis(1),
            longest_delay: Duration::from_millis(4),
        };
        let run = Run::new(vec![waits.clone()], CancellationToken::new(), policy);
        let tried = AtomicUsize::new(0);
        let result = run
            .task("fetch", file(), async |_| {
                if tried.fetch_add(1, Relaxed) < failures { Err(Failed(retry)) } else { Ok(()) }
            })
            .await;
        let waits = waits.0.lock().unwrap().clone();
        (result.is_ok(), tried.load(Relaxed), waits)
    }

    #[tokio::test]
    async fn a_transient_failure_is_tried_again_and_no_other() {
        assert!(matches!(tries(2, Retry::Backoff, 5).await, (true, 3, _)));
        assert!(matches!(tries(9, Retry::Backoff, 2).await, (false, 3, _)));
        assert!(matches!(tries(1, Retry::Never, 5).await, (false, 1, _)));
    }

    #[tokio::test]
    async fn the_wait_the_other_side_asks_for_is_kept() {
        let asked = Duration::from_millis(30);
        let (ok, _, waits) = tries(2, Retry::After(asked), 5).await;
        assert!(ok);
        assert_eq!(waits, [asked, asked]);
    }

    #[tokio::test]
    async fn who_asks_for_too_long_a_wait_is_not_asked_again() {
        let asked = Retry::After(Duration::from_secs(86_400));
        assert!(matches!(tries(1, asked, 5).await, (false, 1, _)));
    }

    #[tokio::test]
    async fn a_cancelled_run_does_not_wait() {
        let cancelled = CancellationToken::new();
        let policy = Policy { first_delay: Duration::from_secs(3600), ..Policy::default() };
        let run = Run::new(vec![], cancelled.clone(), policy);
        let tried = AtomicUsize::new(0);
        let started = Instant::now();
        let result = run
            .task("fetch", file(), async |_| {
                let retry =
                    if tried.fetch_add(1, Relaxed) == 0 { Retry::Backoff } else { Retry::Never };
                cancelled.cancel();
                Err::<(), _>(Failed(retry))
            })
            .await;
        assert!(result.is_err());
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}
