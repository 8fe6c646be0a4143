//! A run: tasks with retries, cancellation, and events for listeners.
//!
//! Knows nothing of what the tasks do. A task fails with an error that is a [`Failure`], whose type
//! decides whether a retry can help.

mod event;
mod history;
mod journal;
mod json_lines;
mod listener;
mod log_line;
mod progress;
mod report;
mod run;
mod run_id;
mod stop;
mod table;
mod task;
mod task_name;
mod terminal;
mod zones_report;

pub use event::Event;
pub use history::{Ending, PastRun, PastRunError};
pub use journal::Journal;
pub use json_lines::JsonLines;
pub use listener::{Listener, LogLines};
pub use progress::Progress;
pub use report::{LoadReport, MonthReport, Replaced, RunReport, State};
pub use run::{Limits, Policy, Run};
pub use run_id::RunId;
pub use stop::Stop;
pub(crate) use table::plain;
pub use table::{bytes, month_table, row_sum, run_table, thousands};
pub use task::Task;
pub use task_name::TaskName;
pub use terminal::Terminal;
pub use zones_report::ZonesReport;

pub use tokio_util::sync::CancellationToken;

use std::time::Duration;

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It cannot: the same answer would come.
    Never,
    /// It can, after a while.
    Backoff,
    /// It can, and not before so long: the other side said so.
    After(Duration),
}

/// An error that knows whether trying again can help.
pub trait Failure: std::error::Error {
    /// Whether trying again can help.
    fn retry(&self) -> Retry;

    /// Whether nothing is wrong but that the run was interrupted.
    fn is_interruption(&self) -> bool;
}

/// The advice to give, where a file cannot be written for want of room: the option that names
/// another place.
pub(crate) fn out_of_room(error: &std::io::Error, option: &str) -> String {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => {
            format!(". Free some space there, or choose another folder with {option}")
        }
        _ => String::new(),
    }
}
