use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::StaticCredentialProvider;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::{Lake, LakeError, Tokens};

/// Where a lake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LakeAddress {
    /// A local folder.
    Folder(PathBuf),
    /// A bucket of Google Cloud Storage, and a prefix within it, which may be empty.
    Gcs {
        /// The bucket's name.
        bucket: String,
        /// The prefix, without slashes at its ends.
        prefix: String,
    },
}

/// How Google Cloud Storage is spoken to.
#[derive(Debug, Clone, Default)]
pub struct GcsSettings {
    /// A service account's key; none for the application default credentials.
    pub credentials: Option<ServiceAccount>,
    /// The address of an emulator, spoken to without credentials (`STORAGE_EMULATOR_HOST`).
    pub emulator: Option<String>,
}

/// The key of a service account.
#[derive(Clone, PartialEq, Eq)]
pub enum ServiceAccount {
    /// The JSON file of it.
    File(PathBuf),
    /// The JSON itself.
    Key(String),
    /// It is not to be had, for this reason: whoever needs it says so.
    Missing(String),
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Key(_) => f.write_str("********"),
            Self::Missing(why) => f.write_str(why),
        }
    }
}

/// A part of 8 MiB may take this long: 112 kbit/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(600);

impl LakeAddress {
    /// The address of a key, for people.
    pub fn of(&self, key: &str) -> String {
        match self {
            Self::Folder(root) => root.join(key).display().to_string(),
            Self::Gcs { .. } => format!("{self}/{key}"),
        }
    }

    /// Opens the lake; a local folder is made when needed.
    pub fn open(&self, settings: &GcsSettings) -> Result<Lake, LakeError> {
        let address = self.clone();
        match self {
            Self::Folder(root) => {
                std::fs::create_dir_all(root)
                    .map_err(|source| LakeError::io("make", root, source))?;
                let store = LocalFileSystem::new_with_prefix(root)
                    .map_err(|source| address.failed(source))?;
                Ok(Lake { address, store: Arc::new(store), multipart: None, tokens: None })
            }
            Self::Gcs { bucket, .. } => {
                let builder = settings.builder().with_bucket_name(bucket);
                let store = builder.build().map_err(|source| settings.refused(&source))?;
                let tokens = Tokens::new(store.credentials(), settings);
                let store = Arc::new(store);
                Ok(Lake {
                    address,
                    store: Arc::clone(&store) as _,
                    multipart: Some(store),
                    tokens: Some(tokens),
                })
            }
        }
    }

    pub(super) fn failed(&self, source: object_store::Error) -> LakeError {
        LakeError::store(self.to_string(), source)
    }
}

impl GcsSettings {
    /// Who gives the tokens for the calls of Google's other services: the credentials are the
    /// same. Asks nobody yet.
    pub fn tokens(&self) -> Result<Tokens, LakeError> {
        // A store is of a bucket, and its credentials of none.
        let builder = self.builder().with_bucket_name("any");
        let store = builder.build().map_err(|source| self.refused(&source))?;
        Ok(Tokens::new(store.credentials(), self))
    }

    /// The address of Google Cloud Storage, or of its emulator.
    pub(super) fn url(&self) -> String {
        match &self.emulator {
            Some(host) => {
                let host = host.trim_end_matches('/');
                if host.contains("://") { host.to_owned() } else { format!("http://{host}") }
            }
            None => "https://storage.googleapis.com".to_owned(),
        }
    }

    fn builder(&self) -> GoogleCloudStorageBuilder {
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
        let builder = GoogleCloudStorageBuilder::from_env().with_retry(retry);
        match (&self.emulator, &self.credentials) {
            (Some(_), _) => {
                // Not `with_skip_signature`: writes ask the metadata server for a token then.
                let nobody = GcpCredential { bearer: "emulator".to_owned() };
                builder
                    .with_client_options(options.with_allow_http(true))
                    .with_base_url(&self.url())
                    .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
            }
            (None, Some(ServiceAccount::File(path))) => builder
                .with_client_options(options)
                .with_service_account_path(path.display().to_string()),
            (None, Some(ServiceAccount::Key(key))) => {
                builder.with_client_options(options).with_service_account_key(key)
            }
            // No key can be read from it, and so none is used.
            (None, Some(ServiceAccount::Missing(_))) => {
                builder.with_client_options(options).with_service_account_key("")
            }
            (None, None) => builder.with_client_options(options),
        }
    }

    /// What is wrong with the credentials, without a word of what they hold.
    fn refused(&self, error: &object_store::Error) -> LakeError {
        if let Some(ServiceAccount::Missing(why)) = &self.credentials {
            return LakeError::Credentials {
                which: "of the settings".to_owned(),
                what: why.clone(),
            };
        }
        let mut source = Some(error as &dyn std::error::Error);
        let system = loop {
            match source {
                Some(error) if error.is::<io::Error>() => break Some(error.to_string()),
                Some(error) => source = error.source(),
                None => break None,
            }
        };
        LakeError::Credentials {
            which: match &self.credentials {
                Some(ServiceAccount::File(path)) => path.display().to_string(),
                Some(_) => "given as text".to_owned(),
                None => "of the environment".to_owned(),
            },
            what: system.unwrap_or_else(|| "they are no key of a service account".to_owned()),
        }
    }
}

impl FromStr for LakeAddress {
    type Err = LakeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let unknown = || LakeError::UnknownAddress(text.to_owned());
        if let Some(rest) = text.strip_prefix("gs://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let prefix = prefix.trim_matches('/').to_owned();
            if bucket.is_empty() || prefix.contains("//") {
                return Err(unknown());
            }
            return Ok(Self::Gcs { bucket: bucket.to_owned(), prefix });
        }
        if let Some(path) = text.strip_prefix("file://") {
            return if path.starts_with('/') {
                Ok(Self::Folder(path.into()))
            } else {
                Err(unknown())
            };
        }
        if text.is_empty() || text.contains("://") {
            return Err(unknown());
        }
        Ok(Self::Folder(text.into()))
    }
}

impl fmt::Display for LakeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(root) => write!(f, "{}", root.display()),
            Self::Gcs { bucket, prefix } if prefix.is_empty() => write!(f, "gs://{bucket}"),
            Self::Gcs { bucket, prefix } => write!(f, "gs://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lake_is_a_folder_or_a_bucket() {
        for (text, shown, of) in [
            ("data", "data", "data/k"),
            ("file:///x/y", "/x/y", "/x/y/k"),
            ("gs://b", "gs://b", "gs://b/k"),
            ("gs://b/p/q/", "gs://b/p/q", "gs://b/p/q/k"),
        ] {
            let address: LakeAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.of("k"), of);
        }
        for text in ["", "s3://b", "gs://", "file://x", "gs://b/a//b"] {
            assert!(text.parse::<LakeAddress>().is_err(), "{text}");
        }
    }
}
