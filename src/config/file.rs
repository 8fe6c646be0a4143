use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::lake::LakeAddress;
use crate::source::Source;

use super::options::time;
use super::{NewColumn, Secret, SettingsError};

/// The file of settings looked for in the current folder.
const FILE: &str = "taxi.toml";

/// What `taxi.toml` says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    #[serde(deserialize_with = "from_text")]
    pub(super) source: Option<Source>,
    #[serde(deserialize_with = "from_text")]
    pub(super) lake: Option<LakeAddress>,
    pub(super) zones: Option<String>,
    pub(super) spool: Option<PathBuf>,
    pub(super) credentials: Option<PathBuf>,
    pub(super) keep_raw: Option<bool>,
    pub(super) on_new_column: Option<NewColumn>,
    pub(super) threads: Option<usize>,
    pub(super) retries: Option<usize>,
    #[serde(deserialize_with = "duration")]
    pub(super) retry_delay: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    pub(super) stall_timeout: Option<Duration>,
    pub(super) connections_per_host: Option<usize>,
    pub(super) database_url: Option<Secret>,
    pub(super) schema: Option<String>,
    pub(super) table: Option<String>,
    pub(super) jobs: Option<usize>,
    pub(super) rules: BTreeMap<String, LevelName>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LevelName {
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

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    time(&text).map(Some).map_err(serde::de::Error::custom)
}

/// The file named, or the one in the current folder, or none.
pub(super) fn read(named: Option<&Path>) -> Result<File, SettingsError> {
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
