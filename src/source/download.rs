//! Downloads one file over HTTP: conditional, resumed after an interruption, continued if it is
//! sent in slices, and verified against the first response.

use std::io::Read;
use std::path::PathBuf;

use reqwest::header::{ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};
use reqwest::{RequestBuilder, Response, StatusCode, Version};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use url::Url;

use crate::flow::Progress;
use crate::redact::url_without_secrets;
use crate::support::blocking::blocking;
use crate::support::http::retry_after;
use crate::trip::{Digest, Format, Hashing, SourceFacts, UnsupportedFormat};

use super::fetch::{FetchRequest, Fetcher};
use super::promise::{
    Promise, alike, is_chunked, is_partial, length_if_unsatisfied, tag, text, unread_encoding,
    usable, whole_as_part,
};
use super::spool::SpoolLease;
use super::{FetchError, Fetched, Outcome};

/// How many bytes tell what a body is.
const FIRST_BYTES: usize = 512;

/// How many bytes are written before readers of the growing file are notified.
const STEP: u64 = 1 << 20;

/// What the spool stores about a download, next to its bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct DownloadNote {
    address: String,
    /// What was promised with the first byte.
    #[serde(flatten)]
    promise: Promise,
    /// The digest, once all bytes are there.
    sha256: Option<Digest>,
}

/// A download's two files in the spool.
#[derive(Clone)]
struct DownloadFiles<'a> {
    lease: &'a SpoolLease,
    bytes: PathBuf,
    note: PathBuf,
}

impl<'a> DownloadFiles<'a> {
    fn of(lease: &'a SpoolLease) -> Self {
        Self { lease, bytes: lease.path("download"), note: lease.path("download.json") }
    }

    /// What an earlier run left of this address: the note and how many bytes.
    fn left(&self, address: &str) -> Option<(DownloadNote, u64)> {
        let note: DownloadNote = serde_json::from_slice(&std::fs::read(&self.note).ok()?).ok()?;
        let size = std::fs::metadata(&self.bytes).ok()?.len();
        (note.address == address).then_some((note, size))
    }

    fn write_note(&self, note: &DownloadNote) -> Result<(), FetchError> {
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
        self.lease.restart();
        let _ = std::fs::remove_file(&self.note);
        let _ = std::fs::remove_file(&self.bytes);
    }
}

/// What an earlier run left of a file.
enum Spooled {
    Nothing,
    /// A part of it, which can be resumed.
    Part(DownloadNote, u64),
    /// All of it, verified or not.
    Whole(DownloadNote, u64),
}

impl Spooled {
    fn of(files: &DownloadFiles<'_>, address: &str) -> Self {
        let Some((note, size)) = files.left(address) else {
            return Self::Nothing;
        };
        let all = note.promise.length.is_some_and(|length| length == size);
        let more = note.promise.length.is_none_or(|length| length > size);
        match note.sha256 {
            Some(_) => Self::Whole(note, size),
            None if size == 0 || !note.promise.joins() => Self::Nothing,
            None if all => Self::Whole(note, size),
            None if more => Self::Part(note, size),
            None => Self::Nothing,
        }
    }
}

/// What a request says of the edition that is known: its tag, or else its time.
struct Condition {
    etag: Option<String>,
    modified: Option<String>,
}

impl Condition {
    fn of(etag: Option<&String>, modified: Option<&String>) -> Self {
        let etag = etag.filter(|etag| usable(etag)).cloned();
        Self { modified: modified.filter(|_| etag.is_none()).cloned(), etag }
    }

    fn on(&self, request: RequestBuilder) -> RequestBuilder {
        match (&self.etag, &self.modified) {
            (Some(etag), _) => request.header(IF_NONE_MATCH, etag),
            (None, Some(modified)) => request.header(IF_MODIFIED_SINCE, modified),
            (None, None) => request,
        }
    }

    /// Whether an answer that nothing has changed is about the edition that was asked for.
    fn is_met(&self, headers: &HeaderMap) -> bool {
        match (&self.etag, text(headers, &ETAG)) {
            (Some(asked), Some(named)) => alike(asked, &named),
            (Some(_), None) => true,
            (None, _) => self.modified.is_some(),
        }
    }
}

