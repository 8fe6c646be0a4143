//! Calls to the server behind the proxy.
use std::io;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Body, Client, Method, Response};
use serde_json::{Value, json};

use super::super::http::{Answer, Connection, Request, header};
use super::xml::{error, precondition_failed};

/// A server and a client for it.
pub(super) struct Upstream {
    pub(super) url: String,
    client: Client,
}

impl Upstream {
    pub(super) fn new(url: &str) -> Self {
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let url = url.trim_end_matches('/').to_owned();
        Self { url, client: client.build().expect("a client can be built") }
    }

    /// A JSON API call without a body.
    pub(super) async fn json(&self, method: Method, target: &str) -> Result<Value, Answer> {
        self.send(method, target, "application/json", Body::default()).await
    }

    /// A JSON API call: its answer, or an XML API error of the same meaning.
    pub(super) async fn send(
        &self,
        method: Method,
        target: &str,
        kind: &str,
        body: impl Into<Body>,
    ) -> Result<Value, Answer> {
        let request = self.client.request(method, format!("{}{target}", self.url));
        let response = request.header("content-type", kind).body(body).send().await;
        let response = response.map_err(|error| unreachable(&error))?;
        let status = response.status().as_u16();
        let raw = response.bytes().await.map_err(|error| unreachable(&error))?;
        match status {
            200..300 => Ok(serde_json::from_slice(&raw).unwrap_or_default()),
            404 => Err(error(404, "NoSuchKey", "The specified bucket or key does not exist.")),
            412 => Err(precondition_failed()),
            _ => Err(error(status, "InternalError", &String::from_utf8_lossy(&raw))),
        }
    }

    /// The same call as the client's.
    pub(super) async fn forward(&self, request: &Request, body: Bytes) -> Result<Response, Answer> {
        let method = Method::try_from(request.method.as_str());
        let method = method.map_err(|_| error(405, "MethodNotAllowed", &request.method))?;
        let mut headers = request.headers.clone();
        for name in ["host", "connection", "content-length", "transfer-encoding", "expect"] {
            headers.remove(name);
        }
        let call = self.client.request(method, format!("{}{}", self.url, request.target));
        let response =
            call.headers(headers).body(body).send().await.map_err(|error| unreachable(&error))?;
        // The server's listing says 500 where there is no bucket, which clients try again.
        let bucket_only = !request.path.trim_matches('/').contains('/');
        if response.status() == 500 && bucket_only {
            return Err(error(404, "NoSuchBucket", "The specified bucket does not exist."));
        }
        Ok(response)
    }

    pub(super) async fn make_bucket(&self, name: &str) {
        let bucket = json!({ "name": name }).to_string();
        let made =
            self.send(Method::POST, "/storage/v1/b?project=test", "application/json", bucket);
        made.await.expect("the bucket can be made");
    }
}

/// Passes an answer on as it comes. A URL of the server in it becomes one of the proxy.
pub(super) async fn relay(
    connection: &mut Connection,
    request: &Request,
    mut response: Response,
    upstream: &Upstream,
) -> io::Result<()> {
    let status = response.status().as_u16();
    let mut headers: Vec<_> = pass(response.headers());
    for (name, value) in &mut headers {
        if name == "location" {
            let here = request.header("host").unwrap_or_default();
            *value = value.replace(&upstream.url, &format!("http://{here}"));
        }
    }
    let bodiless = request.method == "HEAD" || status == 204 || status == 304;
    let chunked = !bodiless && !response.headers().contains_key("content-length");
    if chunked {
        headers.push(header("transfer-encoding", "chunked"));
    }
    connection.head(status, &headers).await?;
    while let Some(piece) = response.chunk().await.map_err(io::Error::other)? {
        if chunked {
            connection.chunk(&piece).await?;
        } else {
            connection.write(&piece).await?;
        }
    }
    if chunked {
        connection.chunk(b"").await?;
    }
    Ok(())
}

fn pass(headers: &HeaderMap) -> Vec<(String, String)> {
    let own =
        headers.iter().filter(|(name, _)| *name != "connection" && *name != "transfer-encoding");
    own.map(|(name, value)| header(name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect()
}

fn unreachable(error: &reqwest::Error) -> Answer {
    Answer::new(502, format!("no answer from behind the proxy: {error}\n"))
}
