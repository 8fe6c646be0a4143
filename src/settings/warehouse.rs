//! What all warehouses have alike.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Deserialize;

use crate::warehouse::WarehouseKind;

use super::error::SettingsError;
use super::layers::Picker;
use super::settings_group::SettingsGroup;

/// The heading of its flags.
pub(super) const HEADING: &str = "Warehouse settings";

/// The options for any warehouse.
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
        let to_warehouse =
            from.pick("to_warehouse", |o: &WarehouseOptions| &o.to_warehouse, Vec::new());
        Ok(Self { to_warehouse })
    }
}