impl Fetcher {
    /// Downloads a file to the spool: resumes an earlier attempt, and continues until the file is
    /// complete.
    pub(super) async fn download(
        &self,
        url: &Url,
        wanted: &FetchRequest<'_>,
        lease: &SpoolLease,
        progress: &Progress,
    ) -> Result<Outcome, FetchError> {
        let address = url_without_secrets(url);
        let files = DownloadFiles::of(lease);
        let known = wanted.last_facts(&address);
        let left = Spooled::of(&files, &address);
        let condition = match (known, &left) {
            (Some(facts), _) => Condition::of(facts.etag.as_ref(), facts.last_modified.as_ref()),
            (None, Spooled::Whole(DownloadNote { promise, .. }, _)) => {
                Condition::of(promise.etag.as_ref(), promise.last_modified.as_ref())
            }
            (None, _) => Condition::of(None, None),
        };
        let mut condition = Some(condition);
        let mut body = match &left {
            Spooled::Part(note, size) => Some(Body::left(files.clone(), note.clone(), *size)),
            Spooled::Nothing | Spooled::Whole(..) => None,
        };
        loop {
            let mut request = self.client.get(url.clone());
            if let Some(condition) = &condition {
                request = condition.on(request);
            }
            if let Some(Body { note: DownloadNote { promise, .. }, got, .. }) = &body
                && let Some(etag) = &promise.etag
            {
                request = request.header(RANGE, format!("bytes={got}-")).header(IF_RANGE, etag);
            }
            let sent = tokio::select! {
                sent = request.send() => sent,
                () = progress.cancelled() => return Err(FetchError::Interrupted),
            };
            let response = sent.map_err(|error| FetchError::connection(&address, error))?;
            let asked = condition.take();
            match response.status() {
                StatusCode::NOT_MODIFIED => match (asked, known, &left) {
                    (Some(asked), ..) if !asked.is_met(response.headers()) => {
                        // It is about another edition, if about any.
                        if asked.etag.is_none() && asked.modified.is_none() {
                            return Err(FetchError::Refused { address, status: 304 });
                        }
                    }
                    (Some(_), Some(_), _) => return Ok(Outcome::Unchanged(None)),
                    (Some(_), None, Spooled::Whole(note, size)) => {
                        return from_spool(&files, note, *size).await;
                    }
                    _ => return Err(FetchError::Refused { address, status: 304 }),
                },
                StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
                    if let Some(unproven) = body.take_if(|body| body.is_unproven) {
                        return Err(unproven.not_proven_by(&response));
                    }
                    if is_partial(response.headers()) {
                        let why = "its status says that it is the whole file";
                        return Err(other_part(&files, address, body.is_some(), 200, why));
                    }
                    let whole = Body::whole(files.clone(), address.clone(), &response)?;
                    match whole.receive(response, None, progress).await? {
                        Received::All(outcome) => return Ok(outcome),
                        Received::Part(part) => body = Some(part),
                    }
                }
                StatusCode::PARTIAL_CONTENT => {
                    let (now, end) = match body.take() {
                        Some(mut begun) => match begun.note.promise.resume(&response, begun.got) {
                            Ok(end) => (begun, Some(end)),
                            Err(why) => {
                                return Err(other_part(&files, address, true, 206, why));
                            }
                        },
                        None => match whole_as_part(&response) {
                            Ok(length) => {
                                let mut whole =
                                    Body::whole(files.clone(), address.clone(), &response)?;
                                whole.note.promise.length = Some(length);
                                (whole, None)
                            }
                            Err(why) => {
                                return Err(other_part(&files, address, false, 206, why));
                            }
                        },
                    };
                    match now.receive(response, end, progress).await? {
                        Received::All(outcome) => return Ok(outcome),
                        Received::Part(part) => body = Some(part),
                    }
                }
                StatusCode::RANGE_NOT_SATISFIABLE if body.is_some() => match body.take() {
                    Some(whole) if whole.ends_by(&response) => return whole.finish_proven().await,
                    _ => {
                        let why = "it no longer has such a part";
                        return Err(other_part(&files, address, true, 416, why));
                    }
                },
                status => return no_file(address, status, &response, wanted.expected),
            }
        }
    }
}

/// A response with something else than was requested. If a part was requested, the whole file is
/// requested next.
fn other_part(
    files: &DownloadFiles<'_>,
    address: String,
    asked_for_part: bool,
    status: u16,
    why: &'static str,
) -> FetchError {
    if asked_for_part {
        files.forget();
        FetchError::OtherPart { address, status, why }
    } else {
        FetchError::UnaskedPart { address, status, why }
    }
}

