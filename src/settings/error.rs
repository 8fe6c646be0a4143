use std::error::Error;
use std::path::PathBuf;

use crate::redact::name_or_mask;
use crate::source::UnknownSource;

use super::block_name::BlockName;
use super::connection_kind::ConnectionKind;
use super::origin::Origin;
use super::secret::SecretError;

/// Why a block cannot be read.
pub type BlockError = Box<dyn Error + Send + Sync>;

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
        "{by}: expected the name of a connection in [postgres] of taxi.toml, not an address. Put an address into DATABASE_URL or the setting database_url"
    )]
    AddressForName {
        /// What says it.
        by: Box<Origin>,
    },
    /// Something that is not a name, and may be a secret, where a name is wanted.
    #[error("{by}: expected the name of a connection in [{}] of taxi.toml", kind.table())]
    NotAName {
        /// What it would lead to.
        kind: ConnectionKind,
        /// What says it.
        by: Box<Origin>,
    },
    /// The folder that is to be looked at as a lake is not there.
    #[error(
        "there is no lake connection or folder named '{name}' ({by}): taxi connections list shows \
         the connections; the first run that publishes a month creates a folder"
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
    /// The same, for callers that ask the other stores all the same.
    #[error("{block} cannot be read: {why}")]
    UnreadBlock {
        /// The block.
        block: BlockName,
        /// Why.
        why: String,
    },
    /// A block of another type than is needed.
    #[error("{block} is a block without a {what}")]
    BlockSays {
        /// The block.
        block: BlockName,
        /// What it should say.
        what: &'static str,
    },
}
