//! The Postgres that months are loaded into.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Deserialize;
use serde_json::json;

use crate::warehouse::postgres::{PostgresError, Target, Warehouse};

use super::connection::{Connected, ConnectionKind, DEFAULT, Found};
use super::database::Database;
use super::file::{File, Table};
use super::group::{SecretNames, SettingsGroup};
use super::layers::{Layer, Picker};
use super::origin::Origin;
use super::reference::{ConnectionReference, DatabaseReference};
use super::secret::Reference;
use super::{Options, SettingsError, warehouse};

const HEADING: &str = "Postgres settings";

/// The headings of its flags, and of those that it shares with other warehouses.
pub(super) const HEADINGS: &[&str] = &[HEADING, warehouse::HEADING];

/// Where its secrets are said outside `taxi.toml`.
pub(super) const SECRETS: SecretNames = SecretNames {
    variables: &["PGPASSWORD"],
    addresses: &["DATABASE_URL"],
    flags: &["--database-url"],
    ..SecretNames::NONE
};

/// What is said of Postgres.
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

    /// The Postgres to load into: postgres://user:password@host/database [default: PGHOST and its
    /// kin]. Others see a flag in the process list: the environment is the place for a password
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<DatabaseReference>,

    /// The schema in it [default: nyc_taxi]
    #[arg(long, value_name = "NAME", env = "TAXI_SCHEMA", value_parser = NonEmptyStringValueParser::new())]
    pub schema: Option<String>,
}

/// `[postgres.NAME]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PostgresConnection {
    pub(super) url: Option<DatabaseReference>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) database: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Reference>,
    pub(super) sslmode: Option<String>,
    pub(super) sslrootcert: Option<String>,
    schema: Option<String>,
    table: Option<String>,
}

impl PostgresConnection {
    /// The settings that come with it.
    fn options(&self) -> Options {
        let mut options = Options::default();
        options.postgres.schema.clone_from(&self.schema);
        options.warehouse.table.clone_from(&self.table);
        options
    }
}

/// The Postgres that months are loaded into.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// The database; `None` for the one that `PGHOST`, `PGSERVICE` and the like name.
    pub database: Option<Database>,
    /// The schema in it.
    pub schema: String,
    /// The table in it; `None` for one each colour.
    pub table: Option<String>,
}

impl PostgresSettings {
    /// The database as a warehouse; asks nobody yet.
    pub fn warehouse(&self) -> Result<Warehouse, PostgresError> {
        let target = match &self.database {
            Some(database) => database.target()?,
            None => Target::resolve(None, &[])?,
        };
        Warehouse::new(target, self.schema.clone(), self.table.clone())
    }
}

impl SettingsGroup for PostgresSettings {
    fn resolve(from: &mut Picker<'_>) -> Result<Self, SettingsError> {
        let connected = connected(from)?;
        from.optional("postgres", |o| &o.postgres.connection);
        let (database, origin) = match connected {
            Some(Connected { to, options, origin }) => {
                from.connection = Some(Layer::connection(options, origin.clone()));
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
            schema: from.pick("schema", |o| &o.postgres.schema, "nyc_taxi".to_owned()),
            table: from.optional("table", |o| &o.warehouse.table),
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
fn connected(from: &Picker<'_>) -> Result<Option<Connected<Database>>, SettingsError> {
    let named = from.find("postgres", |o| &o.postgres.connection);
    let url = from.find("database_url", |o| &o.postgres.database_url);
    let named = match (named, &url) {
        (Some(named), Some((_, url_from))) if named.1.rank() > url_from.rank() => None,
        (Some(named), _) => Some(named),
        (None, Some(_)) => None,
        (None, None) => {
            let default = || (ConnectionReference::Name(DEFAULT.to_owned()), Origin::Default);
            from.file.postgres.contains_key(DEFAULT).then(default)
        }
    };
    let found = match (&named, url) {
        (Some((reference, by)), _) => open(from, reference, by),
        (None, Some((url, origin))) => {
            let to = Database::from(url).with_block(from.blocks);
            to.map(|to| Connected { to, options: Options::default(), origin })
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
) -> Result<Connected<Database>, SettingsError> {
    let kind = ConnectionKind::Postgres;
    let (to, options, origin) = match from.file.find(kind, &from.file.postgres, reference, by)? {
        Found::Table(name, Table { value, line, .. }) => {
            (Database::from(value), value.options(), from.file.says(kind, name, by, *line))
        }
        Found::Block(block) => {
            let to = Database::from(DatabaseReference::Block(block.clone()));
            (to, Options::default(), Origin::block(block, by))
        }
    };
    Ok(Connected { to: to.with_block(from.blocks)?, options, origin })
}

/// Refuses the name of a connection that is not there.
pub(super) fn check(file: &File, layer: &Layer) -> Result<(), SettingsError> {
    let Some(reference) = &layer.options.postgres.connection else { return Ok(()) };
    let by = layer.origin("postgres");
    file.find(ConnectionKind::Postgres, &file.postgres, reference, &by).map(drop)
}
