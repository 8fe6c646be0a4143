//! Cleans a month: cuts its file into records, reads them into typed columns, judges them by
//! the rules with Polars, and writes what is kept and what is set aside, in bounded memory.
//!
//! A reading thread inflates and cuts; workers each take a part, read, judge and encode it;
//! the caller's thread writes the encoded parts in the order of the file. A few parts more than
//! there are workers are in memory at once. Equal bytes and rules give equal files, whatever
//! the number of workers.

mod batch;
mod bridge;
mod encode;
mod error;
mod fields;
mod gzip;
mod infer;
mod input;
mod judge;
mod output;
mod parquet_file;
mod part;
mod pipeline;
mod records;
mod rows;
mod rules;
mod stored_zones;
mod streamed;
mod text;
mod times;
mod typed;
mod workers;
mod zone;
mod zones;

pub use error::CleanError;
pub use input::Text;
pub use pipeline::{Cleaned, Job, clean, new_columns, published_before, stream};
pub use rules::{Changeable, Level, RULES, Rule, RuleError, Rules};
pub use streamed::Streamed;
pub use zones::clean_zones;

use batch::{Batch, Rejects};
