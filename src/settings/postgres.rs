//! The Postgres that months are loaded into.

use std::sync::Arc;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Deserialize;
use serde_json::json;

use crate::warehouse::postgres::{Postgres, PostgresError, Target};
use crate::warehouse::{Warehouse, WarehouseError, WarehouseKind};

use super::by_type::ByType;
use super::connection_kind::ConnectionKind;
use super::database::Database;
use super::error::SettingsError;
use super::file::File;
use super::layers::{Layer, Picker};
use super::origin::{Effective, Origin, said};
use super::reference::{ConnectionReference, DatabaseReference};
use super::resolved_connection::{ConnectionTarget, DEFAULT, ResolvedConnection};
use super::secret::Reference;
use super::secret_names::SecretNames;
use super::settings_group::SettingsGroup;
use super::table::Table;
use super::warehouse::{self, WarehouseOptions};
use super::warehouse_group::{WarehouseGroup, WarehouseInForce};

const KIND: ConnectionKind = ConnectionKind::Warehouse(WarehouseKind::Postgres);

const HEADING: &str = "Postgres settings";

/// The options for Postgres.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
#[command(next_help_heading = HEADING)]
pub struct PostgresOptions {
    /// The Postgres of taxi.toml to load into
    #[arg(
        id = "postgres",
        long = "postgres",
        value_name = "NAME",
        env = "TAXI_POSTGRES",
        hide_env_values = true
    )]
    #[serde(rename = "postgres")]
    pub connection: Option<ConnectionReference>,

    /// The Postgres to load into: postgres://user:password@host/database [default: PGHOST, PGPORT,
    /// PGUSER and PGDATABASE]. Flags are visible in the process list, so put a password into the
    /// environment
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<DatabaseReference>,

    /// The schema [default: nyc_taxi]
    #[arg(long, value_name = "NAME", env = "TAXI_SCHEMA", value_parser = NonEmptyStringValueParser::new())]
    pub schema: Option<String>,
}

impl PostgresOptions {
    /// Names a connection as a flag does.
    pub(super) fn choose(&mut self, name: &str) {
        self.connection = Some(ConnectionReference::Name(name.to_owned()));
        self.database_url = None;
    }
}

/// `[postgres.NAME]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PostgresConnection {
    url: Option<DatabaseReference>,
    host: Option<String>,
    port: Option<u16>,
    database: Option<String>,
    user: Option<String>,
    password: Option<Reference>,
    sslmode: Option<String>,
    sslrootcert: Option<String>,
    schema: Option<String>,
    table: Option<String>,
}

impl PostgresConnection {
    /// The settings that come with it.
    fn groups(&self) -> ByType {
        let postgres = PostgresOptions { schema: self.schema.clone(), ..Default::default() };
        let warehouse = WarehouseOptions { table: self.table.clone(), ..Default::default() };
        ByType::default().with(postgres).with(warehouse)
    }
}

impl From<&PostgresConnection> for Database {
    fn from(given: &PostgresConnection) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(Reference::from);
        let parts = [
            ("host", text(&given.host)),
            ("port", given.port.map(|port| port.to_string().into())),
            ("dbname", text(&given.database)),
            ("user", text(&given.user)),
            ("password", given.password.clone()),
            ("sslmode", text(&given.sslmode)),
            ("sslrootcert", text(&given.sslrootcert)),
        ];
        let parts = parts.into_iter().filter_map(|(name, part)| Some((name, part?)));
        Self::new(given.url.clone(), parts.collect())
    }
}

/// The Postgres that months are loaded into.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// The database; `None` for the one that `PGHOST`, `PGSERVICE` and the like name.
    pub database: Option<Database>,
    /// The schema in it.
    pub schema: String,
    /// The table in it; `None` for one per colour.
    pub table: Option<String>,
}

impl PostgresSettings {
    /// The database as a warehouse; does not connect yet.
    pub fn open(&self) -> Result<Postgres, PostgresError> {
        let target = match &self.database {
            Some(database) => database.target()?,
            None => Target::resolve(None, &[])?,
        };
        Postgres::new(target, self.schema.clone(), self.table.clone())
    }
}

/// What the settings know of Postgres.
pub(super) struct PostgresGroup;

impl WarehouseGroup for PostgresGroup {
    fn headings(&self) -> &'static [&'static str] {
        &[HEADING, warehouse::HEADING]
    }

    fn secret_names(&self) -> SecretNames {
        SecretNames {
            variables: &["PGPASSWORD"],
            addresses: &["DATABASE_URL"],
            flags: &["--database-url"],
            ..SecretNames::NONE
        }
    }

    fn keys(&self) -> &'static [&'static str] {
        &["postgres", "schema"]
    }

    fn check(&self, file: &File, layer: &Layer) -> Result<(), SettingsError> {
        let said = layer.group::<PostgresOptions>().and_then(|said| said.connection.as_ref());
        let Some(reference) = said else { return Ok(()) };
        find(file, reference, &layer.origin(KIND.key())).map(drop)
    }
}

