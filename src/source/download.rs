//! One file over HTTP: conditional, resumed where it was cut, proven by length.

use std::io::Read;
use std::path::PathBuf;
use std::time::SystemTime;

use reqwest::header::{
    CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    LAST_MODIFIED, RANGE, RETRY_AFTER, TRANSFER_ENCODING,
};
use reqwest::{Response, StatusCode, Version};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use url::Url;

use crate::flow::{Progress, retry_after};
use crate::trip::{Digest, Format, Hashing, SourceFacts, UnsupportedFormat};

use super::FetchError;
use super::address::shown;
use super::fetch::{Fetched, Fetcher, Outcome, Wanted};
use super::spool::Held;

/// How many bytes tell what a body is.
const FIRST_BYTES: usize = 512;

/// How many bytes are written before who reads along is told.
const STEP: u64 = 1 << 20;

/// What the spool remembers of a download, beside its bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    address: String,
    etag: Option<String>,
    last_modified: Option<String>,
    /// The digest, once all bytes are there.
    sha256: Option<Digest>,
}

/// A download's two files in the spool.
struct Files<'a> {
    held: &'a Held,
    bytes: PathBuf,
    note: PathBuf,
}

impl<'a> Files<'a> {
    fn of(held: &'a Held) -> Self {
        Self { held, bytes: held.path("download"), note: held.path("download.json") }
    }

    /// What an earlier run left of this address: the note and how many bytes.
    fn left(&self, address: &str) -> Option<(Note, u64)> {
        let note: Note = serde_json::from_slice(&std::fs::read(&self.note).ok()?).ok()?;
        let size = std::fs::metadata(&self.bytes).ok()?.len();
        (note.address == address).then_some((note, size))
    }

    fn write_note(&self, note: &Note) -> Result<(), FetchError> {
        let text = serde_json::to_vec(note).unwrap_or_default();
        std::fs::write(&self.note, text)
            .map_err(|source| FetchError::io("write", &self.note, source))
    }

    /// What the bytes are, by how they begin.
    fn sniff(&self) -> Result<Result<Format, UnsupportedFormat>, FetchError> {
        let reading = |source| FetchError::io("read", &self.bytes, source);
        let mut first = Vec::with_capacity(FIRST_BYTES);
        let opened = std::fs::File::open(&self.bytes).map_err(reading)?;
        opened.take(FIRST_BYTES as u64).read_to_end(&mut first).map_err(reading)?;
        Ok(Format::sniff(&first))
    }

    fn forget(&self) {
        self.held.begin_anew();
        let _ = std::fs::remove_file(&self.note);
        let _ = std::fs::remove_file(&self.bytes);
    }
}

impl Fetcher {
    /// Downloads a file to the spool, from where an earlier try was cut.
    pub(super) async fn download(
        &self,
        url: &Url,
        wanted: &Wanted<'_>,
        held: &Held,
        progress: &Progress,
    ) -> Result<Outcome, FetchError> {
        let address = shown(url);
        let files = Files::of(held);
        let known = wanted.known.filter(|facts| facts.address == address);
        let left = files.left(&address);
        let whole = left.as_ref().filter(|(note, _)| note.sha256.is_some());
        let part = left.as_ref().filter(|(note, size)| {
            note.sha256.is_none() && *size > 0 && note.etag.as_deref().is_some_and(is_strong)
        });

        let mut request = self.client.get(url.clone());
        let (etag, modified) = match (known, whole) {
            (Some(facts), _) => (facts.etag.as_ref(), facts.last_modified.as_ref()),
            (None, Some((note, _))) => (note.etag.as_ref(), note.last_modified.as_ref()),
            (None, None) => (None, None),
        };
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        } else if let Some(modified) = modified {
            request = request.header(IF_MODIFIED_SINCE, modified);
        }
        if let Some((Note { etag: Some(etag), .. }, size)) = part {
            request = request.header(RANGE, format!("bytes={size}-")).header(IF_RANGE, etag);
        }
        let sent = tokio::select! {
            sent = request.send() => sent,
            () = progress.cancelled() => return Err(FetchError::Interrupted),
        };
        let response = sent.map_err(|error| FetchError::connection(&address, error))?;

