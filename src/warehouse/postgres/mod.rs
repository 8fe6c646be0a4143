//! Postgres: months as partitions, filled by binary COPY and swapped in by one transaction.

mod certificate;
mod code;
mod columns;
mod connect_error;
mod connection;
mod conninfo;
mod copied;
mod copy;
mod database;
mod drop;
mod encrypted;
mod environment;
mod error;
mod foreign;
mod holdings;
mod index;
mod kept;
mod ledger;
mod load;
mod load_request;
mod locks;
mod month_table;
mod names;
mod obstacles;
mod passfile;
mod privileges;
mod quarantine;
mod relation;
mod revocation;
mod seen;
mod server;
mod service_file;
mod session;
mod signatures;
mod target;
mod tls;
mod transaction;
mod trust;
mod trusted_roles;
mod types;
mod views;
mod wire;
mod writes;
mod zones;

pub use connect_error::{ConnectError, Refusal};
pub use database::Postgres;
pub use error::{Misfit, PostgresError};
pub use load_request::{Load, Proven};
pub use target::Target;
pub use wire::LastWord;

use super::about::About;
use crate::flow::TaskName;

/// What it is called where.
pub(super) const ABOUT: About = About {
    name: "postgres",
    title: "Postgres",
    load_task: TaskName::WritePostgres,
    count_task: TaskName::CountPostgres,
    load_flow: Some("etl-gcs-to-postgres"),
};
