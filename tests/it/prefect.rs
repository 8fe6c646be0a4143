//! Prefect: its real server, its command line and its workers.

mod blocks;
mod client;
mod create;
mod deploy;
mod deployed;
mod execute;
mod machines;
