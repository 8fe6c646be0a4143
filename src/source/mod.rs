//! Where the files of trips come from, and how one is brought to the local disk.
//!
//! Owns the known sources and their ranges, the download with its resuming and its proofs,
//! and the question "is it there?". Does not look inside a file beyond its first bytes.

mod address;
mod arrival;
mod availability;
mod download;
mod download_state;
mod error;
mod fetch;
mod fetched;
mod promise;
mod spool;

pub use address::{Address, Source, UnknownSource};
pub use arrival::Arrival;
pub use availability::Availability;
pub use error::{FetchError, SpoolError};
pub use fetch::{FetchRequest, Fetcher, HttpSettings, RawError, RawFile, RawStore};
pub use fetched::{Fetched, Outcome};
pub use spool::{Spool, SpoolLease};
