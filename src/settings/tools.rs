use std::path::{Path, PathBuf};

use async_trait::async_trait;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio::sync::OnceCell;
use tokio::task::JoinError;

use crate::clean::{CleanError, Cleaned, Job, Streamed, clean, clean_zones, new_columns, stream};
use crate::flow::{Progress, Run, Stop};
use crate::guard::Refusal;
use crate::lake::{
    BucketLocation, Lake, LakeAddress, LakeError, Publication, Quarantine, RefusedEdition,
    StoreOptions, Trips, Written,
};
use crate::schema;
use crate::source::{
    Answer, Arrival, FetchError, Fetched, Fetcher, Held, Outcome, RawError, RawFile, RawStore,
    Source, Spool, Wanted,
};
use crate::trip::{Format, Item, KeptColumn, Month, Provenance, SourceFacts, TripFile};
use crate::warehouse::Loaded;
use crate::warehouse::postgres::{Batches, Load, PostgresError, Proven, Warehouse};

use super::{MissingColumn, NewColumn, Settings, TaskError};

/// What the flows work with, made from the settings.
#[derive(Debug)]
pub struct Tools {
    settings: Settings,
    fetcher: Fetcher,
    lake: Lake,
    spool: Spool,
    /// Where the lake's bucket is, once it was asked.
    pub(super) bucket: OnceCell<Option<BucketLocation>>,
}

/// A month that came straight into a warehouse.
#[derive(Debug)]
pub struct Ingested {
    /// What it says of itself.
    pub month: Provenance,
    /// The rows of the edition that it replaced; `None` if there was none.
    pub before: Option<u64>,
    /// Why it would have been refused, if it was forced.
    pub forced: Option<Box<Refusal>>,
}

/// How many cleaned batches wait for the warehouse.
const BATCHES_AHEAD: usize = 1;

impl Tools {
    /// Makes the tools; asks nobody yet.
    pub fn new(settings: Settings) -> Result<Self, TaskError> {
        let lake = settings.lake.open.open()?;
        Self::with(settings, lake)
    }

    /// The same for who only looks: nothing is made, and a lake that cannot be opened says so
    /// when it is asked.
    pub fn to_look(settings: Settings) -> Result<Self, TaskError> {
        let lake = settings.lake.open.open_to_look();
        Self::with(settings, lake)
    }

    fn with(settings: Settings, lake: Lake) -> Result<Self, TaskError> {
        let fetcher = Fetcher::new(&settings.source.http)?;
        let spool = Spool::new(&settings.run.spool);
        Ok(Self { settings, fetcher, lake, spool, bucket: OnceCell::new() })
    }

    /// The settings they were made from.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The lake.
    pub const fn lake(&self) -> &Lake {
        &self.lake
    }

    /// Takes hold of a place in the spool; waits where another run has it.
    pub async fn hold(&self, run: &Run, item: impl Into<Item>) -> Result<Held, TaskError> {
        let item = item.into();
        let lake = self.settings.lake.address().canonical();
        match self.spool.hold(item, &lake, &run.progress()).await {
            Ok(Some(held)) if !run.is_cancelled() => Ok(held),
            Ok(_) => Err(Stop::Interrupted.into()),
            Err(error) => {
                run.warn(item, &error.to_string());
                Err(error.into())
            }
        }
    }

    /// The Postgres that the settings name; asks nobody yet.
    pub fn postgres(&self) -> Result<Warehouse, PostgresError> {
        self.settings.postgres.warehouse()
    }

    /// The trips of a month, as the lake has them.
    pub async fn trips(&self, file: TripFile, progress: &Progress) -> Result<Trips, TaskError> {
        let local = self.reading_place(file);
        let trips = tokio::select! {
            trips = self.lake.trips(file, &local) => trips?,
            () = progress.cancelled() => return Err(Stop::Interrupted.into()),
        };
        trips.ok_or_else(|| TaskError::NotInLake {
            file,
            lake: self.settings.lake.address().to_string(),
        })
    }

    /// Loads the taxi zones, where the lake has them; false where a table of that name is not
    /// ours.
    pub async fn load_zones(&self, warehouse: &Warehouse) -> Result<bool, TaskError> {
        let local = self.settings.run.spool.join("zones.parquet");
        match self.lake.zone_rows(&local).await? {
            Some((facts, rows)) => Ok(warehouse.load_zones(&facts, Box::new(rows)).await?),
            None => Ok(true),
        }
    }

