//! What is to be told to the server of what the engine does.

use serde_json::Value;

use crate::trip::TripFile;

use super::super::{Id, NewState};
use super::home::Home;
use super::line::Line;
use super::task::TaskReport;

/// What is to be reported; made once, so that it may be sent twice and count once.
#[derive(Debug, Clone)]
pub(super) enum Report {
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
pub(super) struct Noted {
    pub(super) reports: Vec<Report>,
    pub(super) lines: Vec<Line>,
    pub(super) progress: Option<Far>,
}

/// How far a long task is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Far {
    pub(super) task_run: Id,
    pub(super) home: Home,
    pub(super) key: String,
    pub(super) description: String,
    pub(super) percent: f64,
    /// Whether this is the last that is heard of it.
    pub(super) last: bool,
}
