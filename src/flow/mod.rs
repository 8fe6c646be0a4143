//! What a run is: tasks with retries, cancellation, and events for whoever listens.
//!
//! Knows nothing of what the tasks do. A task fails with an error that is a [`Failure`]: it
//! says by its type whether trying again can help.

mod event;
mod id;
mod journal;
mod line;
mod listener;
mod past;
mod progress;
mod record;
mod report;
mod run;
mod stop;
mod table;
mod terminal;

pub use event::{Event, TaskName};
pub use id::RunId;
pub use journal::Journal;
pub use listener::{Listener, LogLines};
pub use past::{Ending, PastRun, PastRunError};
pub use progress::Progress;
pub use record::JsonLines;
pub use report::{LoadReport, MonthReport, Replaced, RunReport, State};
pub use run::{Limits, Policy, Run};
pub use stop::Stop;
pub(crate) use table::plain;
pub use table::{bytes, month_table, row_sum, run_table, thousands};
pub use terminal::Terminal;

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

    /// Whether nothing is wrong but that the run was told to stop.
    fn is_interruption(&self) -> bool;
}

/// The advice to give, where a file cannot be written for want of room: the option that names
/// another place.
pub(crate) fn out_of_room(error: &std::io::Error, option: &str) -> String {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => {
            format!(". Free some space there, or name another place with {option}")
        }
        _ => String::new(),
    }
}
