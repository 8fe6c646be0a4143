//! The warehouses: replace one month, count it, and say what was loaded.
//!
//! Each month of a colour is one partition of the colour's table. It is replaced in one step
//! together with its row in the ledger, so that who reads sees the old month or the new one.

pub mod postgres;
