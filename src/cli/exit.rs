//! How the program ends: its exit codes, and the errors that lead to them.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy)]
pub enum Exit {
    /// All done, or nothing to do.
    Done = 0,
    /// Some month failed.
    Failed = 1,
    /// What was asked makes no sense.
    Usage = 2,
    /// Told to stop.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// How the program ends where this went wrong.
    pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        if is_broken_pipe(error) {
            Self::Done
        } else if error.is::<Failed>() || error.is::<std::io::Error>() {
            Self::Failed
        } else {
            Self::Usage
        }
    }
}

/// Whether who reads the output has had enough.
pub(super) fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or_else(|| {
        error.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind)
    });
    kind == Some(std::io::ErrorKind::BrokenPipe)
}

/// What was asked makes sense and could not be done: the program ends as when a month failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failed(pub(super) String);

/// Anything that makes what is asked impossible, as a sentence.
pub(super) type Error = Box<dyn std::error::Error>;
