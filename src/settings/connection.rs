//! The connections that `taxi.toml` names.

use std::fmt;

use serde::Serialize;

use crate::redact::is_plain;

use super::database::Database;
use super::file::{File, Named, Table};
use super::keys::suggestion;
use super::layers::Layer;
use super::origin::{Origin, Place};
use super::prefect::{BlockName, Blocks};
use super::reference::ConnectionReference;
use super::{Options, Settings, SettingsError, bigquery, lake, postgres};

/// What a connection leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionKind {
    /// A lake.
    Lake,
    /// A Postgres database.
    Postgres,
    /// A dataset of BigQuery.
    BigQuery,
}

impl ConnectionKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Lake, Self::Postgres, Self::BigQuery];

    /// The setting that names one.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Lake => "lake",
            Self::Postgres => "postgres",
            Self::BigQuery => "bigquery",
        }
    }

    /// The table of `taxi.toml` that they are in.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Lake => "lakes",
            Self::Postgres => "postgres",
            Self::BigQuery => "bigquery",
        }
    }
}

impl fmt::Display for ConnectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}

/// The connection in force where none is named.
pub(super) const DEFAULT: &str = "default";

/// A connection, for people.
#[derive(Debug, Clone, Serialize)]
pub struct Connection {
    /// Its name; null for one that the settings give without a name.
    pub name: Option<String>,
    /// What it leads to.
    pub kind: ConnectionKind,
    /// Where it leads, secrets masked.
    pub address: String,
    /// Whether a run uses it that is told nothing else.
    pub in_force: bool,
    /// Where it comes from.
    pub from: Origin,
}

impl Connection {
    /// All of them: those that the file names, and what is in force without a name.
    pub async fn all(options: &Options, blocks: &dyn Blocks) -> Result<Vec<Self>, SettingsError> {
        let file = File::read(options.file.config.as_deref())?;
        let settings = Settings::resolve_to_look(options, blocks).await?;
        let place = |line| Origin::File { place: Place::new(&file.path, line) };
        let lakes = file.lakes.iter().map(|(name, lake)| {
            (ConnectionKind::Lake, name, lake.value.address.to_string(), lake.line)
        });
        let postgres = file.postgres.iter().map(|(name, table)| {
            (ConnectionKind::Postgres, name, Database::from(&table.value).place(), table.line)
        });
        let bigquery = file.bigquery.iter().map(|(name, table)| {
            let keys = &table.value.keys;
            let named = keys.dataset.as_deref().unwrap_or(&settings.bigquery.dataset);
            let address = dataset(keys.project.as_deref(), named);
            (ConnectionKind::BigQuery, name, address, table.line)
        });
        let mut all: Vec<Self> = lakes
            .chain(postgres)
            .chain(bigquery)
            .map(|(kind, name, address, line)| Self {
                name: Some(name.clone()),
                kind,
                address,
                in_force: false,
                from: place(line),
            })
            .collect();
        for kind in ConnectionKind::ALL {
            let Some((address, from)) = settings.leads_to(kind) else { continue };
            let named = match &from {
                Origin::Connection { place: Some(place), .. } => all.iter_mut().find(|named| {
                    named.kind == kind && named.from == Origin::File { place: place.clone() }
                }),
                _ => None,
            };
            match named {
                Some(named) => named.in_force = true,
                None => all.push(Self { name: None, kind, address, in_force: true, from }),
            }
        }
        Ok(all)
    }

    /// The settings in force where this connection is named, for who only looks.
    pub async fn settings(
        &self,
        options: &Options,
        blocks: &dyn Blocks,
    ) -> Result<Settings, SettingsError> {
        let mut options = options.clone();
        if let Some(name) = &self.name {
            options.name(self.kind, name);
        }
        Settings::resolve_to_look(&options, blocks).await
    }
}

/// Project and dataset, for people.
pub(super) fn dataset(project: Option<&str>, dataset: &str) -> String {
    format!("{}.{dataset}", project.unwrap_or("-"))
}

/// A connection in force: where it leads, the settings that come with it, where it is said.
pub(super) struct Connected<T> {
    pub(super) to: T,
    pub(super) options: Options,
    pub(super) origin: Origin,
}

/// What the name of a database leads to.
pub(super) enum Found<'a, T> {
    /// A connection of the file, and its name.
    Table(&'a str, &'a Table<T>),
    /// A block.
    Block(&'a BlockName),
}

impl File {
    /// Refuses names of connections that are not there, in every profile: also in those that
    /// are not asked for.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        for (profile, defaults) in &self.profiles {
            let layer = Layer::file(&self.path, Some(profile), defaults);
            lake::check(self, &layer)?;
            postgres::check(self, &layer)?;
            bigquery::check(self, &layer)?;
        }
        Ok(())
    }

    /// What a reference leads to among these connections. A name that is not there is refused.
    pub(super) fn find<'a, T>(
        &self,
        kind: ConnectionKind,
        among: &'a Named<T>,
        reference: &'a ConnectionReference,
        by: &Origin,
    ) -> Result<Found<'a, T>, SettingsError> {
        let by_whom = || Box::new(by.clone());
        match reference {
            ConnectionReference::Block(block) => Ok(Found::Block(block)),
            // Not shown: a password may be in it.
            ConnectionReference::Address(_) if kind == ConnectionKind::Postgres => {
                Err(SettingsError::AddressForName { by: by_whom() })
            }
            ConnectionReference::Address(_) => Err(SettingsError::NotAName { kind, by: by_whom() }),
            ConnectionReference::Name(name) => match among.get(name) {
                Some(table) => Ok(Found::Table(name, table)),
                None if !is_plain(name) => Err(SettingsError::NotAName { kind, by: by_whom() }),
                None => {
                    let meant = suggestion(name, among.keys().map(String::as_str));
                    Err(self.no_connection(kind, name, by, meant))
                }
            },
        }
    }

    pub(super) fn says(
        &self,
        kind: ConnectionKind,
        name: &str,
        by: &Origin,
        line: usize,
    ) -> Origin {
        Origin::Connection {
            name: format!("{}.{name}", kind.table()),
            by: Box::new(by.clone()),
            place: Some(Place::new(&self.path, line)),
        }
    }

    pub(super) fn no_connection(
        &self,
        kind: ConnectionKind,
        name: &str,
        by: &Origin,
        meant: String,
    ) -> SettingsError {
        SettingsError::NoConnection {
            kind,
            name: name.to_owned(),
            by: Box::new(by.clone()),
            path: self.path.clone(),
            meant,
        }
    }
}
