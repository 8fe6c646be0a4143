use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Client;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::flow::{Failure, Progress};
use crate::support::blocking::blocking;
use crate::trip::{Digest, Format, Item, SourceFacts};

use super::spool::SpoolLease;
use super::{Address, FetchError, Fetched, Outcome};

/// How the hosts are spoken to.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest silence of a host that has begun to answer, or should.
    pub stall_timeout: Duration,
    /// The most connections to one host: the TLC's answers 403 to heavy use.
    pub connections_per_host: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(60),
            connections_per_host: 2,
        }
    }
}

/// A request to fetch a file.
#[derive(Debug)]
pub struct FetchRequest<'a> {
    /// What it is.
    pub item: Item,
    /// Where it is.
    pub address: Address,
    /// Whether the source should have it; if so, its absence is an error.
    pub expected: bool,
    /// What it was when it was last fetched; `None` to fetch it in any case.
    pub known: Option<&'a SourceFacts>,
    /// What a source said last of the same bytes, where that is something else.
    pub seen: Option<&'a SourceFacts>,
}

impl FetchRequest<'_> {
    /// What this address said last of the bytes that are known.
    pub(super) fn last_facts(&self, address: &str) -> Option<&SourceFacts> {
        let known = self.known?;
        let seen = self.seen.filter(|seen| seen.sha256 == known.sha256);
        seen.into_iter().chain([known]).find(|facts| facts.address == address)
    }
}

/// The bytes that were kept as fetched, in the lake.
#[async_trait]
pub trait RawStore: Send + Sync {
    /// Brings the first of these keys that exists to a local file: its address and entity tag.
    async fn bring(&self, keys: &[String], to: &Path) -> Result<Option<RawFile>, RawError>;
}

/// A raw file, brought to the local disk.
#[derive(Debug)]
pub struct RawFile {
    /// Its address in the lake.
    pub address: String,
    /// Its entity tag.
    pub etag: Option<String>,
    /// The digests of the bytes that were kept there, or may have been; empty where none is known.
    pub kept: Vec<Digest>,
}

/// Why a raw file cannot be brought.
pub type RawError = Box<dyn Failure + Send + Sync>;

/// Fetches files.
#[derive(Debug)]
pub struct Fetcher {
    pub(super) client: Client,
    connections_per_host: usize,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Fetcher {
    /// A fetcher that speaks to hosts so. Proxies and certificates are the system's.
    pub fn new(settings: &HttpSettings) -> Result<Self, FetchError> {
        let client = Client::builder()
            .user_agent(concat!("taxi/", env!("CARGO_PKG_VERSION")))
            // The bytes are wanted as they are: a length and a digest are of these.
            .default_headers(HeaderMap::from_iter([(
                ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            )]))
            .connect_timeout(settings.connect_timeout)
            .read_timeout(settings.stall_timeout)
            .build()
            .map_err(FetchError::Client)?;
        let connections_per_host = settings.connections_per_host.clamp(1, 64);
        Ok(Self { client, connections_per_host, hosts: Mutex::default() })
    }

    /// Downloads a file into its lease's folder; a text can be read while it is downloaded.
    pub async fn fetch(
        &self,
        wanted: &FetchRequest<'_>,
        lease: &SpoolLease,
        raw: &dyn RawStore,
        progress: &Progress,
    ) -> Result<Outcome, FetchError> {
        let fetched = match &wanted.address {
            Address::Web(url) => {
                // The zones are one small file that must keep no month waiting.
                let _permit = match wanted.item {
                    Item::Month(_) => self.connection(url).await,
                    Item::Zones => None,
                };
                self.download(url, wanted, lease, progress).await?
            }
            Address::Local(paths) => local(paths, wanted).await?,
            Address::Raw(keys) => {
                let path = lease.path("raw");
                match raw.bring(keys, &path).await.map_err(FetchError::Raw)? {
                    Some(brought) => kept(path, brought).await?,
                    None => Outcome::NotPublished,
                }
            }
        };
        // A host that knows no tags, or a raw file: the bytes themselves tell.
        let outcome = match (fetched, wanted.known) {
            (Outcome::Fetched(new), Some(known)) if new.facts.sha256 == known.sha256 => {
                let told = wanted.last_facts(&new.facts.address) == Some(&new.facts);
                let tells = new.facts.etag.is_some() || new.facts.last_modified.is_some();
                let from_lake = matches!(wanted.address, Address::Raw(_));
                Outcome::Unchanged((tells && !told && !from_lake).then_some(new.facts))
            }
            (fetched, _) => fetched,
        };
        lease.settle(&outcome);
        Ok(outcome)
    }

    /// A turn with the host: few connections at a time.
    pub(super) async fn connection(&self, url: &Url) -> Option<OwnedSemaphorePermit> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let turns = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let turns = || Arc::new(Semaphore::new(self.connections_per_host));
            Arc::clone(hosts.entry(host).or_insert_with(turns))
        };
        turns.acquire_owned().await.ok()
    }
}

