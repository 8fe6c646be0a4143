//! A flow run of a Prefect server: what it is asked for, and what the engine's events come to
//! in its record.
//!
//! The `Reporter` hears the engine and never waits: it notes what is to be reported. A courier
//! in the background brings it to the server, in order, however long the server is away.
//! [`Execution`] is the flow run itself: claimed, run, ended as the server says.

mod book;
mod courier;
mod execution;
mod heartbeat;
mod home;
mod lease;
mod left;
mod line;
mod noted;
mod propose;
mod queue;
mod reporter;
mod tables;
mod task;
mod watch;

pub use execution::{Execution, Outcome, Terms};
