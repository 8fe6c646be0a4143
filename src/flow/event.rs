use std::fmt;
use std::time::Duration;

use crate::trip::{Item, TripFile};

use super::{MonthReport, RunId, RunReport};

/// A task of a run: what is done to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskName {
    /// What is done: `fetch`, `clean`, `write-gcs`.
    pub name: &'static str,
    /// To what.
    pub item: Item,
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.item, self.name)
    }
}

/// What happens in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A run begins.
    RunStarted {
        /// Which one.
        run: &'a RunId,
        /// The flow.
        flow: &'static str,
        /// The months it is asked for, in their order.
        files: &'a [TripFile],
    },
    /// A month begins. Those that a stopped run does not begin are in its report alone.
    MonthStarted(TripFile),
    /// A task begins: it has its turn.
    TaskStarted(TaskName),
    /// A task has done so much, in bytes, of a total that may be unknown.
    TaskProgress {
        /// The task.
        task: TaskName,
        /// What it has done.
        done: u64,
        /// What there is to do; 0 where unknown.
        total: u64,
    },
    /// A task failed and will be tried again.
    TaskRetrying {
        /// The task.
        task: TaskName,
        /// Why it failed.
        error: &'a dyn std::error::Error,
        /// How long until the next try.
        wait: Duration,
    },
    /// A task did its work.
    TaskDone {
        /// The task.
        task: TaskName,
        /// How long it took.
        took: Duration,
    },
    /// A task failed for good.
    TaskFailed {
        /// The task.
        task: TaskName,
        /// Why.
        error: &'a dyn std::error::Error,
    },
    /// A task reached its safe point and stopped there: the run was told to.
    TaskStopped(TaskName),
    /// A task that must hold nothing up failed, or was not waited for: a warning says what is
    /// missing, and why.
    TaskGivenUp(TaskName),
    /// Something that people should know and that stops nothing.
    Warning {
        /// What it is about.
        item: Item,
        /// What.
        text: &'a str,
    },
    /// A month is done with, whatever came of it.
    MonthDone(&'a MonthReport),
    /// The run is over.
    RunDone(&'a RunReport),
}
