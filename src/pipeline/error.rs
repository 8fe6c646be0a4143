use crate::clean::CleanError;
use crate::flow::{Failure, Retry, Stop};
use crate::lake::LakeError;
use crate::source::{FetchError, SpoolError};
use crate::trip::TripFile;
use crate::warehouse::WarehouseError;
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
    /// A warehouse could not be asked, loaded or changed.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// The spool could not be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A month to load that the lake does not have.
    #[error("{file} is not in the lake {lake}: publish it with taxi run etl-web-to-gcs")]
    NotInLake {
        /// The month.
        file: TripFile,
        /// The lake.
        lake: String,
    },
    /// The file to clean is what the lake has of the month.
    #[error(
        "the file of {file} is the edition in the lake {lake}, which would overwrite itself. Give the folder of the original files; --source raw reads those stored in the lake"
    )]
    OwnLake {
        /// The month.
        file: TripFile,
        /// The lake.
        lake: String,
    },
    /// An edition was refused, and its rows set aside can be looked at.
    #[error(
        "{} The rows set aside are in {rows}: see them with taxi quarantine --colour {} \
         --month {} --refused",
        sentence(error),
        file.colour,
        file.month
    )]
    Refused {
        /// Why.
        error: Box<TaskError>,
        /// The month.
        file: TripFile,
        /// The address of the rows.
        rows: String,
    },
    /// The engine stopped it.
    #[error(transparent)]
    Stop(#[from] Stop),
}

impl TaskError {
    /// The error of the room, where it knows whether trying again can help.
    fn room(&self) -> Option<&dyn Failure> {
        match self {
            Self::Fetch(error) => Some(error),
            Self::Clean(error) => Some(error),
            Self::Lake(error) => Some(error),
            Self::Warehouse(error) => Some(error),
            Self::Stop(stop) => Some(stop),
            Self::Refused { error, .. } => error.room(),
            Self::Spool(_) | Self::NotInLake { .. } | Self::OwnLake { .. } => None,
        }
    }

    /// Whether the edition at hand is refused, be it that not one of its rows is a trip.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Clean(CleanError::NothingKept { .. })
                | Self::Lake(LakeError::EditionRefused(_))
                | Self::Warehouse(WarehouseError::EditionRefused(_))
        )
    }

    /// Whether the fetched bytes themselves are at fault, so that keeping them is of no use.
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::Clean(error) => error.is_damage(),
            Self::OwnLake { .. } => true,
            _ => false,
        }
    }
}

/// A month straight from the web goes to Postgres.
impl From<PostgresError> for TaskError {
    fn from(error: PostgresError) -> Self {
        Self::Warehouse(error.into())
    }
}

impl Failure for TaskError {
    fn retry(&self) -> Retry {
        self.room().map_or(Retry::Never, Failure::retry)
    }

    fn is_interruption(&self) -> bool {
        self.room().is_some_and(Failure::is_interruption)
    }
}

/// What an error says, as a sentence with an end.
fn sentence(error: &TaskError) -> String {
    let text = error.to_string();
    if text.ends_with(['.', '?']) { text } else { text + "." }
}
