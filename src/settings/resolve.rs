//! The settings in force, and what is made of them alone.

use std::path::PathBuf;
use std::time::Duration;

use url::{Position, Url};

use crate::clean::Rules;
use crate::flow::{Limits, Policy, RunReport, TaskName};
use crate::guard::{Guard, Share};
use crate::lake::{
    GcsOptions, Lake, LakeAccess, LakeAddress, LakeError, LakeOptions, StoreOptions,
};
use crate::notify::{NotifyError, Webhook};
use crate::redact::{self, name_or_mask, url_secrets};
use crate::source::{HttpSettings, Source};
use crate::trip::{Month, TripFile};
use crate::warehouse::WarehouseKind;
use crate::warehouse::postgres::{PostgresError, Target, Warehouse};

use super::blocks::{BlockError, BlockName, ReadBlocks};
use super::connection::{ConnectionKind, dataset};
use super::database::Database;
use super::file::File;
use super::keys::suggestion;
use super::layers::{Layer, Picker};
use super::origin::{Effective, Origin};
use super::{Blocks, MissingColumn, NewColumn, NotifyOn, NotifySettings, Options, SettingsError};

/// The concurrency limits of tasks. Cleaning takes all cores and most of the memory that a run
/// may have, so one month is cleaned while others are fetched and loaded.
const AT_ONCE: [(TaskName, usize); 2] = [(TaskName::Clean, 1), (TaskName::Ingest, 1)];

/// The folder of the journal.
const RUNS: &str = "data/runs";

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
    /// How the stores of lakes are spoken to.
    pub stores: StoreOptions,
    /// How the hosts of the files are spoken to.
    pub http: HttpSettings,
    /// Whether a month is done again even if nothing has changed.
    pub force: bool,
    /// Whether the bytes as fetched are kept.
    pub keep_raw: bool,
    /// What a column that the schema does not know means.
    pub on_new_column: NewColumn,
    /// The largest share of rows set aside because of the file.
    pub max_set_aside: Share,
    /// By what share an edition may have fewer trips than the one it replaces.
    pub max_shrink: Share,
    /// What a column means that the month's edition has and the file lacks.
    pub on_missing_column: MissingColumn,
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
    pub google: GcsOptions,
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
    /// Why the lake cannot even be named.
    closed: Option<String>,
}

impl Settings {
    /// The settings in force where the command line and the environment say this.
    pub fn resolve(options: &Options) -> Result<Self, SettingsError> {
        Self::resolved(options, &ReadBlocks::new())
    }

    /// The same where settings may refer to blocks. One that cannot be read fails it.
    pub async fn resolve_with(
        options: &Options,
        blocks: &dyn Blocks,
    ) -> Result<Self, SettingsError> {
        Self::with_blocks(options, blocks, |block, source| {
            Err(SettingsError::ReadBlock { block: block.clone(), source })
        })
        .await
    }

    /// The same for commands that only look: a store whose block cannot be read says so when it is
    /// asked, and spoils no other.
    pub async fn resolve_to_look(
        options: &Options,
        blocks: &dyn Blocks,
    ) -> Result<Self, SettingsError> {
        Self::with_blocks(options, blocks, |_, source| Ok(source.to_string())).await
    }

    /// Resolves again with each block that turns out to be needed. A block that cannot be read
    /// fails it, or is left with a reason, as `unread` says.
    async fn with_blocks(
        options: &Options,
        blocks: &dyn Blocks,
        unread: impl Fn(&BlockName, BlockError) -> Result<String, SettingsError>,
    ) -> Result<Self, SettingsError> {
        let mut read = ReadBlocks::new();
        loop {
            let block = match Self::resolved(options, &read) {
                Err(SettingsError::Block(block)) if !read.contains_key(&block) => block,
                resolved => return resolved,
            };
            let says = match blocks.read(&block).await {
                Ok(says) => Ok(says),
                Err(source) => Err(unread(&block, source)?),
            };
            read.insert(block, says);
        }
    }

    /// The folder of the journal, whatever else the settings say.
    pub fn runs_folder(options: &Options) -> Result<PathBuf, SettingsError> {
        let file = File::read(options.config.as_deref())?;
        Ok(Picker::new(layers(options, &file)?).pick("runs", |o| &o.runs, RUNS.into()))
    }

    /// The lake, for who only looks: one that cannot be opened says why when it is asked.
    pub fn lake_to_look_at(&self) -> Lake {
        self.lake_options().open_to_look()
    }

    fn lake_options(&self) -> LakeOptions {
        let closed = self.closed.clone();
        LakeOptions { address: self.lake.clone(), stores: self.stores.clone(), closed }
    }

    /// Why the lake cannot even be named: its block cannot be read.
    pub fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    /// Asks the lake what may be done with it.
    pub async fn probe_lake(&self) -> Result<LakeAccess, LakeError> {
        self.lake_options().probe().await
    }

