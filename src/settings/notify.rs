use clap::ValueEnum;
use serde::Deserialize;

use super::secret::Reference;

/// `[notify]`: who is told how a run ended.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NotifySettings {
    /// The address that a message is posted to, as Slack takes it.
    pub webhook: Option<Reference>,
    /// After which runs.
    pub on: NotifyOn,
}

/// After which runs a message is posted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyOn {
    /// After those in which a month failed.
    #[default]
    Failure,
    /// After every run.
    Always,
}
