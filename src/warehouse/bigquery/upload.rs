//! A job with its file: a resumable upload, in parts, taken up again where it broke off
//! (<https://cloud.google.com/bigquery/docs/reference/api-uploads>).

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use gcp_bigquery_client::model::job::Job;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, LOCATION, RANGE};
use reqwest::{Method, Response};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::flow::{Failure, Progress, Retry};

use super::BigQueryError;
use super::api::{Api, accepted, read, with_json};
use super::jobs::Media;

/// The size of a part: a multiple of 256 KiB, as the reference asks for.
const PART: u64 = 8 << 20;

/// A part may take this long: 112 kbit/s.
const PART_TIMEOUT: Duration = Duration::from_secs(600);

/// How often a part is tried before the upload is given up and the whole task retried.
const TRIES: u32 = 5;

const STEP: &str = "sending the file";

/// What the server says of an upload.
enum UploadStatus {
    /// It has all, and this is the job.
    Job(Box<Job>),
    /// It has so many bytes, and waits for more.
    Has(u64),
}

impl Api {
    /// Hands a job in together with what it loads.
    pub(super) async fn insert_with(
        &self,
        path: &str,
        job: &Job,
        media: Media<'_>,
        progress: &Progress,
    ) -> Result<Box<Job>, BigQueryError> {
        let (mut body, size) = Body::open(media).await?;
        let request = self
            .upload(Method::POST, path)
            .query(&[("uploadType", "resumable")])
            .header("X-Upload-Content-Type", "application/octet-stream")
            .header("X-Upload-Content-Length", size);
        let begun = self.send(STEP, with_json(STEP, request, job)?).await?;
        let begun = accepted(STEP, begun).await?;
        let session = begun.headers().get(LOCATION).and_then(|url| url.to_str().ok());
        let session = session.ok_or_else(|| BigQueryError::Garbled {
            step: STEP,
            what: "there is no address to send to".to_owned(),
        })?;

        progress.begin(size);
        let (mut at, mut tries) = (0, 0);
        let mut waits = waits();
        loop {
            let part = body.part(at, size).await?;
            let sent = self.put(session, Some((at, part)), size).await;
            let said = match sent {
                Err(error) if error.retry() != Retry::Never => {
                    tries += 1;
                    if tries >= TRIES {
                        let (path, last) = (body.shown(), Box::new(error));
                        return Err(BigQueryError::Upload { path, tries, at, last });
                    }
                    tracing::debug!("{error}: asking what has arrived");
                    let wait = waits.next().unwrap_or_default();
                    tokio::time::sleep(match error.retry() {
                        Retry::After(asked) => wait.max(asked),
                        _ => wait,
                    })
                    .await;
                    match self.put(session, None, size).await {
                        Ok(said) => said,
                        // The part is sent again, and that fails in its turn.
                        Err(error) if error.retry() != Retry::Never => continue,
                        Err(error) => return Err(lost(error)),
                    }
                }
                sent => sent.map_err(lost)?,
            };
            match said {
                UploadStatus::Job(job) => return Ok(job),
                UploadStatus::Has(has) if has > at && has <= size => {
                    progress.advance(has - at);
                    at = has;
                    tries = 0;
                    waits = self::waits();
                }
                UploadStatus::Has(has) => {
                    // It may have lost some: then these are sent again, but not for ever.
                    tries += 1;
                    if tries >= TRIES || has > size {
                        let what = format!("of {size} bytes it has {has}, after {at}");
                        return Err(BigQueryError::Garbled { step: STEP, what });
                    }
                    at = has;
                }
            }
        }
    }

    /// Sends a part, or asks what has arrived.
    async fn put(
        &self,
        session: &str,
        part: Option<(u64, Bytes)>,
        size: u64,
    ) -> Result<UploadStatus, BigQueryError> {
        let request = self.at(Method::PUT, session).timeout(PART_TIMEOUT);
        let request = match part {
            Some((at, bytes)) if !bytes.is_empty() => {
                let range = format!("bytes {at}-{}/{size}", at + bytes.len() as u64 - 1);
                request.header(CONTENT_RANGE, range).body(bytes)
            }
            _ => request.header(CONTENT_RANGE, format!("bytes */{size}")).header(CONTENT_LENGTH, 0),
        };
        let response: Response = self.send(STEP, request).await?;
        if response.status().as_u16() == 308 {
            return Ok(UploadStatus::Has(arrived(response.headers())));
        }
        let job = read(STEP, accepted(STEP, response).await?).await?;
        Ok(UploadStatus::Job(job))
    }
}

/// An upload that the server no longer knows is started again with the whole task.
fn lost(error: BigQueryError) -> BigQueryError {
    match error {
        BigQueryError::Refused { status: status @ (404 | 410), .. } => BigQueryError::Garbled {
            step: STEP,
            what: format!("the upload is gone: status {status}"),
        },
        error => error,
    }
}

fn waits() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(10))
        .build()
}

/// How many bytes have arrived: `Range: bytes=0-99` stands for 100, no such header for none.
fn arrived(headers: &HeaderMap) -> u64 {
    let last = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let last = last.and_then(|range| range.rsplit_once('-')?.1.trim().parse::<u64>().ok());
    last.map_or(0, |last| last.saturating_add(1))
}

/// What is sent: the bytes of one file, even where another takes its place meanwhile.
enum Body<'a> {
    File(tokio::fs::File, &'a Path),
    Bytes(&'a [u8]),
}

impl<'a> Body<'a> {
    /// What is sent, and how many bytes of it.
    async fn open(media: Media<'a>) -> Result<(Self, u64), BigQueryError> {
        match media {
            Media::Stored => Ok((Self::Bytes(&[]), 0)),
            Media::Bytes(bytes) => Ok((Self::Bytes(bytes), bytes.len() as u64)),
            Media::File(path) => {
                let reading = |source| BigQueryError::Io { path: path.to_owned(), source };
                let file = tokio::fs::File::open(path).await.map_err(reading)?;
                let size = file.metadata().await.map_err(reading)?.len();
                Ok((Self::File(file, path), size))
            }
        }
    }

    /// Its name, for people.
    fn shown(&self) -> PathBuf {
        match self {
            Self::File(_, path) => path.to_path_buf(),
            Self::Bytes(_) => "a row of the ledger".into(),
        }
    }

    /// The bytes from an offset on, a part of them.
    async fn part(&mut self, at: u64, size: u64) -> Result<Bytes, BigQueryError> {
        let length = PART.min(size.saturating_sub(at)) as usize;
        match self {
            Self::Bytes(bytes) => {
                let rest = bytes.get(at as usize..).unwrap_or_default();
                Ok(Bytes::copy_from_slice(&rest[..length.min(rest.len())]))
            }
            Self::File(file, path) => {
                let reading = |source| BigQueryError::Io { path: path.to_path_buf(), source };
                file.seek(SeekFrom::Start(at)).await.map_err(reading)?;
                let mut bytes = vec![0; length];
                file.read_exact(&mut bytes).await.map_err(reading)?;
                Ok(bytes.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_has_arrived_is_read_from_any_header(last in 0_u64..u64::MAX, text in "[ -~]{0,30}") {
            let mut headers = HeaderMap::new();
            prop_assert_eq!(arrived(&headers), 0);
            headers.insert(RANGE, text.parse().unwrap());
            let _ = arrived(&headers);
            headers.insert(RANGE, format!("bytes=0-{last}").parse().unwrap());
            prop_assert_eq!(arrived(&headers), last + 1);
        }
    }
}
