//! A store that cannot be used: every call fails with the reason.

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::path::Path as Key;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// The reason.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(in crate::lake) struct Closed(pub(in crate::lake) String);

impl Closed {
    fn refused(&self) -> Error {
        Error::Generic { store: "closed", source: Box::new(self.clone()) }
    }

    /// The reason, if an error is that of such a store.
    pub(in crate::lake) fn reason(error: &Error) -> Option<String> {
        match error {
            Error::Generic { source, .. } => source.downcast_ref().map(|Self(why)| why.clone()),
            _ => None,
        }
    }
}

#[async_trait]
impl ObjectStore for Closed {
    async fn put_opts(&self, _: &Key, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(self.refused())
    }

    async fn put_multipart_opts(
        &self,
        _: &Key,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(self.refused())
    }

    async fn get_opts(&self, _: &Key, _: GetOptions) -> Result<GetResult> {
        Err(self.refused())
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Key>>) -> BoxStream<'static, Result<Key>> {
        stream::iter([Err(self.refused())]).boxed()
    }

    fn list(&self, _: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::iter([Err(self.refused())]).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Key>) -> Result<ListResult> {
        Err(self.refused())
    }

    async fn copy_opts(&self, _: &Key, _: &Key, _: CopyOptions) -> Result<()> {
        Err(self.refused())
    }
}

#[cfg(test)]
mod tests {
    use crate::lake::{LakeAddress, LakeError};
    use crate::trip::Colour;

    #[tokio::test]
    async fn a_lake_that_is_closed_gives_its_reason() {
        let lake = LakeAddress::folder("x").closed("no key");
        let error = lake.list(Colour::Green).await.unwrap_err();
        assert!(matches!(&error, LakeError::Closed { why } if why == "no key"), "{error:?}");
        let error = lake.zones().await.unwrap_err();
        assert_eq!(error.to_string(), "no key");
    }
}
