use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer};

use crate::clean::{Changeable, Level, RuleError, Rules};
use crate::flow::Policy;
use crate::lake::{GcsSettings, LakeAddress, LakeError};
use crate::source::{HttpSettings, Source, UnknownSource};

/// The file of settings looked for in the current folder.
const FILE: &str = "taxi.toml";

/// What the command line or the environment says; nothing where it says nothing.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings (also in taxi.toml)")]
pub struct Options {
    /// Where files come from: web, datatalks, tlc, sample, raw, a folder, or an address with
    /// {colour}, {year} and {month} in it [default: web]
    // An address may hold a secret, which the help does not tell.
    #[arg(long, env = "TAXI_SOURCE", hide_env_values = true)]
    pub source: Option<Secret>,

    /// Where etl-zones finds the taxi zones: web, a file, or an address [default: web]
    #[arg(long, value_name = "ADDRESS", env = "TAXI_ZONES", hide_env_values = true)]
    pub zones: Option<String>,

    /// Where months go: a folder, or gs://bucket/prefix [default: data]
    #[arg(long, env = "TAXI_LAKE")]
    pub lake: Option<LakeAddress>,

    /// The folder for what is on its way [default: data/spool]
    #[arg(long, value_name = "FOLDER", env = "TAXI_SPOOL")]
    pub spool: Option<PathBuf>,

    /// The key file of a Google service account [default: the application default credentials]
    #[arg(long, value_name = "FILE", env = "TAXI_CREDENTIALS")]
    pub credentials: Option<PathBuf>,

    /// Do a month again even if nothing has changed
    #[arg(long, env = "TAXI_FORCE", value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub force: Option<bool>,

    /// Keep the bytes as fetched, under raw/ in the lake
    #[arg(long, env = "TAXI_KEEP_RAW", value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub keep_raw: Option<bool>,

    /// What a column that the schema does not know means [default: warn]
    #[arg(long, value_name = "WHAT", env = "TAXI_ON_NEW_COLUMN")]
    pub on_new_column: Option<NewColumn>,

    /// Set the records aside that these rules concern
    #[arg(long, value_name = "RULES", value_delimiter = ',', env = "TAXI_REJECT")]
    pub reject: Vec<Changeable>,

    /// Keep and count the records that these rules concern
    #[arg(long, value_name = "RULES", value_delimiter = ',', env = "TAXI_FLAG")]
    pub flag: Vec<Changeable>,

    /// Do not ask these rules
    #[arg(long, value_name = "RULES", value_delimiter = ',', env = "TAXI_OFF")]
    pub off: Vec<Changeable>,

    /// How many threads clean a month [default: one each core]
    #[arg(long, value_name = "N", env = "TAXI_THREADS")]
    pub threads: Option<usize>,

    /// How often a task is tried again after a passing trouble [default: 5]
    #[arg(long, value_name = "N", env = "TAXI_RETRIES")]
    pub retries: Option<usize>,

    /// How long until the first of these tries; doubled for each after it [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = time, env = "TAXI_RETRY_DELAY")]
    pub retry_delay: Option<Duration>,

    /// How long a silent host is waited for [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = time, env = "TAXI_STALL_TIMEOUT")]
    pub stall_timeout: Option<Duration>,

    /// The most connections to one host [default: 2]
    #[arg(long, value_name = "N", env = "TAXI_CONNECTIONS_PER_HOST")]
    pub connections_per_host: Option<usize>,

    /// The Postgres to load into: postgres://user:password@host/database [default: PGHOST and its
    /// kin]. Others see a flag in the process list: the environment is the place for a password
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<Secret>,

    /// The schema in it [default: nyc_taxi]
    #[arg(long, value_name = "NAME", env = "TAXI_SCHEMA", value_parser = NonEmptyStringValueParser::new())]
    pub schema: Option<String>,

    /// The table to load into [default: yellow_trips, green_trips, ...]
    #[arg(long, value_name = "NAME", env = "TAXI_TABLE", value_parser = NonEmptyStringValueParser::new())]
    pub table: Option<String>,

    /// How many months are loaded at once [default: 2]
    #[arg(long, value_name = "N", env = "TAXI_JOBS")]
    pub jobs: Option<usize>,

    /// The file of settings [default: taxi.toml, where there is one]
    #[arg(long, value_name = "FILE", env = "TAXI_CONFIG")]
    pub config: Option<PathBuf>,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// What a column that the schema does not know means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NewColumn {
    /// It is named in a warning and in the footer, and left out.
    #[default]
    Warn,
    /// The month fails.
    Fail,
}

