use std::path::PathBuf;

use crate::clean::clean_zones;
use crate::flow::Progress;
use crate::source::{FetchError, FetchRequest, Fetched, Outcome, Source, SpoolLease};
use crate::trip::{Item, SourceFacts};

use super::fetch::RawInLake;
use super::{Pipeline, TaskError};

impl Pipeline {
    /// Fetches the zones, unless they are what the lake has.
    pub async fn fetch_zones(
        &self,
        before: Option<&SourceFacts>,
        lease: &SpoolLease,
        progress: &Progress,
    ) -> Result<Outcome, FetchError> {
        let wanted = FetchRequest {
            item: Item::Zones,
            address: Source::locate_zones(&self.settings.source.zones)?,
            expected: true,
            known: before.filter(|_| !self.settings.run.force),
            seen: None,
        };
        let raw = RawInLake { lake: &self.lake, file: None };
        self.fetcher.fetch(&wanted, lease, &raw, progress).await
    }

    /// Cleans the fetched zones: the file of them, and how many. Fewer than the lake has replace
    /// nothing, unless that is forced.
    pub async fn clean_zones(
        &self,
        fetched: &Fetched,
        lease: &SpoolLease,
    ) -> Result<(PathBuf, u64), TaskError> {
        let local = lease.path("zones-before.parquet");
        let before =
            if self.settings.run.force { None } else { self.lake.count_zones(&local).await? };
        let target = lease.path("zones.parquet");
        let rows = clean_zones(&fetched.path, fetched.format, &fetched.facts, before, &target)?;
        Ok((target, rows))
    }
}
