//! Connections that are kept elsewhere, as the blocks of a Prefect server.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use async_trait::async_trait;

use super::{Options, SettingsError};

/// Where connections are kept that a setting only refers to: the blocks of a Prefect server.
#[async_trait]
pub trait Blocks: Send + Sync {
    /// What a block says, as the settings say it: `lake` and `credentials`, `database_url`.
    async fn read(&self, block: &BlockName) -> Result<Options, BlockError>;
}

/// Why a block cannot be read.
pub type BlockError = Box<dyn Error + Send + Sync>;

/// The name of a block: `prefect:gcs-bucket/zoom-gcs`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockName {
    /// Its type: `gcs-bucket`.
    pub kind: String,
    /// Its name: `zoom-gcs`.
    pub name: String,
}

/// Blocks that were read, and why one could not be.
pub(super) type ReadBlocks = BTreeMap<BlockName, Result<Options, String>>;

impl BlockName {
    /// The block that a setting refers to, if it does.
    pub fn of(text: &str) -> Option<Self> {
        let (kind, name) = text.strip_prefix("prefect:")?.split_once('/')?;
        Some(Self { kind: kind.to_owned(), name: name.to_owned() })
    }

    /// What it says, if it was read.
    pub(super) fn among<'a>(&self, read: &'a ReadBlocks) -> Result<&'a Options, SettingsError> {
        match read.get(self) {
            Some(Ok(says)) => Ok(says),
            Some(Err(why)) => {
                Err(SettingsError::UnreadBlock { block: self.clone(), why: why.clone() })
            }
            None => Err(SettingsError::Block(self.clone())),
        }
    }
}

impl fmt::Display for BlockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "prefect:{}/{}", self.kind, self.name)
    }
}
