//! The contents of all stores: queried, judged, counted again, or removed.
//!
//! A store is the lake or a warehouse. Facts are gathered from all stores at once
//! ([`Survey`]), judged month by month by one pure function each ([`judge`]), and for every problem
//! there is a command that repairs it ([`Repairs`]). If a store cannot be reached, the reason is
//! shown, and the other stores are not affected.

mod drop;
pub mod judge;
mod picture;
mod plan;
mod repair;
mod source;
mod source_cell;
mod store;
mod survey;
mod table;
mod verify;

pub use drop::{Dropped, drop_month};
pub use judge::{Cell, CellState, LakeSide};
pub use picture::Style;
pub use plan::{Act, Plan, PlannedMonth, Route, Step};
pub use repair::Repairs;
pub use source::ask_source;
pub use source_cell::SourceCell;
pub use store::{Opened, Store, Stores};
pub use survey::{Facts, StoreSurvey, Survey};
pub use table::verified_table;
pub use verify::{Count, Finding, Verified, repairs, verify};
