use std::path::PathBuf;

use crate::trip::Format;

use super::Fetched;

/// How far the file of a held place has come.
#[derive(Debug, Default)]
pub(super) struct Coming {
    /// Counts how often it was begun: the host may have another file each time.
    pub(super) edition: u32,
    pub(super) state: State,
}

#[derive(Debug, Default)]
pub(super) enum State {
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
pub(super) type Ahead = Option<Result<u64, Gone>>;

/// The rest of an edition does not come.
#[derive(Debug, thiserror::Error)]
#[error("the rest of it does not come")]
pub(super) struct Gone;

impl Coming {
    pub(super) fn ahead(&self, edition: u32, at: u64) -> Ahead {
        match &self.state {
            State::Nothing => Some(Err(Gone)),
            _ if self.edition != edition => Some(Err(Gone)),
            State::Whole(fetched) => Some(Ok(fetched.facts.size.saturating_sub(at))),
            State::Growing { size, .. } if *size > at => Some(Ok(size - at)),
            State::Growing { .. } | State::Awaited => None,
        }
    }
}
