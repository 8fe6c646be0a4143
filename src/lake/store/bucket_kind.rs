//! The names of a kind of store, and how its responses are interpreted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::multipart::MultipartStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::lake::LakeError;

/// A kind of store whose lakes are buckets with a prefix.
#[derive(Debug)]
pub(in crate::lake) struct BucketKind {
    /// The scheme of its addresses: `gs`.
    pub(in crate::lake) scheme: &'static str,
    /// Schemes that people write for it by mistake.
    pub(in crate::lake) misspelt: &'static [&'static str],
    /// Its name, for people.
    pub(in crate::lake) title: &'static str,
    /// Says what is wrong with the name of a bucket; `None` if nothing is.
    pub(in crate::lake) complaint: fn(&str) -> Option<&'static str>,
    /// What to do if it refuses access.
    pub(in crate::lake) if_denied: &'static str,
}

impl BucketKind {
    /// The shape of its addresses, for people.
    pub(in crate::lake) fn example(&self) -> String {
        format!("{}://bucket/prefix", self.scheme)
    }
}

/// A bucket that can be asked.
pub(in crate::lake) struct OpenBucket {
    pub(in crate::lake) store: Arc<dyn ObjectStore>,
    pub(in crate::lake) multipart: Arc<dyn MultipartStore>,
    /// `None` if nobody can be asked where the bucket is.
    pub(in crate::lake) locate: Option<Arc<dyn Locate>>,
}

/// Who knows where a bucket is.
#[async_trait]
pub(in crate::lake) trait Locate: fmt::Debug + Send + Sync {
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

pub(super) fn client_options() -> ClientOptions {
    ClientOptions::new().with_timeout(REQUEST_TIMEOUT)
}

pub(super) const fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        // The task that uploads is retried too, and says so.
        max_retries: 3,
        retry_timeout: Duration::from_secs(180),
    }
}
