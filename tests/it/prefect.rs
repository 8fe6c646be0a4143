//! Prefect: its real server, its command line and its workers.

mod client;