/// What a response without a file means: see the table "Is the month published?" in docs/lake.md.
pub(super) fn no_file(
    address: String,
    status: StatusCode,
    response: &Response,
    expected: bool,
) -> Result<Outcome, FetchError> {
    let wait = retry_after(response.headers());
    let code = status.as_u16();
    match code {
        404 | 403 if !expected => Ok(Outcome::NotPublished),
        404 => Err(FetchError::Missing { address, status: code }),
        403 | 429 => Err(FetchError::Throttled { address, status: code, wait }),
        202 | 408 | 425 => Err(FetchError::Server { address, status: code, wait }),
        _ if status.is_server_error() => Err(FetchError::Server { address, status: code, wait }),
        _ => Err(FetchError::Refused { address, status: code }),
    }
}

/// What an answer brought.
enum Received<'a> {
    /// The last of the file.
    All(Outcome),
    /// A part: there is more, or nothing says that there is not.
    Part(Body<'a>),
}

/// A file on its way to the spool.
struct Body<'a> {
    files: DownloadFiles<'a>,
    note: DownloadNote,
    /// Whether the end of the body can be told from a cut.
    ends_clearly: bool,
    /// Whether a body has ended and nothing says that the file ends there as well.
    is_unproven: bool,
    got: u64,
    /// Of the bytes so far; `None` if an earlier try left them.
    hashing: Option<Hashing>,
}

impl<'a> Body<'a> {
    /// One that an answer begins.
    fn whole(
        files: DownloadFiles<'a>,
        address: String,
        response: &Response,
    ) -> Result<Self, FetchError> {
        let headers = response.headers();
        if let Some((of, encoding)) = unread_encoding(headers) {
            return Err(FetchError::Encoded { address, of, encoding });
        }
        let note = DownloadNote { address, promise: Promise::of(response), sha256: None };
        let ends_clearly = response.version() >= Version::HTTP_2 || is_chunked(headers);
        let hashing = Some(Hashing::default());
        Ok(Self { files, note, ends_clearly, is_unproven: false, got: 0, hashing })
    }

    /// One that an earlier try began.
    const fn left(files: DownloadFiles<'a>, note: DownloadNote, got: u64) -> Self {
        Self { files, note, ends_clearly: false, is_unproven: false, got, hashing: None }
    }

