use std::path::PathBuf;

use crate::clean::CleanError;
use crate::flow::{Failure, Retry, Stop};
use crate::lake::LakeError;
use crate::redact::name_or_mask;
use crate::source::{FetchError, SpoolError, UnknownSource};
use crate::trip::TripFile;
use crate::warehouse::bigquery::BigQueryError;
use crate::warehouse::postgres::PostgresError;

use super::connection::ConnectionKind;
use super::origin::Origin;
use super::prefect::{BlockError, BlockName};
use super::secret::SecretError;

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
    /// BigQuery could not be loaded.
    #[error(transparent)]
    BigQuery(#[from] BigQueryError),
    /// No project to load into.
    #[error(
        "no Google Cloud project is named: name it with --project or GOOGLE_CLOUD_PROJECT; the key \
         of a service account names its own"
    )]
    NoProject,
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
            Self::Postgres(error) => Some(error),
            Self::BigQuery(error) => Some(error),
            Self::Stop(stop) => Some(stop),
            Self::Refused { error, .. } => error.room(),
            Self::NoProject | Self::Spool(_) | Self::NotInLake { .. } => None,
        }
    }

    /// Whether the edition at hand is refused, be it that not one of its rows is a trip.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Clean(CleanError::NothingKept { .. })
                | Self::Lake(LakeError::EditionRefused(_))
                | Self::Postgres(PostgresError::EditionRefused(_))
        )
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
        self.room().is_some_and(Failure::is_interruption)
    }
}

/// What an error says, as a sentence with an end.
fn sentence(error: &TaskError) -> String {
    let text = error.to_string();
    if text.ends_with(['.', '?']) { text } else { text + "." }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file of settings cannot be read.
    #[error("cannot read the settings in {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file of settings says something that is not understood.
    #[error("{}, line {line}, is not understood: {what}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong, without the line itself: a password may be in it.
        what: String,
    },
    /// A profile that the file does not have.
    #[error("there is no profile '{}' in {}{meant}", name_or_mask(name), path.display())]
    NoProfile {
        /// Its name.
        name: String,
        /// The file.
        path: PathBuf,
        /// What may be meant.
        meant: String,
    },
    /// A connection that the file does not have.
    #[error("{by}: there is no [{}.{name}] in {}{meant}", kind.table(), path.display())]
    NoConnection {
        /// What it would lead to.
        kind: ConnectionKind,
        /// Its name.
        name: String,
        /// What names it.
        by: Box<Origin>,
        /// The file.
        path: PathBuf,
        /// What may be meant.
        meant: String,
    },
    /// The address of a database where a name is wanted.
    #[error(
        "{by}: this is an address, and the name of one of [postgres] in taxi.toml is wanted. An \
         address goes to DATABASE_URL, or to the setting database_url"
    )]
    AddressForName {
        /// What says it.
        by: Box<Origin>,
    },
    /// Something that is not a name, and may be a secret, where a name is wanted.
    #[error("{by}: this is not a name, and the name of one of [{}] in taxi.toml is wanted", kind.table())]
    NotAName {
        /// What it would lead to.
        kind: ConnectionKind,
        /// What says it.
        by: Box<Origin>,
    },
    /// The folder that is to be looked at as a lake is not there.
    #[error(
        "there is no lake connection or folder named '{name}' ({by}): taxi connections list shows \
         the connections; the first run that publishes a month makes a folder"
    )]
    NoLake {
        /// Its name.
        name: String,
        /// What names it.
        by: Box<Origin>,
    },
    /// A secret is not to be had.
    #[error("{setting}, from {origin}: {source}")]
    Secret {
        /// The setting that needs it.
        setting: &'static str,
        /// What says so.
        origin: Box<Origin>,
        /// Why.
        source: SecretError,
    },
    /// A source that is none.
    #[error("{error}{}", origin.in_file())]
    Source {
        /// What is wrong with it.
        error: UnknownSource,
        /// What says so.
        origin: Box<Origin>,
    },
    /// A block that nobody was asked for.
    #[error("{0} is a block of a Prefect server, and no server is named")]
    Block(BlockName),
    /// A block that cannot be read.
    #[error("{block} cannot be read: {source}")]
    ReadBlock {
        /// The block.
        block: BlockName,
        /// Why.
        source: BlockError,
    },
    /// The same, for who asks the other stores all the same.
    #[error("{block} cannot be read: {why}")]
    UnreadBlock {
        /// The block.
        block: BlockName,
        /// Why.
        why: String,
    },
    /// A block of another type than is needed.
    #[error("{block} is a block that says no {what}")]
    BlockSays {
        /// The block.
        block: BlockName,
        /// What it should say.
        what: &'static str,
    },
}