        match response.status() {
            StatusCode::NOT_MODIFIED => match (known, whole) {
                (Some(_), _) => Ok(Outcome::Unchanged),
                (None, Some((note, size))) => from_spool(&files, note, *size),
                (None, None) => Err(FetchError::Refused { address, status: 304 }),
            },
            StatusCode::OK => {
                Body::new(address, files, &response, 0, Hashing::default())
                    .receive(response, progress)
                    .await
            }
            StatusCode::PARTIAL_CONTENT => {
                let Some((_, size)) = part.filter(|(note, size)| goes_on(&response, note, *size))
                else {
                    files.forget();
                    return Err(FetchError::Server { address, status: 206, wait: None });
                };
                tracing::info!("{address}: going on from byte {size}");
                let hashing = hash_left(&files, *size).await?;
                Body::new(address, files, &response, *size, hashing)
                    .receive(response, progress)
                    .await
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                files.forget();
                Err(FetchError::Server { address, status: 416, wait: None })
            }
            status => no_file(address, status, &response, wanted.expected),
        }
    }
}

/// What an answer without a file means: see the table "Is it there?" in docs/lake.md.
pub(super) fn no_file(
    address: String,
    status: StatusCode,
    response: &Response,
    expected: bool,
) -> Result<Outcome, FetchError> {
    let wait = text(response.headers(), &RETRY_AFTER)
        .and_then(|text| retry_after(&text, SystemTime::now()));
    let code = status.as_u16();
    match code {
        404 | 403 if !expected => Ok(Outcome::NotPublished),
        404 => Err(FetchError::Missing { address, status: code }),
        403 | 429 => Err(FetchError::Throttled { address, status: code, wait }),
        408 | 425 => Err(FetchError::Server { address, status: code, wait }),
        _ if status.is_server_error() => Err(FetchError::Server { address, status: code, wait }),
        _ => Err(FetchError::Refused { address, status: code }),
    }
}

/// A body on its way to the spool.
struct Body<'a> {
    address: String,
    files: Files<'a>,
    note: Note,
    /// The length announced for the whole file.
    announced: Option<u64>,
    /// Whether the end of the body can be told from a cut.
    ends_clearly: bool,
    got: u64,
    hashing: Hashing,
}

impl<'a> Body<'a> {
    fn new(
        address: String,
        files: Files<'a>,
        response: &Response,
        got: u64,
        hashing: Hashing,
    ) -> Self {
        let headers = response.headers();
        let note = Note {
            address: address.clone(),
            etag: text(headers, &ETAG),
            last_modified: text(headers, &LAST_MODIFIED),
            sha256: None,
        };
        let announced = response.content_length().map(|length| got.saturating_add(length));
        let ends_clearly = announced.is_some()
            || response.version() >= Version::HTTP_2
            || headers.contains_key(TRANSFER_ENCODING);
        Self { address, files, note, announced, ends_clearly, got, hashing }
    }

