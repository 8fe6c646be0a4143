//! Integration tests: the program itself against real servers, one sentence each.
#![allow(unreachable_pub, clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod bad_files;
mod month;
mod sources;
mod taxi;
mod usage;
mod vintages;
