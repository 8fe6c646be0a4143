//! The calls: one client, one chain of credentials, errors by their type.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gcp_bigquery_client::Client;
use gcp_bigquery_client::auth::Authenticator;
use gcp_bigquery_client::client_builder::ClientBuilder;
use gcp_bigquery_client::error::BQError;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use crate::support::http::retry_after;

use super::fault::Faults;
use super::{BigQueryError, TokenError};

/// Where BigQuery is.
const GOOGLE: &str = "https://bigquery.googleapis.com";

/// What an emulator is given for a token.
const ANY_TOKEN: &str = "emulator";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A query is waited for as long as this, twice.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// Who gives the access tokens of Google's calls, of the scope `cloud-platform`.
#[async_trait]
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// A token that is valid for some time.
    async fn token(&self) -> Result<String, TokenError>;
}

/// A BigQuery to load into.
#[derive(Debug, Clone)]
pub enum Target {
    /// Google's.
    Google(Arc<dyn TokenSource>),
    /// An emulator at this address, asked without credentials (`BIGQUERY_EMULATOR_HOST`).
    Emulator(String),
}

/// The means to call BigQuery.
#[derive(Clone)]
pub(super) struct Api {
    http: reqwest::Client,
    base: String,
    tokens: Arc<dyn TokenSource>,
    /// The crate's client, for the calls of datasets and tables.
    client: Arc<OnceCell<Client>>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Api").field(&self.base).finish()
    }
}

impl Api {
    pub(super) fn new(target: Target) -> Result<Self, BigQueryError> {
        let (base, tokens) = match target {
            Target::Google(tokens) => (GOOGLE.to_owned(), tokens),
            Target::Emulator(host) => {
                let host = host.trim_end_matches('/');
                let base =
                    if host.contains("://") { host.to_owned() } else { format!("http://{host}") };
                (base, Arc::new(Anyone) as _)
            }
        };
        let http = reqwest::Client::builder()
            .user_agent(concat!("taxi/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            // 308 is said of an upload that goes on; a token goes nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| BigQueryError::Client(error.to_string()))?;
        Ok(Self { http, base, tokens, client: Arc::default() })
    }

    /// The crate's client.
    pub(super) async fn client(&self) -> Result<&Client, BigQueryError> {
        // What is wrong with the credentials is said by its type here.
        self.tokens.token().await?;
        let made = self.client.get_or_try_init(|| async {
            let mut builder = ClientBuilder::new();
            builder.with_client(self.http.clone());
            builder.with_v2_base_url(format!("{}/bigquery/v2", self.base));
            builder.build_from_authenticator(Arc::new(Bridge(Arc::clone(&self.tokens)))).await
        });
        made.await.map_err(|error| BigQueryError::Client(error.to_string()))
    }

    /// A request to a path of the API.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/bigquery/v2/{path}", self.base))
    }

    /// A request to a path of the API's other half, which takes files.
    pub(super) fn upload(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/upload/bigquery/v2/{path}", self.base))
    }

    /// A request to an address that an answer named.
    pub(super) fn at(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Sends a request with a token; the answer, whatever its status.
    pub(super) async fn send(
        &self,
        step: &'static str,
        request: RequestBuilder,
    ) -> Result<Response, BigQueryError> {
        let token = self.tokens.token().await?;
        let sent = request.bearer_auth(token).send().await;
        sent.map_err(|source| BigQueryError::unreachable(step, source))
    }

    /// Asks for JSON, with a body of JSON where there is one.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        step: &'static str,
        request: RequestBuilder,
        body: Option<&impl Serialize>,
    ) -> Result<T, BigQueryError> {
        let request = match body {
            Some(body) => with_json(step, request, body)?,
            None => request,
        };
        read(step, accepted(step, self.send(step, request).await?).await?).await
    }
}

/// A request with a body of JSON.
pub(super) fn with_json(
    step: &'static str,
    request: RequestBuilder,
    body: &impl Serialize,
) -> Result<RequestBuilder, BigQueryError> {
    let json = serde_json::to_vec(body)
        .map_err(|error| BigQueryError::Garbled { step, what: error.to_string() })?;
    Ok(request.header(CONTENT_TYPE, "application/json; charset=UTF-8").body(json))
}

/// The answer where its status is one of success, else what it says.
pub(super) async fn accepted(
    step: &'static str,
    response: Response,
) -> Result<Response, BigQueryError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
    let body = response.bytes().await.unwrap_or_default();
    Err(BigQueryError::Refused { step, status, faults: Faults::of_answer(&body), retry_after })
}

/// The JSON of an answer.
pub(super) async fn read<T: DeserializeOwned>(
    step: &'static str,
    response: Response,
) -> Result<T, BigQueryError> {
    let body = response.bytes().await;
    let body = body.map_err(|source| BigQueryError::unreachable(step, source))?;
    serde_json::from_slice(&body)
        .map_err(|error| BigQueryError::Garbled { step, what: error.to_string() })
}

/// Gives any token.
#[derive(Debug)]
struct Anyone;

#[async_trait]
impl TokenSource for Anyone {
    async fn token(&self) -> Result<String, TokenError> {
        Ok(ANY_TOKEN.to_owned())
    }
}

/// Gives our tokens to the crate's client.
#[derive(Clone)]
struct Bridge(Arc<dyn TokenSource>);

#[async_trait]
impl Authenticator for Bridge {
    async fn access_token(&self) -> Result<String, BQError> {
        self.0.token().await.map_err(|_| BQError::NoToken)
    }
}
