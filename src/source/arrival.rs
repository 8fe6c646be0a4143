//! A file that is read while it is downloaded.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::flow::Progress;
use crate::trip::{Format, SourceFacts};

use super::download_state::{DownloadEnded, DownloadStage, DownloadState};
use super::{FetchError, Outcome, SpoolLease};

impl SpoolLease {
    /// The received bytes are no longer valid. Called before they are changed.
    pub(super) fn restart(&self) {
        self.state.send_modify(|state| {
            state.edition += 1;
            state.stage = DownloadStage::Awaited;
        });
    }

    /// `size` bytes of a file have been received, of `announced`; 0 if that is unknown.
    pub(super) fn grown(&self, path: &Path, format: Format, size: u64, announced: u64) {
        if format != Format::Parquet {
            let path = path.to_owned();
            let state = DownloadStage::Growing { path, format, size, announced };
            self.state.send_modify(|now| now.stage = state);
        }
    }

    /// The download has ended.
    pub(super) fn settle(&self, outcome: &Outcome) {
        let state = match outcome {
            Outcome::Fetched(fetched) => DownloadStage::Whole(fetched.clone()),
            Outcome::Unchanged(_) | Outcome::NotPublished => DownloadStage::Nothing,
        };
        self.state.send_modify(|now| now.stage = state);
    }

    /// Waits until the file can be read: a text once its first bytes are there, another once it
    /// is whole. `None` if it does not come, or the run is interrupted.
    pub async fn arrival(&self, progress: &Progress) -> Option<Arrival> {
        let mut state = self.state.subscribe();
        tokio::select! {
            biased;
            waited = state.wait_for(|state| !matches!(state.stage, DownloadStage::Awaited)) => {
                waited.ok()?;
            }
            () = progress.cancelled() => return None,
        }
        let now = state.borrow();
        let (path, format, size) = match &now.stage {
            DownloadStage::Awaited | DownloadStage::Nothing => return None,
            DownloadStage::Growing { path, format, announced, .. } => {
                (path.clone(), *format, *announced)
            }
            DownloadStage::Whole(fetched) => {
                (fetched.path.clone(), fetched.format, fetched.facts.size)
            }
        };
        let edition = now.edition;
        drop(now);
        let (progress, left) = (progress.clone(), CancellationToken::new());
        Some(Arrival { path, format, size, edition, state, progress, left })
    }
}

/// A file in the spool, complete or still growing: one edition of it.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Where.
    pub path: PathBuf,
    /// What it is.
    pub format: Format,
    /// How many bytes it will have; 0 if that is unknown.
    pub size: u64,
    edition: u32,
    state: watch::Receiver<DownloadState>,
    progress: Progress,
    left: CancellationToken,
}

impl Arrival {
    /// Its bytes from the first on. They are waited for, however long a broken download takes
    /// to go on, and end where the file does and is proven; where another edition takes its
    /// place, nothing comes, it is left or the run told to stop, reading fails. Not to be read by an async task.
    pub fn reader(&self) -> io::Result<impl Read + Send + use<>> {
        let file = File::open(&self.path)?;
        Ok(Reader { arrival: self.clone(), file, at: 0, runtime: Handle::current() })
    }

    /// What it was, once it is whole.
    pub fn facts(&self) -> Option<SourceFacts> {
        let now = self.state.borrow();
        match &now.stage {
            DownloadStage::Whole(fetched) if now.edition == self.edition => {
                Some(fetched.facts.clone())
            }
            _ => None,
        }
    }

    /// Whether it turned out that it does not come: it is what is known from before.
    pub fn is_needless(&self) -> bool {
        matches!(self.state.borrow().stage, DownloadStage::Nothing)
    }

    /// Fails where another edition took its place.
    pub fn check(&self) -> Result<(), FetchError> {
        let same = self.state.borrow().edition == self.edition;
        if same { Ok(()) } else { Err(FetchError::Restarted) }
    }

    /// Readers stop waiting for more of it.
    pub fn leave(&self) {
        self.left.cancel();
    }

