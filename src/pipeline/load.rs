//! From the lake into a warehouse: a month, and the zones, as warehouses want them.

use async_trait::async_trait;

use crate::flow::{Progress, Run, Stop};
use crate::lake::{self, LakeError, Published};
use crate::trip::{SourceFacts, TripFile};
use crate::warehouse::{
    Batches, LakeBucket, LakeMonth, LakeObject, LakeZones, LoadedMonth, StoredMonth, Warehouse,
    WarehouseError,
};

use super::{Pipeline, TaskError};

/// A month of the lake, for a run that loads it.
struct FromLake<'a> {
    run: &'a Run,
    pipeline: &'a Pipeline,
    file: TripFile,
    /// The month, if this run has read or written its footer already.
    known: Option<&'a Published>,
}

/// The zones of the lake.
struct ZonesFromLake<'a>(&'a Pipeline);

impl Pipeline {
    /// Loads a month of the lake into a warehouse, unless it is there already. `known` is the month
    /// if this run has just published it, or found it unchanged: its footer is not read again.
    pub async fn load(
        &self,
        run: &Run,
        file: TripFile,
        known: Option<&Published>,
        warehouse: &dyn Warehouse,
        progress: &Progress,
    ) -> Result<LoadedMonth, TaskError> {
        let month = FromLake { run, pipeline: self, file, known };
        let guard = self.settings.guard(file).of_lake();
        Ok(warehouse.load(&month, guard, progress).await?)
    }

    /// Loads the taxi zones of the lake into a warehouse, if the lake has any; false if a table of
    /// their name is not ours and was left alone.
    pub async fn load_zones(
        &self,
        warehouse: &dyn Warehouse,
        progress: &Progress,
    ) -> Result<bool, TaskError> {
        Ok(warehouse.load_zones(&ZonesFromLake(self), progress).await?)
    }
}

impl FromLake<'_> {
    fn stored(&self, month: Published) -> StoredMonth {
        let Published { provenance, bytes } = month;
        StoredMonth { provenance, address: self.address(), bytes }
    }

    fn address(&self) -> String {
        self.pipeline.lake().url(&self.file.lake_key())
    }

    fn missing(&self) -> WarehouseError {
        let lake = self.pipeline.settings().lake.address().to_string();
        WarehouseError::of(TaskError::NotInLake { file: self.file, lake })
    }
}

#[async_trait]
impl LakeMonth for FromLake<'_> {
    fn file(&self) -> TripFile {
        self.file
    }

    async fn footer(&self) -> Result<Option<StoredMonth>, WarehouseError> {
        let month = match self.known {
            Some(known) => Some(known.clone()),
            None => self.pipeline.lake().published(self.file).await.map_err(WarehouseError::of)?,
        };
        Ok(month.map(|month| self.stored(month)))
    }

    async fn trips(&self, progress: &Progress) -> Result<(StoredMonth, Batches), WarehouseError> {
        let local = self.pipeline.reading_place(self.file);
        let trips = tokio::select! {
            trips = self.pipeline.lake().trips(self.file, &local) => trips.map_err(WarehouseError::of)?,
            () = progress.cancelled() => return Err(WarehouseError::of(Stop::Interrupted)),
        };
        let trips = trips.ok_or_else(|| self.missing())?;
        Ok((self.stored(trips.month), Box::new(trips.batches)))
    }

    async fn object(&self) -> Result<(StoredMonth, LakeObject), WarehouseError> {
        let stored = self.pipeline.lake().stored(self.file).await.map_err(WarehouseError::of)?;
        let (month, object) = stored.ok_or_else(|| self.missing())?;
        Ok((self.stored(month), of_lake(object)))
    }

    async fn refuse_replaced(&self, object: &LakeObject) -> Result<(), WarehouseError> {
        let LakeObject { address, version, bytes, local } = object.clone();
        let object = lake::Object { address, version, bytes, local };
        let still = self.pipeline.lake().is_still(&self.file.lake_key(), &object).await;
        if still.map_err(WarehouseError::of)? {
            return Ok(());
        }
        Err(WarehouseError::of(LakeError::Replaced { address: object.address }))
    }

    async fn bucket(&self) -> Option<LakeBucket> {
        let found = self.pipeline.bucket.get_or_init(|| async {
            self.pipeline.lake().location().await.unwrap_or_else(|error| {
                let text =
                    format!("{error}. If it is in the dataset's location, this is not a problem");
                self.run.warn(self.file, &text);
                None
            })
        });
        let lake::BucketLocation { bucket, location, pair } = found.await.clone()?;
        Some(LakeBucket { name: bucket, location, pair })
    }
}

#[async_trait]
impl LakeZones for ZonesFromLake<'_> {
    async fn rows(&self) -> Result<Option<(SourceFacts, Batches)>, WarehouseError> {
        let Self(pipeline) = self;
        let local = pipeline.settings().run.spool.join("zones.parquet");
        let zones = pipeline.lake().zone_rows(&local).await.map_err(WarehouseError::of)?;
        Ok(zones.map(|(facts, rows)| (facts, Box::new(rows) as Batches)))
    }

    async fn object(&self) -> Result<Option<(SourceFacts, LakeObject)>, WarehouseError> {
        let zones = self.0.lake().stored_zones().await.map_err(WarehouseError::of)?;
        Ok(zones.map(|(facts, object)| (facts, of_lake(object))))
    }
}

fn of_lake(object: lake::Object) -> LakeObject {
    let lake::Object { address, version, bytes, local } = object;
    LakeObject { address, version, bytes, local }
}
