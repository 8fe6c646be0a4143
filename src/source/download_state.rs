use std::path::PathBuf;

use crate::trip::Format;

use super::Fetched;

/// The state of the download in a leased folder.
#[derive(Debug, Default)]
pub(super) struct DownloadState {
    /// Counts how often it was begun: the host may have another file each time.
    pub(super) edition: u32,
    pub(super) stage: DownloadStage,
}

#[derive(Debug, Default)]
pub(super) enum DownloadStage {
    /// There is nothing to read yet.
    #[default]
    Awaited,
    /// `size` bytes of a text have been received. Parquet files never have this state, because
    /// their footer is at the end, nor do files that are not downloaded.
    Growing { path: PathBuf, format: Format, size: u64, announced: u64 },
    /// The file is complete and verified.
    Whole(Fetched),
    /// There will be no file.
    Nothing,
}

/// What is known of the next byte of an edition: how many are there, 0 at the end of all; none
/// where that shows later.
pub(super) type BytesAhead = Option<Result<u64, DownloadEnded>>;

/// The download of an edition ended early.
#[derive(Debug, thiserror::Error)]
#[error("the rest of it does not come")]
pub(super) struct DownloadEnded;

impl DownloadState {
    pub(super) fn ahead(&self, edition: u32, at: u64) -> BytesAhead {
        match &self.stage {
            DownloadStage::Nothing => Some(Err(DownloadEnded)),
            _ if self.edition != edition => Some(Err(DownloadEnded)),
            DownloadStage::Whole(fetched) => Some(Ok(fetched.facts.size.saturating_sub(at))),
            DownloadStage::Growing { size, .. } if *size > at => Some(Ok(size - at)),
            DownloadStage::Growing { .. } | DownloadStage::Awaited => None,
        }
    }
}