    /// Refuses a lake to look at that was named, and is a folder that is not there: most likely a
    /// slip. What the file of settings says of it may be there later.
    pub fn refuse_missing_lake(&self) -> Result<(), LakeError> {
        let named = self.effective.iter().find(|setting| setting.key == "lake");
        let Some(Effective { from, .. }) = named else { return Ok(()) };
        let bare = self.lake.as_folder().is_some_and(|path| path.components().count() == 1);
        let refused = match from {
            Origin::Flag { .. } | Origin::Environment { .. } => true,
            Origin::Profile { .. } | Origin::File { .. } => bare,
            Origin::Connection { .. } | Origin::Default => false,
        };
        if refused && self.closed.is_none() && self.lake.is_missing() {
            let name = name_or_mask(&self.lake.to_string()).to_owned();
            return Err(LakeError::NotThere { name, by: from.to_string() });
        }
        Ok(())
    }

    /// Every setting, its value with secrets masked, and where it comes from.
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }

    /// The limits that an edition of a month from the source is held against.
    pub fn guard(&self, file: TripFile) -> Guard {
        Guard {
            max_set_aside: Some(self.max_set_aside),
            max_shrink: self.max_shrink,
            refuse_empty: self.source.should_have(file, Month::current()),
            force: self.force,
        }
    }

    /// The Postgres that is loaded into; asks nobody yet.
    pub fn postgres(&self) -> Result<Warehouse, PostgresError> {
        let target = match &self.database {
            Some(database) => database.target()?,
            None => Target::resolve(None, &[])?,
        };
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
        let database = self.database.iter().flat_map(Database::secrets);
        // The password of the environment, or of a file, for the database that those name.
        let named = || Target::resolve(None, &[]).map(|target| target.secrets().to_vec());
        let named = if self.database.is_none() { named().unwrap_or_default() } else { Vec::new() };
        let database = database.chain(named);
        let webhook = self.notify.webhook.iter().filter_map(|webhook| webhook.resolve().ok());
        let webhook = webhook.flat_map(|webhook| {
            let parsed = Url::parse(webhook.reveal().trim()).ok();
            // What is after the host lets everybody post.
            let path = parsed.map(|url| url[Position::BeforePath..].to_owned());
            [Some(webhook.reveal().trim().to_owned()), path].into_iter().flatten()
        });
        let google = [&self.stores.gcs, &self.google].into_iter().filter_map(GcsOptions::secret);
        let addresses = match &self.source {
            Source::Template(address) => url_secrets(address),
            _ => Vec::new(),
        };
        let addresses = addresses.into_iter().chain(url_secrets(&self.zones));
        database.chain(webhook).chain(google).chain(addresses).collect()
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
        let mut from = Picker::new(layers(options, &file)?);
        let (policy, limits) = (Policy::default(), Limits::default());
        let http = HttpSettings::default();

        let source = from.source()?;
        let zones = from.zones();
        let lake = from.lake(&file, blocks)?;
        let stores = from.stores(&lake, blocks)?;
        from.connection = None;
        let spool = from.pick("spool", |o| &o.spool, "data/spool".into());
        let runs = from.pick("runs", |o| &o.runs, RUNS.into());
        let keep_runs = from.pick("keep_runs", |o| &o.keep_runs, 100);
        let force = from.pick("force", |o| &o.force, false);
        let keep_raw = from.pick("keep_raw", |o| &o.keep_raw, false);
        let on_new_column = from.pick("on_new_column", |o| &o.on_new_column, NewColumn::default());
        let max_set_aside = from.pick("max_set_aside", |o| &o.max_set_aside, Share::percent(5));
        let max_shrink = from.pick("max_shrink", |o| &o.max_shrink, Share::percent(10));
        let on_missing_column =
            from.pick("on_missing_column", |o| &o.on_missing_column, MissingColumn::default());
        let rules = from.rules();
        let threads = from.optional("threads", |o| &o.threads);
        let limits = Limits {
            time: from.pick("task_timeout", |o| &o.task_timeout, limits.time),
            jobs: from.pick("jobs", |o| &o.jobs, limits.jobs),
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
        let google = from.google(&stores, blocks)?;
        from.connection = None;
        let bigquery_emulator = from.emulator("bigquery_emulator", "BIGQUERY_EMULATOR_HOST");
        let notify = from.notify(&file);
        let settings = Self {
            source,
            zones,
            lake,
            spool,
            runs,
            keep_runs,
            stores,
            http,
            force,
            keep_raw,
            on_new_column,
            max_set_aside,
            max_shrink,
            on_missing_column,
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
            closed: from.closed,
        };
        for secret in settings.secrets() {
            redact::remember(&secret);
        }
        Ok(settings)
    }
}

/// The layers of the settings: what is asked, the profile, the top of the file.
fn layers(options: &Options, file: &File) -> Result<Vec<Layer>, SettingsError> {
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
    Ok(layers)
}
