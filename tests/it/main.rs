//! Integration tests: the program itself against real servers, one sentence each.

#[path = "../support/mod.rs"]
mod support;

mod taxi;
