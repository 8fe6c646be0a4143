use std::time::Duration;

use super::{Failure, Retry};

/// Why the engine stopped a task, or did not begin it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// It took too long.
    #[error(
        "not done within its time limit of {}: set a longer one with --task-timeout",
        humantime::format_duration(*limit)
    )]
    TimedOut {
        /// How long it may take.
        limit: Duration,
    },
}

impl Failure for Stop {
    fn retry(&self) -> Retry {
        match self {
            Self::Interrupted => Retry::Never,
            Self::TimedOut { .. } => Retry::Backoff,
        }
    }

    fn is_interruption(&self) -> bool {
        *self == Self::Interrupted
    }
}
