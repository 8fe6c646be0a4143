//! Connections that are kept elsewhere, as blocks of a Prefect server.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::lake::LakeAddress;

use super::block_name::BlockName;
use super::error::{BlockError, SettingsError};
use super::secret::Reference;

/// Where connections are kept that a setting only refers to: the blocks of a Prefect server.
#[async_trait]
pub trait Blocks: Send + Sync {
    /// What a block says.
    async fn read(&self, block: &BlockName) -> Result<BlockContents, BlockError>;
}

/// What a block says, in the words of the settings.
#[derive(Debug, Clone, Default)]
pub struct BlockContents {
    /// Where a lake is.
    pub lake: Option<LakeAddress>,
    /// The key of a Google service account.
    pub credentials: Option<Reference>,
    /// The URL of a database.
    pub database_url: Option<Reference>,
}

/// Blocks that were read, and why one could not be.
pub(super) type ReadBlocks = BTreeMap<BlockName, Result<BlockContents, String>>;

impl BlockName {
    /// What it says, if it was read.
    pub(super) fn among<'a>(
        &self,
        read: &'a ReadBlocks,
    ) -> Result<&'a BlockContents, SettingsError> {
        match read.get(self) {
            Some(Ok(says)) => Ok(says),
            Some(Err(why)) => {
                Err(SettingsError::UnreadBlock { block: self.clone(), why: why.clone() })
            }
            None => Err(SettingsError::Block(self.clone())),
        }
    }
}
