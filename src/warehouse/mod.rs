//! The warehouses: replace one month, count it, and say what was loaded.
//!
//! Each month of a colour is one partition of the colour's table. It is replaced in one step
//! together with its row in the ledger, so that who reads sees the old month or the new one.
//! A warehouse can also say what it holds, sum it up afresh, and drop a month; what these
//! come to is the same for all, so that stores can be compared.

pub mod bigquery;
mod holding;
mod loaded;
pub mod postgres;

pub use holding::{Holding, WarehouseKind};
pub use loaded::Loaded;

pub use crate::schema::{SUMMED, Sums};
