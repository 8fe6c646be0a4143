//! The settings that are more than one value of one layer: what a connection brings with it, and
//! what is shown otherwise than it is said.

use serde_json::json;

use crate::lake::{GcsOptions, GoogleCredentials, LakeAddress, StoreOptions};
use crate::source::{Source, without_secrets};
use crate::warehouse::postgres::Target;

use super::bigquery::PROJECT;
use super::blocks::ReadBlocks;
use super::connection::{Connected, DEFAULT};
use super::database::Database;
use super::file::{File, Table};
use super::layers::{Layer, Picker, Show};
use super::origin::{Origin, Place};
use super::secret::{Credentials, Reference, SecretError};
use super::{BlockName, LakeReference, NotifySettings, Options, SettingsError};

impl Picker {
    // Read here and not by the command line, which would show what it refuses.
    pub(super) fn source(&mut self) -> Result<Source, SettingsError> {
        let Some((given, origin)) = self.find("source", |o| &o.source) else {
            self.note("source", json!(Source::Web.to_string()), Origin::Default);
            return Ok(Source::Web);
        };
        let text = given.resolve().map_err(|source| secret("source", &origin, source))?;
        let source = text.reveal().parse();
        let source = source
            .map_err(|error| SettingsError::Source { error, origin: Box::new(origin.clone()) })?;
        let shown = match given {
            Reference::Text(_) => without_secrets(text.reveal()),
            kept => kept.to_string(),
        };
        self.note("source", json!(shown), origin);
        Ok(source)
    }

    pub(super) fn zones(&mut self) -> String {
        let zones = self.find("zones", |o| &o.zones);
        let (zones, origin) = zones.unwrap_or_else(|| ("web".to_owned(), Origin::Default));
        self.note("zones", json!(without_secrets(&zones)), origin);
        zones
    }

    /// The lake. Where it is a connection, what that says goes before the rest of the file.
    pub(super) fn lake(
        &mut self,
        file: &File,
        blocks: &ReadBlocks,
    ) -> Result<LakeAddress, SettingsError> {
        let (given, by) = match self.find("lake", |o| &o.lake) {
            Some((lake, by)) => (Some(lake), by),
            None => (None, Origin::Default),
        };
        let given = given.or_else(|| {
            file.lakes.contains_key(DEFAULT).then(|| LakeReference::Name(DEFAULT.to_owned()))
        });
        let (lake, origin) = match given {
            None => (LakeAddress::folder("data"), by),
            Some(given) => match file.lake(&given, &by, blocks) {
                Err(SettingsError::UnreadBlock { block, why }) => {
                    let error = SettingsError::UnreadBlock { block: block.clone(), why };
                    self.closed = Some(error.to_string());
                    self.note("lake", json!(block.to_string()), by);
                    return Ok(LakeAddress::folder(block.to_string()));
                }
                connected => {
                    let Connected { to, options, origin } = connected?;
                    self.connection = Some(Layer::connection(options, origin.clone()));
                    (to, origin)
                }
            },
        };
        self.note("lake", lake.show(), origin);
        Ok(lake)
    }

    pub(super) fn stores(
        &mut self,
        lake: &LakeAddress,
        blocks: &ReadBlocks,
    ) -> Result<StoreOptions, SettingsError> {
        self.optional("credentials", |o| &o.credentials);
        // A folder needs none: a block is not asked for them.
        let credentials = if lake.is_folder() { None } else { self.google_credentials(blocks)? };
        let emulator = self.emulator("storage_emulator", "STORAGE_EMULATOR_HOST");
        Ok(StoreOptions { gcs: GcsOptions { credentials, emulator } })
    }

    pub(super) fn emulator(&mut self, key: &str, variable: &str) -> Option<String> {
        let host = std::env::var(variable).ok().filter(|host| !host.is_empty())?;
        self.note(key, json!(host), Origin::Environment { name: variable.to_owned() });
        Some(host)
    }

    /// The credentials in force, for the connection in hand.
    fn google_credentials(
        &self,
        blocks: &ReadBlocks,
    ) -> Result<Option<GoogleCredentials>, SettingsError> {
        let Some((given, origin)) = self.find("credentials", |o| &o.credentials) else {
            return Ok(None);
        };
        let block = given.path().and_then(|path| path.to_str()).and_then(BlockName::of);
        let key = match block {
            None => given.0,
            Some(block) => match block.among(blocks) {
                Ok(Options { credentials: Some(Credentials(key)), .. }) => key.clone(),
                Ok(_) => return Err(SettingsError::BlockSays { block, what: "credentials" }),
                Err(error @ SettingsError::UnreadBlock { .. }) => {
                    return Ok(Some(GoogleCredentials::Missing(error.to_string())));
                }
                Err(error) => return Err(error),
            },
        };
        let missing = |why: &str| GoogleCredentials::Missing(format!("{why} ({origin})"));
        Ok(Some(match &key {
            Reference::File(path) => GoogleCredentials::File(path.clone()),
            Reference::Text(_) | Reference::Env(_) => match key.resolve() {
                Ok(key) => GoogleCredentials::given(key.reveal(), &origin.to_string()),
                Err(error) => missing(&error.to_string()),
            },
        }))
    }

