//! What opens a lake.

use std::sync::Arc;

use super::store::closed::Closed;
use super::store::{OpenBucket, StoreOptions};
use super::{Lake, LakeAccess, LakeAddress, LakeError};

/// How a lake is opened.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Where it is.
    pub address: LakeAddress,
    /// How its store is spoken to.
    pub stores: StoreOptions,
    /// Why it cannot be asked anything, be it that its address is not known.
    pub closed: Option<String>,
}

impl OpenOptions {
    /// Opens the lake.
    pub fn open(&self) -> Result<Lake, LakeError> {
        match &self.closed {
            Some(why) => Err(LakeError::Closed { why: why.clone() }),
            None => self.address.open(&self.stores),
        }
    }

    /// The lake for a command that only looks: one that cannot be opened says why when it is
    /// asked.
    pub fn open_to_look(&self) -> Lake {
        self.open().unwrap_or_else(|error| self.address.closed(error.to_string()))
    }

    /// Asks the lake what may be done with it.
    pub async fn probe(&self) -> Result<LakeAccess, LakeError> {
        self.open()?.probe().await
    }
}

impl LakeAddress {
    /// Opens the lake. A local folder that is missing is an empty lake, and is not made.
    pub fn open(&self, options: &StoreOptions) -> Result<Lake, LakeError> {
        let address = self.clone();
        let Some(bucket) = self.bucket() else {
            return Ok(Lake { address, store: None, multipart: None, locate: None });
        };
        let OpenBucket { store, multipart, locate } = (bucket.row.open)(&bucket.name, options)?;
        Ok(Lake { address, store: Some(store), multipart: Some(multipart), locate })
    }

    /// The lake of this address that can be asked nothing, for this reason.
    pub fn closed(&self, why: impl Into<String>) -> Lake {
        let store = Some(Arc::new(Closed(why.into())) as _);
        Lake { address: self.clone(), store, multipart: None, locate: None }
    }
}
