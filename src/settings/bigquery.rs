//! The BigQuery that months are loaded into.

use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Deserialize;
use serde_json::json;
use toml::de::Error;

use crate::flow::Failure;
use crate::lake::Tokens;
use crate::lake::store::GcsOptions;
use crate::warehouse::bigquery::{BigQuery, BigQueryError, Target, TokenError, TokenSource};
use crate::warehouse::{Warehouse, WarehouseError, WarehouseKind};

use super::connected::{Connected, DEFAULT, Found};
use super::connection_kind::ConnectionKind;
use super::file::{File, FromTable, Part, Table};
use super::lake::{GOOGLE_HEADING, GoogleOptions};
use super::layers::{Layer, Picker};
use super::origin::Origin;
use super::reference::ConnectionReference;
use super::secret::Credentials;
use super::settings_group::SettingsGroup;
use super::warehouse::{self, WarehouseGroup};
use super::{Options, Settings, SettingsError};

const KIND: ConnectionKind = ConnectionKind::Warehouse(WarehouseKind::BigQuery);

const HEADING: &str = "BigQuery settings";

/// The variable that Google's own tools take for the project.
const PROJECT: &str = "GOOGLE_CLOUD_PROJECT";

const EMULATOR: &str = "BIGQUERY_EMULATOR_HOST";

/// What is said of BigQuery.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
#[command(next_help_heading = HEADING)]
pub struct BigQueryOptions {
    /// The BigQuery of taxi.toml to load into
    #[arg(id = "bigquery", long = "bigquery", value_name = "NAME", env = "TAXI_BIGQUERY")]
    #[serde(rename = "bigquery")]
    pub connection: Option<ConnectionReference>,

    /// The Google Cloud project of BigQuery [default: GOOGLE_CLOUD_PROJECT, or the project of the
    /// credentials]
    #[arg(long, value_name = "ID", env = "TAXI_PROJECT", value_parser = NonEmptyStringValueParser::new())]
    pub project: Option<String>,

    /// The dataset in it [default: nyc_taxi]
    #[arg(long, value_name = "NAME", env = "TAXI_DATASET", value_parser = NonEmptyStringValueParser::new())]
    pub dataset: Option<String>,

    /// Where the dataset is made if it is missing: US, EU, europe-west1 [default: US]
    #[arg(long, value_name = "PLACE", env = "TAXI_LOCATION", value_parser = NonEmptyStringValueParser::new())]
    pub location: Option<String>,
}

/// `[bigquery.NAME]`
#[derive(Debug, Clone, Default)]
pub(super) struct BigQueryConnection {
    keys: BigQueryKeys,
    google: GoogleOptions,
}

/// The keys of it that are BigQuery's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct BigQueryKeys {
    project: Option<String>,
    dataset: Option<String>,
    location: Option<String>,
    table: Option<String>,
}

impl FromTable for BigQueryConnection {
    fn keys() -> Vec<&'static str> {
        [BigQueryKeys::keys(), GoogleOptions::keys()].concat()
    }

    fn take(table: &mut Part<'_>) -> Result<Self, Error> {
        Ok(Self { keys: BigQueryKeys::take(table)?, google: GoogleOptions::take(table)? })
    }
}

impl BigQueryConnection {
    /// The settings that come with it.
    fn options(&self) -> Options {
        let mut options = Options::default();
        let BigQueryKeys { project, dataset, location, table } = self.keys.clone();
        options.bigquery = BigQueryOptions { connection: None, project, dataset, location };
        options.warehouse.table = table;
        options.lake.stores.google = self.google.clone();
        options
    }
}

/// The BigQuery that months are loaded into.
#[derive(Debug, Clone)]
pub struct BigQuerySettings {
    /// The Google Cloud project; `None` for the one of the environment or of the credentials.
    pub project: Option<String>,
    /// The dataset in it.
    pub dataset: String,
    /// Where the dataset is made if it is missing; `None` for Google's default.
    pub location: Option<String>,
    /// The table in it; `None` for one each colour.
    pub table: Option<String>,
    /// Whose credentials it is asked with.
    pub google: GcsOptions,
    /// The address of an emulator, spoken to without credentials (`BIGQUERY_EMULATOR_HOST`).
    pub emulator: Option<String>,
}

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

impl BigQuerySettings {
    /// The dataset as a warehouse; asks nobody yet.
    pub fn open(&self) -> Result<BigQuery, WarehouseError> {
        let target = match &self.emulator {
            Some(host) => Target::Emulator(host.clone()),
            None => {
                let tokens = self.google.tokens().map_err(WarehouseError::of)?;
                Target::Google(Arc::new(OfLake(tokens)))
            }
        };
        let project = self.project_in_force().ok_or(BigQueryError::NoProject)?;
        let (location, table) = (self.location.clone(), self.table.clone());
        Ok(BigQuery::new(target, project, &self.dataset, location, table)?)
    }