    async fn ahead(&mut self, at: u64) -> Result<u64, DownloadEnded> {
        loop {
            if let Some(ahead) = self.state.borrow_and_update().ahead(self.edition, at) {
                return ahead;
            }
            tokio::select! {
                changed = self.state.changed() => changed.map_err(|_| DownloadEnded)?,
                () = self.progress.cancelled() => return Err(DownloadEnded),
                () = self.left.cancelled() => return Err(DownloadEnded),
            }
        }
    }
}

struct Reader {
    arrival: Arrival,
    file: File,
    at: u64,
    runtime: Handle,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ahead = self.runtime.block_on(self.arrival.ahead(self.at)).map_err(io::Error::other)?;
        let room = buffer.len().min(usize::try_from(ahead).unwrap_or(usize::MAX));
        let read = self.file.read(&mut buffer[..room])?;
        // Asked after reading: these may be the bytes of the edition that takes its place.
        self.arrival.check().map_err(io::Error::other)?;
        if read == 0 && room > 0 {
            return Err(io::Error::other("it is shorter than it was"));
        }
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::source::{Fetched, Spool};
    use crate::trip::{Digest, Item};

    const TEXT: &[u8] = b"a text that comes in parts";

    /// A place with the file that comes to it, none of it announced.
    async fn place() -> (tempfile::TempDir, SpoolLease, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path());
        let lease =
            spool.lease(Item::Zones, "lake", &Progress::unwatched()).await.unwrap().unwrap();
        let path = lease.path("download");
        std::fs::write(&path, TEXT).unwrap();
        (folder, lease, path)
    }

    fn whole(path: &Path) -> Outcome {
        let facts = SourceFacts {
            address: "test".to_owned(),
            etag: None,
            last_modified: None,
            size: TEXT.len() as u64,
            sha256: Digest::of(TEXT),
        };
        Outcome::Fetched(Fetched { path: path.to_owned(), format: Format::Csv, facts })
    }

    type Reading = tokio::task::JoinHandle<io::Result<Vec<u8>>>;

    async fn read(lease: &SpoolLease) -> (Arrival, Reading) {
        let arrival = lease.arrival(&Progress::unwatched()).await.unwrap();
        let mut reader = arrival.reader().unwrap();
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).map(|_| text)
        });
        (arrival, reading)
    }

    #[tokio::test]
    async fn a_text_is_read_as_it_comes_and_ends_where_it_is_proven() {
        let (_folder, lease, path) = place().await;
        lease.grown(&path, Format::Csv, 6, 26);
        let (arrival, reading) = read(&lease).await;
        lease.grown(&path, Format::Csv, TEXT.len() as u64, 26);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!reading.is_finished() && arrival.facts().is_none());
        lease.settle(&whole(&path));
        assert_eq!(reading.await.unwrap().unwrap(), TEXT);
        assert_eq!(arrival.facts().unwrap().sha256, Digest::of(TEXT));
    }

    #[tokio::test]
    async fn what_is_begun_anew_or_turns_out_to_be_known_is_not_read_to_an_end() {
        let (_folder, lease, path) = place().await;
        lease.grown(&path, Format::Csv, 6, 26);
        let (first, reading) = read(&lease).await;
        lease.restart();
        assert!(reading.await.unwrap().is_err());
        assert!(matches!(first.check(), Err(FetchError::Restarted)));
        lease.grown(&path, Format::Csv, 9, 0);
        let (second, reading) = read(&lease).await;
        lease.settle(&Outcome::Unchanged(None));
        assert!(reading.await.unwrap().is_err());
        assert!(second.is_needless() && second.check().is_ok() && second.facts().is_none());
        assert!(lease.arrival(&Progress::unwatched()).await.is_none());
    }

    #[tokio::test]
    async fn who_waits_for_more_of_a_text_that_is_left_is_told() {
        let (_folder, lease, path) = place().await;
        lease.grown(&path, Format::Csv, 6, 26);
        let (arrival, reading) = read(&lease).await;
        arrival.leave();
        assert!(reading.await.unwrap().is_err());
    }
}
