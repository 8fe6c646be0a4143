//! One call of the API: who asks, tried again after a passing trouble, its answer by type.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::flow::{Failure, Policy, Retry};

use super::{Access, Auth, PrefectError};

/// What is said of an answer in an error, at most.
const LONGEST_DETAIL: usize = 600;

/// The id of a thing on the server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// An id that nothing else has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Id {
    fn from(id: String) -> Self {
        Self(id)
    }
}

/// The REST API of a Prefect server.
///
/// A call that meets a passing trouble (no connection, 408, 429, 502, 503, 504) is made again
/// after a growing wait with jitter, or the one the server asks for. So a call that changes
/// something may arrive twice: give `set_state` a transition id and `create_flow_run` an
/// idempotency key.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base: Url,
    auth: Auth,
    policy: Policy,
    csrf: Arc<Csrf>,
}

/// What a server wants with every change that guards its users against forged requests, once it
/// has said so.
#[derive(Debug)]
struct Csrf {
    client: Id,
    token: Mutex<Option<String>>,
}

impl Csrf {
    fn token(&self) -> Option<String> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Api {
    /// The server that the environment or Prefect's active profile names.
    pub fn find() -> Result<Self, PrefectError> {
        Self::new(&Access::find()?)
    }

    /// The server at this address; asks nobody yet.
    pub fn new(access: &Access) -> Result<Self, PrefectError> {
        let base = format!("{}/", access.url.trim_end_matches('/'));
        let base = Url::parse(&base).map_err(|_| PrefectError::Address)?;
        if base.host().is_none() || !matches!(base.scheme(), "http" | "https") {
            return Err(PrefectError::Address);
        }
        let client = Client::builder()
            .user_agent(concat!("taxi/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            // The server closes an idle connection after 5 s: rather a new one than a lost call.
            .pool_idle_timeout(Duration::from_secs(4))
            .timeout(Duration::from_secs(60))
            .build()
            .map_err(PrefectError::Client)?;
        let policy = Policy {
            retries: 5,
            first_delay: Duration::from_millis(250),
            longest_delay: Duration::from_secs(10),
        };
        let csrf = Arc::new(Csrf { client: Id::random(), token: Mutex::default() });
        Ok(Self { client, base, auth: access.auth.clone(), policy, csrf })
    }

    /// The same, with another patience for passing troubles.
    #[must_use]
    pub fn patient(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The address of the API, without a slash at its end and without a user or password.
    pub fn url(&self) -> String {
        let mut shown = self.base.clone();
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.as_str().trim_end_matches('/').to_owned()
    }

    /// Reads.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, PrefectError> {
        self.call(Method::GET, path, None).await
    }

    /// Reads; none where there is no such thing.
    pub async fn find_one<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, PrefectError> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes something, or asks with a body. An answer without a body reads as null.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, PrefectError> {
        self.call(Method::POST, path, Some(json(body))).await
    }

    /// Changes something.
    pub async fn patch(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<(), PrefectError> {
        self.call::<Value>(Method::PATCH, path, Some(json(body))).await.map(drop)
    }

    /// Removes something.
    pub async fn delete(&self, path: &str) -> Result<(), PrefectError> {
        self.call::<Value>(Method::DELETE, path, None).await.map(drop)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, PrefectError> {
        let delays = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(self.policy.first_delay.min(self.policy.longest_delay))
            .with_max_delay(self.policy.longest_delay)
            .with_max_times(self.policy.retries);
        let text = (|| self.once(&method, path, body.clone()))
            .retry(delays)
            .when(|error| error.retry() != Retry::Never)
            .adjust(|error, delay| match error.retry() {
                // Asked for hours, a call is late rather than never made.
                Retry::After(asked) => {
                    delay.map(|delay| delay.max(asked.min(Duration::from_secs(300))))
                }
                _ => delay,
            })
            .notify(|error, wait| tracing::debug!("{error}; again in {wait:.1?}"))
            .await?;
        let text = if text.is_empty() { b"null" } else { &text[..] };
        serde_json::from_slice(text).map_err(|error| PrefectError::Answer {
            call: self.shown(&method, path),
            what: error.to_string(),
        })
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, PrefectError> {
        let mut answer = self.send(method, path, body.clone()).await?;
        if answer.status == StatusCode::FORBIDDEN && is_about_csrf(&answer.text) {
            let asked = format!("csrf-token?client={}", self.csrf.client);
            answer = self.send(&Method::GET, &asked, None).await?;
            if answer.status.is_success() {
                let said: Value = serde_json::from_slice(&answer.text).unwrap_or_default();
                let token = said["token"].as_str().map(str::to_owned);
                *self.csrf.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
                answer = self.send(method, path, body).await?;
            }
        }
        let call = || self.shown(method, path);
        let Received { status, wait, text } = answer;
        match status {
            _ if status.is_success() => Ok(text),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(PrefectError::Unauthorized { call: call(), status: status.as_u16() })
            }
            StatusCode::NOT_FOUND => {
                Err(PrefectError::Missing { call: call(), detail: detail(&text) })
            }
            StatusCode::CONFLICT => {
                Err(PrefectError::Exists { call: call(), detail: detail(&text) })
            }
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                Err(PrefectError::Server { call: call(), status: status.as_u16(), wait })
            }
            _ => Err(PrefectError::Refused {
                call: call(),
                status: status.as_u16(),
                detail: detail(&text),
            }),
        }
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Received, PrefectError> {
        let url =
            self.base.join(path.trim_start_matches('/')).map_err(|_| PrefectError::Address)?;
        let mut request = self.client.request(method.clone(), url);
        request = match &self.auth {
            Auth::None => request,
            Auth::Key(key) => request.bearer_auth(key),
            Auth::Basic(pair) => {
                let (user, password) = pair.split_once(':').unwrap_or((pair, ""));
                request.basic_auth(user, Some(password))
            }
        };
        if let Some(token) = self.csrf.token() {
            request = request
                .header("Prefect-Csrf-Token", token)
                .header("Prefect-Csrf-Client", self.csrf.client.as_str());
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let lost = |error: reqwest::Error| {
            let source = error.without_url();
            let call = self.shown(method, path);
            PrefectError::Connection { call, what: cause(&source), source }
        };
        let response = request.send().await.map_err(lost)?;
        let (status, wait) = (response.status(), retry_after(&response));
        Ok(Received { status, wait, text: response.bytes().await.map_err(lost)?.to_vec() })
    }

    fn shown(&self, method: &Method, path: &str) -> String {
        format!("{method} {}/{}", self.url(), path.trim_start_matches('/'))
    }
}

/// An answer of any status.
struct Received {
    status: StatusCode,
    wait: Option<Duration>,
    text: Vec<u8>,
}

/// Whether an answer asks for a token, or for a new one.
fn is_about_csrf(text: &[u8]) -> bool {
    detail(text).contains("CSRF token")
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

/// How long the server asks to wait.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

/// The innermost cause: "connection refused" rather than "error sending request".
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// What the server says is wrong, as a sentence rather than JSON where that can be told.
fn detail(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut said = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(mut fields)) => {
            let found = ["exception_detail", "detail", "exception_message"]
                .iter()
                .find_map(|name| fields.remove(*name));
            found.map_or_else(|| text.to_string(), |found| sentence(&found))
        }
        _ => text.trim().to_owned(),
    };
    if said.len() > LONGEST_DETAIL {
        let cut = (0..=LONGEST_DETAIL).rev().find(|at| said.is_char_boundary(*at)).unwrap_or(0);
        said.truncate(cut);
        said.push('…');
    }
    said
}

/// A validation error of FastAPI names the field and says what is wrong with it.
fn sentence(found: &Value) -> String {
    match found {
        Value::String(text) => text.clone(),
        Value::Array(errors) => {
            // Of a value that may be of several kinds the server tells what it lacks of each:
            // what is wrong with the value itself says more.
            let own = |error: &&Value| error["type"] == "value_error";
            let own: Vec<&Value> = errors.iter().filter(own).collect();
            let told = if own.is_empty() { errors.iter().collect() } else { own };
            told.into_iter().map(sentence).collect::<Vec<_>>().join("; ")
        }
        Value::Object(error) => match (error.get("loc"), error.get("msg")) {
            (Some(Value::Array(path)), Some(Value::String(what))) => {
                let path: Vec<String> = path
                    .iter()
                    .filter(|part| *part != "body")
                    .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
                    .collect();
                format!("{}: {}", path.join("."), what.trim_start_matches("Value error, "))
            }
            _ => found.to_string(),
        },
        _ => found.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_told_as_a_sentence() {
        let said = |json: &str| detail(json.as_bytes());
        assert_eq!(said(r#"{"detail": "Flow not found"}"#), "Flow not found");
        assert_eq!(
            said(
                r#"{"exception_message": "Invalid request received.",
                    "exception_detail": [{"type": "x", "loc": ["body", "schedules", 0], "msg": "no"}]}"#
            ),
            "schedules.0: no"
        );
        assert_eq!(
            said(
                r#"{"exception_detail": [
                    {"type": "missing", "loc": ["body", "interval"], "msg": "Field required"},
                    {"type": "value_error", "loc": ["body", "cron"], "msg": "Value error, no zone"}]}"#
            ),
            "cron: no zone"
        );
        assert_eq!(said("<html>"), "<html>");
        assert!(said(&"é".repeat(1000)).len() < 700);
    }

    #[test]
    fn an_address_that_is_none_is_refused_and_a_password_in_it_not_shown() {
        let api = |url: &str| Api::new(&Access { url: url.to_owned(), auth: Auth::None });
        assert!(matches!(api("localhost:4200/api"), Err(PrefectError::Address)));
        assert!(matches!(api("4200"), Err(PrefectError::Address)));
        assert_eq!(api("http://u:p@h:4200/api/").unwrap().url(), "http://h:4200/api");
    }
}
