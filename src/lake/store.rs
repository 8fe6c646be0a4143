//! The stores behind a lake: a folder that may be missing, a bucket, and one that is closed.

use std::path::Path as Folder;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// The store of a folder; an empty one if the folder is not there.
pub(super) fn of_folder(root: &Folder) -> Arc<dyn ObjectStore> {
    if matches!(std::fs::metadata(root), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
    {
        return Arc::new(InMemory::new());
    }
    match LocalFileSystem::new_with_prefix(root) {
        Ok(store) => Arc::new(store),
        Err(error) => Arc::new(Closed(format!("cannot open {}: {error}", root.display()))),
    }
}

/// A store that can be asked nothing, for a reason that every call is given.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct Closed(pub(super) String);

impl Closed {
    fn refused(&self) -> Error {
        Error::Generic { store: "closed", source: Box::new(self.clone()) }
    }

    /// The reason, if an error is that of such a store.
    pub(super) fn reason(error: &Error) -> Option<String> {
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
    use crate::lake::{GcsSettings, LakeAddress, LakeError};
    use crate::trip::Colour;

    #[tokio::test]
    async fn a_folder_that_is_missing_is_an_empty_lake_and_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("50% grün #1?");
        let address = LakeAddress::Folder(root.clone());
        assert!(address.is_missing());
        let lake = address.open(&GcsSettings::default()).unwrap();
        assert!(lake.list(Colour::Green).await.unwrap().is_empty());
        assert!(lake.zones().await.unwrap().is_none());
        assert!(!root.exists());
        std::fs::create_dir_all(root.join("green")).unwrap();
        std::fs::write(root.join("green/green_tripdata_2020-01.parquet"), "x").unwrap();
        assert_eq!(lake.list(Colour::Green).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_lake_that_is_closed_gives_its_reason() {
        let lake = LakeAddress::Folder("x".into()).closed("no key");
        let error = lake.list(Colour::Green).await.unwrap_err();
        assert!(matches!(&error, LakeError::Closed { why } if why == "no key"), "{error:?}");
        let error = lake.zones().await.unwrap_err();
        assert_eq!(error.to_string(), "no key");
    }
}
