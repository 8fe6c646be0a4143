//! A local folder, which may be missing.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use super::closed::Closed;

/// What to do if the system refuses access.
pub(in crate::lake) const IF_DENIED: &str = "the user of this program needs to read and write it";

/// The store of a folder; an empty one if the folder is not there.
pub(in crate::lake) fn open(root: &Path) -> Arc<dyn ObjectStore> {
    if matches!(std::fs::metadata(root), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
    {
        return Arc::new(InMemory::new());
    }
    match LocalFileSystem::new_with_prefix(root) {
        Ok(store) => Arc::new(store),
        Err(error) => Arc::new(Closed(format!("cannot open {}: {error}", root.display()))),
    }
}

#[cfg(test)]
mod tests {
    use crate::lake::{LakeAddress, StoreOptions};
    use crate::trip::Colour;

    #[tokio::test]
    async fn a_folder_that_is_missing_is_an_empty_lake_and_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("50% grün #1?");
        let address = LakeAddress::folder(&root);
        assert!(address.is_missing());
        let lake = address.open(&StoreOptions::default()).unwrap();
        assert!(lake.list(Colour::Green).await.unwrap().is_empty());
        assert!(lake.zones().await.unwrap().is_none());
        assert!(!root.exists());
        std::fs::create_dir_all(root.join("green")).unwrap();
        std::fs::write(root.join("green/green_tripdata_2020-01.parquet"), "x").unwrap();
        assert_eq!(lake.list(Colour::Green).await.unwrap().len(), 1);
    }
}
