use crate::clean::CleanError;
use crate::flow::{Failure, Retry};
use crate::lake::LakeError;
use crate::source::{FetchError, SpoolError};
use crate::trip::TripFile;
use crate::warehouse::postgres::PostgresError;

/// Why a task of a flow failed: the error of the room it worked in.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The file could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It could not be cleaned.
    #[error(transparent)]
    Clean(#[from] CleanError),
    /// The lake could not be read or written.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// Postgres could not be loaded.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The spool could not be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A month to load that the lake does not have.
    #[error("{file} is not in the lake {lake}: bring it with taxi run etl-web-to-gcs")]
    NotInLake {
        /// The month.
        file: TripFile,
        /// The lake.
        lake: String,
    },
    /// The run was told to stop.
    #[error("interrupted")]
    Interrupted,
}

impl TaskError {
    /// The error of the room, where it knows whether trying again can help.
    fn room(&self) -> Option<&dyn Failure> {
        match self {
            Self::Fetch(error) => Some(error),
            Self::Clean(error) => Some(error),
            Self::Lake(error) => Some(error),
            Self::Postgres(error) => Some(error),
            Self::Spool(_) | Self::NotInLake { .. } | Self::Interrupted => None,
        }
    }

    /// Whether the fetched bytes themselves are at fault, so that keeping them is of no use.
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Clean(error) if error.is_damage())
    }
}

impl Failure for TaskError {
    fn retry(&self) -> Retry {
        self.room().map_or(Retry::Never, Failure::retry)
    }

    fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted) || self.room().is_some_and(Failure::is_interruption)
    }
}
