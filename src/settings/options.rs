use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches, ValueEnum};
use serde::de::Unexpected;
use serde::{Deserialize, Deserializer};

use crate::clean::Changeable;
use crate::guard::Share;
use crate::warehouse::WarehouseKind;

use super::connection::ConnectionKind;
use super::reference::LakeReference;
use super::secret::{Credentials, Reference};

/// What the command line or the environment says; nothing where it says nothing.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
#[command(next_help_heading = "Settings (also in taxi.toml)")]
pub struct Options {
    // The first, as the others are taken out of what is asked one by one.
    #[command(flatten)]
    #[serde(skip)]
    pub(super) flagged: Flagged,

    /// Where files come from: web, datatalks, tlc, sample, raw, a folder, or an address with
    /// {colour}, {year} and {month} in it [default: web]
    // An address may hold a secret, which the help does not tell.
    #[arg(long, env = "TAXI_SOURCE", hide_env_values = true)]
    pub source: Option<Reference>,

    /// Where etl-zones finds the taxi zones: web, a file, or an address [default: web]
    #[arg(long, value_name = "ADDRESS", env = "TAXI_ZONES", hide_env_values = true)]
    pub zones: Option<String>,

    /// Where months go: a lake of taxi.toml, a folder, or gs://bucket/prefix [default: data]
    #[arg(long, env = "TAXI_LAKE", hide_env_values = true)]
    #[serde(deserialize_with = "from_text")]
    pub lake: Option<LakeReference>,

    /// The folder for what is on its way [default: data/spool]
    #[arg(long, value_name = "FOLDER", env = "TAXI_SPOOL")]
    pub spool: Option<PathBuf>,

    /// The folder for the journal, which taxi runs shows [default: data/runs]
    #[arg(long, value_name = "FOLDER", env = "TAXI_RUNS")]
    pub runs: Option<PathBuf>,

    /// How many runs the journal keeps; 0 for none [default: 100]
    #[arg(long, value_name = "N", env = "TAXI_KEEP_RUNS")]
    pub keep_runs: Option<usize>,

    /// The key file of a Google service account [default: the application default credentials]
    #[arg(long, value_name = "FILE", env = "TAXI_CREDENTIALS", hide_env_values = true)]
    pub credentials: Option<Credentials>,

    /// Do a month again even if nothing has changed, and even if it would be refused
    #[serde(skip)]
    #[arg(long, env = "TAXI_FORCE", value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub force: Option<bool>,

    /// Keep the bytes as fetched, under raw/ in the lake
    #[arg(long, env = "TAXI_KEEP_RAW", value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub keep_raw: Option<bool>,

    /// What a column that the schema does not know means [default: warn]
    #[arg(long, value_name = "WHAT", env = "TAXI_ON_NEW_COLUMN")]
    pub on_new_column: Option<NewColumn>,

    /// The largest share of a file's rows that may be set aside as unreadable or as no trips of its
    /// month: a file beyond it is refused [default: 5%]
    #[arg(long, value_name = "SHARE", env = "TAXI_MAX_SET_ASIDE")]
    #[serde(deserialize_with = "from_text")]
    pub max_set_aside: Option<Share>,

    /// By what share a month may have fewer trips than the edition it replaces: one beyond it is
    /// refused [default: 10%]
    #[arg(long, value_name = "SHARE", env = "TAXI_MAX_SHRINK")]
    #[serde(deserialize_with = "from_text")]
    pub max_shrink: Option<Share>,

    /// What a missing column means, one that the files of that month have [default: warn]
    #[arg(long, value_name = "WHAT", env = "TAXI_ON_MISSING_COLUMN")]
    pub on_missing_column: Option<MissingColumn>,

    /// Set the records aside that these rules concern
    #[serde(skip)]
    #[arg(long, value_name = "RULES", value_delimiter = ',', env = "TAXI_REJECT")]
    pub reject: Vec<Changeable>,

    /// Keep and count the records that these rules concern
    #[serde(skip)]
    #[arg(long, value_name = "RULES", value_delimiter = ',', env = "TAXI_FLAG")]
    pub flag: Vec<Changeable>,

    /// Do not ask these rules
    #[serde(skip)]
    #[arg(long, value_name = "RULES", value_delimiter = ',', env = "TAXI_OFF")]
    pub off: Vec<Changeable>,

    /// How many threads clean a month [default: one each core]
    #[arg(long, value_name = "N", value_parser = at_least_one, env = "TAXI_THREADS")]
    #[serde(deserialize_with = "count")]
    pub threads: Option<usize>,

    /// How often a task is tried again after a passing trouble [default: 5]
    #[arg(long, value_name = "N", env = "TAXI_RETRIES")]
    pub retries: Option<usize>,

    /// How long until the first of these tries; doubled for each after it [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = time, env = "TAXI_RETRY_DELAY")]
    #[serde(deserialize_with = "duration")]
    pub retry_delay: Option<Duration>,

