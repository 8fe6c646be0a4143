use std::path::{Path, PathBuf};

use object_store::ObjectStoreExt;
use serde::{Deserialize, Serialize};

use crate::flow::{Failure, Progress};
use crate::guard::{Before, Guard, Refusal};
use crate::trip::{Format, Provenance, TripFile};

use super::{Lake, LakeError};

/// A month ready to be published: its files on the local disk.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// The month.
    pub file: TripFile,
    /// What it says of itself, in the footer of its trips.
    pub provenance: &'a Provenance,
    /// The file of its trips.
    pub trips: &'a Path,
    /// The file of the rows set aside; `None` if there are none.
    pub quarantine: Option<&'a Path>,
    /// The bytes as fetched and what they are, where they are to be kept.
    pub raw: Option<(&'a Path, Format)>,
    /// The limits it is compared with.
    pub guard: Guard,
}

/// What publishing a month did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The size of its trips in bytes.
    pub bytes: u64,
    /// Why it would have been refused, if it was forced.
    pub forced: Option<Box<Refusal>>,
}

/// What a run notes in the spool before it writes to the lake, so that the next run can
/// clear what a killed one left.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PublishNote {
    /// The quarantine about to be written, and the one it replaces.
    quarantines: Vec<String>,
    /// The uploads begun: key and upload id.
    pub(super) uploads: Vec<(String, String)>,
}

/// The notes of one month, in its folder of the spool.
#[derive(Debug)]
pub(super) struct PublishNotes(PathBuf);

impl PublishNotes {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self(folder.join("publish.json"))
    }

    fn read(&self) -> Option<PublishNote> {
        serde_json::from_slice(&std::fs::read(&self.0).ok()?).ok()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut PublishNote)) -> Result<(), LakeError> {
        let mut note = self.read().unwrap_or_default();
        change(&mut note);
        let text = serde_json::to_vec(&note).unwrap_or_default();
        // Half a note would lose the uploads in it.
        let whole = self.0.with_extension("new");
        std::fs::write(&whole, text)
            .and_then(|()| std::fs::rename(&whole, &self.0))
            .map_err(|source| LakeError::spool("write", &self.0, source))
    }
}

impl Lake {
    /// Publishes a month in place of what the lake has of it, unless it is refused beside that.
    /// `folder` is the month's place in the spool.
    pub async fn publish(
        &self,
        month: Publication<'_>,
        folder: &Path,
        progress: &Progress,
    ) -> Result<Written, LakeError> {
        self.prepare()?;
        let published = self.replace(&month, folder, progress).await;
        if matches!(&published, Err(error) if !error.is_interruption()) {
            let cleared = self.clear_leftovers(month.file, folder).await;
            // Then the next run clears it.
            cleared.unwrap_or_else(|error| tracing::debug!("{}: {error}", month.file));
        }
        published
    }

