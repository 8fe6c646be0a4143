//! Where trip files come from, and how they are downloaded to the local disk.
//!
//! Owns the known sources and their ranges, the download, how it is resumed and verified, and
//! whether a month is published. Reads only the first bytes of a file's contents.

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
