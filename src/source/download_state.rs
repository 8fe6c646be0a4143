use std::path::PathBuf;

use crate::trip::Format;

use super::Fetched;

/// How far the file of a held place has come.
#[derive(Debug, Default)]
pub(super) struct DownloadState {
    /// Counts how often it was begun: the host may have another file each time.
    pub(super) edition: u32,
    pub(super) stage: DownloadStage,
}

#[derive(Debug, Default)]
pub(super) enum DownloadStage {
    /// Nothing of it is there that could be read.
    #[default]
    Awaited,
    /// So many bytes of a text are there. A Parquet file is of no use before its end, where
    /// its footer is, and what is not downloaded is there at once: neither is ever so.
    Growing { path: PathBuf, format: Format, size: u64, announced: u64 },
    /// All of it is there and proven.
    Whole(Fetched),
    /// It does not come.
    Nothing,
}

/// What is known of the next byte of an edition: how many are there, 0 at the end of all; none
/// where that shows later.
pub(super) type BytesAhead = Option<Result<u64, DownloadEnded>>;

/// The rest of an edition does not come.
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
