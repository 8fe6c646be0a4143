use std::fmt;

use object_store::gcp::GcpCredentialProvider;

use super::LakeError;

/// Who gives access tokens of the scope `cloud-platform`, from the credentials of the lake.
#[derive(Clone)]
pub struct Tokens {
    credentials: GcpCredentialProvider,
    /// The address of Google Cloud Storage.
    pub(super) storage: String,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    pub(super) fn new(credentials: &GcpCredentialProvider, storage: String) -> Self {
        Self { credentials: credentials.clone(), storage }
    }

    /// A token, valid for some minutes at least: kept and renewed as needed.
    pub async fn token(&self) -> Result<String, LakeError> {
        let credential = self.credentials.get_credential().await;
        Ok(credential.map_err(|source| LakeError::Token { source })?.bearer.clone())
    }
}