    /// Whether a month as published was made by this schema and these rules.
    pub fn is_current(&self, provenance: &Provenance) -> bool {
        let keep = self.settings.cleaning.on_new_column == NewColumn::Keep;
        let left_out = !provenance.unknown_columns.is_empty() && provenance.kept_columns.is_none();
        !(keep && left_out)
            && provenance.schema_digest == schema::digest(provenance.colour)
            && provenance.rules_digest == self.settings.cleaning.rules.digest()
    }

    /// Fetches a month's file, unless it is what is known from before. For the lake it is wanted
    /// too where its raw bytes are to be kept and are not.
    pub async fn fetch(
        &self,
        file: TripFile,
        before: Option<&Provenance>,
        into_lake: bool,
        held: &Held,
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
        let wanted = Wanted {
            item: file.into(),
            address: source.locate(file)?,
            expected: source.should_have(file, Month::current()),
            known,
            seen: seen.as_ref(),
        };
        let raw = RawInLake { lake: &self.lake, file: Some(file) };
        let outcome = self.fetcher.fetch(&wanted, held, &raw, progress).await?;
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
    ) -> Result<Answer, TaskError> {
        let source = &self.settings.source.source;
        let address = source.locate(file).map_err(FetchError::from)?;
        let expected = source.should_have(file, Month::current());
        let seen = match known {
            Some(known) => self.seen(file, known).await,
            None => None,
        };
        let wanted = Wanted { item: file.into(), address, expected, known, seen: seen.as_ref() };
        match self.fetcher.ask(&wanted, progress).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) if self.lake.has_raw(file).await? => Ok(Answer::Published),
            // That it is not there is an answer, even where it should be.
            Ok(None) | Err(FetchError::Missing { .. }) => Ok(Answer::NotPublished),
            Err(error) => Err(error.into()),
        }
    }

    /// A place in the spool for a month of the lake that is only read.
    pub fn reading_place(&self, file: TripFile) -> PathBuf {
        let name = format!("{}.{}.parquet", file.stem(), std::process::id());
        self.settings.run.spool.join(name)
    }

    /// Whether the bytes as fetched are to be kept and are not.
    async fn lacks_raw(&self, file: TripFile) -> Result<bool, FetchError> {
        if !self.settings.source.keep_raw || self.settings.source.source == Source::Raw {
            return Ok(false);
        }
        let kept = self.lake.has_raw(file).await;
        kept.map(|kept| !kept).map_err(|error| FetchError::Raw(Box::new(error)))
    }

    /// Cleans a month straight into a warehouse while its file comes: while one part is copied,
    /// the next is cleaned, and the one after that fetched. What the server has of the month
    /// before stays until all is proven. `None` where the file turns out not to come.
    pub async fn ingest(
        &self,
        file: TripFile,
        held: &Held,
        warehouse: &Warehouse,
        progress: &Progress,
    ) -> Result<Option<Ingested>, TaskError> {
        let Some(arrival) = held.arrival(progress).await else {
            return Ok(None);
        };
        let loaded = self.load_arriving(file, &arrival, held, warehouse, progress).await;
        match loaded {
            Err(_) if arrival.is_needless() => Ok(None),
            Err(error) => {
                // Whatever it seems to be: these were not the bytes of the month.
                arrival.check()?;
                Err(error)
            }
            Ok(ingested) => Ok(Some(ingested)),
        }
    }

    async fn load_arriving(
        &self,
        file: TripFile,
        arrival: &Arrival,
        held: &Held,
        warehouse: &Warehouse,
        progress: &Progress,
    ) -> Result<Ingested, TaskError> {
        let mut job = self.job(file, &arrival.path, arrival.format, held);
        if self.settings.cleaning.on_new_column == NewColumn::Keep {
            job.keep = Some(new_columns_arriving(&job, arrival, progress).await?);
        }
        let kept = job.keep.clone().unwrap_or_default();
        progress.begin(arrival.size);
        let (to_warehouse, batches) = std::sync::mpsc::sync_channel(BATCHES_AHEAD);
        let cleaning = tokio::task::spawn_blocking({
            let (arrival, progress) = (arrival.clone(), progress.clone());
            move || {
                let text = arrival.reader().map_err(|e| CleanError::reading(&arrival.path, e))?;
                let source = || arrival.facts().ok_or(CleanError::Interrupted);
                stream(&job, Some(Box::new(text)), source, &progress, |batch| {
                    // Where nobody takes it, the load has failed and says why.
                    to_warehouse.send(Ok(batch)).map_err(|_| CleanError::Interrupted)
                })
            }
        });
        let mut proven = None;
        let mut cleaning = Some(cleaning);
        let proof = async {
            let ended = match cleaning.take() {
                Some(cleaning) => cleaning.await,
                None => return Err(Stop::Interrupted.into()),
            };
            let streamed = joined(ended)?;
            let set_aside: Batches = match &streamed.quarantine {
                Some(path) => parquet_batches(path)?,
                None => Box::new(std::iter::empty()),
            };
            proven = Some(streamed.clone());
            let quarantine = Some(set_aside);
            Ok::<_, TaskError>(Proven { provenance: streamed.provenance, quarantine })
        };
        let guard = self.settings.guard(file);
        let load = Load { file, known: None, kept: &kept, lake_object: None, force: true, guard };
        let batches = Box::new(batches.into_iter());
        let loaded = warehouse.load(load, batches, proof, &progress.quietly()).await;
        if let Some(cleaning) = cleaning {
            // Nobody takes its batches: it ends soon, and must before the next try begins.
            arrival.leave();
            let _ = cleaning.await;
        }
        match loaded {
            Ok(Loaded::Replaced { before, forced, .. }) => {
                self.clear_refused(file).await;
                let month = proven.ok_or(Stop::Interrupted)?.provenance;
                Ok(Ingested { month, before, forced })
            }
            // It was not asked whether it is there.
            Ok(Loaded::Unchanged) => Err(Stop::Interrupted.into()),
            Err(error) if error.is_refusal() => {
                let store = self.spool_as_lake()?;
                Err(self.keep_unfit(&store, error, proven, held).await)
            }
            Err(error) => Err(error),
        }
    }

    /// Fetches the zones, unless they are what the lake has.
    pub async fn fetch_zones(
        &self,
        before: Option<&SourceFacts>,
        held: &Held,
        progress: &Progress,
    ) -> Result<Outcome, FetchError> {
        let wanted = Wanted {
            item: Item::Zones,
            address: Source::locate_zones(&self.settings.source.zones)?,
            expected: true,
            known: before.filter(|_| !self.settings.run.force),
            seen: None,
        };
        let raw = RawInLake { lake: &self.lake, file: None };
        self.fetcher.fetch(&wanted, held, &raw, progress).await
    }

    /// Cleans the fetched zones: the file of them, and how many. Fewer than the lake has replace
    /// nothing, unless that is forced.
    pub async fn clean_zones(
        &self,
        fetched: &Fetched,
        held: &Held,
    ) -> Result<(PathBuf, u64), TaskError> {
        let local = held.path("zones-before.parquet");
        let before =
            if self.settings.run.force { None } else { self.lake.count_zones(&local).await? };
        let target = held.path("zones.parquet");
        let rows = clean_zones(&fetched.path, fetched.format, &fetched.facts, before, &target)?;
        Ok((target, rows))
    }

    /// The edition of a month that was refused last, on its way to the lake or to Postgres.
    pub async fn refused(
        &self,
        file: TripFile,
    ) -> Result<Option<(RefusedEdition, Quarantine)>, LakeError> {
        let local = self.settings.run.spool.join("refused.parquet");
        let in_lake = self.lake.refused(file, &local).await?;
        let in_spool = match self.refusals()? {
            Some(refusals) => refusals.refused(file, &local).await?,
            None => None,
        };
        Ok(in_lake.into_iter().chain(in_spool).max_by_key(|(refused, _)| refused.at))
    }

    /// Clears what a refused edition of a month, on its way to Postgres, left in the spool.
    pub async fn clear_refused(&self, file: TripFile) {
        match self.refusals() {
            Ok(Some(refusals)) => refusals.clear_refused(file).await,
            Ok(None) => {}
            Err(error) => tracing::debug!("{file}: {error}"),
        }
    }

    /// Where editions that Postgres was to get straight from the web are kept if they are refused;
    /// `None` if there are none.
    fn refusals(&self) -> Result<Option<Lake>, LakeError> {
        if !self.settings.run.spool.join("refused").is_dir() {
            return Ok(None);
        }
        self.spool_as_lake().map(Some)
    }

    fn spool_as_lake(&self) -> Result<Lake, LakeError> {
        LakeAddress::folder(&self.settings.run.spool).open(&StoreOptions::default())
    }

    /// If this error refuses an edition, keeps its rows set aside, so that people can look at them,
    /// and says where they are.
    async fn keep_unfit(
        &self,
        store: &Lake,
        error: TaskError,
        edition: Option<Streamed>,
        held: &Held,
    ) -> TaskError {
        let edition = match &error {
            TaskError::Clean(CleanError::NothingKept { edition, .. }) => Some((**edition).clone()),
            error if error.is_refusal() => edition,
            _ => None,
        };
        let Some(Streamed { provenance, quarantine }) = edition else {
            return error;
        };
        let file = TripFile::new(provenance.colour, provenance.month);
        let why = error.to_string();
        let kept = store.keep_refused(&provenance, why, quarantine.as_deref(), held.folder());
        match kept.await {
            Ok(Some(rows)) => TaskError::Refused { error: Box::new(error), file, rows },
            Ok(None) => error,
            Err(failed) => {
                tracing::warn!("{file}: the rows set aside cannot be kept: {failed}");
                error
            }
        }
    }

    /// The rows of a month that were set aside, as the lake has them.
    pub async fn quarantine(&self, file: TripFile) -> Result<Option<Quarantine>, LakeError> {
        let local = self.settings.run.spool.join("quarantine.parquet");
        self.lake.quarantine(file, &local).await
    }

    fn job(&self, file: TripFile, input: &Path, format: Format, held: &Held) -> Job {
        Job {
            file,
            input: input.to_owned(),
            format,
            rules: self.settings.cleaning.rules.clone(),
            refuse_new_columns: self.settings.cleaning.on_new_column == NewColumn::Fail,
            keep: None,
            refuse_missing_columns: self.settings.cleaning.on_missing_column == MissingColumn::Fail,
            workers: self.settings.cleaning.threads,
            folder: held.folder().to_owned(),
        }
    }

    /// Cleans a fetched month.
    pub async fn clean(
        &self,
        file: TripFile,
        fetched: &Fetched,
        held: &Held,
        progress: &Progress,
    ) -> Result<Cleaned, TaskError> {
        let job = self.job(file, &fetched.path, fetched.format, held);
        let (source, progress) = (fetched.facts.clone(), progress.clone());
        progress.begin(source.size);
        let keep = self.settings.cleaning.on_new_column == NewColumn::Keep;
        let cleaning = tokio::task::spawn_blocking(move || {
            let keep = keep.then(|| new_columns(&job, &progress)).transpose()?;
            clean(&Job { keep, ..job }, &source, &progress)
        });
        match joined(cleaning.await) {
            Err(error) => Err(self.keep_unfit(&self.lake, error.into(), None, held).await),
            Ok(cleaned) => Ok(cleaned),
        }
    }

    /// Publishes a cleaned month, unless it is refused beside what the lake has of it.
    pub async fn publish(
        &self,
        file: TripFile,
        fetched: &Fetched,
        cleaned: &Cleaned,
        held: &Held,
        progress: &Progress,
    ) -> Result<Written, TaskError> {
        let raw: Option<(&Path, Format)> =
            self.settings.source.keep_raw.then_some((fetched.path.as_path(), fetched.format));
        let month = Publication {
            file,
            provenance: &cleaned.provenance,
            trips: &cleaned.trips,
            quarantine: cleaned.quarantine.as_deref(),
            raw,
            guard: self.settings.guard(file),
        };
        match self.lake.publish(month, held.folder(), progress).await {
            Err(error) => {
                let edition = Streamed {
                    provenance: cleaned.provenance.clone(),
                    quarantine: cleaned.quarantine.clone(),
                };
                Err(self.keep_unfit(&self.lake, error.into(), Some(edition), held).await)
            }
            Ok(written) => Ok(written),
        }
    }
}

