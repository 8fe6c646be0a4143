use std::path::PathBuf;

use crate::clean::{Level, RuleError, Rules};
use crate::flow::Policy;
use crate::lake::{GcsSettings, LakeAddress, LakeError};
use crate::source::{HttpSettings, Source, UnknownSource};

use super::file::{LevelName, read};
use super::{NewColumn, Options, Secret};

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
