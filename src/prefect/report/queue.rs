//! What waits to be reported: all states, and as many lines of the log as memory allows.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::sync::Notify;
use tracing::Level;

use super::super::Id;
use super::home::Home;
use super::line::Line;
use super::noted::{Far, Noted, Report};
use super::task::TaskReport;

/// The most lines in one request.
const LINES: usize = 100;

/// How long lines are gathered for one request.
const GATHER: Duration = Duration::from_secs(1);

/// The most states of task runs in one request.
const STATES: usize = 50;

/// What waits takes no more memory than this for its lines, in bytes.
const MOST: usize = 4 << 20;

/// What waits; filled by the engine's threads, which it never keeps.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    news: Notify,
    empty: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    reports: VecDeque<Report>,
    lines: VecDeque<(Instant, Line)>,
    line_bytes: usize,
    dropped: u64,
    far: HashMap<Id, Far>,
    /// Somebody waits until all is delivered.
    hurry: bool,
    /// How long it waits.
    patience: Duration,
    /// All was delivered and nothing came since.
    settled: bool,
}

/// What goes into one request.
#[derive(Debug)]
pub(super) enum Batch {
    /// One report.
    One(Report),
    /// States of task runs.
    Tasks(Vec<TaskReport>),
    /// Lines of the log.
    Lines(Vec<Line>),
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was noted of an event.
    pub(super) fn push(&self, noted: Noted) {
        let mut waiting = self.lock();
        let news = !noted.reports.is_empty();
        waiting.settled &= !news && noted.lines.is_empty();
        waiting.reports.extend(noted.reports);
        for line in noted.lines {
            if waiting.line_bytes + size(&line) > MOST {
                waiting.dropped += 1;
            } else {
                waiting.line_bytes += size(&line);
                waiting.lines.push_back((Instant::now(), line));
            }
        }
        if let Some(far) = noted.progress {
            waiting.far.insert(far.task_run.clone(), far);
        }
        drop(waiting);
        if news {
            self.news.notify_one();
        }
    }

    /// Ends when there is something new, and after a while in any case.
    pub(super) async fn news(&self) {
        let _ = tokio::time::timeout(GATHER, self.news.notified()).await;
    }

    /// What goes into the next request. It stays here until it is `delivered`.
    pub(super) fn next(&self) -> Option<Batch> {
        let waiting = self.lock();
        match waiting.reports.front() {
            Some(Report::Task(_)) => {
                let tasks = waiting.reports.iter().take(STATES).map_while(|report| match report {
                    Report::Task(task) => Some(task.clone()),
                    _ => None,
                });
                return Some(Batch::Tasks(tasks.collect()));
            }
            Some(report) => return Some(Batch::One(report.clone())),
            None => {}
        }
        let (came, _) = waiting.lines.front()?;
        let ripe = waiting.hurry || waiting.lines.len() >= LINES || came.elapsed() >= GATHER;
        ripe.then(|| {
            let lines = waiting.lines.iter().take(LINES).map(|(_, line)| line.clone());
            Batch::Lines(lines.collect())
        })
    }

    /// What `next` gave is delivered, or never will be.
    pub(super) fn delivered(&self, batch: &Batch) {
        let mut waiting = self.lock();
        match batch {
            Batch::One(_) => drop(waiting.reports.pop_front()),
            Batch::Tasks(tasks) => drop(waiting.reports.drain(..tasks.len())),
            Batch::Lines(lines) => {
                waiting.lines.drain(..lines.len());
                waiting.line_bytes -= lines.iter().map(size).sum::<usize>();
                let dropped = std::mem::take(&mut waiting.dropped);
                if dropped > 0 {
                    let text = format!(
                        "{dropped} lines of the log are missing here: the Prefect server was away \
                         for too long. All are on stderr"
                    );
                    let (home, at) = (Home::Run, Utc::now());
                    let line = Line { home, task_run: None, level: Level::WARN, text, at };
                    waiting.line_bytes += size(&line);
                    waiting.lines.push_front((Instant::now(), line));
                }
            }
        }
    }

    /// How far the long tasks are, of those that changed.
    pub(super) fn far(&self) -> Vec<Far> {
        self.lock().far.drain().map(|(_, far)| far).collect()
    }

    /// How many reports wait.
    pub(super) fn len(&self) -> usize {
        let waiting = self.lock();
        waiting.reports.len() + waiting.lines.len()
    }

    /// Whether somebody waits until all is delivered.
    pub(super) fn hurries(&self) -> bool {
        let waiting = self.lock();
        waiting.hurry && !waiting.settled
    }

    /// How long may be spent on finding in the record what was delivered: half of what who waits
    /// for it waits.
    pub(super) fn patience(&self) -> Duration {
        self.lock().patience / 2
    }

    /// All is delivered, as far as the uploader knows; false if more has come.
    pub(super) fn settle(&self) -> bool {
        let mut waiting = self.lock();
        waiting.settled = waiting.reports.is_empty() && waiting.lines.is_empty();
        let settled = waiting.settled;
        drop(waiting);
        if settled {
            self.empty.notify_waiters();
        }
        settled
    }

    /// Ends when all is delivered. Who waits does so for this long.
    pub(super) async fn emptied(&self, patience: Duration) {
        loop {
            let emptied = self.empty.notified();
            if self.hurry(patience) {
                return;
            }
            self.news.notify_one();
            emptied.await;
        }
    }

    /// Asks that all be delivered soon; true where it is.
    fn hurry(&self, patience: Duration) -> bool {
        let mut waiting = self.lock();
        waiting.hurry = !waiting.settled;
        waiting.patience = patience;
        waiting.settled
    }
}

fn size(line: &Line) -> usize {
    size_of::<Line>() + line.text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Noted {
        let text = text.to_owned();
        let line =
            Line { home: Home::Run, task_run: None, level: Level::INFO, text, at: Utc::now() };
        Noted { lines: vec![line], ..Noted::default() }
    }

    fn lines(queue: &Queue) -> Vec<String> {
        match queue.next() {
            Some(Batch::Lines(lines)) => lines.into_iter().map(|line| line.text).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_are_gathered_a_hundred_at_a_time() {
        let queue = Queue::default();
        queue.push(line("a"));
        assert!(queue.next().is_none(), "a single line waits for more");
        for _ in 0..149 {
            queue.push(line("b"));
        }
        assert_eq!(lines(&queue).len(), 100);
        queue.delivered(&queue.next().unwrap());
        assert_eq!(queue.len(), 50);
        assert!(queue.next().is_none());
    }

    #[test]
    fn lines_beyond_what_memory_allows_are_dropped_and_counted() {
        let queue = Queue::default();
        let text = "x".repeat(8 << 10);
        for _ in 0..1000 {
            queue.push(line(&text));
        }
        assert!(queue.lock().line_bytes <= MOST);
        let kept = queue.len() as u64;
        queue.delivered(&queue.next().unwrap());
        let first = lines(&queue).remove(0);
        assert!(
            first.starts_with(&format!("{} lines of the log are missing", 1000 - kept)),
            "{first}"
        );
        while let Some(batch) = queue.next() {
            queue.delivered(&batch);
            queue.lock().hurry = true;
        }
        assert_eq!(queue.lock().line_bytes, 0);
    }
}