    /// The project: named, or of the environment, or of the credentials.
    fn project_in_force(&self) -> Option<String> {
        let env = || std::env::var(PROJECT).ok().filter(|value| !value.is_empty());
        self.project.clone().or_else(env).or_else(|| self.google.project())
    }
}

/// What the settings know of BigQuery.
pub(super) struct BigQueryGroup;

impl WarehouseGroup for BigQueryGroup {
    fn headings(&self) -> &'static [&'static str] {
        &[HEADING, GOOGLE_HEADING, warehouse::HEADING]
    }

    fn keys(&self) -> &'static [&'static str] {
        &["bigquery", "project", "dataset", "location"]
    }

    fn open(&self, settings: &Settings) -> Result<Arc<dyn Warehouse>, WarehouseError> {
        Ok(Arc::new(settings.bigquery.open()?))
    }

    fn is_named(&self, settings: &Settings) -> bool {
        settings.bigquery.project_in_force().is_some()
    }

    /// `None` if neither a connection nor a project is named.
    fn leads_to(&self, settings: &Settings) -> Option<(String, Origin)> {
        let found = settings.said(&["bigquery", "project"])?;
        let BigQuerySettings { dataset, .. } = &settings.bigquery;
        let project = settings.bigquery.project_in_force();
        Some((place(project.as_deref(), dataset), found.from.clone()))
    }

    fn connections(&self, file: &File, settings: &Settings) -> Vec<(String, String, usize)> {
        let all = file.bigquery.iter().map(|(name, table)| {
            let keys = &table.value.keys;
            let dataset = keys.dataset.as_deref().unwrap_or(&settings.bigquery.dataset);
            (name.clone(), place(keys.project.as_deref(), dataset), table.line)
        });
        all.collect()
    }

    fn check(&self, file: &File, layer: &Layer) -> Result<(), SettingsError> {
        let Some(reference) = &layer.options.bigquery.connection else { return Ok(()) };
        file.find(KIND, &file.bigquery, reference, &layer.origin(KIND.key())).map(drop)
    }

    fn choose(&self, options: &mut Options, name: &str) {
        options.bigquery.connection = Some(ConnectionReference::Name(name.to_owned()));
    }
}

/// Project and dataset, for people.
fn place(project: Option<&str>, dataset: &str) -> String {
    format!("{}.{dataset}", project.unwrap_or("-"))
}

impl SettingsGroup for BigQuerySettings {
    fn resolve(from: &mut Picker<'_>) -> Result<Self, SettingsError> {
        connect(from)?;
        let settings = Self {
            project: project(from),
            dataset: from.pick("dataset", |o| &o.bigquery.dataset, "nyc_taxi".to_owned()),
            location: from.optional("location", |o| &o.bigquery.location),
            table: from.named("bigquery.table", "table", |o| &o.warehouse.table),
            google: GoogleOptions::resolve_for_bigquery(from)?,
            emulator: from.variable("bigquery_emulator", EMULATOR),
        };
        from.connection = None;
        Ok(settings)
    }

    fn secrets(&self) -> Vec<String> {
        self.google.secret().into_iter().collect()
    }
}

/// If a connection is named, what it says goes before the rest of the file.
fn connect(from: &mut Picker<'_>) -> Result<(), SettingsError> {
    let named = from.find("bigquery", |o| &o.bigquery.connection);
    let default = || (ConnectionReference::Name(DEFAULT.to_owned()), Origin::Default);
    let named = named.or_else(|| from.file.bigquery.contains_key(DEFAULT).then(default));
    let Some((reference, by)) = named else {
        from.note("bigquery", json!(null), Origin::Default);
        return Ok(());
    };
    let Connected { options, origin, .. } =
        match from.file.find(KIND, &from.file.bigquery, &reference, &by)? {
            Found::Table(name, Table { value, line, .. }) => Connected {
                to: (),
                options: value.options(),
                origin: from.file.says(KIND, name, &by, *line),
            },
            Found::Block(block) => {
                // A block has the credentials, and those name their project.
                let mut options = Options::default();
                options.lake.stores.google.credentials = Some(Credentials::Block(block.clone()));
                Connected { to: (), options, origin: Origin::block(block, &by) }
            }
        };
    from.note("bigquery", json!(reference.to_string()), origin.clone());
    from.connection = Some(Layer::connection(options, origin));
    Ok(())
}

fn project(from: &mut Picker<'_>) -> Option<String> {
    let found = from.find("project", |o| &o.bigquery.project);
    let shown = found.clone().or_else(|| {
        let project = std::env::var(PROJECT).ok().filter(|project| !project.is_empty())?;
        Some((project, Origin::Environment { name: PROJECT.to_owned() }))
    });
    match shown {
        Some((project, origin)) => from.note("project", json!(project), origin),
        None => from.note("project", json!(null), Origin::Default),
    }
    found.map(|(project, _)| project)
}
