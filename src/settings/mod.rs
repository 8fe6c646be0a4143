//! User input: the parameters of a flow, and the settings of the program.
//!
//! Settings come in groups, one file per group: its flags and variables, its keys in `taxi.toml`,
//! its
//! connections, its defaults, its secrets, and the values in effect, which it picks from the
//! layers. `layers` defines their precedence, `file` reads `taxi.toml`.

mod bigquery;
mod block_name;
mod blocks;
mod by_type;
mod cleaning;
mod connection;
mod connection_kind;
mod database;
mod error;
mod file;
mod group;
mod keys;
mod lake;
mod layers;
mod named_parameters;
mod notify;
mod options;
mod origin;
mod parameter_set;
mod parameters;
mod parent_parameters;
mod postgres;
mod prefect;
mod reference;
mod resolved_connection;
mod run;
mod secret;
mod secret_names;
mod settings_group;
mod source;
mod source_conflict;
mod table;
mod toml_error;
mod values;
mod warehouse;
mod warehouse_group;
mod warehouses;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::RunReport;
use crate::guard::Guard;
use crate::notify::NotifyError;
use crate::redact;
use crate::trip::{Month, TripFile};
use crate::warehouse::{Warehouse, WarehouseError, WarehouseKind};

use blocks::ReadBlocks;
use file::File;
use layers::{Layer, Picker};
use origin::said;
use settings_group::SettingsGroup;
use warehouse_group::WarehouseInForce;
use warehouses::group;

pub use bigquery::{BigQueryOptions, BigQuerySettings};
pub use block_name::BlockName;
pub use blocks::{BlockContents, Blocks};
pub use cleaning::{CleaningOptions, CleaningSettings, MissingColumn, NewColumn};
pub use connection::Connection;
pub use connection_kind::ConnectionKind;
pub use database::Database;
pub use error::{BlockError, SettingsError};
pub use group::Group;
pub(crate) use keys::suggestion;
pub use lake::{GoogleOptions, LakeOptions, LakeSettings, LakeStores};
pub use named_parameters::{NamedParameterError, read_named};
pub use notify::{NotifyOn, NotifySettings};
pub use options::{FileOptions, Options};
pub use origin::{Effective, FileLine, Origin};
pub use parameter_set::ParameterSet;
pub use parameters::{ColourList, MonthList, ParameterError, Parameters, own_before_added};
pub use parent_parameters::ParentParameters;
pub use postgres::{PostgresOptions, PostgresSettings};
pub use prefect::FlowRunOptions;
pub use reference::{ConnectionReference, DatabaseReference, LakeReference, StoreReference};
pub use run::{RunOptions, RunSettings};
pub use secret::{Credentials, MASK, Reference, Secret, SecretError};
pub use secret_names::SecretNames;
pub use source::{SourceOptions, SourceSettings};
pub use source_conflict::SourceConflict;
pub use warehouse::{WarehouseOptions, WarehouseSettings};

