//! Postgres: months as partitions, filled by binary COPY and swapped in by one transaction.

mod certificate;
mod columns;
mod connection;
mod conninfo;
mod copy;
mod drop;
mod error;
mod foreign;
mod holdings;
mod index;
mod ledger;
mod load;
mod locks;
mod names;
mod probe;
mod quarantine;
mod seen;
mod session;
mod target;
mod tls;
mod transaction;
mod views;
mod wire;
mod zones;

pub use connection::{ConnectError, Refusal};
pub use error::PostgresError;
pub use load::{Load, Proven, Warehouse};
pub use probe::Probe;
pub use target::Target;
pub use transaction::Batches;
pub use wire::LastWord;
