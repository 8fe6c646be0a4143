//! What is said of the settings, group by group: by the command line and the environment, or by a
//! part of `taxi.toml`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};
use toml::de::Error;

use super::bigquery::BigQueryOptions;
use super::cleaning::CleaningOptions;
use super::connection_kind::ConnectionKind;
use super::file::{FromTable, Part};
use super::lake::LakeOptions;
use super::postgres::PostgresOptions;
use super::reference::LakeReference;
use super::run::RunOptions;
use super::source::SourceOptions;
use super::warehouse::{WarehouseOptions, group};

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
#[command(next_help_heading = "The file of these settings")]
pub struct FileOptions {
    /// The profile of taxi.toml that goes before its other settings
    #[arg(long, value_name = "NAME", env = "TAXI_PROFILE")]
    pub profile: Option<String>,

    /// The file of settings [default: taxi.toml, where there is one]
    #[arg(long, value_name = "FILE", env = "TAXI_CONFIG")]
    pub config: Option<PathBuf>,
}

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

    fn take(table: &mut Part<'_>) -> Result<Self, Error> {
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
            ConnectionKind::Warehouse(kind) => group(kind).choose(self, name),
        }
        self.flagged.0.insert(kind.key().to_owned());
    }

    /// The name of the flag and of the variable that say a setting.
    pub(super) fn names(key: &str) -> (String, String) {
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
