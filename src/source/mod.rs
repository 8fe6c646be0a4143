//! Where the files of trips come from, and how one is brought to the local disk.
//!
//! Owns the known sources and their ranges, the download with its resuming and its proofs,
//! and the question "is it there?". Does not look inside a file beyond its first bytes.

mod address;
mod arrival;
mod ask;
mod coming;
mod download;
mod error;
mod fetch;
mod fetched;
mod promise;
mod spool;

pub use address::{Address, Source, UnknownSource};
pub use arrival::Arrival;
pub use ask::Answer;
pub use error::{FetchError, SpoolError};
pub use fetch::{Fetcher, HttpSettings, RawError, RawFile, RawStore, Wanted};
pub use fetched::{Fetched, Outcome};
pub use spool::{Held, Spool};
