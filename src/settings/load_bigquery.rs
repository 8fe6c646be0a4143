//! Loads months of the lake into BigQuery.

use crate::flow::{Progress, Run, Stop};
use crate::lake::{self, LakeError, Published};
use crate::trip::TripFile;
use crate::warehouse::Loaded;
use crate::warehouse::bigquery::{Load, Object, Warehouse};

use super::{TaskError, Tools};

impl Tools {
    /// The BigQuery that the settings name; asks nobody yet.
    pub fn bigquery(&self) -> Result<Warehouse, TaskError> {
        self.settings().bigquery.warehouse()
    }

    /// Loads a month from the lake into BigQuery: what the lake has of it, and what came of it.
    pub async fn load_bigquery(
        &self,
        run: &Run,
        file: TripFile,
        warehouse: &Warehouse,
        progress: &Progress,
    ) -> Result<(Published, lake::Object, Loaded), TaskError> {
        let load = async {
            self.check_location(run, file, warehouse).await?;
            self.load_stored(file, warehouse, progress).await
        };
        tokio::select! {
            loaded = load => loaded,
            () = progress.cancelled() => Err(Stop::Interrupted.into()),
        }
    }

    /// Refuses a bucket that BigQuery cannot load from into the dataset, as far as that can be
    /// learned: asked once in a run.
    async fn check_location(
        &self,
        run: &Run,
        file: TripFile,
        warehouse: &Warehouse,
    ) -> Result<(), TaskError> {
        let found = self.bucket.get_or_init(|| async {
            self.lake().location().await.unwrap_or_else(|error| {
                run.warn(file, &format!("{error}. Where it is beside the dataset, all is well"));
                None
            })
        });
        if let Some(found) = found.await {
            warehouse.refuse_elsewhere(&found.bucket, &found.location, &found.pair).await?;
        }
        Ok(())
    }

    async fn load_stored(
        &self,
        file: TripFile,
        warehouse: &Warehouse,
        progress: &Progress,
    ) -> Result<(Published, lake::Object, Loaded), TaskError> {
        let (month, object) = self.lake().stored(file).await?.ok_or_else(|| {
            TaskError::NotInLake { file, lake: self.settings().lake.address().to_string() }
        })?;
        let load = Load {
            file,
            month: &month.provenance,
            object: as_read(&object),
            force: self.settings().run.force,
            guard: self.settings().guard(file).of_lake(),
        };
        // BigQuery reads whatever has the object's name when it comes to it.
        let proof = async {
            if self.lake().is_still(&file.lake_key(), &object).await? {
                return Ok::<_, TaskError>(());
            }
            Err(LakeError::Replaced { address: object.address.clone() }.into())
        };
        let loaded = warehouse.load(load, proof, progress).await?;
        Ok((month, object, loaded))
    }

    /// Loads the taxi zones into BigQuery, where the lake has them; false where a table of that
    /// name is not ours.
    pub async fn load_zones_bigquery(
        &self,
        warehouse: &Warehouse,
        progress: &Progress,
    ) -> Result<bool, TaskError> {
        match self.lake().stored_zones().await? {
            Some((facts, object)) => {
                Ok(warehouse.load_zones(&facts, as_read(&object), progress).await?)
            }
            None => Ok(true),
        }
    }
}

fn as_read(object: &lake::Object) -> Object<'_> {
    Object {
        address: &object.address,
        version: &object.version,
        bytes: object.bytes,
        local: object.local.as_deref(),
    }
}
