//! A flow run of a Prefect server: what it is asked for, and what the engine's events come to
//! in its record.
//!
//! The `Reporter` hears the engine and never waits: it notes what is to be reported. An uploader
//! in the background brings it to the server, in order, however long the server is away.
//! [`Execution`] is the flow run itself: claimed, run, ended as the server says.

mod event_recorder;
mod execution;
mod heartbeat;
mod home;
mod lease;
mod line;
mod noted;
mod orphans;
mod propose;
mod queue;
mod reporter;
mod tables;
mod task;
mod uploader;
mod watch;

pub use execution::{Execution, Outcome, Terms};
