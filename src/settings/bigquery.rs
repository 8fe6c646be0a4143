//! The BigQuery that the settings name, with its credentials or those of the lake.

use std::sync::Arc;

use async_trait::async_trait;

use crate::flow::{Failure, Progress, Run, Stop};
use crate::lake::{self, LakeError, Published, Tokens};
use crate::trip::TripFile;
use crate::warehouse::Loaded;
use crate::warehouse::bigquery::{Load, Object, Target, TokenError, TokenSource, Warehouse};

use super::{Settings, TaskError, Tools};

/// The tokens of credentials as the lake's are.
#[derive(Debug)]
struct OfLake(Tokens);

#[async_trait]
impl TokenSource for OfLake {
    async fn token(&self) -> Result<String, TokenError> {
        let token = self.0.token().await;
        token.map_err(|error| TokenError { what: error.to_string(), retry: error.retry() })
    }
}

impl Settings {
    /// The BigQuery that is loaded into; asks nobody yet.
    pub fn bigquery(&self) -> Result<Warehouse, TaskError> {
        let target = match &self.bigquery_emulator {
            Some(host) => Target::Emulator(host.clone()),
            None => Target::Google(Arc::new(OfLake(self.google.tokens()?))),
        };
        let project = project(self).ok_or(TaskError::NoProject)?;
        let (location, table) = (self.location.clone(), self.bigquery_table.clone());
        Ok(Warehouse::new(target, project, &self.dataset, location, table)?)
    }
}

impl Settings {
    /// Whether a project for BigQuery is named: by the settings, the environment or the
    /// credentials.
    pub fn names_project(&self) -> bool {
        project(self).is_some()
    }
}

impl Tools {
    /// The BigQuery that the settings name; asks nobody yet.
    pub fn bigquery(&self) -> Result<Warehouse, TaskError> {
        self.settings().bigquery()
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
        let (month, object) = self
            .lake()
            .stored(file)
            .await?
            .ok_or_else(|| TaskError::NotInLake { file, lake: self.settings().lake.to_string() })?;
        let load = Load {
            file,
            month: &month.provenance,
            object: as_read(&object),
            force: self.settings().force,
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

/// The project: named, or of the environment, or of the credentials.
pub(super) fn project(settings: &Settings) -> Option<String> {
    let env = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    settings.project.clone().or_else(|| env(PROJECT)).or_else(|| settings.google.project())
}

/// The variable that Google's own tools take for the project.
pub(super) const PROJECT: &str = "GOOGLE_CLOUD_PROJECT";
