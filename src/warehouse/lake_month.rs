//! What a warehouse needs from a lake. This room does not know the lake: whoever loads a month
//! passes these in.

use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use async_trait::async_trait;

use crate::flow::Progress;
use crate::trip::{Provenance, SourceFacts, TripFile};

use super::WarehouseError;

/// Rows, in batches that are read as they are taken.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// A month as it is in the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMonth {
    /// What it says of itself.
    pub provenance: Provenance,
    /// The address of the object of its trips.
    pub address: String,
    /// The size of that object in bytes.
    pub bytes: u64,
}

/// An object of the lake, as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeObject {
    /// Its address: `gs://bucket/key`, or a file's.
    pub address: String,
    /// What tells its versions apart: the generation of an object in a bucket, the tag of a file.
    pub version: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The file, if it is on this machine and has to be sent.
    pub local: Option<PathBuf>,
}

/// The bucket of a lake, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeBucket {
    /// Its name.
    pub name: String,
    /// Its location: `US`, `EUROPE-WEST1`, `NAM4`.
    pub location: String,
    /// The two regions, if it was made in a pair of one's choice.
    pub pair: Vec<String>,
}

/// A month of the lake, for a warehouse to load.
#[async_trait]
pub trait LakeMonth: Send + Sync {
    /// The month.
    fn file(&self) -> TripFile;

    /// The month by its footer alone; `None` if the lake does not have it or its object says
    /// nothing of itself.
    async fn footer(&self) -> Result<Option<StoredMonth>, WarehouseError>;

    /// Its trips, with the columns of its colour's schema and then those it keeps beside them.
    async fn trips(&self, progress: &Progress) -> Result<(StoredMonth, Batches), WarehouseError>;

    /// The object of its trips, for a warehouse that reads it by itself or is sent it.
    async fn object(&self) -> Result<(StoredMonth, LakeObject), WarehouseError>;

    /// Refuses an object that is not in the lake any more as it was: a warehouse that reads by
    /// itself reads whatever has the object's name.
    async fn refuse_replaced(&self, object: &LakeObject) -> Result<(), WarehouseError>;

    /// The bucket of the lake; `None` if the lake is a folder, or if where the bucket is cannot be
    /// learned, which is a warning.
    async fn bucket(&self) -> Option<LakeBucket>;
}

/// The taxi zones of the lake, for a warehouse to load.
#[async_trait]
pub trait LakeZones: Send + Sync {
    /// Where they came from, and their rows; `None` if the lake has none.
    async fn rows(&self) -> Result<Option<(SourceFacts, Batches)>, WarehouseError>;

    /// Where they came from, and their object; `None` if the lake has none.
    async fn object(&self) -> Result<Option<(SourceFacts, LakeObject)>, WarehouseError>;
}
