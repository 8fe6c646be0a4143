//! Moves months of New York taxi trips from the web to a data lake and on to a warehouse.
//!
//! Each month arrives complete and exactly once, in one schema; bad rows are kept next to it and
//! counted.
//!
//! Your own program can run a flow as the command line does:
//!
//! ```
#![doc = include_str!("../examples/parent_flow.rs")]
//! ```
//!
//! - [`flows`]: the recipes, and the table of them
//! - [`flow_definition`]: a flow as a row of that table, and what it is asked for
//! - [`settings`]: parameters and settings
//! - [`pipeline`]: the steps that recipes are made of
//! - [`flow`]: what a run is: tasks, retries, cancellation, events and who hears them, reports
//! - [`trip`]: the names of a month, everywhere, and what a published month says of itself
//!
//! All else may change with any version, so it is not shown here; CONTRIBUTING.md is about it.

#[doc(hidden)]
pub mod clean;
#[doc(hidden)]
pub mod cli;
pub mod flow;
pub mod flow_definition;
#[path = "../flows/mod.rs"]
pub mod flows;
#[doc(hidden)]
pub mod guard;
#[doc(hidden)]
pub mod inspect;
#[doc(hidden)]
pub mod lake;
#[doc(hidden)]
pub mod notify;
pub mod pipeline;
#[doc(hidden)]
pub mod prefect;
#[doc(hidden)]
pub mod redact;
#[doc(hidden)]
pub mod schema;
pub mod settings;
#[doc(hidden)]
pub mod source;
pub mod support;
pub mod trip;
#[doc(hidden)]
pub mod warehouse;

pub use warehouse::WarehouseKind;
