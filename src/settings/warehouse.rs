//! What all warehouses have alike, and the table of their groups of settings.

use std::sync::Arc;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Deserialize;

use crate::warehouse::{Warehouse, WarehouseError, WarehouseKind};

use super::bigquery::BigQueryGroup;
use super::file::File;
use super::layers::{Layer, Picker};
use super::origin::Origin;
use super::postgres::PostgresGroup;
use super::secret_names::SecretNames;
use super::settings_group::SettingsGroup;
use super::{Options, Settings, SettingsError};

/// The heading of its flags.
pub(super) const HEADING: &str = "Warehouse settings";

/// What is said of any warehouse.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
#[command(next_help_heading = HEADING)]
pub struct WarehouseOptions {
    /// The table to load into [default: yellow_trips, green_trips, ...]
    #[arg(long, value_name = "NAME", env = "TAXI_TABLE", value_parser = NonEmptyStringValueParser::new())]
    pub table: Option<String>,

    /// The warehouses etl-parent-flow loads into, where it is not told: a setting of taxi.toml.
    #[arg(skip)]
    pub to_warehouse: Option<Vec<WarehouseKind>>,
}

/// Which warehouses are loaded into.
#[derive(Debug, Clone)]
pub struct WarehouseSettings {
    /// The warehouses that the parent flow loads into, unless it is told others.
    pub to_warehouse: Vec<WarehouseKind>,
}

impl SettingsGroup for WarehouseSettings {
    fn resolve(from: &mut Picker<'_>) -> Result<Self, SettingsError> {
        let to_warehouse = from.pick("to_warehouse", |o| &o.warehouse.to_warehouse, Vec::new());
        Ok(Self { to_warehouse })
    }
}

/// What the settings know of a kind of warehouse.
pub(super) trait WarehouseGroup: Sync {
    /// The headings of its flags, and of those that it shares with other groups.
    fn headings(&self) -> &'static [&'static str];

    /// Where its secrets are said outside `taxi.toml`.
    fn secret_names(&self) -> SecretNames {
        SecretNames::NONE
    }

    /// The settings that say which one it is, beside `table`: a command that repairs needs them.
    fn keys(&self) -> &'static [&'static str];

    /// The warehouse in force; asks nobody yet.
    fn open(&self, settings: &Settings) -> Result<Arc<dyn Warehouse>, WarehouseError>;

    /// Whether one is in force that a run could load into: the settings, the environment or the
    /// credentials name it.
    fn is_named(&self, settings: &Settings) -> bool;

    /// Where the one in force is, for people, and what says so; `None` if no setting names it.
    fn leads_to(&self, settings: &Settings) -> Option<(String, Origin)>;

    /// The connections of the file: the name, where it leads, the line.
    fn connections(&self, file: &File, settings: &Settings) -> Vec<(String, String, usize)>;

    /// Refuses the name of a connection that is not there.
    fn check(&self, file: &File, layer: &Layer) -> Result<(), SettingsError>;

    /// Names a connection as a flag does.
    fn choose(&self, options: &mut Options, name: &str);
}

/// The group of a kind.
pub(super) fn group(kind: WarehouseKind) -> &'static dyn WarehouseGroup {
    match kind {
        WarehouseKind::Postgres => &PostgresGroup,
        WarehouseKind::BigQuery => &BigQueryGroup,
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
