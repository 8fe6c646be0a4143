//! The BigQuery that the settings name, with its credentials or those of the lake.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;

use crate::config::file::File;
use crate::config::origin::Origin;
use crate::config::{Options, Settings};
use crate::flow::Failure;
use crate::lake::{Tokens, unwrapped};
use crate::warehouse::bigquery::{BigQuery, BigQueryError, Target, TokenError, TokenSource};
use crate::warehouse::{Warehouse, WarehouseError};

use super::WarehouseSettings;

/// The group of settings of BigQuery.
pub(super) struct BigQuerySettings;

/// The tokens of credentials as the lake's are.
#[derive(Debug)]
struct OfLake(Tokens);

#[async_trait]
impl TokenSource for OfLake {
    async fn token(&self) -> Result<String, TokenError> {
        let token = self.0.token().await;
        token.map_err(|error| TokenError { what: error.to_string(), retry: error.retry() })
    }
}

impl Settings {
    /// The BigQuery that is loaded into; asks nobody yet.
    pub fn bigquery(&self) -> Result<BigQuery, WarehouseError> {
        let target = match &self.bigquery_emulator {
            Some(host) => Target::Emulator(host.clone()),
            None => {
                let tokens = self.google.tokens().map_err(WarehouseError::of)?;
                Target::Google(Arc::new(OfLake(tokens)))
            }
        };
        let project = project(self).ok_or(BigQueryError::NoProject)?;
        let (location, table) = (self.location.clone(), self.bigquery_table.clone());
        Ok(BigQuery::new(target, project, &self.dataset, location, table)?)
    }
}

impl WarehouseSettings for BigQuerySettings {
    fn open(&self, settings: &Settings) -> Result<Arc<dyn Warehouse>, WarehouseError> {
        Ok(Arc::new(settings.bigquery()?))
    }

    fn is_named(&self, settings: &Settings) -> bool {
        project(settings).is_some()
    }

    /// `None` if neither a connection nor a project is named.
    fn leads_to(&self, settings: &Settings) -> Option<(String, Origin)> {
        let mut said = settings.effective().iter().filter(|setting| !setting.value.is_null());
        let found = said.find(|setting| ["bigquery", "project"].contains(&setting.key.as_str()))?;
        let project = project(settings);
        Some((dataset(project.as_deref(), &settings.dataset), found.from.clone()))
    }

    fn connections(&self, file: &File, settings: &Settings) -> Vec<(String, String, usize)> {
        let all = file.bigquery.iter().map(|(name, table)| {
            let named = table.value.dataset.as_deref().unwrap_or(&settings.dataset);
            let address = dataset(table.value.project.as_deref(), named);
            (name.clone(), address, table.line)
        });
        all.collect()
    }

    fn names<'a>(&self, file: &'a File) -> Vec<&'a str> {
        file.bigquery.keys().map(String::as_str).collect()
    }

    fn chosen<'a>(&self, options: &'a Options) -> Option<&'a String> {
        options.bigquery.as_ref()
    }

    fn choose(&self, options: &mut Options, name: &str) {
        options.bigquery = Some(name.to_owned());
    }

    fn keys(&self) -> &'static [&'static str] {
        &["bigquery", "project", "dataset", "location"]
    }

    fn secrets(&self, settings: &Settings) -> Vec<String> {
        settings.google.secret().into_iter().collect()
    }
}

/// The project: named, or of the environment, or of the credentials.
fn project(settings: &Settings) -> Option<String> {
    let env = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let key = || {
        let (_, text) = settings.google.credentials_in_force().ok()??;
        project_of(unwrapped(&text)?.as_bytes())
    };
    settings.project.clone().or_else(|| env(PROJECT)).or_else(key)
}

/// Project and dataset, for people.
fn dataset(project: Option<&str>, dataset: &str) -> String {
    format!("{}.{dataset}", project.unwrap_or("-"))
}

/// The variable that Google's own tools take for the project.
pub(in crate::config) const PROJECT: &str = "GOOGLE_CLOUD_PROJECT";

/// The project that credentials name.
fn project_of(json: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Key {
        project_id: Option<String>,
        quota_project_id: Option<String>,
    }
    let key: Key = serde_json::from_slice(json).ok()?;
    key.project_id.or(key.quota_project_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_project() {
        for (json, project) in [
            (r#"{"type": "service_account", "project_id": "p"}"#, Some("p")),
            (r#"{"type": "authorized_user", "quota_project_id": "q"}"#, Some("q")),
            (r#"{"type": "authorized_user"}"#, None),
            ("no key", None),
        ] {
            assert_eq!(project_of(json.as_bytes()).as_deref(), project);
        }
    }
}