    /// The BigQuery, where one is named: what it says goes before the rest of the file.
    pub(super) fn bigquery(&mut self, file: &File) -> Result<(), SettingsError> {
        let named = self.find("bigquery", |o| &o.bigquery);
        let default = || (DEFAULT.to_owned(), Origin::Default);
        let named = named.or_else(|| file.bigquery.contains_key(DEFAULT).then(default));
        let Some((name, by)) = named else {
            self.note("bigquery", json!(null), Origin::Default);
            return Ok(());
        };
        let connected = file.bigquery(&name, &by)?;
        self.note("bigquery", json!(name), connected.origin.clone());
        self.connection = Some(Layer::connection(connected.options, connected.origin));
        Ok(())
    }

    pub(super) fn project(&mut self) -> Option<String> {
        let found = self.find("project", |o| &o.project);
        let shown = found.clone().or_else(|| {
            let project = std::env::var(PROJECT).ok().filter(|project| !project.is_empty())?;
            Some((project, Origin::Environment { name: PROJECT.to_owned() }))
        });
        match shown {
            Some((project, origin)) => self.note("project", json!(project), origin),
            None => self.note("project", json!(null), Origin::Default),
        }
        found.map(|(project, _)| project)
    }

    pub(super) fn google(
        &mut self,
        lake: &StoreOptions,
        blocks: &ReadBlocks,
    ) -> Result<GcsOptions, SettingsError> {
        self.named("bigquery.credentials", "credentials", |o| &o.credentials);
        let credentials = self.google_credentials(blocks)?;
        Ok(GcsOptions { credentials, emulator: lake.gcs.emulator.clone() })
    }

    /// The Postgres. Where it is a connection, what that says goes before the rest of the file.
    pub(super) fn database(
        &mut self,
        file: &File,
        blocks: &ReadBlocks,
    ) -> Result<Option<Database>, SettingsError> {
        let name = self.find("postgres", |o| &o.postgres);
        self.optional("postgres", |o| &o.postgres);
        let url = self.find("database_url", |o| &o.database_url);
        let named = match (name, &url) {
            (Some(named), url)
                if url.as_ref().is_none_or(|(_, from)| named.1.rank() <= from.rank()) =>
            {
                Some(named)
            }
            (_, Some(_)) => None,
            _ => {
                let default = || (DEFAULT.to_owned(), Origin::Default);
                file.postgres.contains_key(DEFAULT).then(default)
            }
        };
        let connected = match named {
            Some((name, by)) => match file.postgres(&name, &by, blocks) {
                Err(error @ SettingsError::UnreadBlock { .. }) => {
                    let (to, options) = (Database::unknown(error.to_string()), Options::default());
                    Some(Connected { to, options, origin: Origin::block(&name, &by) })
                }
                connected => Some(connected?),
            },
            None => None,
        };
        let (database, origin) = match (connected, url) {
            (Some(connected), _) => {
                let origin = connected.origin.clone();
                self.connection = Some(Layer::connection(connected.options, connected.origin));
                (Some(connected.to), origin)
            }
            (None, Some((url, origin))) => match Database::from(url).with_block(blocks) {
                Err(error @ SettingsError::UnreadBlock { .. }) => {
                    (Some(Database::unknown(error.to_string())), origin)
                }
                database => (Some(database?), origin),
            },
            (None, None) => (None, Origin::Default),
        };
        let (shown, origin) = match (&database, Target::variable()) {
            (Some(database), _) => (Some(database.place()), origin),
            (None, Some(name)) => {
                let place = Target::resolve(None, &[]).map(|target| target.place());
                (place.ok(), Origin::Environment { name: name.to_owned() })
            }
            (None, None) => (None, origin),
        };
        self.note("database_url", json!(shown), origin);
        Ok(database)
    }

    pub(super) fn notify(&mut self, file: &File) -> NotifySettings {
        let Table { value: notify, lines, .. } = &file.notify;
        let from = |key| match lines.get(key) {
            Some(line) => Origin::File { place: Place::new(&file.path, *line) },
            None => Origin::Default,
        };
        let webhook = notify.webhook.as_ref().map(ToString::to_string);
        self.note("notify.webhook", json!(webhook), from("webhook"));
        self.note("notify.on", notify.on.show(), from("on"));
        notify.clone()
    }
}

fn secret(setting: &'static str, origin: &Origin, source: SecretError) -> SettingsError {
    SettingsError::Secret { setting, origin: Box::new(origin.clone()), source }
}
