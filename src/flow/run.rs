use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::schema;
use crate::trip::{Item, KeptColumn, Provenance, TripFile};

use super::{
    Event, Failure, Listener, MonthReport, Progress, Retry, RunId, RunReport, State, Stop, Task,
    TaskName,
};

/// The longest wait another side may ask for: who asks for more is told that the task failed.
const LONGEST_ASKED: Duration = Duration::from_secs(900);

/// How long a task that is interrupted is waited for. Ten seconds is what supervisors give a
/// program before they kill it.
const SAFE_POINT: Duration = Duration::from_secs(8);

/// How often and after how long a task is retried.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How many times after the first.
    pub retries: usize,
    /// How long until the second try; doubled for each after it, with jitter.
    pub first_delay: Duration,
    /// No wait is longer than this, unless the other side asks for it.
    pub longest_delay: Duration,
}

/// How many things at once, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a try of a task may take.
    pub time: Duration,
    /// How many months are in flight at once.
    pub jobs: usize,
    /// The concurrency limits: how many tasks of a name run at once, whatever the months in
    /// flight. A task of another name has none.
    pub at_once: &'static [(TaskName, usize)],
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

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(2 * 3600), jobs: 4, at_once: &[] }
    }
}

/// A fault of this program in the midst of a month.
#[derive(Debug, thiserror::Error)]
#[error("a bug in taxi (see above): please report it")]
struct Fault;

impl Failure for Fault {
    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn is_interruption(&self) -> bool {
        false
    }
}

