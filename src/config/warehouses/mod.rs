//! The warehouses in the settings: each kind has a group of settings, and this is their table.

pub(super) mod bigquery;
mod postgres;

use std::sync::Arc;

use crate::warehouse::{Warehouse, WarehouseError, WarehouseKind};

use super::file::File;
use super::origin::Origin;
use super::{Options, Settings};
use bigquery::BigQuerySettings;
use postgres::PostgresSettings;

/// The group of settings of a kind of warehouse.
pub(super) trait WarehouseSettings: Sync {
    /// The warehouse in force; asks nobody yet.
    fn open(&self, settings: &Settings) -> Result<Arc<dyn Warehouse>, WarehouseError>;

    /// Whether one is in force that a run could load into: the settings, the environment or the
    /// credentials name it.
    fn is_named(&self, settings: &Settings) -> bool;

    /// Where the one in force is, for people, and what says so; `None` if no setting names it.
    fn leads_to(&self, settings: &Settings) -> Option<(String, Origin)>;

    /// The connections of the file: the name, where it leads, the line.
    fn connections(&self, file: &File, settings: &Settings) -> Vec<(String, String, usize)>;

    /// The names of the connections of the file.
    fn names<'a>(&self, file: &'a File) -> Vec<&'a str>;

    /// The connection that some options choose.
    fn chosen<'a>(&self, options: &'a Options) -> Option<&'a String>;

    /// Chooses a connection as a flag does.
    fn choose(&self, options: &mut Options, name: &str);

    /// The settings that say which one it is, beside `table`: a command that repairs needs them.
    fn keys(&self) -> &'static [&'static str];

    /// What must not be shown of the one in force.
    fn secrets(&self, settings: &Settings) -> Vec<String>;
}

/// The group of settings of a kind.
pub(super) fn group(kind: WarehouseKind) -> &'static dyn WarehouseSettings {
    match kind {
        WarehouseKind::Postgres => &PostgresSettings,
        WarehouseKind::BigQuery => &BigQuerySettings,
    }
}

impl Settings {
    /// The warehouse of a kind that is loaded into; asks nobody yet.
    pub fn warehouse(&self, kind: WarehouseKind) -> Result<Arc<dyn Warehouse>, WarehouseError> {
        group(kind).open(self)
    }

    /// Whether a run could load into a warehouse of a kind without being told more.
    pub fn names_warehouse(&self, kind: WarehouseKind) -> bool {
        group(kind).is_named(self)
    }

    /// The settings that say which warehouses are meant, beside `table`.
    pub fn warehouse_keys() -> impl Iterator<Item = &'static str> {
        WarehouseKind::all().flat_map(|kind| group(kind).keys()).copied()
    }
}
