//! What tests, benchmarks and the quickstart share: trip files with known dirt, a web
//! server that fails on demand, and the GCS and BigQuery servers with the proxies before them.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::new_without_default,
    clippy::print_stdout,
    clippy::return_self_not_must_use,
    clippy::should_implement_trait,
    clippy::struct_excessive_bools,
    clippy::unwrap_used
)]

pub mod bigquery;
pub mod control;
pub mod disk;
pub mod gate;
pub mod gcs;
pub mod generate;
pub mod http;
pub mod postgres;
pub mod prefect;
pub mod rough;
pub mod tls;
pub mod web;
