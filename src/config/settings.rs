use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use url::Url;

use crate::clean::Rules;
use crate::flow::{Policy, RunReport};
use crate::lake::{GcsSettings, LakeAddress, ServiceAccount};
use crate::notify::{NotifyError, Webhook};
use crate::source::{HttpSettings, Source, without_secrets};
use crate::warehouse::WarehouseKind;

use super::blocks::ReadBlocks;
use super::connection::{ConnectionKind, DEFAULT};
use super::database::Database;
use super::file::{File, Table};
use super::keys::suggestion;
use super::layers::{Layer, Picker, Show};
use super::origin::{Effective, Origin, Place};
use super::secret::{Credentials, Reference, SecretError};
use super::{BlockName, Blocks, NewColumn, NotifyOn, NotifySettings, Options, SettingsError};

/// The settings in force: flags, then the environment, then a connection, a profile and the rest
/// of `taxi.toml`, then these defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where files come from.
    pub source: Source,
    /// Where the taxi zones come from: `web` or an address.
    pub zones: String,
    /// Where months go.
    pub lake: LakeAddress,
    /// The folder for what is on its way.
    pub spool: PathBuf,
    /// How Google Cloud Storage is spoken to.
    pub gcs: GcsSettings,
    /// How the hosts of the files are spoken to.
    pub http: HttpSettings,
    /// Whether a month is done again even if nothing has changed.
    pub force: bool,
    /// Whether the bytes as fetched are kept.
    pub keep_raw: bool,
    /// What a column that the schema does not know means.
    pub on_new_column: NewColumn,
    /// The rules with their levels.
    pub rules: Rules,
    /// How many threads clean a month; none for one each core.
    pub threads: Option<usize>,
    /// How tasks are tried again.
    pub policy: Policy,
    /// The Postgres to load into; none for the one that `PGHOST` and its kin name.
    pub database: Option<Database>,
    /// The schema in it.
    pub schema: String,
    /// The table to load into; none for one each colour.
    pub table: Option<String>,
    /// How many months are loaded at once.
    pub jobs: usize,
    /// The warehouses that the parent flow loads into, where it is not told.
    pub to_warehouse: Vec<WarehouseKind>,
    /// Who is told how a run ended.
    pub notify: NotifySettings,
    effective: Vec<Effective>,
}

impl Settings {
    /// The settings in force where the command line and the environment say this.
    pub fn resolve(options: &Options) -> Result<Self, SettingsError> {
        Self::resolved(options, &ReadBlocks::new())
    }

    /// The same where settings may refer to blocks.
    pub async fn resolve_with(
        options: &Options,
        blocks: &dyn Blocks,
    ) -> Result<Self, SettingsError> {
        let mut read = ReadBlocks::new();
        loop {
            let block = match Self::resolved(options, &read) {
                Err(SettingsError::Block(block)) if !read.contains_key(&block) => block,
                resolved => return resolved,
            };
            let says = blocks.read(&block).await;
            let says =
                says.map_err(|source| SettingsError::ReadBlock { block: block.clone(), source })?;
            read.insert(block, says);
        }
    }

