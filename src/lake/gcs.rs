//! Google Cloud Storage, opened with the credentials of the settings or of the machine.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use object_store::gcp::{GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::{BackoffConfig, ClientOptions, RetryConfig, StaticCredentialProvider};

use crate::support::error_chain::cause;

use super::{GoogleCredentials, LakeError, Tokens, credentials, unwrapped};

/// How Google Cloud Storage is spoken to.
#[derive(Debug, Clone, Default)]
pub struct GcsSettings {
    /// The credentials; `None` for the application default credentials.
    pub credentials: Option<GoogleCredentials>,
    /// The address of an emulator, spoken to without credentials (`STORAGE_EMULATOR_HOST`).
    pub emulator: Option<String>,
}

/// A part of 8 MiB may take this long: 112 kbit/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(600);

impl GcsSettings {
    /// Who gives the tokens for the calls of Google's other services: the credentials are the
    /// same. Asks nobody yet.
    pub fn tokens(&self) -> Result<Tokens, LakeError> {
        // A store is of a bucket, and its credentials of none.
        Ok(self.bucket("any")?.1)
    }

    fn store(&self, bucket: &str) -> Result<GoogleCloudStorage, LakeError> {
        let (builder, _file) = self.builder()?;
        builder.with_bucket_name(bucket).build().map_err(|source| self.refused(&source))
    }

    /// A bucket, and who gives the tokens for it.
    pub(super) fn bucket(&self, name: &str) -> Result<(GoogleCloudStorage, Tokens), LakeError> {
        let store = self.store(name)?;
        let tokens = Tokens::new(store.credentials(), self.url());
        Ok((store, tokens))
    }

    /// The address of Google Cloud Storage, or of its emulator.
    fn url(&self) -> String {
        match &self.emulator {
            Some(host) => {
                let host = host.trim_end_matches('/');
                if host.contains("://") { host.to_owned() } else { format!("http://{host}") }
            }
            None => "https://storage.googleapis.com".to_owned(),
        }
    }

    fn builder(&self) -> Result<(GoogleCloudStorageBuilder, Option<File>), LakeError> {
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            // The task that uploads is tried again too, and says so.
            max_retries: 3,
            retry_timeout: Duration::from_secs(180),
        };
        let options = ClientOptions::new().with_timeout(REQUEST_TIMEOUT);
        if self.emulator.is_some() {
            // Not `with_skip_signature`: writes ask the metadata server for a token then.
            let nobody = GcpCredential { bearer: "emulator".to_owned() };
            let builder = GoogleCloudStorageBuilder::new()
                .with_retry(retry)
                .with_client_options(options.with_allow_http(true))
                .with_base_url(&self.url())
                .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)));
            return Ok((builder, None));
        }
        let (builder, file) = credentials::builder(self.credentials.as_ref())?;
        Ok((builder.with_retry(retry).with_client_options(options), file))
    }

    /// What is wrong with the credentials, without a word of what they hold.
    fn refused(&self, error: &object_store::Error) -> LakeError {
        let system = cause::<io::Error>(error).map(ToString::to_string);
        let which = match &self.credentials {
            Some(GoogleCredentials::File(path)) => format!("in {}", path.display()),
            Some(_) => "given as text".to_owned(),
            None => "of the environment".to_owned(),
        };
        let what = system.unwrap_or_else(|| "their private key cannot be read".to_owned());
        LakeError::Credentials { which, what }
    }

    /// The text of the credentials that are named, which must not be shown; `None` if none are,
    /// or if they are not used because an emulator is asked.
    pub fn secret(&self) -> Option<String> {
        if self.emulator.is_some() || self.credentials.is_none() {
            return None;
        }
        let (_, text) = self.credentials_in_force().ok()??;
        Some(unwrapped(&text).unwrap_or(text))
    }

    /// Where the credentials come from, and their text; `None` for those of the machine.
    pub fn credentials_in_force(&self) -> Result<Option<(String, String)>, LakeError> {
        credentials::in_force(self.credentials.as_ref())
    }
}