/// The new columns of a file that is still arriving: they are known when all of it is there.
async fn new_columns_arriving(
    job: &Job,
    arrival: &Arrival,
    progress: &Progress,
) -> Result<Vec<KeptColumn>, CleanError> {
    let (job, arrival, progress) = (job.clone(), arrival.clone(), progress.clone());
    let looking = tokio::task::spawn_blocking(move || {
        let reading = |source| CleanError::reading(&arrival.path, source);
        let mut text = arrival.reader().map_err(reading)?;
        std::io::copy(&mut text, &mut std::io::sink()).map_err(reading)?;
        new_columns(&job, &progress)
    });
    joined(looking.await)
}

/// What a thread came to; where it fell, so does this one.
fn joined<T>(ended: Result<Result<T, CleanError>, JoinError>) -> Result<T, CleanError> {
    match ended {
        Ok(ended) => ended,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(CleanError::Interrupted),
        },
    }
}

/// The rows of a local Parquet file.
fn parquet_batches(path: &Path) -> Result<Batches, CleanError> {
    let opened = std::fs::File::open(path);
    let opened = opened.map_err(|source| CleanError::reading(path, source))?;
    Ok(Box::new(ParquetRecordBatchReaderBuilder::try_new(opened)?.build()?))
}

/// The raw files of a lake.
struct RawInLake<'a> {
    lake: &'a Lake,
    /// The month that is brought; none of what is no month.
    file: Option<TripFile>,
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