    /// Every setting, its value with secrets masked, and where it comes from.
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }

    /// Where the lake or the database in force is, for people, and what says so.
    pub(super) fn leads_to(&self, kind: ConnectionKind) -> Option<(String, Origin)> {
        let key = match kind {
            ConnectionKind::Lake => "lake",
            ConnectionKind::Postgres => "database_url",
        };
        let found = self.effective.iter().find(|setting| setting.key == key)?;
        Some((found.value.as_str()?.to_owned(), found.from.clone()))
    }

    /// What must not be shown, wherever it may turn up.
    fn secrets(&self) -> Vec<String> {
        let database = self.database.iter().filter_map(|database| database.url().ok());
        let database = database.flat_map(|url| {
            let parsed = Url::parse(url.reveal()).ok();
            let password = parsed.as_ref().and_then(Url::password).map(str::to_owned);
            let query = parsed.into_iter().flat_map(|url| {
                let pairs = url.query_pairs().filter(|(name, _)| name == "password");
                pairs.map(|(_, password)| password.into_owned()).collect::<Vec<_>>()
            });
            query.chain(password).chain([url.reveal().to_owned()]).collect::<Vec<_>>()
        });
        let webhook = self.notify.webhook.iter().filter_map(|webhook| webhook.resolve().ok());
        database.chain(webhook.map(|webhook| webhook.reveal().to_owned())).collect()
    }

    /// Tells who is to be told how a run ended.
    pub async fn notify(&self, report: &RunReport, took: Duration) -> Result<(), NotifyError> {
        match &self.notify.webhook {
            Some(webhook) if self.notify.on == NotifyOn::Always || !report.ok => {
                let webhook = webhook.resolve();
                let webhook = webhook.map_err(|error| NotifyError::Address(error.to_string()))?;
                Webhook::new(webhook.reveal())?.tell(report, took, &self.secrets()).await
            }
            _ => Ok(()),
        }
    }

    fn resolved(options: &Options, blocks: &ReadBlocks) -> Result<Self, SettingsError> {
        let file = File::read(options.config.as_deref())?;
        let mut layers = vec![Layer::asked(options)];
        if let Some(name) = &options.profile {
            let profile = file.profiles.get(name).ok_or_else(|| SettingsError::NoProfile {
                name: name.clone(),
                path: file.path.clone(),
                meant: suggestion(name, file.profiles.keys().map(String::as_str)),
            })?;
            layers.push(Layer::file(&file.path, Some(name), profile));
        }
        layers.push(Layer::file(&file.path, None, &file.top));
        let mut from = Picker::new(layers);
        let policy = Policy::default();
        let http = HttpSettings::default();

        let source = from.source()?;
        let zones = from.zones();
        let lake = from.lake(&file, blocks)?;
        let gcs = from.gcs(&lake, blocks)?;
        from.connection = None;
        let spool = from.pick("spool", |o| &o.spool, "data/spool".into());
        let force = from.pick("force", |o| &o.force, false);
        let keep_raw = from.pick("keep_raw", |o| &o.keep_raw, false);
        let on_new_column = from.pick("on_new_column", |o| &o.on_new_column, NewColumn::default());
        let rules = from.rules();
        let threads = from.optional("threads", |o| &o.threads);
        let jobs = from.pick("jobs", |o| &o.jobs, 2).max(1);
        let policy = Policy {
            retries: from.pick("retries", |o| &o.retries, policy.retries),
            first_delay: from.pick("retry_delay", |o| &o.retry_delay, policy.first_delay),
            ..policy
        };
        let http = HttpSettings {
            stall_timeout: from.pick("stall_timeout", |o| &o.stall_timeout, http.stall_timeout),
            connections_per_host: from.pick(
                "connections_per_host",
                |o| &o.connections_per_host,
                http.connections_per_host,
            ),
            ..http
        };
        let to_warehouse = from.pick("to_warehouse", |o| &o.to_warehouse, Vec::new());
        let database = from.database(&file, blocks)?;
        let schema = from.pick("schema", |o| &o.schema, "nyc_taxi".to_owned());
        let table = from.optional("table", |o| &o.table);
        from.connection = None;
        let notify = from.notify(&file);
        Ok(Self {
            source,
            zones,
            lake,
            spool,
            gcs,
            http,
            force,
            keep_raw,
            on_new_column,
            rules,
            threads,
            policy,
            database,
            schema,
            table,
            jobs,
            to_warehouse,
            notify,
            effective: from.picked,
        })
    }
}

/// The settings that are more than one value of one layer.
impl Picker {
    // Read here and not by the command line, which would show what it refuses.
    fn source(&mut self) -> Result<Source, SettingsError> {
        let Some((given, origin)) = self.find("source", |o| &o.source) else {
            self.note("source", json!(Source::Web.to_string()), Origin::Default);
            return Ok(Source::Web);
        };
        let text = given.resolve().map_err(|source| secret("source", &origin, source))?;
        let source = text.reveal().parse();
        let source =
            source.map_err(|error| SettingsError::Source { error, origin: origin.clone() })?;
        let shown = match given {
            Reference::Text(_) => without_secrets(text.reveal()),
            kept => kept.to_string(),
        };
        self.note("source", json!(shown), origin);
        Ok(source)
    }

    fn zones(&mut self) -> String {
        let zones = self.find("zones", |o| &o.zones);
        let (zones, origin) = zones.unwrap_or_else(|| ("web".to_owned(), Origin::Default));
        self.note("zones", json!(without_secrets(&zones)), origin);
        zones
    }

    /// The lake. Where it is a connection, what that says goes before the rest of the file.
    fn lake(&mut self, file: &File, blocks: &ReadBlocks) -> Result<LakeAddress, SettingsError> {
        let (given, by) = match self.find("lake", |o| &o.lake) {
            Some((lake, by)) => (Some(lake), by),
            None => (None, Origin::Default),
        };
        let name = match &given {
            Some(LakeAddress::Folder(name)) => name.to_str(),
            Some(LakeAddress::Gcs { .. }) => None,
            None => Some(DEFAULT),
        };
        let connected = match name {
            Some(name) => file.lake(name, &by, blocks)?,
            None => None,
        };
        let (lake, origin) = match connected {
            Some(connected) => {
                let origin = connected.origin.clone();
                self.connection = Some(Layer::connection(connected.options, connected.origin));
                (connected.to, origin)
            }
            None => (given.unwrap_or_else(|| LakeAddress::Folder("data".into())), by),
        };
        self.note("lake", lake.show(), origin);
        Ok(lake)
    }