impl WarehouseInForce for PostgresSettings {
    fn warehouse(&self) -> Result<Arc<dyn Warehouse>, WarehouseError> {
        Ok(Arc::new(self.open()?))
    }

    fn is_named(&self) -> bool {
        !matches!(self.warehouse(), Err(WarehouseError::Unnamed(_)))
    }

    fn leads_to(&self, effective: &[Effective]) -> Option<(String, Origin)> {
        let found = said(effective, &["database_url"])?;
        Some((found.value.as_str()?.to_owned(), found.from.clone()))
    }

    fn connections(&self, file: &File) -> Vec<(String, String, usize)> {
        let all = file.connections::<PostgresConnection>().iter();
        all.map(|(name, it)| (name.clone(), Database::from(&it.value).place(), it.line)).collect()
    }
}

impl SettingsGroup for PostgresSettings {
    fn resolve(from: &mut Picker<'_>) -> Result<Self, SettingsError> {
        let connected = connected(from)?;
        from.optional("postgres", |o: &PostgresOptions| &o.connection);
        let (database, origin) = match connected {
            Some(ResolvedConnection { to, groups, origin }) => {
                from.connection = Some(Layer::connection(groups, origin.clone()));
                (Some(to), origin)
            }
            None => (None, Origin::Default),
        };
        let (shown, origin) = match (&database, Target::variable()) {
            (Some(database), _) => (Some(database.place()), origin),
            (None, Some(name)) => {
                let place = Target::resolve(None, &[]).map(|target| target.place());
                (place.ok(), Origin::Environment { name: name.to_owned() })
            }
            (None, None) => (None, origin),
        };
        from.note("database_url", json!(shown), origin);
        let settings = Self {
            database,
            schema: from.pick("schema", |o: &PostgresOptions| &o.schema, "nyc_taxi".to_owned()),
            table: from.optional("table", |o: &WarehouseOptions| &o.table),
        };
        from.connection = None;
        Ok(settings)
    }

    fn secrets(&self) -> Vec<String> {
        match &self.database {
            Some(database) => database.secrets(),
            // The password of the environment, or of a file, for the database that those name.
            None => Target::resolve(None, &[])
                .map(|target| target.secrets().to_vec())
                .unwrap_or_default(),
        }
    }
}

/// The database that is named: by a connection or by its URL, by whichever is said further up,
/// else by the connection that is used where none is named.
fn connected(from: &Picker<'_>) -> Result<Option<ResolvedConnection<Database>>, SettingsError> {
    let named = from.find("postgres", |o: &PostgresOptions| &o.connection);
    let url = from.find("database_url", |o: &PostgresOptions| &o.database_url);
    let named = match (named, &url) {
        (Some(named), Some((_, url_from))) if named.1.rank() > url_from.rank() => None,
        (Some(named), _) => Some(named),
        (None, Some(_)) => None,
        (None, None) => {
            let default = || (ConnectionReference::Name(DEFAULT.to_owned()), Origin::Default);
            from.file.connections::<PostgresConnection>().contains_key(DEFAULT).then(default)
        }
    };
    let found = match (&named, url) {
        (Some((reference, by)), _) => open(from, reference, by),
        (None, Some((url, origin))) => {
            let to = Database::from(url).with_block(from.blocks);
            to.map(|to| ResolvedConnection { to, groups: ByType::default(), origin })
        }
        (None, None) => return Ok(None),
    };
    found.map(Some)
}

/// The database of a connection.
fn open(
    from: &Picker<'_>,
    reference: &ConnectionReference,
    by: &Origin,
) -> Result<ResolvedConnection<Database>, SettingsError> {
    let (to, groups, origin) = match find(from.file, reference, by)? {
        ConnectionTarget::Table(name, Table { value, line, .. }) => {
            (Database::from(value), value.groups(), from.file.says(KIND, name, by, *line))
        }
        ConnectionTarget::Block(block) => {
            let to = Database::from(DatabaseReference::Block(block.clone()));
            (to, ByType::default(), Origin::block(block, by))
        }
    };
    Ok(ResolvedConnection { to: to.with_block(from.blocks)?, groups, origin })
}

/// What a reference leads to.
fn find<'a>(
    file: &'a File,
    reference: &'a ConnectionReference,
    by: &Origin,
) -> Result<ConnectionTarget<'a, PostgresConnection>, SettingsError> {
    match reference {
        // Not shown: a password may be in it.
        ConnectionReference::Address(_) => {
            Err(SettingsError::AddressForName { by: Box::new(by.clone()) })
        }
        _ => file.find(KIND, file.connections(), reference, by),
    }
}
