use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use url::{Position, Url};

use crate::clean::Rules;
use crate::flow::{Limits, Policy, RunReport};
use crate::lake::{GcsSettings, LakeAddress, ServiceAccount};
use crate::notify::{NotifyError, Webhook};
use crate::source::{HttpSettings, Source, without_secrets};
use crate::warehouse::WarehouseKind;
use crate::warehouse::postgres::{ConnectError, PostgresError, Target, Warehouse};

use super::bigquery::PROJECT;
use super::blocks::ReadBlocks;
use super::connection::{ConnectionKind, DEFAULT, dataset};
use super::database::Database;
use super::file::{File, Table};
use super::keys::suggestion;
use super::layers::{Layer, Picker, Show};
use super::origin::{Effective, Origin, Place};
use super::secret::{Credentials, Reference, Secret, SecretError};
use super::{BlockName, Blocks, NewColumn, NotifyOn, NotifySettings, Options, SettingsError};

/// The concurrency limits of tasks. Cleaning takes all cores and most of the memory that a run
/// may have, so one month is cleaned while others are fetched and loaded.
const AT_ONCE: [(&str, usize); 3] = [("clean", 1), ("ingest", 1), ("write-postgres", 2)];

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
    /// The folder for the journal.
    pub runs: PathBuf,
    /// How many runs it keeps.
    pub keep_runs: usize,
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
    /// How many things at once, and for how long.
    pub limits: Limits,
    /// The Postgres to load into; none for the one that `PGHOST` and its kin name.
    pub database: Option<Database>,
    /// The schema in it.
    pub schema: String,
    /// The Google Cloud project of BigQuery; none for the one of the environment or of the
    /// credentials.
    pub project: Option<String>,
    /// The dataset in it.
    pub dataset: String,
    /// Where the dataset is made if it is missing; none for Google's default.
    pub location: Option<String>,
    /// The table in it; none for one each colour.
    pub bigquery_table: Option<String>,
    /// Its credentials, said as those of the lake are.
    pub google: GcsSettings,
    /// The address of an emulator of BigQuery, spoken to without credentials
    /// (`BIGQUERY_EMULATOR_HOST`).
    pub bigquery_emulator: Option<String>,
    /// The table to load into; none for one each colour.
    pub table: Option<String>,
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

    /// The Postgres that is loaded into; asks nobody yet.
    pub fn postgres(&self) -> Result<Warehouse, PostgresError> {
        let url = self.database.as_ref().map(Database::url).transpose();
        let url = url.map_err(|error| ConnectError::Secret(error.to_string()))?;
        let target = Target::resolve(url.as_ref().map(Secret::reveal))?;
        Warehouse::new(target, self.schema.clone(), self.table.clone())
    }

    /// Where the lake or the database in force is, for people, and what says so.
    pub(super) fn leads_to(&self, kind: ConnectionKind) -> Option<(String, Origin)> {
        let key = match kind {
            ConnectionKind::Lake => "lake",
            ConnectionKind::Postgres => "database_url",
            ConnectionKind::BigQuery => return self.leads_to_bigquery(),
        };
        let found = self.effective.iter().find(|setting| setting.key == key)?;
        Some((found.value.as_str()?.to_owned(), found.from.clone()))
    }

    /// None where neither a connection nor a project is named.
    fn leads_to_bigquery(&self) -> Option<(String, Origin)> {
        let mut said = self.effective.iter().filter(|setting| !setting.value.is_null());
        let found = said.find(|setting| ["bigquery", "project"].contains(&setting.key.as_str()))?;
        let project = super::bigquery::project(self);
        Some((dataset(project.as_deref(), &self.dataset), found.from.clone()))
    }

    /// The warehouses to load into: those named, else those of the settings.
    pub fn warehouses<'a>(&'a self, named: &'a [WarehouseKind]) -> &'a [WarehouseKind] {
        if named.is_empty() { &self.to_warehouse } else { named }
    }

    /// What must not be shown, wherever it may turn up.
    pub fn secrets(&self) -> Vec<String> {
        let database = self.database.iter().filter_map(|database| database.url().ok());
        let database = database.flat_map(|url| {
            let target = Target::resolve(Some(url.reveal())).ok();
            let password = target.and_then(|target| target.password());
            // As it is written, which may be in percents.
            let parsed = Url::parse(url.reveal()).ok();
            let written = parsed.as_ref().and_then(Url::password).map(str::to_owned);
            [Some(url.reveal().to_owned()), password, written].into_iter().flatten()
        });
        let webhook = self.notify.webhook.iter().filter_map(|webhook| webhook.resolve().ok());
        let webhook = webhook.flat_map(|webhook| {
            let parsed = Url::parse(webhook.reveal().trim()).ok();
            // What is after the host lets everybody post.
            let path = parsed.map(|url| url[Position::BeforePath..].to_owned());
            [Some(webhook.reveal().trim().to_owned()), path].into_iter().flatten()
        });
        database.chain(webhook).collect()
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
        file.check()?;
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
        let (policy, limits) = (Policy::default(), Limits::default());
        let http = HttpSettings::default();

        let source = from.source()?;
        let zones = from.zones();
        let lake = from.lake(&file, blocks)?;
        let gcs = from.gcs(&lake, blocks)?;
        from.connection = None;
        let spool = from.pick("spool", |o| &o.spool, "data/spool".into());
        let runs = from.pick("runs", |o| &o.runs, "data/runs".into());
        let keep_runs = from.pick("keep_runs", |o| &o.keep_runs, 100);
        let force = from.pick("force", |o| &o.force, false);
        let keep_raw = from.pick("keep_raw", |o| &o.keep_raw, false);
        let on_new_column = from.pick("on_new_column", |o| &o.on_new_column, NewColumn::default());
        let rules = from.rules();
        let threads = from.optional("threads", |o| &o.threads);
        let limits = Limits {
            time: from.pick("task_timeout", |o| &o.task_timeout, limits.time),
            jobs: from.pick("jobs", |o| &o.jobs, limits.jobs).max(1),
            at_once: &AT_ONCE,
        };
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
        from.bigquery(&file)?;
        let project = from.project();
        let dataset = from.pick("dataset", |o| &o.dataset, "nyc_taxi".to_owned());
        let location = from.optional("location", |o| &o.location);
        let bigquery_table = from.named("bigquery.table", "table", |o| &o.table);
        let google = from.google(&gcs, blocks)?;
        from.connection = None;
        let bigquery_emulator = from.emulator("bigquery_emulator", "BIGQUERY_EMULATOR_HOST");
        let notify = from.notify(&file);
        Ok(Self {
            source,
            zones,
            lake,
            spool,
            runs,
            keep_runs,
            gcs,
            http,
            force,
            keep_raw,
            on_new_column,
            rules,
            threads,
            policy,
            limits,
            database,
            schema,
            project,
            dataset,
            location,
            bigquery_table,
            google,
            bigquery_emulator,
            table,
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
        let source = source
            .map_err(|error| SettingsError::Source { error, origin: Box::new(origin.clone()) })?;
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
        self.optional("credentials", |o| &o.credentials);
        // A folder needs none: a block is not asked for them.
        let credentials = match lake {
            LakeAddress::Gcs { .. } => self.service_account(blocks)?,
            LakeAddress::Folder(_) => None,
        };
        let emulator = self.emulator("storage_emulator", "STORAGE_EMULATOR_HOST");
        Ok(GcsSettings { credentials, emulator })
    }

    fn emulator(&mut self, key: &str, variable: &str) -> Option<String> {
        let host = std::env::var(variable).ok().filter(|host| !host.is_empty())?;
        self.note(key, json!(host), Origin::Environment { name: variable.to_owned() });
        Some(host)
    }

    /// The credentials in force, for the connection in hand.
    fn service_account(
        &self,
        blocks: &ReadBlocks,
    ) -> Result<Option<ServiceAccount>, SettingsError> {
        let Some((given, origin)) = self.find("credentials", |o| &o.credentials) else {
            return Ok(None);
        };
        let key = match &given.0 {
            Reference::File(path) => match path.to_str().and_then(BlockName::of) {
                Some(block) => match &block.among(blocks)?.credentials {
                    Some(Credentials(key)) => key.clone(),
                    None => return Err(SettingsError::BlockSays { block, what: "credentials" }),
                },
                None => return Ok(Some(ServiceAccount::File(path.clone()))),
            },
            kept => kept.clone(),
        };
        Ok(Some(match key.resolve() {
            Ok(key) => ServiceAccount::Key(key.reveal().to_owned()),
            Err(error) => ServiceAccount::Missing(format!("{error} ({origin})")),
        }))
    }

    /// The BigQuery, where one is named: what it says goes before the rest of the file.
    fn bigquery(&mut self, file: &File) -> Result<(), SettingsError> {
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

    fn project(&mut self) -> Option<String> {
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

    fn google(
        &mut self,
        lake: &GcsSettings,
        blocks: &ReadBlocks,
    ) -> Result<GcsSettings, SettingsError> {
        self.named("bigquery.credentials", "credentials", |o| &o.credentials);
        let credentials = self.service_account(blocks)?;
        Ok(GcsSettings { credentials, emulator: lake.emulator.clone() })
    }

    /// The Postgres. Where it is a connection, what that says goes before the rest of the file.
    fn database(
        &mut self,
        file: &File,
        blocks: &ReadBlocks,
    ) -> Result<Option<Database>, SettingsError> {
        let name = self.find("postgres", |o| &o.postgres);
        self.optional("postgres", |o| &o.postgres);
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
            (None, Some((url, origin))) => (Some(Database::from(url).with_block(blocks)?), origin),
            (None, None) => (None, Origin::Default),
        };
        let (shown, origin) = match (&database, Target::variable()) {
            (Some(database), _) => (Some(database.place()), origin),
            (None, Some(name)) => {
                let place = Target::resolve(None).map(|target| target.place());
                (place.ok(), Origin::Environment { name: name.to_owned() })
            }
            (None, None) => (None, origin),
        };
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
    SettingsError::Secret { setting, origin: Box::new(origin.clone()), source }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use async_trait::async_trait;

    use super::*;
    use crate::config::BlockError;

    struct Asked {
        folder: tempfile::TempDir,
        options: Options,
    }

    impl Asked {
        fn of(toml: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("taxi.toml");
            std::fs::write(&path, toml).unwrap();
            Self { folder, options: Options { config: Some(path), ..Options::default() } }
        }

        fn flag(mut self, key: &str, set: impl FnOnce(&mut Options)) -> Self {
            set(&mut self.options);
            self.options.flagged.0.insert(key.to_owned());
            self
        }

        fn env(mut self, set: impl FnOnce(&mut Options)) -> Self {
            set(&mut self.options);
            self
        }

        fn shown(&self, text: &str) -> String {
            text.replace(&format!("{}/", self.folder.path().display()), "")
        }

        fn resolve(&self) -> Result<Settings, String> {
            Settings::resolve(&self.options).map_err(|error| self.shown(&error.to_string()))
        }

        /// These settings, one a line, and where they come from.
        fn says(&self, keys: &[&str]) -> String {
            let settings = self.resolve().unwrap();
            let said = settings.effective().iter().filter(|e| keys.contains(&e.key.as_str()));
            let said =
                said.map(|Effective { key, value, from }| format!("{key} {value} <- {from}"));
            self.shown(&said.collect::<Vec<_>>().join("\n"))
        }
    }

    const TOML: &str = "\
lake = 'data/months'
retries = 1
retry_delay = '10ms'
jobs = 3
schema = 'top'
credentials = 'top.json'

[rules]
negative_fare = 'reject'
unknown_code = 'off'

[lakes.prod]
address = 'gs://bucket/trips'
credentials = 'prod.json'

[postgres.local]
url = 'postgres://me:hush@host/db'
schema = 'connection'

[profiles.cloud]
lake = 'prod'
jobs = 8
to_warehouse = ['postgres']

[profiles.cloud.rules]
unknown_code = 'reject'
";

    fn cloud(options: &mut Options) {
        options.profile = Some("cloud".to_owned());
    }

    #[test]
    fn flags_go_before_the_environment_a_connection_a_profile_the_file_and_the_defaults() {
        let keys = ["lake", "credentials", "jobs", "retries", "spool", "schema"];
        insta::assert_snapshot!(Asked::of(TOML).says(&keys), @r#"
            lake "data/months" <- taxi.toml, line 1
            credentials "top.json" <- taxi.toml, line 6
            spool "data/spool" <- default
            jobs 3 <- taxi.toml, line 4
            retries 1 <- taxi.toml, line 2
            schema "top" <- taxi.toml, line 5
            "#);
        insta::assert_snapshot!(Asked::of(TOML).env(cloud).says(&keys), @r#"
            lake "gs://bucket/trips" <- taxi.toml, line 12 (lakes.prod, named by taxi.toml, line 21 (profile cloud))
            credentials "prod.json" <- taxi.toml, line 12 (lakes.prod, named by taxi.toml, line 21 (profile cloud))
            spool "data/spool" <- default
            jobs 8 <- taxi.toml, line 22 (profile cloud)
            retries 1 <- taxi.toml, line 2
            schema "top" <- taxi.toml, line 5
            "#);
        let asked = Asked::of(TOML)
            .env(cloud)
            .env(|o| o.jobs = Some(5))
            .env(|o| o.database_url = Some("postgres://other/db".into()))
            .flag("postgres", |o| o.postgres = Some("local".to_owned()))
            .flag("credentials", |o| o.credentials = Some(OsString::from("flag.json").into()));
        insta::assert_snapshot!(asked.says(&keys), @r#"
            lake "gs://bucket/trips" <- taxi.toml, line 12 (lakes.prod, named by taxi.toml, line 21 (profile cloud))
            credentials "flag.json" <- --credentials
            spool "data/spool" <- default
            jobs 5 <- TAXI_JOBS
            retries 1 <- taxi.toml, line 2
            schema "connection" <- taxi.toml, line 16 (postgres.local, named by --postgres)
            "#);
        let asked = Asked::of(TOML)
            .env(|o| o.postgres = Some("local".to_owned()))
            .env(|o| o.schema = Some("asked".to_owned()))
            .flag("database_url", |o| o.database_url = Some("postgres://other/db".into()));
        insta::assert_snapshot!(asked.says(&["schema", "database_url"]), @r#"
            database_url "other:5432/db" <- --database-url
            schema "asked" <- TAXI_SCHEMA
            "#);
    }

    #[test]
    fn the_level_of_a_rule_is_that_of_the_first_who_says_one() {
        let keys = ["rules.negative_fare", "rules.unknown_code", "rules.duration_over_24h"];
        let asked = Asked::of(TOML)
            .env(cloud)
            .flag("off", |o| o.off = vec!["negative_fare".parse().unwrap()]);
        insta::assert_snapshot!(asked.says(&keys), @r#"
            rules.negative_fare "off" <- --off
            rules.duration_over_24h "flag" <- default
            rules.unknown_code "reject" <- taxi.toml, line 26 (profile cloud)
            "#);
    }

    #[test]
    fn a_connection_named_default_is_in_force_where_none_is_named() {
        let toml = "[lakes.default]\naddress = 'gs://b/p'\n[postgres.default]\nhost = 'h'\ndatabase = 'd'\nuser = 'u'\npassword = 'a b&c'\nport = 5433";
        let asked = Asked::of(toml);
        insta::assert_snapshot!(asked.says(&["lake", "database_url"]), @r#"
            lake "gs://b/p" <- taxi.toml, line 1 (lakes.default)
            database_url "h:5433/d" <- taxi.toml, line 3 (postgres.default)
            "#);
        let database = asked.resolve().unwrap().database.unwrap();
        let url = database.url().unwrap().reveal().to_owned();
        assert_eq!(url, "postgres://?host=h&port=5433&dbname=d&user=u&password=a%20b%26c");
    }

    #[test]
    fn a_secret_is_looked_up_where_it_is_kept_and_only_when_it_is_needed() {
        let asked = Asked::of(
            "[postgres.p]\nurl = { env = 'TAXI_TEST_UNSET' }\n[lakes.l]\naddress = 'gs://b'\ncredentials = { env = 'TAXI_TEST_UNSET' }",
        );
        let asked = asked.flag("postgres", |o| o.postgres = Some("p".to_owned()));
        let database = asked.resolve().unwrap().database.unwrap();
        insta::assert_snapshot!(database.url().unwrap_err(), @"the variable TAXI_TEST_UNSET of the environment is not set");
        let asked = asked.flag("lake", |o| o.lake = Some("l".parse().unwrap()));
        let settings = asked.resolve().unwrap();
        let error = settings.lake.open(&settings.gcs).unwrap_err().to_string();
        insta::assert_snapshot!(asked.shown(&error), @"the credentials of the settings cannot be used: the variable TAXI_TEST_UNSET of the environment is not set (taxi.toml, line 3 (lakes.l, named by --lake)). Name the JSON key of a service account with --credentials or GOOGLE_APPLICATION_CREDENTIALS");

        let asked = Asked::of("[postgres.p]\nhost = 'h'\npassword = { file = 'PATH' }");
        let secret = asked.folder.path().join("secret");
        std::fs::write(&secret, "hush\n").unwrap();
        let config = asked.options.config.clone().unwrap();
        let toml = std::fs::read_to_string(&config).unwrap();
        std::fs::write(config, toml.replace("PATH", secret.to_str().unwrap())).unwrap();
        let asked = asked.flag("postgres", |o| o.postgres = Some("p".to_owned()));
        let settings = asked.resolve().unwrap();
        assert_eq!(
            settings.database.as_ref().unwrap().url().unwrap().reveal(),
            "postgres://?host=h&password=hush"
        );
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_key_may_be_given_where_its_file_is_named_and_is_not_shown() {
        let key = r#"{"private_key": "hush"}"#;
        let asked = Asked::of("lake = 'gs://bucket'");
        let asked = asked.env(|o| o.credentials = Some(OsString::from(key).into()));
        insta::assert_snapshot!(asked.says(&["credentials"]), @r#"credentials "********" <- TAXI_CREDENTIALS"#);
        let settings = asked.resolve().unwrap();
        assert_eq!(settings.gcs.credentials, Some(ServiceAccount::Key(key.to_owned())));
        assert!(!format!("{settings:?}").contains("hush"));
    }

    #[test]
    fn what_is_to_be_hidden_is_known_however_it_is_written() {
        let webhook = "[notify]\nwebhook = 'https://hooks.example/services/T0/hush'\n";
        for url in [
            "postgres://me:p%40ss@h/d",
            "host=h user=me password=p@ss",
            "postgres://h/d?password=p%40ss",
        ] {
            let asked = Asked::of(&format!("database_url = '{url}'\n{webhook}"));
            let secrets = asked.resolve().unwrap().secrets();
            for secret in ["p@ss", "/services/T0/hush"] {
                assert!(secrets.iter().any(|known| known == secret), "{url}: {secret}");
            }
        }
    }

    #[test]
    fn what_the_file_should_not_say_is_named_with_its_line_and_what_was_meant() {
        let wrong = [
            "jobs = 2\nlakess = 'x'",
            "to_warehouses = ['postgres']",
            "[lakes.a]\naddres = 'x'",
            "[lakes.a]\ncredentials = 'x'",
            "[lakes]\na = 'gs://b'",
            "[lakes.a]\naddress = 's3://b'",
            "[postgres.a]\nhost = 'h'\npasword = 'hush'",
            "[postgres.a]\npassword = 31415",
            "[postgres.a]\npassword = { text = 'hush' }",
            "[profiles.a]\nlakes = 'x'",
            "[profiles.a.rules]\nnegative_fares = 'off'",
            "[rules]\n\nno_pickup = 'off'",
            "[rules]\nnegative_fare = 'offf'",
            "[notify]\nweb_hook = 'x'",
            "[notify]\non = 'sometimes'",
            "jobs = 'many'",
            "rules = 'off'",
            "[postgres.a]\nport = 'hush'",
            "credentials = { env = 31415 }",
            "to_warehouse = 'postgres'",
            "jobs = \n",
            "retry_delay = 'soon'",
            "to_warehouse = ['postgress']",
            "lake = 'prd'\n[lakes.prod]\naddress = 'x'",
            "postgres = 'locl'",
            "postgres = 'postgres://me:hush@host/db'",
            "[profiles.a]\npostgres = 'locl'\n[postgres.local]\nhost = 'h'",
        ];
        let said = wrong.map(|toml| Asked::of(toml).resolve().map(|_| ()).unwrap_err());
        for said in &said {
            assert!(!said.contains("hush") && !said.contains("31415"), "{said}");
        }
        insta::assert_snapshot!(said.join("\n"), @r#"
            taxi.toml, line 2, is not understood: there is no setting 'lakess' here: did you mean 'lakes'?
            taxi.toml, line 1, is not understood: there is no setting 'to_warehouses' here: did you mean 'to_warehouse'?
            taxi.toml, line 2, is not understood: there is no setting 'addres' here: did you mean 'address'?
            taxi.toml, line 1, is not understood: 'address' is missing
            taxi.toml, line 2, is not understood: 'a' is to be a table of its own: [lakes.a]
            taxi.toml, line 2, is not understood: 's3://b' is no lake: name a folder, or a bucket as gs://bucket/prefix
            taxi.toml, line 3, is not understood: there is no setting 'pasword' here: did you mean 'password'?
            taxi.toml, line 2, is not understood: write a text in quotes, { env = "NAME" } or { file = "PATH" }
            taxi.toml, line 2, is not understood: write a text in quotes, { env = "NAME" } or { file = "PATH" }
            taxi.toml, line 2, is not understood: there is no setting 'lakes' here: did you mean 'lake'?
            taxi.toml, line 2, is not understood: there is no rule 'negative_fares': did you mean 'negative_fare'?
            taxi.toml, line 3, is not understood: the rule 'no_pickup' always rejects: such a record is no trip of its file. What can be changed is dropoff_before_pickup, distance_impossible, negative_fare, duration_over_24h, unknown_code, unknown_location, passenger_count_over_9
            taxi.toml, line 2, is not understood: the level of a rule is reject, flag or off
            taxi.toml, line 2, is not understood: there is no setting 'web_hook' here: did you mean 'webhook'?
            taxi.toml, line 2, is not understood: 'on' cannot be 'sometimes': choose from 'failure', 'always'
            taxi.toml, line 1, is not understood: 'jobs' is to be a whole number, 0 or more
            taxi.toml, line 1, is not understood: 'rules' is to be a table of its own
            taxi.toml, line 2, is not understood: 'port' is to be a whole number from 0 to 65535
            taxi.toml, line 1, is not understood: write a text in quotes, { env = "NAME" } or { file = "PATH" }
            taxi.toml, line 1, is not understood: 'to_warehouse' is to be a list in brackets
            taxi.toml, line 1, is not understood: string values must be quoted, expected literal string
            taxi.toml, line 1, is not understood: write it as 500ms, 30s or 2m
            taxi.toml, line 1, is not understood: 'to_warehouse' cannot be 'postgress': choose from 'postgres', 'bigquery'
            taxi.toml, line 1: there is no [lakes.prd] in taxi.toml: did you mean 'prod'? A new folder is ./prd
            taxi.toml, line 1: there is no [postgres.locl] in taxi.toml: there are none
            taxi.toml, line 1: this is an address, and the name of one of [postgres] in taxi.toml is wanted. An address goes to DATABASE_URL, or to the setting database_url
            taxi.toml, line 2 (profile a): there is no [postgres.locl] in taxi.toml: did you mean 'local'?
            "#);
        let asked = Asked::of(TOML).flag("profile", |o| o.profile = Some("clod".to_owned()));
        insta::assert_snapshot!(asked.resolve().unwrap_err(), @"there is no profile 'clod' in taxi.toml: did you mean 'cloud'?");
        let asked = Asked::of(TOML).flag("postgres", |o| o.postgres = Some("locla".to_owned()));
        insta::assert_snapshot!(asked.resolve().unwrap_err(), @"--postgres: there is no [postgres.locla] in taxi.toml: did you mean 'local'?");
    }

    struct Server;

    #[async_trait]
    impl Blocks for Server {
        async fn read(&self, block: &BlockName) -> Result<Options, BlockError> {
            match (block.kind.as_str(), block.name.as_str()) {
                ("gcs-bucket", "zoom-gcs") => Ok(Options {
                    lake: Some("gs://bucket/zoom".parse()?),
                    credentials: Some(Credentials(Reference::Text(Secret::from("{}".to_owned())))),
                    ..Options::default()
                }),
                ("sqlalchemy-connector", _) => Ok(Options {
                    database_url: Some("postgres://me:hush@blocks/db".into()),
                    ..Options::default()
                }),
                _ => Err("there is no such block".into()),
            }
        }
    }

    #[tokio::test]
    async fn a_connection_may_be_a_block_of_a_server() {
        let toml = "lake = 'prefect:gcs-bucket/zoom-gcs'\n[postgres.p]\nurl = 'prefect:sqlalchemy-connector/c'\nschema = 's'";
        let asked = Asked::of(toml).flag("postgres", |o| o.postgres = Some("p".to_owned()));
        insta::assert_snapshot!(asked.resolve().unwrap_err(), @"prefect:gcs-bucket/zoom-gcs is a block of a Prefect server, and no server is named");
        let settings = Settings::resolve_with(&asked.options, &Server).await.unwrap();
        assert_eq!(settings.lake.to_string(), "gs://bucket/zoom");
        assert_eq!(settings.gcs.credentials, Some(ServiceAccount::Key("{}".to_owned())));
        assert_eq!(settings.database.as_ref().unwrap().place(), "blocks:5432/db");
        assert_eq!(settings.schema, "s");
        let asked = Asked::of("database_url = 'prefect:sqlalchemy-connector/c'");
        let settings = Settings::resolve_with(&asked.options, &Server).await.unwrap();
        assert_eq!(settings.database.as_ref().unwrap().place(), "blocks:5432/db");
        let asked = Asked::of("lake = 'prefect:s3-bucket/b'");
        let error = Settings::resolve_with(&asked.options, &Server).await.unwrap_err();
        insta::assert_snapshot!(error, @"prefect:s3-bucket/b cannot be read: there is no such block");
    }
}