/// The settings in force: flags, then the environment, then a connection, a profile and the rest
/// of `taxi.toml`, then the defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where files come from.
    pub source: SourceSettings,
    /// Where months go.
    pub lake: LakeSettings,
    /// How files are cleaned.
    pub cleaning: CleaningSettings,
    /// How runs go.
    pub run: RunSettings,
    /// Which warehouses are loaded into.
    pub warehouse: WarehouseSettings,
    /// The Postgres that is loaded into.
    pub postgres: PostgresSettings,
    /// The BigQuery that is loaded into.
    pub bigquery: BigQuerySettings,
    /// Notifications about the end of a run.
    pub notify: NotifySettings,
    effective: Vec<Effective>,
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

    fn resolved(options: &Options, blocks: &ReadBlocks) -> Result<Self, SettingsError> {
        let file = options.read_file()?;
        check(&file)?;
        let mut from = Picker::new(options.layers(&file)?, &file, blocks);
        let settings = Self {
            source: SourceSettings::resolve(&mut from)?,
            lake: LakeSettings::resolve(&mut from)?,
            cleaning: CleaningSettings::resolve(&mut from)?,
            run: RunSettings::resolve(&mut from)?,
            warehouse: WarehouseSettings::resolve(&mut from)?,
            postgres: PostgresSettings::resolve(&mut from)?,
            bigquery: BigQuerySettings::resolve(&mut from)?,
            notify: NotifySettings::resolve(&mut from)?,
            effective: from.picked,
        };
        for secret in settings.secrets() {
            redact::remember(&secret);
        }
        Ok(settings)
    }

    /// The folder of the journal, whatever else the settings say.
    pub fn runs_folder(options: &Options) -> Result<PathBuf, SettingsError> {
        let file = options.read_file()?;
        let blocks = ReadBlocks::new();
        let mut from = Picker::new(options.layers(&file)?, &file, &blocks);
        Ok(RunSettings::journal(&mut from))
    }

    /// Every setting, its value with secrets masked, and where it comes from.
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }

    /// What must not be shown, wherever it may turn up.
    pub fn secrets(&self) -> Vec<String> {
        let groups = [
            self.source.secrets(),
            self.lake.secrets(),
            self.cleaning.secrets(),
            self.run.secrets(),
            self.warehouse.secrets(),
            self.postgres.secrets(),
            self.bigquery.secrets(),
            self.notify.secrets(),
        ];
        groups.concat()
    }

    /// The limits that an edition of a month from the source is compared with.
    pub fn guard(&self, file: TripFile) -> Guard {
        Guard {
            max_set_aside: Some(self.cleaning.max_set_aside),
            max_shrink: self.cleaning.max_shrink,
            refuse_empty: self.source.source.should_have(file, Month::current()),
            force: self.run.force,
        }
    }

    /// The warehouses to load into: those named, else those of the settings.
    pub fn warehouses<'a>(&'a self, named: &'a [WarehouseKind]) -> &'a [WarehouseKind] {
        if named.is_empty() { &self.warehouse.to_warehouse } else { named }
    }

    /// Sends the notification about the end of a run.
    pub async fn tell(&self, report: &RunReport, took: Duration) -> Result<(), NotifyError> {
        self.notify.tell(report, took, &self.secrets()).await
    }

    /// Where the lake or a warehouse in force is, for people, and what says so; `None` if nothing
    /// names it.
    fn leads_to(&self, kind: ConnectionKind) -> Option<(String, Origin)> {
        match kind {
            ConnectionKind::Lake => Some((
                self.lake.address().to_string(),
                said(&self.effective, &["lake"])?.from.clone(),
            )),
            ConnectionKind::Warehouse(kind) => self.in_force(kind).leads_to(&self.effective),
        }
    }

    /// The warehouse of a kind that is loaded into; does not connect yet.
    pub fn warehouse(&self, kind: WarehouseKind) -> Result<Arc<dyn Warehouse>, WarehouseError> {
        self.in_force(kind).warehouse()
    }

    /// Whether a run could load into a warehouse of a kind without being told more.
    pub fn names_warehouse(&self, kind: WarehouseKind) -> bool {
        self.in_force(kind).is_named()
    }

    /// The settings that say which warehouses are meant, beside `table`.
    pub fn warehouse_keys() -> impl Iterator<Item = &'static str> {
        WarehouseKind::all().flat_map(|kind| group(kind).keys()).copied()
    }

    fn in_force(&self, kind: WarehouseKind) -> &dyn WarehouseInForce {
        match kind {
            WarehouseKind::Postgres => &self.postgres,
            WarehouseKind::BigQuery => &self.bigquery,
        }
    }
}

/// Refuses names of connections that are not there, in every profile: also in those that are not
/// asked for.
fn check(file: &File) -> Result<(), SettingsError> {
    for (profile, defaults) in &file.profiles {
        let layer = Layer::file(&file.path, Some(profile), defaults);
        lake::check(file, &layer)?;
        for kind in WarehouseKind::all() {
            group(kind).check(file, &layer)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