    fn gcs(
        &mut self,
        lake: &LakeAddress,
        blocks: &ReadBlocks,
    ) -> Result<GcsSettings, SettingsError> {
        let given = self.find("credentials", |o| &o.credentials);
        self.optional("credentials", |o| &o.credentials);
        let credentials = match given {
            // A folder needs none: where they are not to be had, that is no matter.
            Some((given, origin)) if matches!(lake, LakeAddress::Gcs { .. }) => {
                Some(service_account(&given, &origin, blocks)?)
            }
            _ => None,
        };
        const EMULATOR: &str = "STORAGE_EMULATOR_HOST";
        let emulator = std::env::var(EMULATOR).ok().filter(|host| !host.is_empty());
        if let Some(host) = &emulator {
            let from = Origin::Environment { name: EMULATOR.to_owned() };
            self.note("storage_emulator", json!(host), from);
        }
        Ok(GcsSettings { credentials, emulator })
    }

    /// The Postgres. Where it is a connection, what that says goes before the rest of the file.
    fn database(
        &mut self,
        file: &File,
        blocks: &ReadBlocks,
    ) -> Result<Option<Database>, SettingsError> {
        let name = self.find("postgres", |o| &o.postgres);
        let url = self.find("database_url", |o| &o.database_url);
        let connected = match (name, &url) {
            (Some((name, by)), url)
                if url.as_ref().is_none_or(|(_, from)| by.rank() <= from.rank()) =>
            {
                Some(file.postgres(&name, &by, blocks)?)
            }
            (_, Some(_)) => None,
            _ if file.postgres.contains_key(DEFAULT) => {
                Some(file.postgres(DEFAULT, &Origin::Default, blocks)?)
            }
            _ => None,
        };
        let (database, origin) = match (connected, url) {
            (Some(connected), _) => {
                let origin = connected.origin.clone();
                self.connection = Some(Layer::connection(connected.options, connected.origin));
                (Some(connected.to), origin)
            }
            (None, Some((url, origin))) => (Some(Database::from(url)), origin),
            (None, None) => (None, Origin::Default),
        };
        let shown = database.as_ref().map(Database::place);
        self.note("database_url", json!(shown), origin);
        Ok(database)
    }

    fn notify(&mut self, file: &File) -> NotifySettings {
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
    SettingsError::Secret { setting, origin: origin.clone(), source }
}

fn service_account(
    given: &Credentials,
    origin: &Origin,
    blocks: &ReadBlocks,
) -> Result<ServiceAccount, SettingsError> {
    let key = match &given.0 {
        Reference::File(path) => match path.to_str().and_then(BlockName::of) {
            Some(block) => match &block.among(blocks)?.credentials {
                Some(Credentials(key)) => key.clone(),
                None => return Err(SettingsError::BlockSays { block, what: "credentials" }),
            },
            None => return Ok(ServiceAccount::File(path.clone())),
        },
        kept => kept.clone(),
    };
    let key = key.resolve().map_err(|source| secret("credentials", origin, source))?;
    Ok(ServiceAccount::Key(key.reveal().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn resolve(toml: &str, options: Options) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taxi.toml");
        std::fs::write(&path, toml).unwrap();
        let options = Options { config: Some(path), ..options };
        Settings::resolve(&options).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_go_before_the_file_and_the_file_before_the_defaults() {
        let toml = "lake = 'gs://b/p'\nretries = 1\nretry_delay = '10ms'\n[rules]\nnegative_fare = 'reject'";
        let file = resolve(toml, Options::default()).unwrap();
        assert_eq!(file.lake.to_string(), "gs://b/p");
        assert_eq!((file.policy.retries, file.policy.first_delay), (1, Duration::from_millis(10)));
        assert_eq!(file.source, Source::Web);
        assert_ne!(file.rules, Rules::default());
        let options = Options {
            lake: Some("x".parse().unwrap()),
            flag: vec!["negative_fare".parse().unwrap()],
            ..Options::default()
        };
        let flags = resolve(toml, options).unwrap();
        assert_eq!(flags.lake.to_string(), "x");
        assert_eq!(flags.rules, Rules::default());
    }

    #[test]
    fn what_the_file_should_not_say_is_named() {
        let error = resolve("lakes = 'x'", Options::default()).unwrap_err();
        assert!(error.contains("unknown field `lakes`"), "{error}");
        let error = resolve("[rules]\nno_pickup = 'off'", Options::default()).unwrap_err();
        assert!(error.contains("always rejects"), "{error}");
    }
}
