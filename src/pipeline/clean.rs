use std::path::Path;

use crate::clean::{CleanError, Cleaned, Job, clean, new_columns, published_before};
use crate::flow::{Progress, Stop};
use crate::settings::{MissingColumn, NewColumn};
use crate::source::{Fetched, SpoolLease};
use crate::support::blocking::blocking;
use crate::trip::{Format, TripFile};

use super::{Pipeline, TaskError};

impl Pipeline {
    pub(super) fn job(
        &self,
        file: TripFile,
        input: &Path,
        format: Format,
        lease: &SpoolLease,
    ) -> Job {
        Job {
            file,
            input: input.to_owned(),
            format,
            rules: self.settings.cleaning.rules.clone(),
            refuse_new_columns: self.settings.cleaning.on_new_column == NewColumn::Fail,
            keep: None,
            refuse_missing_columns: self.settings.cleaning.on_missing_column == MissingColumn::Fail,
            workers: self.settings.cleaning.threads,
            folder: lease.folder().to_owned(),
        }
    }

    /// Cleans a fetched month.
    pub async fn clean(
        &self,
        file: TripFile,
        fetched: &Fetched,
        lease: &SpoolLease,
        progress: &Progress,
    ) -> Result<Cleaned, TaskError> {
        if fetched.format == Format::Parquet {
            self.check_not_own(file, &fetched.path).await?;
        }
        let job = self.job(file, &fetched.path, fetched.format, lease);
        let (source, progress) = (fetched.facts.clone(), progress.clone());
        progress.begin(source.size);
        let keep = self.settings.cleaning.on_new_column == NewColumn::Keep;
        let cleaned = blocking(move || {
            let keep = keep.then(|| new_columns(&job, &progress)).transpose()?;
            clean(&Job { keep, ..job }, &source, &progress)
        });
        match cleaned.await.unwrap_or(Err(CleanError::Interrupted)) {
            Err(error) => Err(self.keep_unfit(&self.lake, error.into(), None, lease).await),
            Ok(cleaned) => Ok(cleaned),
        }
    }
}

impl Pipeline {
    /// Checks that a fetched file is not the month that the lake has, by a link or as a copy.
    async fn check_not_own(&self, file: TripFile, path: &Path) -> Result<(), TaskError> {
        let path = path.to_owned();
        let looking = blocking(move || published_before(file, &path));
        let Some(of_file) = looking.await.ok_or(Stop::Interrupted)? else {
            return Ok(());
        };
        match self.lake.published(file).await? {
            Some(there) if there.provenance == of_file => {
                Err(TaskError::OwnLake { file, lake: self.lake.url(&file.lake_key()) })
            }
            _ => Ok(()),
        }
    }
}
