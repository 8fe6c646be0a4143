//! Notifications about the end of a run.

use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::{Value, json};
use url::{Position, Url};

use crate::flow::RunReport;
use crate::notify::{NotifyError, Webhook};

use super::error::SettingsError;
use super::layers::{Picker, Show, value_name};
use super::origin::{FileLine, Origin};
use super::secret::Reference;
use super::settings_group::SettingsGroup;
use super::table::Table;

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

impl NotifySettings {
    /// Sends the notification about the end of a run; `secrets` are left out of what is told.
    pub(super) async fn tell(
        &self,
        report: &RunReport,
        took: Duration,
        secrets: &[String],
    ) -> Result<(), NotifyError> {
        match &self.webhook {
            Some(webhook) if self.on == NotifyOn::Always || !report.ok => {
                let webhook = webhook.resolve();
                let webhook = webhook.map_err(|error| NotifyError::Address(error.to_string()))?;
                Webhook::new(webhook.reveal())?.tell(report, took, secrets).await
            }
            _ => Ok(()),
        }
    }
}

impl Show for NotifyOn {
    fn show(&self) -> Value {
        value_name(self)
    }
}

impl SettingsGroup for NotifySettings {
    fn resolve(from: &mut Picker<'_>) -> Result<Self, SettingsError> {
        let table: Option<&Table<Self>> = from.file.section();
        let Table { value: notify, lines, .. } = table.cloned().unwrap_or_default();
        let path = &from.file.path;
        let by = |key| match lines.get(key) {
            Some(line) => Origin::File { place: FileLine::new(path, *line) },
            None => Origin::Default,
        };
        let webhook = notify.webhook.as_ref().map(ToString::to_string);
        from.note("notify.webhook", json!(webhook), by("webhook"));
        from.note("notify.on", notify.on.show(), by("on"));
        Ok(notify)
    }

    fn secrets(&self) -> Vec<String> {
        let Some(Ok(webhook)) = self.webhook.as_ref().map(Reference::resolve) else {
            return Vec::new();
        };
        let webhook = webhook.reveal().trim();
        // What is after the host lets everybody post.
        let path = Url::parse(webhook).ok().map(|url| url[Position::BeforePath..].to_owned());
        std::iter::once(webhook.to_owned()).chain(path).collect()
    }
}