/// The first of these files that exists, used where it is.
pub(super) async fn local(
    paths: &[PathBuf],
    wanted: &FetchRequest<'_>,
) -> Result<Outcome, FetchError> {
    let found = paths.iter().find(|path| match std::fs::symlink_metadata(path) {
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        Ok(_) => true,
    });
    let Some(path) = found else {
        let missing = || std::io::ErrorKind::NotFound.into();
        return match paths {
            [first, ..] if wanted.expected => Err(FetchError::io("read", first, missing())),
            // A folder that is not there is a slip of the pen, not a month to come.
            [first, ..] => match first.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                Some(folder) => match std::fs::read_dir(folder) {
                    Ok(_) => Ok(Outcome::NotPublished),
                    Err(source) => Err(FetchError::io("read", folder, source)),
                },
                None => Ok(Outcome::NotPublished),
            },
            [] => Ok(Outcome::NotPublished),
        };
    };
    let metadata =
        std::fs::metadata(path).map_err(|source| FetchError::io("read", path, source))?;
    let age = metadata.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let etag = format!("\"{:x}-{:x}\"", metadata.len(), age.unwrap_or_default().as_nanos());
    let address = path.display().to_string();
    if wanted.last_facts(&address).is_some_and(|told| told.etag.as_ref() == Some(&etag)) {
        return Ok(Outcome::Unchanged(None));
    }
    measured(path.clone(), address, Some(etag)).await
}

/// A raw file brought from the lake, which must be what was kept there.
async fn kept(path: PathBuf, brought: RawFile) -> Result<Outcome, FetchError> {
    let RawFile { address, etag, kept } = brought;
    let outcome = measured(path, address, etag).await?;
    match &outcome {
        Outcome::Fetched(Fetched { facts, .. })
            if !kept.is_empty() && !kept.contains(&facts.sha256) =>
        {
            Err(FetchError::RawSpoiled { address: facts.address.clone(), size: facts.size })
        }
        _ => Ok(outcome),
    }
}

/// Facts of a file that is here already.
async fn measured(
    path: PathBuf,
    address: String,
    etag: Option<String>,
) -> Result<Outcome, FetchError> {
    let reading = path.clone();
    let measured = blocking(move || {
        let mut opened = std::fs::File::open(&reading)?;
        let mut first = vec![0; 1024];
        let read = std::io::Read::read(&mut opened, &mut first)?;
        first.truncate(read);
        std::io::Seek::rewind(&mut opened)?;
        let size = opened.metadata()?.len();
        Ok((first, size, Digest::of_reader(opened)?))
    });
    let measured = measured.await.ok_or(FetchError::Interrupted)?;
    let (first, size, sha256) = measured.map_err(|source| FetchError::io("read", &path, source))?;
    let format = Format::sniff(&first)
        .map_err(|found| FetchError::NotATripFile { address: address.clone(), found })?;
    let facts = SourceFacts { address, etag, last_modified: None, size, sha256 };
    Ok(Outcome::Fetched(Fetched { path, format, facts }))
}
