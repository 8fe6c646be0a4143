//! Whether a lake can be read and written, without leaving anything there.

use futures_util::StreamExt;
use object_store::path::Path as Key;
use rustix::fs::{Access, access};

use super::{Lake, LakeError};

/// What may be done with a lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LakeAccess {
    /// It can be read and written.
    Write,
    /// It may be read.
    Read,
    /// It is a folder that is not there yet: the first run makes it.
    Missing,
}

impl Lake {
    /// Asks the lake what may be done with it.
    pub async fn probe(&self) -> Result<LakeAccess, LakeError> {
        if let Some(root) = self.address.as_folder() {
            return match std::fs::read_dir(root) {
                Ok(_) if access(root, Access::WRITE_OK).is_ok() => Ok(LakeAccess::Write),
                Ok(_) => Ok(LakeAccess::Read),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Ok(LakeAccess::Missing)
                }
                Err(source) => Err(LakeError::io("read", root, source)),
            };
        }
        let failed =
            |source| LakeError::store(self.address.if_denied(), self.address.to_string(), source);
        let root = self.key("");
        let mut objects = self.store().list(Some(&root));
        if let Some(Err(source)) = objects.next().await {
            return Err(failed(source));
        }
        let Some(parts) = &self.multipart else { return Ok(LakeAccess::Read) };
        // An upload that is begun and broken off needs the rights of a write and makes nothing.
        let key: Key = self.key("probe");
        let upload = match parts.create_multipart(&key).await {
            Ok(upload) => upload,
            Err(source) => match failed(source) {
                LakeError::Denied { .. } => return Ok(LakeAccess::Read),
                error => return Err(error),
            },
        };
        let ended = parts.abort_multipart(&key, &upload).await;
        ended.map_err(failed)?;
        Ok(LakeAccess::Write)
    }
}
