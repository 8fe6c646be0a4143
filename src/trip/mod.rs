//! The names of a month of trips, everywhere.
//!
//! Owns the names: colours, months, the addresses and keys of a month's file, digests, and
//! the provenance of a published month. Knows nothing about columns, stores or the network.

mod colour;
mod digest;
mod file;
mod format;
mod item;
mod kept;
mod month;
mod provenance;
pub mod quarantine;

pub use colour::{Colour, UnknownColour};
pub use digest::{Digest, Hashing};
pub use file::TripFile;
pub use format::{Format, UnsupportedFormat};
pub use item::Item;
pub use kept::{KeptColumn, KeptType};
pub use month::{Month, MonthError, Months};
pub use provenance::{Counts, Provenance, SourceFacts};
