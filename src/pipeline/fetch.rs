use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::flow::Progress;
use crate::lake::Lake;
use crate::source::{
    Availability, FetchError, FetchRequest, Outcome, RawError, RawFile, RawStore, Source,
    SpoolLease,
};
use crate::trip::{Month, Provenance, SourceFacts, TripFile};

use super::{Pipeline, TaskError};

impl Pipeline {
    /// Fetches a month's file, unless it is what is known from before. For the lake it is wanted
    /// too where its raw bytes are to be kept and are not.
    pub async fn fetch(
        &self,
        file: TripFile,
        before: Option<&Provenance>,
        into_lake: bool,
        lease: &SpoolLease,
        progress: &Progress,
    ) -> Result<Outcome, FetchError> {
        let source = &self.settings.source.source;
        let anew = self.settings.run.force || into_lake && self.lacks_raw(file).await?;
        let known =
            before.filter(|month| !anew && self.is_current(month)).map(|month| &month.source);
        let seen = match known {
            Some(known) if into_lake => self.seen(file, known).await,
            _ => None,
        };
        let wanted = FetchRequest {
            item: file.into(),
            address: source.locate(file)?,
            expected: source.should_have(file, Month::current()),
            known,
            seen: seen.as_ref(),
        };
        let raw = RawInLake { lake: &self.lake, file: Some(file) };
        let outcome = self.fetcher.fetch(&wanted, lease, &raw, progress).await?;
        if let Outcome::Unchanged(Some(facts)) = &outcome
            && into_lake
        {
            // Without it, the next run fetches the same bytes once more.
            let remembered = self.lake.remember(file, facts).await;
            remembered.unwrap_or_else(|error| tracing::debug!("{file}: {error}"));
        }
        Ok(outcome)
    }

    /// What the lake remembers that the source said last of the same bytes.
    async fn seen(&self, file: TripFile, known: &SourceFacts) -> Option<SourceFacts> {
        match self.lake.seen(file).await {
            Ok(seen) => seen.filter(|seen| seen.sha256 == known.sha256),
            Err(error) => {
                tracing::debug!("{file}: {error}");
                None
            }
        }
    }

    /// Asks the source whether it has a month, and whether it has changed since.
    pub async fn ask(
        &self,
        file: TripFile,
        known: Option<&SourceFacts>,
        progress: &Progress,
    ) -> Result<Availability, TaskError> {
        let source = &self.settings.source.source;
        let address = source.locate(file).map_err(FetchError::from)?;
        let expected = source.should_have(file, Month::current());
        let seen = match known {
            Some(known) => self.seen(file, known).await,
            None => None,
        };
        let wanted =
            FetchRequest { item: file.into(), address, expected, known, seen: seen.as_ref() };
        match self.fetcher.ask(&wanted, progress).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) if self.lake.has_raw(file).await? => Ok(Availability::Published),
            // That it is not there is an answer, even where it should be.
            Ok(None) | Err(FetchError::Missing { .. }) => Ok(Availability::NotPublished),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the bytes as fetched are to be kept and are not.
    async fn lacks_raw(&self, file: TripFile) -> Result<bool, FetchError> {
        if !self.settings.source.keep_raw || self.settings.source.source == Source::Raw {
            return Ok(false);
        }
        let kept = self.lake.has_raw(file).await;
        kept.map(|kept| !kept).map_err(|error| FetchError::Raw(Box::new(error)))
    }
}

/// The raw files of a lake.
pub(super) struct RawInLake<'a> {
    pub(super) lake: &'a Lake,
    /// The month that is brought; none of what is no month.
    pub(super) file: Option<TripFile>,
}

#[async_trait]
impl RawStore for RawInLake<'_> {
    async fn bring(&self, keys: &[String], to: &Path) -> Result<Option<RawFile>, RawError> {
        let failed = |error| Box::new(error) as RawError;
        let to = PathBuf::from(to);
        let kept = match self.file {
            Some(file) => self.lake.kept(file).await.map_err(failed)?,
            None => Vec::new(),
        };
        let brought = self.lake.bring(keys, &to).await.map_err(failed)?;
        Ok(brought.map(|(key, etag)| RawFile { address: self.lake.url(&key), etag, kept }))
    }
}
