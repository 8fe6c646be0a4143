//! Integration tests: the program itself against real servers, one sentence each.
#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::needless_pass_by_value,
    clippy::print_stdout,
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    clippy::unnecessary_wraps,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub
)]

#[path = "../harness/mod.rs"]
mod harness;

mod backfill;
mod bad_files;
mod bigquery;
mod cloud;
mod damage;
mod guard;
mod imports;
mod kills;
mod lake_folder;
mod lake_gcs;
mod lake_gcs_kills;
mod library;
mod looking;
#[cfg(target_os = "linux")]
mod memory;
mod new_columns;
mod postgres;
mod prefect;
mod rust_version;
mod secrets;
mod settings;
mod show;
mod sources;
mod starve;
mod status;
mod unattended;
mod usage;
mod values;
mod vintages;
