use std::time::Duration;

use crate::trip::{Item, TripFile};

use super::{MonthReport, RunId, RunReport, Task};

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
    TaskStarted(Task),
    /// A task has done so much, in bytes, of a total that may be unknown.
    TaskProgress {
        /// The task.
        task: Task,
        /// What it has done.
        done: u64,
        /// What there is to do; 0 where unknown.
        total: u64,
    },
    /// A task failed and will be retried.
    TaskRetrying {
        /// The task.
        task: Task,
        /// Why it failed.
        error: &'a dyn std::error::Error,
        /// How long until the next try.
        wait: Duration,
    },
    /// A task did its work.
    TaskDone {
        /// The task.
        task: Task,
        /// How long it took.
        took: Duration,
    },
    /// A task failed for good.
    TaskFailed {
        /// The task.
        task: Task,
        /// Why.
        error: &'a dyn std::error::Error,
    },
    /// A task reached its safe point and stopped there: the run was told to.
    TaskStopped(Task),
    /// A task that must hold nothing up failed, or was not waited for: a warning says what is
    /// missing, and why.
    TaskGivenUp(Task),
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
