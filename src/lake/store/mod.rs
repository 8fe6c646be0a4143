//! The stores that a lake can be in besides a local folder: one file each, and the table of them.
//!
//! The scheme of a lake's address chooses the row, and nothing else in the program knows which
//! store it is. A new store is a file here with its options, a row of `BUCKETS` and a field of
//! [`StoreOptions`]; its options for users are a group in `settings`.

mod bucket_kind;
pub(super) mod closed;
pub(super) mod folder;
mod gcs;

use super::LakeError;

pub use bucket_kind::BucketLocation;
pub use gcs::GcsOptions;

pub(super) use bucket_kind::{BucketKind, Locate, OpenBucket};

/// The stores by the scheme of their addresses.
pub(super) static BUCKETS: [BucketRow; 1] =
    [BucketRow { kind: &gcs::GCS, open: |bucket, options| gcs::open(bucket, &options.gcs) }];

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

/// A row of the table.
#[derive(Debug)]
pub(super) struct BucketRow {
    pub(super) kind: &'static BucketKind,
    /// Opens a bucket; does not connect yet.
    pub(super) open: fn(&str, &StoreOptions) -> Result<OpenBucket, LakeError>,
}

impl PartialEq for BucketRow {
    fn eq(&self, other: &Self) -> bool {
        self.kind.scheme == other.kind.scheme
    }
}

impl Eq for BucketRow {}