/// A run of a flow: runs its tasks and tells its listeners.
#[derive(Clone)]
pub struct Run {
    id: RunId,
    listeners: Arc<[Arc<dyn Listener>]>,
    cancelled: CancellationToken,
    policy: Policy,
    limits: Limits,
    turns: Arc<HashMap<TaskName, Semaphore>>,
    /// Whether its tasks hold nothing up.
    aside: bool,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Run {
    /// A run that tells these listeners and stops when `cancelled` is.
    pub fn new(
        listeners: Vec<Arc<dyn Listener>>,
        cancelled: CancellationToken,
        policy: Policy,
        limits: Limits,
    ) -> Self {
        let turns = limits.at_once.iter().map(|&(task, most)| (task, Semaphore::new(most)));
        Self {
            id: RunId::now(),
            listeners: listeners.into(),
            cancelled,
            policy,
            limits,
            turns: Arc::new(turns.collect()),
            aside: false,
        }
    }

    /// This run, for what must hold nothing up: a task is tried once, and where it fails it is
    /// given up. Who runs it warns of what is missing.
    #[must_use]
    pub fn aside(&self) -> Self {
        let policy = Policy { retries: 0, ..self.policy };
        Self { policy, aside: true, ..self.clone() }
    }

    /// Its name.
    pub const fn id(&self) -> &RunId {
        &self.id
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
        if !month.kept().is_empty() {
            let kept = month.kept().iter().map(|KeptColumn { name, source, r#type }| {
                if name == source {
                    format!("{name} ({type})")
                } else {
                    format!("{name} ({type}, in the file {source})")
                }
            });
            let names = kept.collect::<Vec<_>>().join(", ");
            self.warn(file, &format!("columns the schema does not know are kept: {names}"));
        }
        if !month.missing_columns.is_empty() {
            let known = schema::columns(file.colour);
            let named = month.missing_columns.iter().map(|name| {
                let column = known.iter().find(|column| column.is_called(name));
                match column.filter(|column| !column.name.eq_ignore_ascii_case(name)) {
                    Some(column) => format!("{name} ({})", column.name),
                    None => name.clone(),
                }
            });
            let names = named.collect::<Vec<_>>().join(", ");
            self.warn(
                file,
                &format!(
                    "columns that the month's files have are missing or have no values, so they are null: {names}"
                ),
            );
        }
        if !month.universal_times.is_empty() {
            let names = month.universal_times.join(", ");
            self.warn(
                file,
                &format!(
                    "times marked as UTC are read unchanged, as New York wall-clock time: {names}"
                ),
            );
        }
        if month.counts.rows_kept == 0 {
            self.warn(file, "the month has no trips");
        }
    }

    /// Whether the run was interrupted.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// A progress of no task: to learn that the run was interrupted.
    pub fn progress(&self) -> Progress {
        Progress::new(None, Arc::clone(&self.listeners), self.cancelled.clone())
    }

    /// Runs a flow: tells of its begin and its end, and reports what its work did to its months.
    pub async fn flow(
        &self,
        flow: &'static str,
        files: &[TripFile],
        work: impl Future<Output = Vec<MonthReport>>,
    ) -> RunReport {
        self.tell(&Event::RunStarted { run: &self.id, flow, files });
        let report = RunReport::new(flow, work.await);
        self.tell(&Event::RunDone(&report));
        report
    }

    /// Runs a flow over something else than months; `ok` says whether all is well with what came
    /// of it.
    pub async fn flow_without_months<T>(
        &self,
        flow: &'static str,
        work: impl Future<Output = T>,
        ok: impl FnOnce(&T) -> bool,
    ) -> T {
        self.tell(&Event::RunStarted { run: &self.id, flow, files: &[] });
        let done = work.await;
        let report = RunReport { flow, ok: ok(&done), months: Vec::new() };
        self.tell(&Event::RunDone(&report));
        done
    }

    /// Runs months, several at once, and reports them in their order. A month that fails stops
    /// no other; a run that was interrupted begins none.
    pub async fn months<E: Failure>(
        &self,
        files: &[TripFile],
        month: impl AsyncFn(TripFile) -> Result<MonthReport, E>,
    ) -> Vec<MonthReport> {
        let month = &month;
        let months = files.iter().enumerate().map(|(at, &file)| async move {
            if self.is_cancelled() {
                return (at, MonthReport::new(file, State::NotBegun));
            }
            let started = Instant::now();
            self.tell(&Event::MonthStarted(file));
            // A fault in one month stops no other. What it was is on stderr already.
            let done = AssertUnwindSafe(month(file)).catch_unwind().await;
            let mut report = match done {
                Ok(Ok(report)) => report,
                Ok(Err(error)) => MonthReport::ended(file, &error),
                Err(_) => MonthReport::ended(file, &Fault),
            };
            report.seconds = started.elapsed().as_secs_f64();
            self.tell(&Event::MonthDone(&report));
            (at, report)
        });
        // In the order they are done: a slow month keeps no other from beginning.
        let months = futures_util::stream::iter(months).buffer_unordered(self.limits.jobs.max(1));
        let mut months: Vec<_> = months.collect().await;
        months.sort_unstable_by_key(|(at, _)| *at);
        months.into_iter().map(|(_, report)| report).collect()
    }

    /// Does two things at once, each in a run of its own. Where one fails, the other is told to
    /// stop and is waited for; the failure is that of the one that was not told.
    pub async fn abreast<A, B, E: Failure>(
        &self,
        first: impl AsyncFnOnce(&Self) -> Result<A, E>,
        second: impl AsyncFnOnce(&Self) -> Result<B, E>,
    ) -> Result<(A, B), E> {
        let both = Self { cancelled: self.cancelled.child_token(), ..self.clone() };
        let stop = || both.cancelled.cancel();
        let first = async { first(&both).await.inspect_err(|_| stop()) };
        let second = async { second(&both).await.inspect_err(|_| stop()) };
        match tokio::join!(first, second) {
            (Ok(first), Ok(second)) => Ok((first, second)),
            (Err(told), Err(failed)) if told.is_interruption() => Err(failed),
            (Err(failed), _) | (Ok(_), Err(failed)) => Err(failed),
        }
    }

    /// Does its work, and something beside it that is interrupted once the work is done.
    pub async fn beside<T>(
        &self,
        work: impl Future<Output = T>,
        beside: impl AsyncFnOnce(&Self),
    ) -> T {
        let until_done = Self { cancelled: self.cancelled.child_token(), ..self.clone() };
        let work = async {
            let done = work.await;
            until_done.cancelled.cancel();
            done
        };
        tokio::join!(beside(&until_done), work).1
    }

    /// Runs a task when it is its turn, and again after a transient failure. `work` is given the
    /// means to say how far it is and to learn that it should stop, and must do so at its next
    /// safe point. One that does not in time is let go of, as is one that a time limit ends.
    pub async fn task<T, E, W, F>(
        &self,
        name: TaskName,
        item: impl Into<Item>,
        work: W,
    ) -> Result<T, E>
    where
        E: Failure + From<Stop>,
        W: Fn(Progress) -> F,
        F: Future<Output = Result<T, E>>,
    {
        let task = Task { name, item: item.into() };
        let mut turn = Some(self.turn(name).await?);
        let started = Instant::now();
        self.tell(&Event::TaskStarted(task));
        let delays = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(self.policy.first_delay.min(self.policy.longest_delay))
            .with_max_delay(self.policy.longest_delay)
            .with_max_times(self.policy.retries);
        let cancelled = self.cancelled.clone();
        let work = &work;
        let result = (|| {
            let turn = turn.take();
            async move {
                // Who waits to try again lets others pass.
                let _turn = match turn {
                    Some(turn) => turn,
                    None => self.turn(name).await?,
                };
                self.attempt(task, work).await
            }
        })
        .retry(delays)
        // A run told to stop does not wait: the next try sees it and ends.
        .sleep(move |delay| {
            let cancelled = cancelled.clone();
            async move {
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = cancelled.cancelled() => {}
                }
            }
        })
        .when(|error: &E| !error.is_interruption() && can_help(error.retry()))
        .adjust(|error, delay| match error.retry() {
            Retry::After(asked) => delay.map(|delay| delay.max(asked)),
            _ => delay,
        })
        .notify(|error, wait| self.tell(&Event::TaskRetrying { task, error, wait }))
        .await;
        match &result {
            Ok(_) => self.tell(&Event::TaskDone { task, took: started.elapsed() }),
            Err(_) if self.aside => self.tell(&Event::TaskGivenUp(task)),
            Err(error) if error.is_interruption() => self.tell(&Event::TaskStopped(task)),
            Err(error) => self.tell(&Event::TaskFailed { task, error }),
        }
        result
    }

