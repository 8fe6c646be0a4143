//! Prefect: its real server, its command line and its workers.

mod address;
mod blocks;
mod client;
mod create;
mod deploy;
pub mod deployed;
mod execute;
mod lease;
mod machines;
mod pending;
mod whole;
