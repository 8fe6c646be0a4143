//! Whether a source has a month, without fetching it.

use reqwest::header::{CONTENT_LENGTH, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use url::Url;

use crate::flow::Progress;
use crate::redact::url_without_secrets;
use crate::trip::SourceFacts;

use super::download::no_file;
use super::fetch::{FetchRequest, Fetcher, local};
use super::promise::{alike, tag, text, usable};
use super::{Address, FetchError, Outcome};

/// What a source has of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// It is there. How it compares with what is known, if anything is, cannot be told.
    Published,
    /// It is as it was when it was fetched.
    Unchanged,
    /// It has changed since it was fetched.
    Changed,
    /// It is not there yet.
    NotPublished,
}

impl Fetcher {
    /// Asks for a month without fetching it; `None` if only the lake itself can tell.
    pub async fn ask(
        &self,
        wanted: &FetchRequest<'_>,
        progress: &Progress,
    ) -> Result<Option<Availability>, FetchError> {
        match &wanted.address {
            Address::Raw(_) => Ok(None),
            Address::Local(paths) => {
                let answer = match (local(paths, wanted).await?, wanted.known) {
                    (Outcome::Fetched(found), Some(known)) => {
                        let same = found.facts.sha256 == known.sha256;
                        if same { Availability::Unchanged } else { Availability::Changed }
                    }
                    (Outcome::Fetched(_), None) => Availability::Published,
                    (Outcome::Unchanged(_), _) => Availability::Unchanged,
                    (Outcome::NotPublished, _) => Availability::NotPublished,
                };
                Ok(Some(answer))
            }
            Address::Web(url) => {
                let _permit = self.connection(url).await;
                tokio::select! {
                    answer = self.ask_host(url, wanted) => answer.map(Some),
                    () = progress.cancelled() => Err(FetchError::Interrupted),
                }
            }
        }
    }

    async fn ask_host(
        &self,
        url: &Url,
        wanted: &FetchRequest<'_>,
    ) -> Result<Availability, FetchError> {
        let address = url_without_secrets(url);
        let known = wanted.last_facts(&address);
        let mut response = self.send(Method::HEAD, url, known).await?;
        // Some hosts answer GET alone. The body is left where it is.
        if [StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED]
            .contains(&response.status())
        {
            response = self.send(Method::GET, url, known).await?;
        }
        match response.status() {
            StatusCode::NOT_MODIFIED if known.is_some() => Ok(Availability::Unchanged),
            StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
                Ok(known.map_or(Availability::Published, |known| compared(known, &response)))
            }
            status => match no_file(address, status, &response, wanted.expected)? {
                Outcome::NotPublished => Ok(Availability::NotPublished),
                Outcome::Fetched(_) | Outcome::Unchanged(_) => Ok(Availability::Published),
            },
        }
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        known: Option<&SourceFacts>,
    ) -> Result<Response, FetchError> {
        let mut request = self.client.request(method, url.clone());
        let etag = known.and_then(|facts| facts.etag.as_ref()).filter(|etag| usable(etag));
        let modified = known.and_then(|facts| facts.last_modified.as_ref());
        match (etag, modified) {
            (Some(etag), _) => request = request.header(IF_NONE_MATCH, etag),
            (None, Some(modified)) => request = request.header(IF_MODIFIED_SINCE, modified),
            (None, None) => {}
        }
        request
            .send()
            .await
            .map_err(|error| FetchError::connection(&url_without_secrets(url), error))
    }
}

/// A file that is there, compared with what it was.
fn compared(known: &SourceFacts, response: &Response) -> Availability {
    let headers = response.headers();
    let length = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > 0 && length != known.size) {
        return Availability::Changed;
    }
    let tags = known.etag.as_deref().zip(tag(headers));
    let times = known.last_modified.as_deref().zip(text(headers, &LAST_MODIFIED));
    let same = tags.map(|(was, is)| alike(was, &is));
    match same.or_else(|| times.map(|(was, is)| was == is)) {
        Some(true) => Availability::Unchanged,
        Some(false) => Availability::Changed,
        None => Availability::Published,
    }
}
