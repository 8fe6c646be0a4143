//! Where files come from, and the HTTP settings for their hosts.

use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Deserialize;
use serde_json::json;

use crate::redact::{url_secrets, without_secrets};
use crate::source::{HttpSettings, Source};

use super::error::SettingsError;
use super::layers::Picker;
use super::origin::Origin;
use super::secret::Reference;
use super::secret_names::SecretNames;
use super::settings_group::SettingsGroup;
use super::values::{at_least_one, count, some_duration, some_time};

/// The heading of its flags.
pub(super) const HEADING: &str = "Source settings";

/// Where its secrets are said outside `taxi.toml`: an address may have one in it.
pub(super) const SECRETS: SecretNames = SecretNames {
    // Proxies are what files are fetched through.
    addresses: &[
        "TAXI_SOURCE",
        "TAXI_ZONES",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ],
    flags: &["--source", "--zones"],
    ..SecretNames::NONE
};

/// The options for the source.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
#[command(next_help_heading = HEADING)]
pub struct SourceOptions {
    /// Where files come from: web, datatalks, tlc, sample, raw, a folder, or an address with
    /// {colour}, {year} and {month} in it [default: web]
    // An address may hold a secret, which the help does not tell.
    #[arg(long, env = "TAXI_SOURCE", hide_env_values = true)]
    pub source: Option<Reference>,

    /// Where etl-zones finds the taxi zones: web, a file, or an address [default: web]
    #[arg(long, value_name = "ADDRESS", env = "TAXI_ZONES", hide_env_values = true)]
    pub zones: Option<String>,

    /// Store the original bytes under raw/ in the lake
    #[arg(long, env = "TAXI_KEEP_RAW", value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub keep_raw: Option<bool>,

    /// How long to wait for a stalled download [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = some_time, env = "TAXI_STALL_TIMEOUT")]
    #[serde(deserialize_with = "some_duration")]
    pub stall_timeout: Option<Duration>,

    /// The maximum number of connections to one host [default: 2]
    #[arg(long, value_name = "N", value_parser = at_least_one, env = "TAXI_CONNECTIONS_PER_HOST")]
    #[serde(deserialize_with = "count")]
    pub connections_per_host: Option<usize>,
}

/// Where files come from.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// Where files come from.
    pub source: Source,
    /// Where the taxi zones come from: `web` or an address.
    pub zones: String,
    /// Whether the bytes as fetched are kept.
    pub keep_raw: bool,
    /// How the hosts of the files are spoken to.
    pub http: HttpSettings,
}

impl SettingsGroup for SourceSettings {
    fn resolve(from: &mut Picker<'_>) -> Result<Self, SettingsError> {
        let http = HttpSettings::default();
        Ok(Self {
            source: source(from)?,
            zones: zones(from),
            keep_raw: from.pick("keep_raw", |o: &SourceOptions| &o.keep_raw, false),
            http: HttpSettings {
                stall_timeout: from.pick(
                    "stall_timeout",
                    |o: &SourceOptions| &o.stall_timeout,
                    http.stall_timeout,
                ),
                connections_per_host: from.pick(
                    "connections_per_host",
                    |o: &SourceOptions| &o.connections_per_host,
                    http.connections_per_host,
                ),
                ..http
            },
        })
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = url_secrets(&self.zones);
        if let Source::Template(address) = &self.source {
            secrets.extend(url_secrets(address));
        }
        secrets
    }
}

// Read here and not by the command line, which would show what it refuses.
fn source(from: &mut Picker<'_>) -> Result<Source, SettingsError> {
    let Some((given, origin)) = from.find("source", |o: &SourceOptions| &o.source) else {
        from.note("source", json!(Source::Web.to_string()), Origin::Default);
        return Ok(Source::Web);
    };
    let text = given.resolve().map_err(|source| SettingsError::Secret {
        setting: "source",
        origin: Box::new(origin.clone()),
        source,
    })?;
    let source = text.reveal().parse();
    let source = source
        .map_err(|error| SettingsError::Source { error, origin: Box::new(origin.clone()) })?;
    let shown = match given {
        Reference::Text(_) => without_secrets(text.reveal()),
        kept => kept.to_string(),
    };
    from.note("source", json!(shown), origin);
    Ok(source)
}

fn zones(from: &mut Picker<'_>) -> String {
    let zones = from.find("zones", |o: &SourceOptions| &o.zones);
    let (zones, origin) = zones.unwrap_or_else(|| ("web".to_owned(), Origin::Default));
    from.note("zones", json!(without_secrets(&zones)), origin);
    zones
}
