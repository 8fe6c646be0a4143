//! Google Cloud: the credentials of its store, and of BigQuery.

use clap::Args;
use serde::Deserialize;

use crate::lake::GoogleCredentials;
use crate::lake::store::GcsOptions;
use crate::settings::error::SettingsError;
use crate::settings::layers::Picker;
use crate::settings::secret::{Credentials, Reference};
use crate::settings::secret_names::SecretNames;

/// The heading of its flags.
pub(in crate::settings) const HEADING: &str = "Google Cloud settings";

/// Where its secrets are said outside `taxi.toml`.
pub(in crate::settings) const SECRETS: SecretNames = SecretNames {
    keys: &["GOOGLE_APPLICATION_CREDENTIALS", "TAXI_CREDENTIALS"],
    addresses: &[EMULATOR],
    flags: &["--credentials"],
    ..SecretNames::NONE
};

const EMULATOR: &str = "STORAGE_EMULATOR_HOST";

/// The options for Google Cloud.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
#[command(next_help_heading = HEADING)]
pub struct GoogleOptions {
    /// The key file of a Google service account [default: the application default credentials]
    #[arg(long, value_name = "FILE", env = "TAXI_CREDENTIALS", hide_env_values = true)]
    pub credentials: Option<Credentials>,
}

impl GoogleOptions {
    /// How the lake is spoken to. The credentials are asked for only if they are `needed`.
    pub(in crate::settings) fn resolve(
        from: &mut Picker<'_>,
        needed: bool,
    ) -> Result<GcsOptions, SettingsError> {
        from.optional("credentials", |o: &GoogleOptions| &o.credentials);
        let credentials = if needed { credentials(from)? } else { None };
        Ok(GcsOptions { credentials, emulator: from.variable("storage_emulator", EMULATOR) })
    }

    /// How BigQuery is spoken to.
    pub(in crate::settings) fn resolve_for_bigquery(
        from: &mut Picker<'_>,
    ) -> Result<GcsOptions, SettingsError> {
        from.named("bigquery.credentials", "credentials", |o: &GoogleOptions| &o.credentials);
        let emulator = std::env::var(EMULATOR).ok().filter(|host| !host.is_empty());
        Ok(GcsOptions { credentials: credentials(from)?, emulator })
    }
}

/// The credentials in force, for the connection in hand.
fn credentials(from: &Picker<'_>) -> Result<Option<GoogleCredentials>, SettingsError> {
    let found = from.find("credentials", |o: &GoogleOptions| &o.credentials);
    let Some((given, origin)) = found else {
        return Ok(None);
    };
    let key = match given {
        Credentials::Key(key) => key,
        Credentials::Block(block) => match block.among(from.blocks) {
            Ok(contents) => match &contents.credentials {
                Some(key) => key.clone(),
                None => return Err(SettingsError::BlockSays { block, what: "credentials" }),
            },
            Err(error @ SettingsError::UnreadBlock { .. }) => {
                return Ok(Some(GoogleCredentials::Missing(error.to_string())));
            }
            Err(error) => return Err(error),
        },
    };
    let by = origin.to_string();
    Ok(Some(match &key {
        Reference::File(path) => GoogleCredentials::File(path.clone()),
        Reference::Text(_) | Reference::Env(_) => match key.resolve() {
            Ok(key) => GoogleCredentials::given(key.reveal(), &by),
            Err(error) => GoogleCredentials::Missing(format!("{error} ({by})")),
        },
    }))
}
