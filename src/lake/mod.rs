//! The data lake: publishing a month to object storage, whole, and reading it back.
//!
//! A month is two objects: its trips and, if there are any, the rows set aside, whose key
//! carries the digest of their content. The rows set aside go first, the trips name them, and
//! superseded objects are removed last: readers find both objects of one version at any moment.
//! Dropping a month takes its trips first, for the same reason.

mod address;
mod drop;
mod error;
mod google_credentials;
mod list;
mod open_options;
mod probe;
mod publish;
mod quarantine;
mod read;
mod refused;
mod seen;
pub mod store;
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
pub use error::LakeError;
pub use google_credentials::{GoogleCredentials, unwrapped};
pub use list::{Fault, Listed};
pub use open_options::OpenOptions;
pub use probe::LakeAccess;
pub use publish::{Publication, Written};
pub use quarantine::Quarantine;
pub use read::{Object, Published, Trips};
pub use refused::RefusedEdition;
pub use store::{BucketLocation, StoreOptions};
pub use sums::Counted;
pub use tokens::Tokens;

use store::closed::Closed;
use store::{Locate, folder};

/// A lake: a bucket of an object store with a prefix, or a local folder.
#[derive(Clone)]
pub struct Lake {
    address: LakeAddress,
    /// `None` for a folder, which is looked at each time: a run may make it.
    store: Option<Arc<dyn ObjectStore>>,
    multipart: Option<Arc<dyn MultipartStore>>,
    locate: Option<Arc<dyn Locate>>,
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
        let Some(root) = self.address.as_folder() else { return Ok(()) };
        std::fs::create_dir_all(root).map_err(|source| LakeError::io("make", root, source))
    }

    /// Where the bucket is; `None` if the lake is a local folder, or of a store that does not say.
    pub async fn location(&self) -> Result<Option<BucketLocation>, LakeError> {
        match &self.locate {
            Some(locate) => locate.location().await.map(Some),
            None => Ok(None),
        }
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        match (&self.store, self.address.as_folder()) {
            (Some(store), _) => Arc::clone(store),
            (None, Some(root)) => folder::open(root),
            (None, None) => Arc::new(Closed(format!("{} is not open", self.address))),
        }
    }

    fn failed(&self, key: &str, source: object_store::Error) -> LakeError {
        LakeError::store(self.address.if_denied(), self.url(key), source)
    }

    /// The key in the store of a key in the lake: the same letters, none of them encoded, as
    /// others look for the object by its address.
    fn key(&self, key: &str) -> Key {
        let whole = match self.address.bucket() {
            Some(bucket) if !bucket.prefix.is_empty() => format!("{}/{key}", bucket.prefix),
            _ => key.to_owned(),
        };
        // An address whose prefix cannot be parsed is refused.
        Key::parse(&whole).unwrap_or_else(|_| Key::from(whole))
    }

    /// The file of a key if the lake is a local folder.
    fn local(&self, key: &str) -> Option<PathBuf> {
        self.address.as_folder().map(|root| root.join(key))
    }
}

#[cfg(test)]
mod tests {
    use super::store::GcsOptions;
    use super::*;

    #[test]
    fn the_key_of_an_object_is_what_is_shown() {
        for prefix in ["fahrten/grün", "50%/a%20b", "a?b#c", "a+b c", "[x]*~|", "日本/é"] {
            let address: LakeAddress = format!("gs://b/{prefix}").parse().unwrap();
            let settings = StoreOptions {
                gcs: GcsOptions { emulator: Some("h".into()), ..GcsOptions::default() },
            };
            let lake = address.open(&settings).unwrap();
            assert_eq!(lake.key("k/x.parquet").as_ref(), format!("{prefix}/k/x.parquet"));
            assert_eq!(lake.url("k/x.parquet"), format!("gs://b/{prefix}/k/x.parquet"));
        }
    }
}
