//! The options of all groups of settings: from the command line and the environment, or from a part
//! of `taxi.toml`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};
use toml::de::Error;

use crate::warehouse::WarehouseKind;

use super::bigquery::{BigQueryConnection, BigQueryOptions};
use super::by_type::ByType;
use super::cleaning::CleaningOptions;
use super::connection_kind::ConnectionKind;
use super::error::SettingsError;
use super::file::{File, Section, Shape};
use super::keys::suggestion;
use super::lake::{LakeConnection, LakeOptions};
use super::layers::Layer;
use super::notify::NotifySettings;
use super::origin::Origin;
use super::postgres::{PostgresConnection, PostgresOptions};
use super::reference::LakeReference;
use super::run::RunOptions;
use super::source::SourceOptions;
use super::table::{FromTable, SpannedTable};
use super::warehouse::WarehouseOptions;

/// What is said of the settings; nothing where nothing is said.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    // The first, as the others are taken out of what is asked one by one.
    #[command(flatten)]
    pub(super) flagged: Flagged,
    /// Where files come from.
    #[command(flatten)]
    pub source: SourceOptions,
    /// Where months go.
    #[command(flatten)]
    pub lake: LakeOptions,
    /// How files are cleaned.
    #[command(flatten)]
    pub cleaning: CleaningOptions,
    /// How runs go.
    #[command(flatten)]
    pub run: RunOptions,
    /// What all warehouses have alike.
    #[command(flatten)]
    pub warehouse: WarehouseOptions,
    /// The Postgres that is loaded into.
    #[command(flatten)]
    pub postgres: PostgresOptions,
    /// The BigQuery that is loaded into.
    #[command(flatten)]
    pub bigquery: BigQueryOptions,
    /// The file of settings.
    #[command(flatten)]
    pub file: FileOptions,
}

/// Which file of settings is read, and how.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings file")]
pub struct FileOptions {
    /// The profile of taxi.toml whose settings override the others in the file
    #[arg(long, value_name = "NAME", env = "TAXI_PROFILE")]
    pub profile: Option<String>,

    /// The settings file [default: taxi.toml, if it exists]
    #[arg(long, value_name = "FILE", env = "TAXI_CONFIG")]
    pub config: Option<PathBuf>,
}

/// What `taxi.toml` may say.
const SHAPE: Shape = Shape {
    keys: Options::keys,
    options: |table| Ok(Options::take(table)?.groups()),
    sections: &[
        Section::connections::<LakeConnection>("lakes"),
        Section::connections::<PostgresConnection>("postgres"),
        Section::connections::<BigQueryConnection>("bigquery"),
        Section::table::<NotifySettings>("notify"),
    ],
};

impl FromTable for Options {
    fn keys() -> Vec<&'static str> {
        let groups = [
            SourceOptions::keys(),
            LakeOptions::keys(),
            CleaningOptions::keys(),
            RunOptions::keys(),
            WarehouseOptions::keys(),
            PostgresOptions::keys(),
            BigQueryOptions::keys(),
        ];
        groups.concat()
    }

    fn take(table: &mut SpannedTable<'_>) -> Result<Self, Error> {
        Ok(Self {
            source: SourceOptions::take(table)?,
            lake: LakeOptions::take(table)?,
            cleaning: CleaningOptions::take(table)?,
            run: RunOptions::take(table)?,
            warehouse: WarehouseOptions::take(table)?,
            postgres: PostgresOptions::take(table)?,
            bigquery: BigQueryOptions::take(table)?,
            ..Self::default()
        })
    }
}

impl Options {
    /// Names a connection as a flag does.
    pub(super) fn name(&mut self, kind: ConnectionKind, name: &str) {
        match kind {
            ConnectionKind::Lake => {
                self.lake.address = Some(LakeReference::Name(name.to_owned()));
            }
            ConnectionKind::Warehouse(WarehouseKind::Postgres) => self.postgres.choose(name),
            ConnectionKind::Warehouse(WarehouseKind::BigQuery) => self.bigquery.choose(name),
        }
        self.flagged.0.insert(kind.key().to_owned());
    }

    /// The options for each group.
    fn groups(&self) -> ByType {
        let Self { source, lake, cleaning, run, warehouse, postgres, bigquery, .. } = self.clone();
        let groups = lake.stores.groups(ByType::default()).with(source).with(lake);
        groups.with(cleaning).with(run).with(warehouse).with(postgres).with(bigquery)
    }

    /// What flags and the environment say.
    fn layer(&self) -> Layer {
        let flagged = self.flagged.0.clone();
        let origin = move |key: &str| {
            let (flag, variable) = Self::names(key);
            if flagged.contains(key) {
                return Origin::Flag { name: flag };
            }
            Origin::Environment { name: variable }
        };
        let levels = self.cleaning.levels();
        let rules = levels.map(|(rule, level, key)| (rule.clone(), level, origin(key))).collect();
        let mut said = self.clone();
        // As DATABASE_URL="" has it: that is not said.
        said.postgres.database_url.take_if(|url| url.is_empty());
        Layer::asked(said.groups(), rules, origin)
    }

    /// The layers of the settings but for connections: what is asked, the profile, the top of the
    /// file.
    pub(super) fn layers(&self, file: &File) -> Result<Vec<Layer>, SettingsError> {
        let mut layers = vec![self.layer()];
        if let Some(name) = &self.file.profile {
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

    /// The file of settings.
    pub(super) fn read_file(&self) -> Result<File, SettingsError> {
        File::read(self.file.config.as_deref(), &SHAPE)
    }

    /// The name of the flag and of the variable that say a setting.
    fn names(key: &str) -> (String, String) {
        let all = Self::augment_args(clap::Command::new("taxi"));
        let arg = all.get_arguments().find(|arg| arg.get_id() == key);
        let variable = arg.and_then(|arg| Some(arg.get_env()?.to_string_lossy().into_owned()));
        let variable = variable.unwrap_or_else(|| format!("TAXI_{}", key.to_uppercase()));
        (format!("--{}", key.replace('_', "-")), variable)
    }
}

/// Which settings a flag says, and not the environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Flagged(pub(super) BTreeSet<String>);

impl FromArgMatches for Flagged {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let ids = matches.ids().map(clap::Id::as_str);
        let flagged = ids.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
        Ok(Self(flagged.map(str::to_owned).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Flagged {
    fn augment_args(command: clap::Command) -> clap::Command {
        command
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        command
    }
}
