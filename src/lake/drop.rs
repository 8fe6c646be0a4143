use crate::trip::{Format, TripFile};

use super::{Lake, LakeError};

impl Lake {
    /// Takes a month out of the lake: its trips first, so that nobody finds trips whose rows set
    /// aside are gone, then every version of those, then the bytes as fetched, what was noted, and
    /// what stays of an edition that was refused. Says what was there, as keys; `None` if nothing
    /// was.
    pub async fn drop(&self, file: TripFile) -> Result<Vec<String>, LakeError> {
        let prefix = format!("quarantine/{}/{}.", file.colour, file.stem());
        let set_aside = self.objects(&format!("quarantine/{}", file.colour)).await?.into_keys();
        let set_aside = set_aside.filter(|key| key.starts_with(&prefix));
        let raw = Format::ALL.into_iter().map(|format| file.raw_key(format));
        let mut dropped = Vec::new();
        for key in std::iter::once(file.lake_key()).chain(set_aside).chain(raw) {
            if self.exists(&key).await? {
                self.remove(&key).await?;
                dropped.push(key);
            }
        }
        dropped.extend(self.forget_refused(file).await?);
        // Of no use by themselves, and so not told of.
        for key in [file.seen_key(), file.kept_key()] {
            self.remove(&key).await?;
        }
        Ok(dropped)
    }
}