    /// How long each try of a task may take [default: 2h]
    #[arg(long, value_name = "TIME", value_parser = some_time, env = "TAXI_TASK_TIMEOUT")]
    #[serde(deserialize_with = "some_duration")]
    pub task_timeout: Option<Duration>,

    /// How long a silent host is waited for [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = some_time, env = "TAXI_STALL_TIMEOUT")]
    #[serde(deserialize_with = "some_duration")]
    pub stall_timeout: Option<Duration>,

    /// The most connections to one host [default: 2]
    #[arg(long, value_name = "N", value_parser = at_least_one, env = "TAXI_CONNECTIONS_PER_HOST")]
    #[serde(deserialize_with = "count")]
    pub connections_per_host: Option<usize>,

    /// The Postgres of taxi.toml to load into
    #[arg(long, value_name = "NAME", env = "TAXI_POSTGRES", hide_env_values = true)]
    pub postgres: Option<String>,

    /// The Postgres to load into: postgres://user:password@host/database [default: PGHOST and its
    /// kin]. Others see a flag in the process list: the environment is the place for a password
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<Reference>,

    /// The schema in it [default: nyc_taxi]
    #[arg(long, value_name = "NAME", env = "TAXI_SCHEMA", value_parser = NonEmptyStringValueParser::new())]
    pub schema: Option<String>,

    /// The BigQuery of taxi.toml to load into
    #[arg(long, value_name = "NAME", env = "TAXI_BIGQUERY")]
    pub bigquery: Option<String>,

    /// The Google Cloud project of BigQuery [default: GOOGLE_CLOUD_PROJECT, or the project of the
    /// credentials]
    #[arg(long, value_name = "ID", env = "TAXI_PROJECT", value_parser = NonEmptyStringValueParser::new())]
    pub project: Option<String>,

    /// The dataset in it [default: nyc_taxi]
    #[arg(long, value_name = "NAME", env = "TAXI_DATASET", value_parser = NonEmptyStringValueParser::new())]
    pub dataset: Option<String>,

    /// Where the dataset is made if it is missing: US, EU, europe-west1 [default: US]
    #[arg(long, value_name = "PLACE", env = "TAXI_LOCATION", value_parser = NonEmptyStringValueParser::new())]
    pub location: Option<String>,

    /// The table to load into [default: yellow_trips, green_trips, ...]
    #[arg(long, value_name = "NAME", env = "TAXI_TABLE", value_parser = NonEmptyStringValueParser::new())]
    pub table: Option<String>,

    /// How many months are in flight at once [default: 4]
    #[arg(long, value_name = "N", value_parser = at_least_one, env = "TAXI_JOBS")]
    #[serde(deserialize_with = "count")]
    pub jobs: Option<usize>,

    /// The warehouses etl-parent-flow loads into, where it is not told: a setting of taxi.toml.
    #[arg(skip)]
    pub to_warehouse: Option<Vec<WarehouseKind>>,

    /// The profile of taxi.toml that goes before its other settings
    #[arg(long, value_name = "NAME", env = "TAXI_PROFILE")]
    #[serde(skip)]
    pub profile: Option<String>,

    /// The file of settings [default: taxi.toml, where there is one]
    #[arg(long, value_name = "FILE", env = "TAXI_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

impl Options {
    /// Names a connection as a flag does.
    pub(super) fn name(&mut self, kind: ConnectionKind, name: &str) {
        match kind {
            ConnectionKind::Lake => self.lake = Some(LakeReference::Name(name.to_owned())),
            ConnectionKind::Postgres => {
                self.postgres = Some(name.to_owned());
                self.database_url = None;
            }
            ConnectionKind::BigQuery => self.bigquery = Some(name.to_owned()),
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

/// What a column that the schema does not know means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NewColumn {
    /// It is named in a warning and in the footer, and left out.
    #[default]
    Warn,
    /// It is added to the month's file and to the warehouse's table.
    Keep,
    /// The month fails.
    Fail,
}

/// What a column means that the month's edition has and the file lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingColumn {
    /// It is named in a warning and in the footer, and its values are null.
    #[default]
    Warn,
    /// The month fails.
    Fail,
}

/// A time such as `30s`.
fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "write it as 500ms, 30s or 2m".to_owned())
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    time(&text).map(Some).map_err(serde::de::Error::custom)
}

/// A time that is not zero.
fn some_time(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("write a time longer than 0".to_owned()),
        time => Ok(time),
    }
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    some_time(&text).map(Some).map_err(serde::de::Error::custom)
}

const AT_LEAST_ONE: &str = "a whole number, 1 or more";

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| format!("write {AT_LEAST_ONE}"))
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(serde::de::Error::invalid_value(Unexpected::Unsigned(0), &AT_LEAST_ONE)),
        number => Ok(Some(number)),
    }
}

pub(super) fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}
