use std::path::Path;

use crate::clean::{Cleaned, Streamed};
use crate::flow::Progress;
use crate::lake::{Publication, Written};
use crate::source::{Fetched, SpoolLease};
use crate::trip::{Format, TripFile};

use super::{Pipeline, TaskError};

impl Pipeline {
    /// Publishes a cleaned month, unless it is refused beside what the lake has of it.
    pub async fn publish(
        &self,
        file: TripFile,
        fetched: &Fetched,
        cleaned: &Cleaned,
        lease: &SpoolLease,
        progress: &Progress,
    ) -> Result<Written, TaskError> {
        let raw: Option<(&Path, Format)> =
            self.settings.source.keep_raw.then_some((fetched.path.as_path(), fetched.format));
        let month = Publication {
            file,
            provenance: &cleaned.provenance,
            trips: &cleaned.trips,
            quarantine: cleaned.quarantine.as_deref(),
            raw,
            guard: self.settings.guard(file),
        };
        match self.lake.publish(month, lease.folder(), progress).await {
            Err(error) => {
                let edition = Streamed {
                    provenance: cleaned.provenance.clone(),
                    quarantine: cleaned.quarantine.clone(),
                };
                Err(self.keep_unfit(&self.lake, error.into(), Some(edition), lease).await)
            }
            Ok(written) => Ok(written),
        }
    }
}
