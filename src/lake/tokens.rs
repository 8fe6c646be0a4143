use std::fmt;

use object_store::gcp::GcpCredentialProvider;

use super::LakeError;

/// Who gives access tokens of the scope `cloud-platform`, from the credentials of a lake.
#[derive(Clone)]
pub struct Tokens(GcpCredentialProvider);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    pub(super) fn new(credentials: &GcpCredentialProvider) -> Self {
        Self(credentials.clone())
    }

    /// A token, valid for some minutes at least: kept and renewed as needed.
    pub async fn token(&self) -> Result<String, LakeError> {
        let credential = self.0.get_credential().await;
        Ok(credential.map_err(|source| LakeError::Token { source })?.bearer.clone())
    }
}
