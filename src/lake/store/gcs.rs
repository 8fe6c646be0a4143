//! Google Cloud Storage: `gs://bucket/prefix`.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::StaticCredentialProvider;
use object_store::gcp::{GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder};
use serde::Deserialize;

use crate::lake::google_credentials::{self, unusable};
use crate::lake::{GoogleCredentials, LakeError, Tokens, unwrapped};
use crate::support::error_chain::cause;

use super::bucket_kind::{BucketKind, BucketLocation, Locate, OpenBucket, client_options, retries};

pub(super) static GCS: BucketKind = BucketKind {
    scheme: "gs",
    misspelt: &["gcs"],
    title: "Google Cloud Storage",
    complaint,
    if_denied: "the credentials need the role Storage Object Admin on the bucket. Name a key with \
                --credentials or GOOGLE_APPLICATION_CREDENTIALS",
};

const LOCATION_TIMEOUT: Duration = Duration::from_secs(15);

/// How Google Cloud Storage is spoken to, and whose credentials Google's other services are asked
/// with.
#[derive(Debug, Clone, Default)]
pub struct GcsOptions {
    /// The credentials; `None` for the application default credentials.
    pub credentials: Option<GoogleCredentials>,
    /// The address of an emulator, spoken to without credentials (`STORAGE_EMULATOR_HOST`).
    pub emulator: Option<String>,
}

fn complaint(bucket: &str) -> Option<&'static str> {
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_name = !bucket.is_empty() && bucket.chars().all(letters);
    (!is_name).then_some("a bucket's name has letters, digits, dashes, dots and underscores")
}

pub(super) fn open(bucket: &str, options: &GcsOptions) -> Result<OpenBucket, LakeError> {
    let store = Arc::new(options.store(bucket)?);
    let tokens = Tokens::new(store.credentials());
    let locate = GcsLocator { bucket: bucket.to_owned(), url: options.url(), tokens };
    Ok(OpenBucket {
        store: Arc::clone(&store) as _,
        multipart: store,
        locate: Some(Arc::new(locate)),
    })
}

impl GcsOptions {
    /// Who gives the tokens for the calls of Google's other services: the credentials are the
    /// same. Does not connect yet.
    pub fn tokens(&self) -> Result<Tokens, LakeError> {
        // A store is of a bucket, and its credentials of none.
        Ok(Tokens::new(self.store("any")?.credentials()))
    }

    /// The Google Cloud project that the credentials name.
    pub fn project(&self) -> Option<String> {
        let (_, text) = google_credentials::in_force(self.credentials.as_ref()).ok()??;
        project_of(unwrapped(&text)?.as_bytes())
    }

    /// What must not be shown of the credentials that the settings name. An emulator is asked
    /// without them.
    pub fn secret(&self) -> Option<String> {
        if self.emulator.is_some() || self.credentials.is_none() {
            return None;
        }
        let (_, text) = google_credentials::in_force(self.credentials.as_ref()).ok()??;
        Some(unwrapped(&text).unwrap_or(text))
    }

    fn store(&self, bucket: &str) -> Result<GoogleCloudStorage, LakeError> {
        let (builder, _file) = self.builder()?;
        builder.with_bucket_name(bucket).build().map_err(|source| self.refused(&source))
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
        if self.emulator.is_some() {
            // Not `with_skip_signature`: writes ask the metadata server for a token then.
            let nobody = GcpCredential { bearer: "emulator".to_owned() };
            let builder = GoogleCloudStorageBuilder::new()
                .with_retry(retries())
                .with_client_options(client_options().with_allow_http(true))
                .with_base_url(&self.url())
                .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)));
            return Ok((builder, None));
        }
        let (builder, file) = google_credentials::builder(self.credentials.as_ref())?;
        Ok((builder.with_retry(retries()).with_client_options(client_options()), file))
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
        unusable(which, what)
    }
}

/// The project that a key, or what gcloud keeps of a user, names.
fn project_of(json: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Key {
        project_id: Option<String>,
        quota_project_id: Option<String>,
    }
    let key: Key = serde_json::from_slice(json).ok()?;
    key.project_id.or(key.quota_project_id)
}

/// Asks where a bucket is.
#[derive(Debug)]
struct GcsLocator {
    bucket: String,
    url: String,
    tokens: Tokens,
}

#[async_trait]
impl Locate for GcsLocator {
    /// Takes the permission `storage.buckets.get`, which reading and writing objects does not
    /// (<https://cloud.google.com/storage/docs/json_api/v1/buckets/get>).
    async fn location(&self) -> Result<BucketLocation, LakeError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Bucket {
            location: String,
            #[serde(default)]
            custom_placement_config: Placement,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Placement {
            data_locations: Vec<String>,
        }
        let bucket = &self.bucket;
        let failed = |what: String| LakeError::Where { address: format!("gs://{bucket}"), what };
        let unreachable = |error: reqwest::Error| failed(error.without_url().to_string());
        let client = reqwest::Client::builder().timeout(LOCATION_TIMEOUT).build();
        let answer = client
            .map_err(unreachable)?
            .get(format!("{}/storage/v1/b/{bucket}", self.url))
            .query(&[("fields", "location,customPlacementConfig")])
            .bearer_auth(self.tokens.token().await?)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(unreachable)?;
        let body = answer.bytes().await.map_err(unreachable)?;
        let found: Bucket =
            serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))?;
        Ok(BucketLocation {
            bucket: bucket.clone(),
            location: found.location,
            pair: found.custom_placement_config.data_locations,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_project() {
        for (json, project) in [
            (r#"{"type": "service_account", "project_id": "p"}"#, Some("p")),
            (r#"{"type": "authorized_user", "quota_project_id": "q"}"#, Some("q")),
            (r#"{"type": "authorized_user"}"#, None),
            ("no key", None),
        ] {
            assert_eq!(project_of(json.as_bytes()).as_deref(), project);
        }
    }
}
