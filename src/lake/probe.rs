//! Whether a lake can be read and written, without leaving anything there.

use futures_util::StreamExt;
use object_store::path::Path as Key;
use rustix::fs::{Access, access};

use super::{GcsSettings, LakeAddress, LakeError};

/// What may be done with a lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LakeAccess {
    /// It may be read and written.
    Write,
    /// It may be read.
    Read,
    /// It is a folder that is not there yet: the first run makes it.
    Missing,
}

impl LakeAddress {
    /// Asks the lake what may be done with it.
    pub async fn probe(&self, settings: &GcsSettings) -> Result<LakeAccess, LakeError> {
        if let Self::Folder(root) = self {
            return match std::fs::read_dir(root) {
                Ok(_) if access(root, Access::WRITE_OK).is_ok() => Ok(LakeAccess::Write),
                Ok(_) => Ok(LakeAccess::Read),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Ok(LakeAccess::Missing)
                }
                Err(source) => Err(LakeError::io("read", root, source)),
            };
        }
        let lake = self.open(settings)?;
        let root = lake.key("");
        let mut objects = lake.store().list(Some(&root));
        if let Some(Err(source)) = objects.next().await {
            return Err(self.failed(source));
        }
        let Some(parts) = &lake.multipart else { return Ok(LakeAccess::Read) };
        // An upload that is begun and broken off needs the rights of a write and makes nothing.
        let key: Key = lake.key("probe");
        let upload = match parts.create_multipart(&key).await {
            Ok(upload) => upload,
            Err(source) => match self.failed(source) {
                LakeError::Denied { .. } => return Ok(LakeAccess::Read),
                error => return Err(error),
            },
        };
        let ended = parts.abort_multipart(&key, &upload).await;
        ended.map_err(|source| self.failed(source))?;
        Ok(LakeAccess::Write)
    }
}