    /// A task's turn, where only so many of its name run at once; none once the run is told to
    /// stop.
    async fn turn(&self, name: TaskName) -> Result<Option<SemaphorePermit<'_>>, Stop> {
        let turn = async {
            match self.turns.get(&name) {
                // Nobody closes it.
                Some(turns) => turns.acquire().await.ok(),
                None => None,
            }
        };
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Err(Stop::Interrupted),
            turn = turn => Ok(turn),
        }
    }

    /// Tries a task once.
    async fn attempt<T, E, F>(&self, task: Task, work: impl Fn(Progress) -> F) -> Result<T, E>
    where
        E: Failure + From<Stop>,
        F: Future<Output = Result<T, E>>,
    {
        let stopped = self.cancelled.child_token();
        let progress = Progress::new(Some(task), Arc::clone(&self.listeners), stopped.clone());
        let limit = self.limits.time;
        let mut work = std::pin::pin!(work(progress));
        let stop = tokio::select! {
            biased;
            done = &mut work => return done,
            () = self.cancelled.cancelled() => Stop::Interrupted,
            () = tokio::time::sleep(limit) => Stop::TimedOut { limit },
        };
        stopped.cancel();
        match tokio::time::timeout(SAFE_POINT, work).await {
            Ok(Err(error)) if error.is_interruption() => Err(stop.into()),
            Ok(done) => done,
            Err(_) => Err(stop.into()),
        }
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
    enum Failed {
        #[error("it failed")]
        So(Retry),
        #[error(transparent)]
        Stop(#[from] Stop),
    }

    impl Failure for Failed {
        fn retry(&self) -> Retry {
            match self {
                Self::So(retry) => *retry,
                Self::Stop(stop) => stop.retry(),
            }
        }

        fn is_interruption(&self) -> bool {
            matches!(self, Self::Stop(stop) if stop.is_interruption())
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
        let run =
            Run::new(vec![waits.clone()], CancellationToken::new(), policy, Limits::default());
        let tried = AtomicUsize::new(0);
        let result = run
            .task(TaskName::Fetch, file(), async |_| {
                if tried.fetch_add(1, Relaxed) < failures { Err(Failed::So(retry)) } else { Ok(()) }
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
    async fn what_runs_abreast_stops_together_and_the_run_itself_goes_on() {
        let run = Run::new(vec![], CancellationToken::new(), Policy::default(), Limits::default());
        let told = async |run: &Run| {
            run.cancelled.cancelled().await;
            Ok::<_, Failed>(1)
        };
        let fails = async |_: &Run| Err::<(), _>(Failed::So(Retry::Never));
        assert!(run.abreast(told, fails).await.is_err());
        assert!(run.abreast(fails, told).await.is_err());
        assert!(!run.is_cancelled());
        let both = run.abreast(async |_| Ok::<_, Failed>(1), async |_| Ok(2)).await;
        assert_eq!(both.unwrap(), (1, 2));
    }

    #[derive(Default)]
    struct FailureRecorder(Mutex<Vec<String>>);

    impl Listener for FailureRecorder {
        fn hear(&self, event: &Event<'_>) {
            let told = match event {
                Event::TaskFailed { task, .. } => format!("{task} failed"),
                Event::TaskGivenUp(task) => format!("{task} given up"),
                Event::TaskRetrying { task, .. } => format!("{task} again"),
                _ => return,
            };
            self.0.lock().unwrap().push(told);
        }
    }

    #[tokio::test]
    async fn what_holds_nothing_up_is_tried_once_and_ends_with_the_work() {
        let told = Arc::new(FailureRecorder::default());
        let (policy, limits) = (Policy::default(), Limits::default());
        let run = Run::new(vec![told.clone()], CancellationToken::new(), policy, limits);
        let fails = async |_| Err::<(), _>(Failed::So(Retry::Backoff));
        assert!(run.aside().task(TaskName::Fetch, file(), fails).await.is_err());
        let never = async |progress: Progress| {
            progress.cancelled().await;
            Err::<(), _>(Failed::Stop(Stop::Interrupted))
        };
        let beside = async |look: &Run| {
            assert!(look.task(TaskName::Clean, file(), never).await.is_err());
            assert!(!run.is_cancelled());
        };
        assert_eq!(run.aside().beside(async { 1 }, beside).await, 1);
        assert_eq!(*told.0.lock().unwrap(), ["zones fetch given up", "zones clean given up"]);
    }

    #[tokio::test]
    async fn a_cancelled_run_does_not_wait() {
        let cancelled = CancellationToken::new();
        let policy = Policy { first_delay: Duration::from_secs(3600), ..Policy::default() };
        let run = Run::new(vec![], cancelled.clone(), policy, Limits::default());
        let tried = AtomicUsize::new(0);
        let started = Instant::now();
        let result = run
            .task(TaskName::Fetch, file(), async |_| {
                let retry =
                    if tried.fetch_add(1, Relaxed) == 0 { Retry::Backoff } else { Retry::Never };
                cancelled.cancel();
                Err::<(), _>(Failed::So(retry))
            })
            .await;
        assert!(result.is_err());
        assert!(started.elapsed() < Duration::from_secs(60));
    }
    fn run(limits: Limits) -> (Run, CancellationToken) {
        let cancelled = CancellationToken::new();
        let delay = Duration::from_millis(1);
        let policy = Policy { retries: 2, first_delay: delay, longest_delay: delay };
        (Run::new(vec![], cancelled.clone(), policy, limits), cancelled)
    }

    #[tokio::test]
    async fn a_task_that_takes_too_long_is_stopped_and_tried_again() {
        let (run, _) = run(Limits { time: Duration::from_millis(30), ..Limits::default() });
        let stopped = AtomicUsize::new(0);
        let done = run
            .task(TaskName::Fetch, file(), async |progress: Progress| {
                progress.cancelled().await;
                stopped.fetch_add(1, Relaxed);
                Err::<(), _>(Failed::Stop(Stop::Interrupted))
            })
            .await;
        assert!(matches!(done, Err(Failed::Stop(Stop::TimedOut { .. }))), "{done:?}");
        assert_eq!(stopped.load(Relaxed), 3);
        assert_eq!(
            done.unwrap_err().to_string(),
            "not done within its time limit of 30ms: set a longer one with --task-timeout"
        );
    }

    #[tokio::test]
    async fn of_a_limited_task_only_so_many_run_at_once() {
        let (run, _) = run(Limits { at_once: &[(TaskName::Clean, 2)], ..Limits::default() });
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let tasks = (0..6).map(|_| {
            run.task(TaskName::Clean, file(), async |_| {
                most.fetch_max(now.fetch_add(1, Relaxed) + 1, Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
                now.fetch_sub(1, Relaxed);
                Ok::<_, Failed>(())
            })
        });
        let done = futures_util::future::join_all(tasks).await;
        assert!(done.iter().all(Result::is_ok));
        assert_eq!(most.load(Relaxed), 2);
    }

    #[tokio::test]
    async fn a_run_told_to_stop_begins_nothing_more() {
        let (run, cancelled) = run(Limits { jobs: 2, ..Limits::default() });
        let month =
            |n| TripFile::new(crate::trip::Colour::Green, crate::trip::Month::known(2020, n));
        let files = [month(1), month(2), month(3), month(4)];
        let begun = AtomicUsize::new(0);
        let months = run
            .months(&files, async |file| {
                begun.fetch_add(1, Relaxed);
                let waiting = run.task(TaskName::Fetch, file, async |progress: Progress| {
                    progress.cancelled().await;
                    Err::<(), _>(Failed::Stop(Stop::Interrupted))
                });
                let stop = async {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    cancelled.cancel();
                };
                tokio::join!(waiting, stop).0?;
                Ok::<_, Failed>(MonthReport::new(file, State::Published))
            })
            .await;
        let states: Vec<_> = months.iter().map(|month| month.state.as_str()).collect();
        assert_eq!(states, ["interrupted", "interrupted", "not begun", "not begun"]);
        assert_eq!(begun.load(Relaxed), 2);
        assert!(run.task(TaskName::Clean, files[0], async |_| Ok::<_, Failed>(())).await.is_err());
    }
}
