//! A flow run of a Prefect server: what it is asked for, and what the engine's events come to
//! in its record.
//!
//! The `Reporter` hears the engine and never waits: it notes what is to be reported. An uploader
//! in the background brings it to the server, in order, however long the server is away.
//! [`Execution`] is the flow run itself: claimed, run, ended as the server says.

mod event_recorder;
mod execution;
mod heartbeat;
mod lease;
mod line;
mod orphans;
mod propose;
mod queue;
mod reporter;
mod tables;
mod task;
mod uploader;
mod watch;

pub use execution::{Execution, Outcome, Terms};

use serde_json::Value;

use crate::trip::TripFile;

use super::{Id, NewState};
use line::{Line, Mask};
use reporter::Reporter;
use task::TaskReport;

/// The flow run that something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Home {
    /// The flow run itself.
    Run,
    /// The subflow run of a month.
    Month(TripFile),
}

/// What is to be reported; made once, so that it may be sent twice and count once.
#[derive(Debug, Clone)]
enum Report {
    /// A month begins: a subflow run, and the task run that stands for it.
    MonthStarted { file: TripFile, attempt: u32, task_run: Id, running: NewState },
    /// A month is done with.
    MonthDone { file: TripFile, state: NewState },
    /// A task run entered a state.
    Task(TaskReport),
    /// A table about the flow run.
    Table { key: String, description: String, rows: Value },
}

/// What was noted of one event.
#[derive(Debug, Default)]
struct Noted {
    reports: Vec<Report>,
    lines: Vec<Line>,
    progress: Option<Far>,
}

/// How far a long task is.
#[derive(Debug, Clone, PartialEq)]
struct Far {
    task_run: Id,
    home: Home,
    key: String,
    description: String,
    percent: f64,
    /// Whether this is the last that is heard of it.
    last: bool,
}
