use std::sync::Arc;

use crate::warehouse::{Warehouse, WarehouseError};

use super::error::SettingsError;
use super::file::File;
use super::layers::Layer;
use super::origin::{Effective, Origin};
use super::secret_names::SecretNames;

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

    /// Refuses the name of a connection that is not there.
    fn check(&self, file: &File, layer: &Layer) -> Result<(), SettingsError>;
}

/// The settings in force of a kind of warehouse.
pub(super) trait WarehouseInForce {
    /// The warehouse; does not connect yet.
    fn warehouse(&self) -> Result<Arc<dyn Warehouse>, WarehouseError>;

    /// Whether a run could load into it: the settings, the environment or the credentials name it.
    fn is_named(&self) -> bool;

    /// Where it is, for people, and what says so; `None` if none of the settings names it.
    fn leads_to(&self, effective: &[Effective]) -> Option<(String, Origin)>;

    /// The connections of the file: the name, where it leads, the line.
    fn connections(&self, file: &File) -> Vec<(String, String, usize)>;
}
