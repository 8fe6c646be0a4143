//! The data lake: publishing a month to object storage, whole, and reading it back.
//!
//! A month is two objects: its trips, and where there are any, the rows set aside, whose key
//! carries the digest of their content. The rows set aside go first, the trips name them, and
//! what they replace goes last: whoever reads a month at any moment finds both parts of one
//! version. Dropping a month takes its trips first, for the same reason.

mod address;
mod bucket;
mod credentials;
mod drop;
mod error;
mod gcs;
mod list;
mod probe;
mod publish;
mod quarantine;
mod read;
mod refused;
mod seen;
mod store;
mod sums;
mod tokens;
mod upload;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::multipart::MultipartStore;
use object_store::path::Path as Key;

pub use address::LakeAddress;
pub use bucket::BucketLocation;
pub use credentials::{GoogleCredentials, unwrapped, why_none};
pub use error::LakeError;
pub use gcs::GcsSettings;
pub use list::{Fault, Listed};
pub use probe::LakeAccess;
pub use publish::{Publication, Written};
pub use quarantine::Quarantine;
pub use read::{Object, Published, Trips};
pub use refused::RefusedEdition;
pub use sums::Counted;
pub use tokens::Tokens;

/// A lake: a bucket of Google Cloud Storage with a prefix, or a local folder.
#[derive(Clone)]
pub struct Lake {
    address: LakeAddress,
    /// `None` for a folder, which is looked at each time: a run may make it.
    store: Option<Arc<dyn ObjectStore>>,
    multipart: Option<Arc<dyn MultipartStore>>,
    tokens: Option<Tokens>,
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lake").field(&self.address).finish()
    }
}

impl Lake {
    /// The key of the taxi zones.
    pub const ZONES: &'static str = "zones/taxi_zone_lookup.parquet";

    /// The address it was opened with.
    pub const fn address(&self) -> &LakeAddress {
        &self.address
    }

    /// The address of a key, for people.
    pub fn url(&self, key: &str) -> String {
        self.address.of(key)
    }

    /// Makes the folder of a lake that is one, before anything is fetched for it.
    pub fn prepare(&self) -> Result<(), LakeError> {
        match &self.address {
            LakeAddress::Folder(root) => {
                std::fs::create_dir_all(root).map_err(|source| LakeError::io("make", root, source))
            }
            LakeAddress::Gcs { .. } => Ok(()),
        }
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        match (&self.store, &self.address) {
            (Some(store), _) => Arc::clone(store),
            (None, LakeAddress::Folder(root)) => store::of_folder(root),
            (None, LakeAddress::Gcs { bucket, .. }) => store::of_folder(bucket.as_ref()),
        }
    }

    /// The key in the store of a key in the lake: the same letters, none of them encoded, as
    /// others look for the object by its address.
    fn key(&self, key: &str) -> Key {
        let whole = match &self.address {
            LakeAddress::Gcs { prefix, .. } if !prefix.is_empty() => format!("{prefix}/{key}"),
            _ => key.to_owned(),
        };
        // An address whose prefix cannot be parsed is refused.
        Key::parse(&whole).unwrap_or_else(|_| Key::from(whole))
    }

    /// The file of a key where the lake is a local folder.
    fn local(&self, key: &str) -> Option<PathBuf> {
        match &self.address {
            LakeAddress::Folder(root) => Some(root.join(key)),
            LakeAddress::Gcs { .. } => None,
        }
    }
}
