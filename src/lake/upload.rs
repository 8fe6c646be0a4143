//! Uploads one local file to the lake, so that its key contains either the complete file or the
//! previous object.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::multipart::{MultipartStore, PartId};
use object_store::{ObjectStoreExt, PutPayload};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::flow::Progress;
use crate::support::blocking::blocking;

use super::publish::{PublishNotes, size};
use super::{Lake, LakeError};

/// The size of an upload's parts, and of the largest file put in one request.
const PART: u64 = 8 << 20;

/// How many parts are sent at once.
const PARTS_AT_ONCE: usize = 4;

/// How long a run that stops waits for its upload to be aborted. The next one tries again.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);

impl Lake {
    pub(super) async fn put(
        &self,
        path: &Path,
        key: &str,
        notes: &PublishNotes,
        progress: &Progress,
    ) -> Result<(), LakeError> {
        if let Some(target) = self.local(key) {
            let upload = unique();
            notes.change(|note| note.uploads.push((key.to_owned(), upload.clone())))?;
            let (path, part, progress) =
                (path.to_owned(), part_of(&target, &upload), progress.clone());
            let placed = blocking(move || place(&path, &part, &target, &progress)).await;
            let placed = placed.unwrap_or(Err(LakeError::Interrupted));
            notes.change(|note| note.uploads.retain(|(_, id)| *id != upload))?;
            return placed;
        }
        let length = size(path)?;
        match &self.multipart {
            Some(store) if length > PART => {
                self.put_parts(store.as_ref(), path, length, key, notes, progress).await
            }
            _ => {
                let bytes = tokio::fs::read(path).await;
                let bytes = bytes.map_err(|source| LakeError::io("read", path, source))?;
                let object = self.key(key);
                let store = self.store();
                let put = store.put(&object, PutPayload::from(bytes));
                interruptible(put, progress).await?.map_err(|source| self.failed(key, source))?;
                progress.advance(length);
                Ok(())
            }
        }
    }

    async fn put_parts(
        &self,
        store: &dyn MultipartStore,
        path: &Path,
        length: u64,
        key: &str,
        notes: &PublishNotes,
        progress: &Progress,
    ) -> Result<(), LakeError> {
        let object = self.key(key);
        let failed = |source| self.failed(key, source);
        let upload = interruptible(store.create_multipart(&object), progress).await?;
        let upload = upload.map_err(failed)?;
        notes.change(|note| note.uploads.push((key.to_owned(), upload.clone())))?;

        let parts = futures_util::stream::iter((0..length.div_ceil(PART)).map(|number| {
            let (object, upload) = (&object, &upload);
            async move {
                let bytes = read_part(path, number * PART).await?;
                let sent = bytes.len() as u64;
                let put = store.put_part(object, upload, number as usize, PutPayload::from(bytes));
                let id = put.await.map_err(failed)?;
                progress.advance(sent);
                Ok::<PartId, LakeError>(id)
            }
        }))
        .buffered(PARTS_AT_ONCE)
        .try_collect::<Vec<_>>();
        let parts = interruptible(parts, progress).await.flatten();
        let completed = match parts {
            Ok(parts) => {
                let complete = store.complete_multipart(&object, &upload, parts);
                let completed = interruptible(complete, progress).await;
                completed.and_then(|completed| completed.map(drop).map_err(failed))
            }
            Err(error) => Err(error),
        };
        if completed.is_err() {
            let aborted = tokio::time::timeout(ABORT_TIMEOUT, self.abort(key, &upload)).await;
            if !matches!(aborted, Ok(Ok(()))) {
                tracing::warn!(
                    "an upload of {} could not be aborted: the next run will abort it",
                    self.url(key)
                );
                return completed;
            }
        }
        notes.change(|note| note.uploads.retain(|(_, id)| *id != upload))?;
        completed
    }

    /// Aborts an upload; one that is gone already is as good.
    pub(super) async fn abort(&self, key: &str, upload: &str) -> Result<(), LakeError> {
        if let Some(target) = self.local(key) {
            let part = part_of(&target, upload);
            return match std::fs::remove_file(&part) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    Err(LakeError::io("remove", &part, source))
                }
                _ => Ok(()),
            };
        }
        let Some(store) = &self.multipart else {
            return Ok(());
        };
        match store.abort_multipart(&self.key(key), &upload.to_owned()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.failed(key, source)),
        }
    }
}

/// A name that no other run uses.
pub(super) fn unique() -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{:x}-{:x}", std::process::id(), now.as_nanos())
}

/// Where a file is on its way to its place in a local lake.
fn part_of(target: &Path, upload: &str) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{upload}.part"));
    target.with_file_name(name)
}

async fn interruptible<F: Future>(work: F, progress: &Progress) -> Result<F::Output, LakeError> {
    tokio::select! {
        done = work => Ok(done),
        () = progress.cancelled() => Err(LakeError::Interrupted),
    }
}

/// The bytes of a file from an offset on, a part of them.
async fn read_part(path: &Path, offset: u64) -> Result<Bytes, LakeError> {
    let reading = |source| LakeError::io("read", path, source);
    let mut file = tokio::fs::File::open(path).await.map_err(reading)?;
    file.seek(io::SeekFrom::Start(offset)).await.map_err(reading)?;
    let mut bytes = Vec::with_capacity(PART as usize);
    file.take(PART).read_to_end(&mut bytes).await.map_err(reading)?;
    Ok(bytes.into())
}

/// Copies a file to its place in a local lake: under another name first, so that the place
/// holds all of it or what was there before, whatever happens.
fn place(path: &Path, part: &Path, target: &Path, progress: &Progress) -> Result<(), LakeError> {
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(|source| LakeError::io("make", folder, source))?;
    }
    let placed = (|| {
        let bytes = std::fs::copy(path, part)?;
        std::fs::File::open(part)?.sync_all()?;
        std::fs::rename(part, target)?;
        progress.advance(bytes);
        Ok(())
    })();
    placed.map_err(|source| {
        let _ = std::fs::remove_file(part);
        LakeError::io("write", target, source)
    })
}