    async fn replace(
        &self,
        month: &Publication<'_>,
        folder: &Path,
        progress: &Progress,
    ) -> Result<Written, LakeError> {
        self.clear_leftovers(month.file, folder).await?;
        let there = self.published(month.file).await?.map(|month| month.provenance);
        let forced =
            month.guard.judge(month.provenance, there.as_ref().map(Before::from).as_ref())?;
        let notes = PublishNotes::in_folder(folder);
        let quarantine = month.provenance.quarantine.as_deref();
        let replaced = there.and_then(|there| there.quarantine);
        let quarantines = quarantine.map(str::to_owned).into_iter().chain(replaced);
        notes.change(|note| note.quarantines = quarantines.collect())?;

        let size = size(month.trips)?;
        progress.begin(size);
        if let Some((path, format)) = month.raw {
            // Whatever a kill leaves there is among those noted.
            let sha256 = month.provenance.source.sha256.clone();
            let mut kept = self.kept(month.file).await?;
            // What was kept before digests were noted has none.
            let known = !kept.is_empty() || !self.has_raw(month.file).await?;
            if known && !kept.contains(&sha256) {
                kept.push(sha256.clone());
                self.note_kept(month.file, &kept).await?;
            }
            let (key, unwatched) = (month.file.raw_key(format), Progress::unwatched());
            if let Err(error) = self.put(path, &key, &notes, &unwatched).await {
                // A digest of nothing is left to nobody.
                if !self.has_raw(month.file).await.unwrap_or(true) {
                    let _ = self.remove(&month.file.kept_key()).await;
                }
                return Err(error);
            }
            // What was kept before may have another format, and so another key.
            for other in Format::ALL.into_iter().filter(|other| *other != format) {
                self.remove(&month.file.raw_key(other)).await?;
            }
            if kept != [sha256.clone()] {
                self.note_kept(month.file, &[sha256]).await?;
            }
        }
        if let (Some(key), Some(path)) = (quarantine, month.quarantine) {
            self.put(path, key, &notes, &Progress::unwatched()).await?;
        }
        self.put(month.trips, &month.file.lake_key(), &notes, progress).await?;

        // Another run that replaced the same version may have removed it just now.
        if let (Some(key), Some(path)) = (quarantine, month.quarantine)
            && !self.exists(key).await?
        {
            self.put(path, key, &notes, &Progress::unwatched()).await?;
        }
        self.clear_leftovers(month.file, folder).await?;
        self.clear_refused(month.file).await;
        Ok(Written { bytes: size, forced })
    }

    /// Publishes the taxi zones in place of those in the lake.
    pub async fn publish_zones(
        &self,
        path: &Path,
        folder: &Path,
        progress: &Progress,
    ) -> Result<(), LakeError> {
        self.prepare()?;
        self.put(path, Self::ZONES, &PublishNotes::in_folder(folder), progress).await
    }

    /// Clears what is noted and no longer of use in the lake: uploads that were not completed,
    /// and quarantines that the month's trips do not name.
    pub async fn clear_leftovers(&self, file: TripFile, folder: &Path) -> Result<(), LakeError> {
        self.clear_uploads(folder).await?;
        let notes = PublishNotes::in_folder(folder);
        let Some(note) = notes.read() else {
            return Ok(());
        };
        if !note.quarantines.is_empty() {
            let current = self.published(file).await?;
            let named = current.and_then(|month| month.provenance.quarantine);
            for key in note.quarantines.iter().filter(|key| named.as_ref() != Some(key)) {
                self.remove(key).await?;
            }
        }
        notes.change(|note| *note = PublishNote::default())
    }

    /// Clears what stays of an edition that was refused: the month is right again.
    pub async fn clear_refused(&self, file: TripFile) {
        if let Err(error) = self.forget_refused(file).await {
            // Nothing but a look at it is wrong, and the next run tries again.
            tracing::debug!("{file}: {error}");
        }
    }

    /// Clears the uploads that are noted and were not completed.
    pub async fn clear_uploads(&self, folder: &Path) -> Result<(), LakeError> {
        let notes = PublishNotes::in_folder(folder);
        let Some(note) = notes.read() else {
            return Ok(());
        };
        for (key, upload) in &note.uploads {
            self.abort(key, upload).await?;
        }
        notes.change(|note| note.uploads.clear())
    }

    /// Whether the bytes of a month as fetched are kept.
    pub async fn has_raw(&self, file: TripFile) -> Result<bool, LakeError> {
        for format in Format::ALL {
            if self.exists(&file.raw_key(format)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn exists(&self, key: &str) -> Result<bool, LakeError> {
        match self.store().head(&self.key(key)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(self.failed(key, source)),
        }
    }

    pub(super) async fn remove(&self, key: &str) -> Result<(), LakeError> {
        match self.store().delete(&self.key(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.failed(key, source)),
        }
    }
}

pub(super) fn size(path: &Path) -> Result<u64, LakeError> {
    let metadata = std::fs::metadata(path);
    metadata.map(|metadata| metadata.len()).map_err(|source| LakeError::io("read", path, source))
}
