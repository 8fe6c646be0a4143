use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::flow::Progress;
use crate::trip::Item;

use super::SpoolError;
use super::download_state::DownloadState;

/// The file that a run locks while it has a month's place.
const LOCK: &str = "lock";

/// A local folder for temporary files: downloads, cleaned files, notes of uploads. What a
/// killed run leaves there is found by the next.
#[derive(Debug, Clone)]
pub struct Spool {
    root: PathBuf,
}

/// The lease of a month's folder in the spool: only one run has it at a time.
#[derive(Debug)]
pub struct SpoolLease {
    folder: PathBuf,
    /// SpoolLease until dropped, and by the system no longer than the process lives.
    lock: File,
    /// How far its file has come.
    pub(super) state: watch::Sender<DownloadState>,
}

impl Spool {
    /// A spool in a folder, which is created when needed.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Takes hold of a month's place for a lake. Where another run has it, waits for it to
    /// finish; `None` if this run was interrupted meanwhile.
    pub async fn lease(
        &self,
        item: Item,
        lake: &str,
        progress: &Progress,
    ) -> Result<Option<SpoolLease>, SpoolError> {
        let key = crate::trip::Digest::of(lake.as_bytes());
        let folder = self.root.join(format!("{}.{}", item.stem(), &key.short()[..8]));
        let failed = |source| SpoolError { path: folder.clone(), source };
        let mut told = false;
        loop {
            // Made again each time: the run that had it removes it.
            std::fs::create_dir_all(&folder).map_err(failed)?;
            let path = folder.join(LOCK);
            let lock = match File::create(&path) {
                Ok(lock) => lock,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            match lock.try_lock() {
                Ok(()) if same_file(&lock, &path) => {
                    return Ok(Some(SpoolLease { folder, lock, state: watch::Sender::default() }));
                }
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        tracing::warn!(
                            "{item}: another run is processing it; waiting for that run to finish"
                        );
                        told = true;
                    }
                    tokio::select! {
                        () = progress.cancelled() => return Ok(None),
                        () = tokio::time::sleep(Duration::from_millis(200)) => {}
                    }
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }
}

/// Whether an open file is still the one of this name.
fn same_file(open: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (open.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

impl SpoolLease {
    /// The month's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file of the month's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What a task came to; where it failed on damaged bytes, the place is cleared first, so that
    /// the next run fetches them again.
    pub fn unless_damaged<T, E>(
        self,
        done: Result<T, E>,
        damaged: impl FnOnce(&E) -> bool,
    ) -> Result<(T, Self), E> {
        match done {
            Ok(done) => Ok((done, self)),
            Err(error) => {
                if damaged(&error) {
                    self.clear();
                }
                Err(error)
            }
        }
    }

    /// Clears the month's place: all is done.
    pub fn clear(self) {
        let removed = self.remove();
        if let Err(error) = removed {
            tracing::debug!("cannot clear {}: {error}", self.folder.display());
        }
        let _ = self.lock.unlock();
    }

    /// The lock goes last: from then on, what is in the folder is another run's.
    fn remove(&self) -> io::Result<()> {
        let lock = self.folder.join(LOCK);
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path != lock {
                std::fs::remove_file(path)?;
            }
        }
        std::fs::remove_file(lock)?;
        match std::fs::remove_dir(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
            _ => Ok(()),
        }
    }
}
