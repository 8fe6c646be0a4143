//! Postgres: months as partitions, filled by binary COPY and swapped in by one transaction.

mod columns;
mod connection;
mod copy;
mod drop;
mod error;
mod foreign;
mod holdings;
mod index;
mod ledger;
mod load;
mod names;
mod probe;
mod quarantine;
mod tls;
mod transaction;
mod views;
mod zones;

pub use connection::{ConnectError, Target};
pub use error::PostgresError;
pub use load::{Load, Proven, Warehouse};
pub use probe::Probe;
pub use transaction::Batches;
