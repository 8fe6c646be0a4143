//! The stores that a lake can be in besides a local folder: one file each, and the table of them.
//!
//! The scheme of a lake's address chooses the row, and nothing else in the program knows which
//! store it is. A new store is a file here with its options, a row of [`BUCKETS`] and a field of
//! [`StoreOptions`]; what people say of it is a group of `settings`.

pub(super) mod closed;
pub(super) mod folder;
mod gcs;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::multipart::MultipartStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::LakeError;

pub use gcs::GcsOptions;

/// The stores by the scheme of their addresses.
pub(super) static BUCKETS: [&BucketKind; 1] = [&gcs::GCS];

/// How each store is spoken to.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// Google Cloud Storage.
    pub gcs: GcsOptions,
}

impl StoreOptions {
    /// What must not be shown of them.
    pub fn secrets(&self) -> Vec<String> {
        self.gcs.secret().into_iter().collect()
    }
}

/// A row of the table: a store whose lakes are buckets with a prefix.
#[derive(Debug)]
pub(super) struct BucketKind {
    /// The scheme of its addresses: `gs`.
    pub(super) scheme: &'static str,
    /// Schemes that people write for it by mistake.
    pub(super) misspelt: &'static [&'static str],
    /// Its name, for people.
    pub(super) title: &'static str,
    /// Says what is wrong with the name of a bucket; `None` if nothing is.
    pub(super) complaint: fn(&str) -> Option<&'static str>,
    /// Opens a bucket; asks nobody yet.
    pub(super) open: fn(&str, &StoreOptions) -> Result<OpenBucket, LakeError>,
    /// What to do if it refuses access.
    pub(super) if_denied: &'static str,
}

impl BucketKind {
    /// The shape of its addresses, for people.
    pub(super) fn example(&self) -> String {
        format!("{}://bucket/prefix", self.scheme)
    }
}

impl PartialEq for BucketKind {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme
    }
}

impl Eq for BucketKind {}

/// A bucket that can be asked.
pub(super) struct OpenBucket {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) multipart: Arc<dyn MultipartStore>,
    /// `None` if nobody can be asked where the bucket is.
    pub(super) locate: Option<Arc<dyn Locate>>,
}

/// Who knows where a bucket is.
#[async_trait]
pub(super) trait Locate: fmt::Debug + Send + Sync {
    async fn location(&self) -> Result<BucketLocation, LakeError>;
}

/// Where a bucket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketLocation {
    /// The bucket.
    pub bucket: String,
    /// Its location: `US`, `EUROPE-WEST1`, `NAM4`.
    pub location: String,
    /// The two regions, if it was made in a pair of one's choice.
    pub pair: Vec<String>,
}

/// A part of 8 MiB may take this long: 112 kbit/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(600);

fn client_options() -> ClientOptions {
    ClientOptions::new().with_timeout(REQUEST_TIMEOUT)
}

const fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        // The task that uploads is tried again too, and says so.
        max_retries: 3,
        retry_timeout: Duration::from_secs(180),
    }
}
