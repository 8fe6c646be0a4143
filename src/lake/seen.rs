//! What is stored about a month besides its trips, so that the trips need not be rewritten: the
//! latest facts from its source about the same bytes, and the digests of the raw bytes.

use bytes::Bytes;
use object_store::{ObjectStoreExt, PutPayload};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::trip::{Digest, SourceFacts, TripFile};

use super::{Lake, LakeError};

/// More than any such object has.
const LARGEST: u64 = 64 << 10;

impl Lake {
    /// What the source of a month said last of the bytes that its trips were made from, where that
    /// is not what they say themselves.
    pub async fn seen(&self, file: TripFile) -> Result<Option<SourceFacts>, LakeError> {
        self.note(&file.seen_key()).await
    }

    /// Remembers what a month's source says now of the same bytes.
    pub async fn remember(&self, file: TripFile, facts: &SourceFacts) -> Result<(), LakeError> {
        self.write_note(&file.seen_key(), facts).await
    }

    /// The digests of a month's bytes as fetched: of those that are kept, or where a run was
    /// killed, of those before them too. Empty where none is known.
    pub async fn kept(&self, file: TripFile) -> Result<Vec<Digest>, LakeError> {
        Ok(self.note(&file.kept_key()).await?.unwrap_or_default())
    }

    pub(super) async fn note_kept(&self, file: TripFile, kept: &[Digest]) -> Result<(), LakeError> {
        self.write_note(&file.kept_key(), kept).await
    }

    /// One that is not understood counts as none.
    async fn note<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, LakeError> {
        let failed = |source| self.failed(key, source);
        let result = match self.store().get(&self.key(key)).await {
            Ok(result) if result.meta.size <= LARGEST => result,
            Ok(_) | Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        let bytes: Bytes = result.bytes().await.map_err(failed)?;
        Ok(serde_json::from_slice(&bytes).ok())
    }

    async fn write_note<T: Serialize + ?Sized + Sync>(
        &self,
        key: &str,
        said: &T,
    ) -> Result<(), LakeError> {
        let text = serde_json::to_vec(said).unwrap_or_default();
        self.prepare()?;
        let put = self.store().put(&self.key(key), PutPayload::from(text)).await;
        put.map(drop).map_err(|source| self.failed(key, source))
    }
}
