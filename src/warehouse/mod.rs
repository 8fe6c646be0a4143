//! The warehouses: replace one month, count it, and record what was loaded.
//!
//! Each month of a colour is one partition of the colour's table. It is replaced in one step
//! together with its row in the ledger, so that readers see the old month or the new one.
//! A warehouse can also say what it holds, sum it up again, and drop a month; the results have
//! the same meaning for all, so that stores can be compared.
//!
//! A warehouse is a folder here whose main type implements [`Warehouse`], and a line in
//! [`WarehouseKind`]. What it needs of a lake is [`LakeMonth`] and [`LakeZones`], which are
//! implemented above this room.

mod about;
pub mod bigquery;
mod error;
mod holding;
mod kind;
mod lake_month;
mod ledger_row;
mod loaded;
pub mod postgres;

use std::fmt;

use async_trait::async_trait;

use crate::flow::Progress;
use crate::guard::Guard;
use crate::trip::{Colour, TripFile};

pub use about::About;
pub use error::WarehouseError;
pub use holding::Holding;
pub use kind::WarehouseKind;
pub use lake_month::{Batches, LakeBucket, LakeMonth, LakeObject, LakeZones, StoredMonth};
pub use ledger_row::LedgerRow;
pub use loaded::{Loaded, LoadedMonth};

pub use crate::schema::{SUMMED, Sums};

/// A warehouse that months are loaded into. Its futures stay on the thread that runs the flow: what
/// takes long in them is the server's work, or a thread of its own.
#[async_trait(?Send)]
pub trait Warehouse: fmt::Debug + Send + Sync {
    /// Its kind.
    fn kind(&self) -> WarehouseKind;

    /// Where it is, for people.
    fn address(&self) -> String;

    /// Where a month goes, for people.
    fn place(&self, file: TripFile) -> String;

    /// Connects, makes nothing, and says for people what may be done there.
    async fn probe(&self) -> Result<String, WarehouseError>;

    /// Why each of some months could not be loaded, found without making anything; `straight` if
    /// they come from the web and not from the lake.
    async fn check(
        &self,
        files: &[TripFile],
        straight: bool,
    ) -> Result<Vec<Option<String>>, WarehouseError>;

    /// What the ledger and the table have of a colour. Makes nothing.
    async fn holdings(&self, colour: Colour) -> Result<Vec<Holding>, WarehouseError>;

    /// Counts a month and sums it up; `None` if it is not there.
    async fn sums(
        &self,
        file: TripFile,
        progress: &Progress,
    ) -> Result<Option<Sums>, WarehouseError>;

    /// Replaces a month by what the lake has of it, unless that is what is loaded or `guard`
    /// refuses it. A guard that forces loads it in any case.
    async fn load(
        &self,
        month: &dyn LakeMonth,
        guard: Guard,
        progress: &Progress,
    ) -> Result<LoadedMonth, WarehouseError>;

    /// Takes a month out, and says for people what was there; nothing if nothing was.
    async fn drop_month(
        &self,
        file: TripFile,
        progress: &Progress,
    ) -> Result<Vec<String>, WarehouseError>;

    /// Replaces the taxi zones by those of the lake, if it has any and they are not there already;
    /// false if a table of their name is not ours and was left alone.
    async fn load_zones(
        &self,
        zones: &dyn LakeZones,
        progress: &Progress,
    ) -> Result<bool, WarehouseError>;
}
