use super::error::SettingsError;
use super::layers::Picker;

/// Settings that belong together, with their values in force.
pub(super) trait SettingsGroup: Sized {
    /// Picks its values from the layers, and notes where each comes from.
    fn resolve(from: &mut Picker<'_>) -> Result<Self, SettingsError>;

    /// What must not be shown of it, wherever it may turn up.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}