/// What `taxi.toml` says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    #[serde(deserialize_with = "from_text")]
    source: Option<Source>,
    #[serde(deserialize_with = "from_text")]
    lake: Option<LakeAddress>,
    zones: Option<String>,
    spool: Option<PathBuf>,
    credentials: Option<PathBuf>,
    keep_raw: Option<bool>,
    on_new_column: Option<NewColumn>,
    threads: Option<usize>,
    retries: Option<usize>,
    #[serde(deserialize_with = "duration")]
    retry_delay: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    stall_timeout: Option<Duration>,
    connections_per_host: Option<usize>,
    database_url: Option<Secret>,
    schema: Option<String>,
    table: Option<String>,
    jobs: Option<usize>,
    rules: BTreeMap<String, LevelName>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LevelName {
    Reject,
    Flag,
    Off,
}

fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// A time such as `30s`.
fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "write it as 500ms, 30s or 2m".to_owned())
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    time(&text).map(Some).map_err(serde::de::Error::custom)
}

/// The settings in force: flags, then the environment, then `taxi.toml`, then these defaults.
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
    pub database_url: Option<Secret>,
    /// The schema in it.
    pub schema: String,
    /// The table to load into; none for one each colour.
    pub table: Option<String>,
    /// How many months are loaded at once.
    pub jobs: usize,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file of settings cannot be read.
    #[error("cannot read the settings in {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file of settings says something that is not understood.
    #[error("{}, line {line}, is not understood: {what}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong, without the line itself: a password may be in it.
        what: String,
    },
    /// A rule in `[rules]`.
    #[error("[rules] in taxi.toml: {0}")]
    Rule(#[from] RuleError),
    /// A default that is no address; cannot be.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A default that is no source; cannot be.
    #[error(transparent)]
    Source(#[from] UnknownSource),
}

impl Settings {
    /// The settings in force where the command line and the environment say this.
    pub fn resolve(options: &Options) -> Result<Self, SettingsError> {
        let file = read(options.config.as_deref())?;
        let mut rules = Rules::default();
        for (name, level) in &file.rules {
            let level = match level {
                LevelName::Reject => Level::Reject,
                LevelName::Flag => Level::Flag,
                LevelName::Off => Level::Off,
            };
            rules.set(&name.parse()?, level);
        }
        let levels = [
            (&options.reject, Level::Reject),
            (&options.flag, Level::Flag),
            (&options.off, Level::Off),
        ];
        for (names, level) in levels {
            for rule in names {
                rules.set(rule, level);
            }
        }
        let lake = options.lake.clone().or(file.lake);
        // Read here and not by the command line, which would show what it refuses.
        let source = match &options.source {
            Some(given) => given.reveal().parse()?,
            None => file.source.unwrap_or(Source::Web),
        };
        let emulator = std::env::var("STORAGE_EMULATOR_HOST").ok().filter(|host| !host.is_empty());
        let policy = Policy::default();
        let http = HttpSettings::default();
        Ok(Self {
            source,
            zones: options.zones.clone().or(file.zones).unwrap_or_else(|| "web".to_owned()),
            lake: lake.unwrap_or_else(|| LakeAddress::Folder("data".into())),
            spool: options.spool.clone().or(file.spool).unwrap_or_else(|| "data/spool".into()),
            gcs: GcsSettings {
                credentials: options.credentials.clone().or(file.credentials),
                emulator,
            },
            http: HttpSettings {
                stall_timeout: options
                    .stall_timeout
                    .or(file.stall_timeout)
                    .unwrap_or(http.stall_timeout),
                connections_per_host: options
                    .connections_per_host
                    .or(file.connections_per_host)
                    .unwrap_or(http.connections_per_host),
                ..http
            },
            force: options.force.unwrap_or(false),
            keep_raw: options.keep_raw.or(file.keep_raw).unwrap_or(false),
            on_new_column: options.on_new_column.or(file.on_new_column).unwrap_or_default(),
            rules,
            threads: options.threads.or(file.threads),
            database_url: options.database_url.clone().or(file.database_url),
            schema: options.schema.clone().or(file.schema).unwrap_or_else(|| "nyc_taxi".to_owned()),
            table: options.table.clone().or(file.table),
            jobs: options.jobs.or(file.jobs).unwrap_or(2).max(1),
            policy: Policy {
                retries: options.retries.or(file.retries).unwrap_or(policy.retries),
                first_delay: options.retry_delay.or(file.retry_delay).unwrap_or(policy.first_delay),
                ..policy
            },
        })
    }
}

/// The file named, or the one in the current folder, or none.
fn read(named: Option<&Path>) -> Result<File, SettingsError> {
    let path = named.unwrap_or(Path::new(FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(File::default());
        }
        Err(source) => {
            return Err(SettingsError::Read { path: path.to_owned(), source });
        }
    };
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        SettingsError::Parse {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            what: error.message().to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
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
