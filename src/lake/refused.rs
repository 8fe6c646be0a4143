//! What is kept of a refused edition of a month: the reason, its counts, and the rows set aside, so
//! that people can inspect them. One edition per month: the next refusal replaces it, and
//! publishing an edition removes it.

use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SubsecRound, Utc};
use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};

use crate::flow::Progress;
use crate::support::blocking::blocking;
use crate::trip::{Digest, Provenance, TripFile};

use super::publish::PublishNotes;
use super::{Lake, LakeError, Published, Quarantine};

/// An edition of a month that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedEdition {
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub why: String,
    /// What the edition says of itself; its quarantine is the key of the rows set aside as they are
    /// kept here.
    pub provenance: Provenance,
}

impl Lake {
    /// Keeps what people need to look at an edition that was refused: `rows` is the file of its
    /// rows
    /// set aside. Says where those are; `None` if there are none. `folder` is the month's place in
    /// the spool.
    pub async fn keep_refused(
        &self,
        edition: &Provenance,
        why: String,
        rows: Option<&Path>,
        folder: &Path,
    ) -> Result<Option<String>, LakeError> {
        let file = TripFile::new(edition.colour, edition.month);
        let key = match rows {
            Some(path) => Some(file.refused_rows_key(&digest(path).await?)),
            None => None,
        };
        let provenance = Provenance { quarantine: key.clone(), ..edition.clone() };
        let refused = RefusedEdition { at: Utc::now().trunc_subsecs(0), why, provenance };
        // First, so that whoever clears it finds the rows too.
        let text = serde_json::to_vec_pretty(&refused).unwrap_or_default();
        let about = file.refused_key();
        self.prepare()?;
        let put = self.store().put(&self.key(&about), PutPayload::from(text)).await;
        put.map_err(|source| self.failed(&about, source))?;
        if let (Some(key), Some(path)) = (&key, rows) {
            match self.local(key) {
                Some(target) => copy(path, target).await?,
                None => {
                    let notes = PublishNotes::in_folder(folder);
                    self.put(path, key, &notes, &Progress::unwatched()).await?;
                }
            }
        }
        for old in self.refused_rows(file).await? {
            if Some(&old) != key.as_ref() {
                self.remove(&old).await?;
            }
        }
        Ok(key.map(|key| self.url(&key)))
    }

    /// The edition of a month that was refused last, and its rows set aside; `None` if none was
    /// since
    /// the month was published. From a bucket they come by way of the file `local`, which does not
    /// stay.
    pub async fn refused(
        &self,
        file: TripFile,
        local: &Path,
    ) -> Result<Option<(RefusedEdition, Quarantine)>, LakeError> {
        let Some(refused) = self.refused_edition(file).await? else {
            return Ok(None);
        };
        let month = Published { provenance: refused.provenance.clone(), bytes: 0 };
        let rows = self.set_aside(month, self.url(&file.refused_key()), local).await?;
        Ok(Some((refused, rows)))
    }

    /// The edition of a month that was refused last, without its rows.
    pub async fn refused_edition(
        &self,
        file: TripFile,
    ) -> Result<Option<RefusedEdition>, LakeError> {
        let key = file.refused_key();
        let failed = |source| self.failed(&key, source);
        match self.store().get(&self.key(&key)).await {
            Ok(found) => Ok(serde_json::from_slice(&found.bytes().await.map_err(failed)?).ok()),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(failed(source)),
        }
    }

    /// Removes what stays of a refused edition; the keys of what was there.
    pub async fn forget_refused(&self, file: TripFile) -> Result<Vec<String>, LakeError> {
        let about = file.refused_key();
        if !self.exists(&about).await? {
            return Ok(Vec::new());
        }
        let mut forgotten = self.refused_rows(file).await?;
        // Last: while it is there, the rows are found.
        forgotten.push(about);
        for key in &forgotten {
            self.remove(key).await?;
        }
        Ok(forgotten)
    }

    async fn refused_rows(&self, file: TripFile) -> Result<Vec<String>, LakeError> {
        let prefix = format!("refused/{}/{}.", file.colour, file.stem());
        let objects = self.objects(&format!("refused/{}", file.colour)).await?.into_keys();
        let about = file.refused_key();
        Ok(objects.filter(|key| key.starts_with(&prefix) && *key != about).collect())
    }
}

/// Copies a file so that its new name holds all of it. What a killed run leaves has the month's
/// name
/// too, and is cleared with the rest.
async fn copy(path: &Path, target: PathBuf) -> Result<(), LakeError> {
    let path = path.to_owned();
    let copied = blocking(move || {
        let part = target.with_extension("part");
        let copied = std::fs::copy(path, &part).and_then(|_| std::fs::rename(&part, &target));
        copied.map_err(|source| LakeError::io("write", &target, source))
    });
    copied.await.unwrap_or(Err(LakeError::Interrupted))
}

async fn digest(path: &Path) -> Result<Digest, LakeError> {
    let path = path.to_owned();
    let read = blocking(move || {
        let read = File::open(&path).and_then(Digest::of_reader);
        read.map_err(|source| LakeError::spool("read", &path, source))
    });
    read.await.unwrap_or(Err(LakeError::Interrupted))
}
