//! The connections that `taxi.toml` names.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::lake::LakeAddress;
use crate::redact::is_plain;

use super::blocks::{BlockName, Blocks, ReadBlocks};
use super::database::Database;
use super::file::{File, Table};
use super::keys::{closest, suggestion};
use super::layers::Layer;
use super::origin::{Origin, Place};
use super::reference::LakeReference;
use super::secret::{Credentials, Reference};
use super::{Options, Settings, SettingsError};

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

/// `[lakes.NAME]`
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LakeConnection {
    #[serde(deserialize_with = "lake_address")]
    pub(super) address: LakeReference,
    #[serde(default)]
    pub(super) credentials: Option<Credentials>,
}

/// `[postgres.NAME]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PostgresConnection {
    pub(super) url: Option<Reference>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) database: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Reference>,
    pub(super) sslmode: Option<String>,
    pub(super) sslrootcert: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) table: Option<String>,
}

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
        let file = File::read(options.config.as_deref())?;
        let settings = Settings::resolve_to_look(options, blocks).await?;
        let place = |line| Origin::File { place: Place::new(&file.path, line) };
        let lakes = file.lakes.iter().map(|(name, lake)| {
            (ConnectionKind::Lake, name, lake.value.address.to_string(), lake.line)
        });
        let postgres = file.postgres.iter().map(|(name, table)| {
            (ConnectionKind::Postgres, name, Database::from(&table.value).place(), table.line)
        });
        let bigquery = file.bigquery.iter().map(|(name, table)| {
            let named = table.value.dataset.as_deref().unwrap_or(&settings.dataset);
            let address = dataset(table.value.project.as_deref(), named);
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

/// `[bigquery.NAME]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct BigQueryConnection {
    pub(super) project: Option<String>,
    pub(super) dataset: Option<String>,
    pub(super) location: Option<String>,
    pub(super) table: Option<String>,
    pub(super) credentials: Option<Credentials>,
}

/// Project and dataset, for people.
pub(super) fn dataset(project: Option<&str>, dataset: &str) -> String {
    format!("{}.{dataset}", project.unwrap_or("-"))
}

fn lake_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LakeReference, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// A connection in force: where it leads, the settings that come with it, where it is said.
pub(super) struct Connected<T> {
    pub(super) to: T,
    pub(super) options: Options,
    pub(super) origin: Origin,
}

impl File {
    /// The lake that a setting refers to. A connection goes before a folder of its name.
    pub(super) fn lake(
        &self,
        reference: &LakeReference,
        by: &Origin,
        blocks: &ReadBlocks,
    ) -> Result<Connected<LakeAddress>, SettingsError> {
        let mut options = Options::default();
        let (reference, origin) = match reference {
            LakeReference::Name(name) => match self.lakes.get(name) {
                Some(Table { value, line, .. }) => {
                    options.credentials.clone_from(&value.credentials);
                    (&value.address, self.says(ConnectionKind::Lake, name, by, *line))
                }
                None => {
                    self.is_folder(name, by)?;
                    (reference, by.clone())
                }
            },
            LakeReference::Block(block) => (reference, Origin::block(&block.to_string(), by)),
            LakeReference::Address(_) => (reference, by.clone()),
        };
        let to = match reference {
            LakeReference::Name(folder) => LakeAddress::folder(folder),
            LakeReference::Address(address) => address.clone(),
            LakeReference::Block(block) => {
                let says = block.among(blocks)?;
                options.credentials = options.credentials.or_else(|| says.credentials.clone());
                match says.lake.clone() {
                    Some(LakeReference::Address(to)) => to,
                    _ => {
                        let block = block.clone();
                        return Err(SettingsError::BlockSays { block, what: "lake" });
                    }
                }
            }
        };
        Ok(Connected { to, options, origin })
    }

    /// The Postgres of a name.
    pub(super) fn postgres(
        &self,
        name: &str,
        by: &Origin,
        blocks: &ReadBlocks,
    ) -> Result<Connected<Database>, SettingsError> {
        self.exists(ConnectionKind::Postgres, name, by)?;
        let mut options = Options::default();
        let (to, origin) = match self.postgres.get(name) {
            Some(Table { value, line, .. }) => {
                options.schema.clone_from(&value.schema);
                options.table.clone_from(&value.table);
                (Database::from(value), self.says(ConnectionKind::Postgres, name, by, *line))
            }
            None => (Database::from(Reference::from(name)), Origin::block(name, by)),
        };
        Ok(Connected { to: to.with_block(blocks)?, options, origin })
    }

    /// The BigQuery of a name.
    pub(super) fn bigquery(&self, name: &str, by: &Origin) -> Result<Connected<()>, SettingsError> {
        self.exists(ConnectionKind::BigQuery, name, by)?;
        let Some(Table { value, line, .. }) = self.bigquery.get(name) else {
            // A block has the credentials, and those name their project.
            let credentials = Some(Credentials::of(Reference::from(name)));
            let options = Options { credentials, ..Options::default() };
            return Ok(Connected { to: (), options, origin: Origin::block(name, by) });
        };
        let given = value.clone();
        let options = Options {
            project: given.project,
            dataset: given.dataset,
            location: given.location,
            table: given.table,
            credentials: given.credentials,
            ..Options::default()
        };
        let origin = self.says(ConnectionKind::BigQuery, name, by, *line);
        Ok(Connected { to: (), options, origin })
    }

    /// Refuses names of connections that are not there, in every profile: also in those that
    /// are not asked for.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        for (profile, defaults) in &self.profiles {
            let layer = Layer::file(&self.path, Some(profile), defaults);
            if let Some(LakeReference::Name(name)) = &layer.options.lake
                && !self.lakes.contains_key(name)
            {
                self.is_folder(name, &layer.origin("lake"))?;
            }
            if let Some(name) = &layer.options.postgres {
                self.exists(ConnectionKind::Postgres, name, &layer.origin("postgres"))?;
            }
            if let Some(name) = &layer.options.bigquery {
                self.exists(ConnectionKind::BigQuery, name, &layer.origin("bigquery"))?;
            }
        }
        Ok(())
    }

    /// Refuses the name of a connection that is not there.
    fn exists(&self, kind: ConnectionKind, name: &str, by: &Origin) -> Result<(), SettingsError> {
        let names: Vec<&str> = match kind {
            ConnectionKind::Lake => self.lakes.keys().map(String::as_str).collect(),
            ConnectionKind::Postgres => self.postgres.keys().map(String::as_str).collect(),
            ConnectionKind::BigQuery => self.bigquery.keys().map(String::as_str).collect(),
        };
        if names.contains(&name) || BlockName::of(name).is_some() {
            return Ok(());
        }
        // Not shown: a password may be in it.
        if kind == ConnectionKind::Postgres && (name.contains("://") || name.contains('=')) {
            return Err(SettingsError::AddressForName { by: Box::new(by.clone()) });
        }
        if !is_plain(name) {
            return Err(SettingsError::NotAName { kind, by: Box::new(by.clone()) });
        }
        Err(self.no_connection(kind, name, by, suggestion(name, names)))
    }

    fn says(&self, kind: ConnectionKind, name: &str, by: &Origin, line: usize) -> Origin {
        Origin::Connection {
            name: format!("{}.{name}", kind.table()),
            by: Box::new(by.clone()),
            place: Some(Place::new(&self.path, line)),
        }
    }

    /// Refuses what is most likely a connection's name with a slip in it: the months would go to
    /// a new folder of that name.
    fn is_folder(&self, name: &str, by: &Origin) -> Result<(), SettingsError> {
        if name.contains('/') || std::fs::exists(name).unwrap_or(false) {
            return Ok(());
        }
        match closest(name, self.lakes.keys().map(String::as_str)) {
            Some(meant) => {
                let meant = format!(": did you mean '{meant}'? A new folder is ./{name}");
                Err(self.no_connection(ConnectionKind::Lake, name, by, meant))
            }
            None => Ok(()),
        }
    }

    fn no_connection(
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
