use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt};

use crate::trip::{Colour, Provenance, TripFile};

use super::read::said;
use super::{Lake, LakeError};

/// How many footers are read at once.
const READERS: usize = 16;

/// A month as a look at its object finds it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The month.
    pub file: TripFile,
    /// The size of the object of its trips in bytes.
    pub bytes: u64,
    /// What it says of itself, or why that is not to be trusted.
    pub said: Result<Provenance, Fault>,
}

/// What is wrong with a month in the lake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not a complete Parquet file.
    #[error("the object cannot be read: it is truncated, or not a Parquet file")]
    Unreadable,
    /// It does not say where it comes from.
    #[error("the object has no provenance: another program wrote it")]
    Foreign,
    /// It is another month's object.
    #[error("the object says that it is {0}")]
    Misplaced(TripFile),
    /// Its footer counts other rows than it promises.
    #[error("the object has {found} rows, but its footer says {promised}")]
    Rows {
        /// Rows by the index of the file.
        found: u64,
        /// Rows by what it says of itself.
        promised: u64,
    },
    /// The rows set aside that it names are gone.
    #[error("the rows set aside are missing: {0} was not found")]
    QuarantineGone(String),
}

impl Fault {
    /// Whether a run takes the month for whole, so that it takes `--force` to publish it again.
    pub const fn is_hidden(&self) -> bool {
        !matches!(self, Self::Unreadable | Self::Foreign)
    }
}

impl Lake {
    /// The months of a colour that the lake has, by their objects and footers.
    pub async fn list(&self, colour: Colour) -> Result<Vec<Listed>, LakeError> {
        let trips = self.objects(colour.as_str()).await?;
        let quarantines = self.objects(&format!("quarantine/{colour}")).await?;
        let quarantines = &quarantines;
        let months = trips.keys().filter_map(|key| TripFile::of_lake_key(colour, key));
        let listed = futures_util::stream::iter(months)
            .map(|file| self.look(file, quarantines))
            .buffer_unordered(READERS);
        let mut listed: Vec<Listed> =
            listed.try_filter_map(async |it| Ok(it)).try_collect().await?;
        listed.sort_by_key(|month| month.file);
        Ok(listed)
    }

    /// None where the month was dropped just now.
    async fn look(
        &self,
        file: TripFile,
        quarantines: &BTreeMap<String, u64>,
    ) -> Result<Option<Listed>, LakeError> {
        let Some((footer, meta)) = self.footer(&file.lake_key()).await? else {
            return Ok(None);
        };
        let said = match footer {
            Err(_) => Err(Fault::Unreadable),
            Ok(footer) => match said::<Provenance>(&footer, Provenance::KEY) {
                None => Err(Fault::Foreign),
                Some(month) => {
                    let rows = footer.file_metadata().num_rows() as u64;
                    self.believe(file, month, rows, quarantines).await?
                }
            },
        };
        Ok(Some(Listed { file, bytes: meta.size, said }))
    }

    /// Holds what a month says of itself against what is there.
    async fn believe(
        &self,
        file: TripFile,
        month: Provenance,
        found: u64,
        quarantines: &BTreeMap<String, u64>,
    ) -> Result<Result<Provenance, Fault>, LakeError> {
        let named = TripFile::new(month.colour, month.month);
        let promised = month.counts.rows_kept;
        if named != file {
            return Ok(Err(Fault::Misplaced(named)));
        }
        if found != promised {
            return Ok(Err(Fault::Rows { found, promised }));
        }
        if let Some(key) = month.quarantine.clone().filter(|key| !quarantines.contains_key(key)) {
            // A run may have replaced the month since the listing.
            if !self.exists(&key).await? {
                return Ok(Err(Fault::QuarantineGone(self.url(&key))));
            }
        }
        Ok(Ok(month))
    }

    /// The objects of a folder by their key in the lake, with their size; those in folders
    /// below are left out.
    pub(super) async fn objects(&self, folder: &str) -> Result<BTreeMap<String, u64>, LakeError> {
        let listing = self.store().list_with_delimiter(Some(&self.key(folder))).await;
        let listing = listing.map_err(|source| self.failed(folder, source))?;
        let objects = listing.objects.into_iter().filter_map(|object| {
            let name = object.location.filename()?;
            Some((format!("{folder}/{name}"), object.size))
        });
        Ok(objects.collect())
    }
}
