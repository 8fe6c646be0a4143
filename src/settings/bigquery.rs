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
use crate::redact::url_secrets;
use crate::warehouse::bigquery::{BigQuery, BigQueryError, Target, TokenError, TokenSource};
use crate::warehouse::{Warehouse, WarehouseError, WarehouseKind};

use super::by_type::ByType;
use super::connection_kind::ConnectionKind;
use super::error::SettingsError;
use super::file::File;
use super::lake::{GOOGLE_HEADING, GoogleOptions};
use super::layers::{Layer, Picker};
use super::origin::{Effective, Origin, said};
use super::reference::ConnectionReference;
use super::resolved_connection::{ConnectionTarget, DEFAULT, ResolvedConnection};
use super::secret::Credentials;
use super::secret_names::SecretNames;
use super::settings_group::SettingsGroup;
use super::table::{FromTable, SpannedTable, Table};
use super::warehouse::{self, WarehouseOptions};
use super::warehouse_group::{WarehouseGroup, WarehouseInForce};

const KIND: ConnectionKind = ConnectionKind::Warehouse(WarehouseKind::BigQuery);

const HEADING: &str = "BigQuery settings";

/// The variable that Google's own tools take for the project.
const PROJECT: &str = "GOOGLE_CLOUD_PROJECT";

const EMULATOR: &str = "BIGQUERY_EMULATOR_HOST";

/// The options for BigQuery.
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

    /// The dataset [default: nyc_taxi]
    #[arg(long, value_name = "NAME", env = "TAXI_DATASET", value_parser = NonEmptyStringValueParser::new())]
    pub dataset: Option<String>,

    /// Where the dataset is created if it does not exist: US, EU, europe-west1 [default: US]
    #[arg(long, value_name = "PLACE", env = "TAXI_LOCATION", value_parser = NonEmptyStringValueParser::new())]
    pub location: Option<String>,
}

impl BigQueryOptions {
    /// Names a connection as a flag does.
    pub(super) fn choose(&mut self, name: &str) {
        self.connection = Some(ConnectionReference::Name(name.to_owned()));
    }
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

    fn take(table: &mut SpannedTable<'_>) -> Result<Self, Error> {
        Ok(Self { keys: BigQueryKeys::take(table)?, google: GoogleOptions::take(table)? })
    }
}

impl BigQueryConnection {
    /// The settings that come with it.
    fn groups(&self) -> ByType {
        let BigQueryKeys { project, dataset, location, table } = self.keys.clone();
        ByType::default()
            .with(BigQueryOptions { connection: None, project, dataset, location })
            .with(WarehouseOptions { table, ..Default::default() })
            .with(self.google.clone())
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
    /// The table in it; `None` for one per colour.
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
    /// The dataset as a warehouse; does not connect yet.
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

    fn secret_names(&self) -> SecretNames {
        SecretNames { addresses: &[EMULATOR], ..SecretNames::NONE }
    }

    fn keys(&self) -> &'static [&'static str] {
        &["bigquery", "project", "dataset", "location"]
    }

    fn check(&self, file: &File, layer: &Layer) -> Result<(), SettingsError> {
        let said = layer.group::<BigQueryOptions>().and_then(|said| said.connection.as_ref());
        let Some(reference) = said else { return Ok(()) };
        file.find(
            KIND,
            file.connections::<BigQueryConnection>(),
            reference,
            &layer.origin(KIND.key()),
        )
        .map(drop)
    }
}

impl WarehouseInForce for BigQuerySettings {
    fn warehouse(&self) -> Result<Arc<dyn Warehouse>, WarehouseError> {
        Ok(Arc::new(self.open()?))
    }

    fn is_named(&self) -> bool {
        self.project_in_force().is_some()
    }

    /// `None` if neither a connection nor a project is named.
    fn leads_to(&self, effective: &[Effective]) -> Option<(String, Origin)> {
        let found = said(effective, &["bigquery", "project"])?;
        let project = self.project_in_force();
        Some((place(project.as_deref(), &self.dataset), found.from.clone()))
    }

    fn connections(&self, file: &File) -> Vec<(String, String, usize)> {
        let all = file.connections::<BigQueryConnection>().iter().map(|(name, table)| {
            let keys = &table.value.keys;
            let dataset = keys.dataset.as_deref().unwrap_or(&self.dataset);
            (name.clone(), place(keys.project.as_deref(), dataset), table.line)
        });
        all.collect()
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
            dataset: from.pick("dataset", |o: &BigQueryOptions| &o.dataset, "nyc_taxi".to_owned()),
            location: from.optional("location", |o: &BigQueryOptions| &o.location),
            table: from.named("bigquery.table", "table", |o: &WarehouseOptions| &o.table),
            google: GoogleOptions::resolve_for_bigquery(from)?,
            emulator: from.variable("bigquery_emulator", EMULATOR),
        };
        from.connection = None;
        Ok(settings)
    }

    fn secrets(&self) -> Vec<String> {
        let emulators = [&self.emulator, &self.google.emulator].into_iter().flatten();
        let of_addresses = emulators.flat_map(|address| url_secrets(address));
        self.google.secret().into_iter().chain(of_addresses).collect()
    }
}

/// If a connection is named, what it says has precedence over the rest of the file.
fn connect(from: &mut Picker<'_>) -> Result<(), SettingsError> {
    let named = from.find("bigquery", |o: &BigQueryOptions| &o.connection);
    let default = || (ConnectionReference::Name(DEFAULT.to_owned()), Origin::Default);
    let named = named.or_else(|| {
        from.file.connections::<BigQueryConnection>().contains_key(DEFAULT).then(default)
    });
    let Some((reference, by)) = named else {
        from.note("bigquery", json!(null), Origin::Default);
        return Ok(());
    };
    let ResolvedConnection { groups, origin, .. } = match from.file.find(
        KIND,
        from.file.connections::<BigQueryConnection>(),
        &reference,
        &by,
    )? {
        ConnectionTarget::Table(name, Table { value, line, .. }) => ResolvedConnection {
            to: (),
            groups: value.groups(),
            origin: from.file.says(KIND, name, &by, *line),
        },
        ConnectionTarget::Block(block) => {
            // A block has the credentials, and those name their project.
            let credentials = Some(Credentials::Block(block.clone()));
            let groups = ByType::default().with(GoogleOptions { credentials });
            ResolvedConnection { to: (), groups, origin: Origin::block(block, &by) }
        }
    };
    from.note("bigquery", json!(reference.to_string()), origin.clone());
    from.connection = Some(Layer::connection(groups, origin));
    Ok(())
}

fn project(from: &mut Picker<'_>) -> Option<String> {
    let found = from.find("project", |o: &BigQueryOptions| &o.project);
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