    async fn receive(
        mut self,
        mut response: Response,
        progress: &Progress,
    ) -> Result<Outcome, FetchError> {
        self.check_space()?;
        if self.got == 0 {
            self.files.held.begin_anew();
        }
        progress.begin(self.announced.unwrap_or_default());
        progress.advance(self.got);
        let writing = |source| FetchError::io("write", &self.files.bytes, source);
        let opened = tokio::fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(self.got == 0)
            .append(self.got > 0)
            .open(&self.files.bytes)
            .await;
        let mut spool = tokio::io::BufWriter::with_capacity(1 << 20, opened.map_err(writing)?);
        // Only now: the note of this file must never stand beside the bytes of an older one.
        self.files.write_note(&self.note)?;
        let mut format = None;
        let mut next = FIRST_BYTES as u64;
        let ended = loop {
            let chunk = tokio::select! {
                chunk = response.chunk() => chunk,
                () = progress.cancelled() => break Err(FetchError::Interrupted),
            };
            match chunk {
                Ok(Some(bytes)) => {
                    self.hashing.update(&bytes);
                    spool.write_all(&bytes).await.map_err(writing)?;
                    self.got += bytes.len() as u64;
                    progress.advance(bytes.len() as u64);
                    if self.got >= next {
                        spool.flush().await.map_err(writing)?;
                        let known = match format {
                            Some(known) => known,
                            None => *format.insert(self.check_format()?),
                        };
                        let announced = self.announced.unwrap_or_default();
                        self.files.held.grown(&self.files.bytes, known, self.got, announced);
                        next = self.got + STEP;
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(FetchError::connection(&self.address, error)),
            }
        };
        // What came is kept, whatever ended it: the next try goes on from there.
        spool.flush().await.map_err(writing)?;
        drop(spool);
        ended?;
        self.finish()
    }

    fn check_space(&self) -> Result<(), FetchError> {
        let Some(announced) = self.announced else {
            return Ok(());
        };
        // The cleaned month is about as large as the file.
        let needed = (announced - self.got).saturating_add(announced);
        let folder = self.files.held.folder();
        let free = match rustix::fs::statvfs(folder) {
            Ok(space) => space.f_bavail.saturating_mul(space.f_frsize),
            Err(_) => return Ok(()),
        };
        if free < needed {
            return Err(FetchError::NoSpace { path: folder.to_owned(), free, needed });
        }
        Ok(())
    }

    fn check_format(&self) -> Result<Format, FetchError> {
        self.files.sniff()?.map_err(|found| {
            self.files.forget();
            FetchError::NotATripFile { address: self.address.clone(), found }
        })
    }

    /// All came that will come: is it all?
    fn finish(mut self) -> Result<Outcome, FetchError> {
        if let Some(announced) = self.announced.filter(|announced| *announced != self.got) {
            if self.got > announced {
                self.files.forget();
            }
            return Err(FetchError::WrongLength {
                address: self.address,
                got: self.got,
                announced,
            });
        }
        let format = self.check_format()?;
        if format == Format::Csv && !self.ends_clearly {
            self.files.forget();
            return Err(FetchError::EndUnknown { address: self.address });
        }
        let sha256 = self.hashing.finish();
        self.note.sha256 = Some(sha256.clone());
        self.files.write_note(&self.note)?;
        let facts = SourceFacts {
            address: self.address,
            etag: self.note.etag,
            last_modified: self.note.last_modified,
            size: self.got,
            sha256,
        };
        Ok(Outcome::Fetched(Fetched { path: self.files.bytes, format, facts }))
    }
}

/// A whole file that an earlier run left, and that the host says has not changed.
fn from_spool(files: &Files<'_>, note: &Note, size: u64) -> Result<Outcome, FetchError> {
    let reading = |source| FetchError::io("read", &files.bytes, source);
    let opened = std::fs::File::open(&files.bytes).map_err(reading)?;
    let sha256 = Digest::of_reader(opened).map_err(reading)?;
    match files.sniff()? {
        Ok(format) if note.sha256.as_ref() == Some(&sha256) => {
            let facts = SourceFacts {
                address: note.address.clone(),
                etag: note.etag.clone(),
                last_modified: note.last_modified.clone(),
                size,
                sha256,
            };
            Ok(Outcome::Fetched(Fetched { path: files.bytes.clone(), format, facts }))
        }
        _ => {
            files.forget();
            Err(FetchError::SpoolSpoiled { path: files.bytes.clone() })
        }
    }
}

/// The digest of the bytes an earlier try left.
async fn hash_left(files: &Files<'_>, size: u64) -> Result<Hashing, FetchError> {
    let path = files.bytes.clone();
    let hashed = tokio::task::spawn_blocking(move || {
        let mut hashing = Hashing::default();
        let mut opened = std::fs::File::open(path)?.take(size);
        let mut buffer = vec![0; 1 << 18];
        loop {
            match opened.read(&mut buffer)? {
                0 => return Ok(hashing),
                read => hashing.update(&buffer[..read]),
            }
        }
    });
    match hashed.await {
        Ok(hashed) => hashed.map_err(|source| FetchError::io("read", &files.bytes, source)),
        Err(_) => Err(FetchError::Interrupted),
    }
}

pub(super) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// A weak tag does not promise the same bytes, so it cannot join two halves.
fn is_strong(etag: &str) -> bool {
    !etag.starts_with("W/")
}

/// Whether a partial answer begins at this byte, and of the same file: not every host heeds
/// If-Range.
fn goes_on(response: &Response, note: &Note, at: u64) -> bool {
    let headers = response.headers();
    text(headers, &CONTENT_RANGE).is_some_and(|range| range.starts_with(&format!("bytes {at}-")))
        && text(headers, &ETAG).is_none_or(|etag| note.etag == Some(etag))
}