    /// Takes in the body of an answer, which ends before this byte of the file; `None` if it
    /// ends where the file does.
    async fn receive(
        mut self,
        mut response: Response,
        end: Option<u64>,
        progress: &Progress,
    ) -> Result<Received<'a>, FetchError> {
        self.check_space()?;
        let mut hashing = match self.hashing.take() {
            Some(hashing) => hashing,
            None => hash_left(&self.files, self.got).await?,
        };
        if self.got == 0 {
            self.files.lease.restart();
        } else {
            tracing::info!("{}: resuming at byte {}", self.note.address, self.got);
        }
        let total = self.note.promise.length;
        progress.begin(total.unwrap_or_default());
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
        let end = end.or(total);
        let mut format = None;
        let mut next = FIRST_BYTES as u64;
        let ended = loop {
            let chunk = tokio::select! {
                chunk = response.chunk() => chunk,
                () = progress.cancelled() => break Err(FetchError::Interrupted),
            };
            match chunk {
                Ok(Some(bytes)) => {
                    self.got += bytes.len() as u64;
                    if let Some(announced) = end.filter(|end| self.got > *end) {
                        // Who says less than comes is believed in nothing.
                        self.files.forget();
                        let (address, got) = (self.note.address.clone(), self.got);
                        return Err(FetchError::WrongLength { address, got, announced });
                    }
                    hashing.update(&bytes);
                    spool.write_all(&bytes).await.map_err(writing)?;
                    progress.advance(bytes.len() as u64);
                    if self.got >= next {
                        spool.flush().await.map_err(writing)?;
                        let known = match format {
                            Some(known) => known,
                            None => *format.insert(self.check_format()?),
                        };
                        let announced = total.unwrap_or_default();
                        self.files.lease.grown(&self.files.bytes, known, self.got, announced);
                        next = self.got + STEP;
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(FetchError::connection(&self.note.address, error)),
            }
        };
        // What came is kept, whatever ended it: the next try goes on from there.
        spool.flush().await.map_err(writing)?;
        drop(spool);
        ended?;
        if let Some(announced) = end.filter(|end| *end != self.got) {
            let (address, got) = (self.note.address, self.got);
            return Err(FetchError::WrongLength { address, got, announced });
        }
        if total.is_some_and(|total| self.got < total) {
            self.hashing = Some(hashing);
            return Ok(Received::Part(self));
        }
        if total.is_none() && !self.ends_clearly && self.check_format()? != Format::Parquet {
            if !self.note.promise.joins() {
                self.files.forget();
                return Err(FetchError::EndUnknown { address: self.note.address });
            }
            (self.is_unproven, self.hashing) = (true, Some(hashing));
            return Ok(Received::Part(self));
        }
        self.finish(hashing.finish()).map(Received::All)
    }

    fn check_space(&self) -> Result<(), FetchError> {
        let Some(announced) = self.note.promise.length else {
            return Ok(());
        };
        // The cleaned month is about as large as the file.
        let needed = announced.saturating_sub(self.got).saturating_add(announced);
        let folder = self.files.lease.folder();
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
            FetchError::NotATripFile { address: self.note.address.clone(), found }
        })
    }

    /// Whether the host, asked for what follows the bytes so far, says that nothing does. A length
    /// that was promised earlier is not taken back by that.
    fn ends_by(&self, unsatisfied: &Response) -> bool {
        let Promise { etag, length, .. } = &self.note.promise;
        let other = tag(unsatisfied.headers()).filter(|named| Some(named) != etag.as_ref());
        length.is_none()
            && other.is_none()
            && length_if_unsatisfied(unsatisfied.headers()) == Some(self.got)
    }

    /// Asked for what follows the bytes so far, the host sent a whole file: either another edition,
    /// or it cannot send parts, and then nothing can tell whether this one is whole.
    fn not_proven_by(self, whole: &Response) -> FetchError {
        self.files.forget();
        let address = self.note.address;
        match tag(whole.headers()) {
            Some(other) if Some(&other) != self.note.promise.etag.as_ref() => {
                let why = "the file has another ETag than before";
                FetchError::OtherPart { address, status: whole.status().as_u16(), why }
            }
            _ => FetchError::EndUnknown { address },
        }
    }

    async fn finish_proven(mut self) -> Result<Outcome, FetchError> {
        let hashing = match self.hashing.take() {
            Some(hashing) => hashing,
            None => hash_left(&self.files, self.got).await?,
        };
        self.note.promise.length = Some(self.got);
        self.finish(hashing.finish())
    }

    /// All of the file is there.
    fn finish(mut self, sha256: Digest) -> Result<Outcome, FetchError> {
        let format = self.check_format()?;
        self.note.sha256 = Some(sha256.clone());
        self.files.write_note(&self.note)?;
        let facts = facts(&self.note, self.got, sha256);
        Ok(Outcome::Fetched(Fetched { path: self.files.bytes, format, facts }))
    }
}

fn facts(note: &DownloadNote, size: u64, sha256: Digest) -> SourceFacts {
    SourceFacts {
        address: note.address.clone(),
        etag: note.promise.etag.clone(),
        last_modified: note.promise.last_modified.clone(),
        size,
        sha256,
    }
}

/// A whole file that an earlier run left, and that the host says has not changed.
async fn from_spool(
    files: &DownloadFiles<'_>,
    note: &DownloadNote,
    size: u64,
) -> Result<Outcome, FetchError> {
    let reading = |source| FetchError::io("read", &files.bytes, source);
    let path = files.bytes.clone();
    let hashed = blocking(move || std::fs::File::open(path).and_then(Digest::of_reader)).await;
    let sha256 = hashed.ok_or(FetchError::Interrupted)?.map_err(reading)?;
    match files.sniff()? {
        // One that was killed after the last byte has no digest.
        Ok(format) if note.sha256.as_ref().is_none_or(|noted| *noted == sha256) => {
            files.write_note(&DownloadNote { sha256: Some(sha256.clone()), ..note.clone() })?;
            let facts = facts(note, size, sha256);
            Ok(Outcome::Fetched(Fetched { path: files.bytes.clone(), format, facts }))
        }
        _ => {
            files.forget();
            Err(FetchError::SpoolSpoiled { path: files.bytes.clone() })
        }
    }
}

/// The digest of the bytes an earlier try left.
async fn hash_left(files: &DownloadFiles<'_>, size: u64) -> Result<Hashing, FetchError> {
    let path = files.bytes.clone();
    let hashed = blocking(move || {
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
    let hashed = hashed.await.ok_or(FetchError::Interrupted)?;
    hashed.map_err(|source| FetchError::io("read", &files.bytes, source))
}
