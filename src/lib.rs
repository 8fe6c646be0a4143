//! Moves months of New York taxi trips from the web to a data lake and on to a warehouse.
//!
//! Each month arrives whole, once, in one schema, and what was wrong with it is kept beside
//! it and counted. The rooms, from the ground floor up; each imports only those above it in
//! this list:
//!
//! - [`support`]: small things that every room uses
//! - [`redact`]: what is taken out of all that is shown
//! - [`trip`]: the names of a month, everywhere, and what a published month says of itself
//! - [`schema`]: the canonical columns of each colour and every name they ever went by
//! - [`flow`]: tasks, retries, cancellation, events, reports
//! - [`guard`]: whether an edition of a month may take the place of the one that is there
//! - [`notify`]: telling people how a run ended
//! - [`source`]: where files come from, and how they are fetched
//! - [`clean`]: from a file's bytes to trips kept and rows set aside
//! - [`lake`]: publishing a month to object storage and reading it back
//! - [`warehouse`]: replacing a month in a database, and the ledger of what was loaded
//! - [`config`]: what the user asks for, and the tools made from it
//! - [`prefect`]: what is asked of a Prefect server, and told to it
//! - [`inspect`]: what is there: every store asked, judged, counted afresh, or cleared of a month

pub mod clean;
pub mod config;
pub mod flow;
pub mod guard;
pub mod inspect;
pub mod lake;
pub mod notify;
pub mod prefect;
pub mod redact;
pub mod schema;
pub mod source;
pub mod support;
pub mod trip;
pub mod warehouse;
