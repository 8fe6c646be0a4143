//! One call of the API: who asks, tried again after a passing trouble, its answer by type.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::redirect::{self, Attempt};
use reqwest::{Client, Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::flow::{Failure, Policy, Retry};
use crate::redact::{Secrets, names_a_secret, public, url_without_secrets};
use crate::support::error_chain::innermost;
use crate::support::http::retry_after;
use crate::support::text::within;

use super::error::Refusal;
use super::{Access, Auth, PrefectError};

/// Who asks, in the one form that a Prefect server reads: the version of the API that is spoken
/// here, by the client that speaks it.
///
/// The server's rule `RemoveDeploymentConcurrencyLeaseForOldClientVersions` takes the place of a
/// run among those of its deployment that may run at once away from every client that does not
/// say at least `prefect/3.4.11`: its place could then never be freed when its machine dies. The
/// whole header must match `prefect/VERSION (API VERSION)`, so nothing can be added to it.
const USER_AGENT: &str = "prefect/3.8.8 (API 0.8.4)";

/// How many folders above the address given are tried when Prefect's API is looked for.
const ABOVE: usize = 4;

/// How often an answer may lead somewhere else.
const REDIRECTS: usize = 5;

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
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: Url,
    auth: Auth,
    policy: Policy,
    csrf: Arc<Csrf>,
    /// The address was found to be that of Prefect's API.
    known: Arc<AtomicBool>,
}

// Its address may have a password in it.
impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("url", &self.url()).finish_non_exhaustive()
    }
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
        let is_address = base.host().is_some() && matches!(base.scheme(), "http" | "https");
        if !is_address || base.query().is_some() || base.fragment().is_some() {
            return Err(PrefectError::Address);
        }
        if let Auth::Key(key) = &access.auth
            && !key.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(PrefectError::Key);
        }
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::custom(follow))
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
        let known = Arc::default();
        Ok(Self { client, base, auth: access.auth.clone(), policy, csrf, known })
    }

    /// The same, with another patience for passing troubles.
    #[must_use]
    pub fn patient(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The address of the API, without a slash at its end and without a user or password.
    pub fn url(&self) -> String {
        plain(&self.base)
    }

    /// What of the address and of who asks is a secret.
    pub fn secrets(&self) -> Vec<String> {
        let auth = match &self.auth {
            Auth::None => Vec::new(),
            Auth::Key(key) => vec![key.clone()],
            Auth::Basic(pair) => {
                let password = pair.split_once(':').map(|(_, password)| password.to_owned());
                [Some(pair.clone()), password].into_iter().flatten().collect()
            }
        };
        let password = self.base.password().map(str::to_owned);
        let all = auth.into_iter().chain(password);
        all.filter(|secret| !secret.is_empty()).collect()
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
        match serde_json::from_slice(text) {
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.is_the_api(is_page(text)).await?;
                let call = self.shown(&method, path);
                Err(PrefectError::Answer { call, what: error.to_string() })
            }
        }
    }

    /// Fails where the address is not that of Prefect's API, and says where the API is. Asked after
    /// an answer that the API would not give; `page` says that it was a page for a browser.
    async fn is_the_api(&self, page: bool) -> Result<(), PrefectError> {
        if self.known.load(Ordering::Relaxed) || self.is_cloud() {
            return Ok(());
        }
        if self.healthy(&self.base).await? {
            self.known.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let mut above = self.base.clone();
        for _ in 0..ABOVE {
            let Ok(api) = above.join("api/") else { break };
            if api != self.base && self.healthy(&api).await? {
                let (given, api) = (self.url(), plain(&api));
                return Err(PrefectError::NotTheApi { given, api });
            }
            match above.join("../") {
                Ok(next) if next != above => above = next,
                _ => break,
            }
        }
        Err(PrefectError::NoPrefect { given: self.url(), page })
    }

    /// Prefect Cloud has workspaces in its addresses, and no `health` in them.
    fn is_cloud(&self) -> bool {
        matches!(self.auth, Auth::Key(_))
            || self.base.host_str().is_some_and(|host| host.ends_with(".prefect.cloud"))
    }

    /// Whether Prefect's API answers at an address.
    async fn healthy(&self, base: &Url) -> Result<bool, PrefectError> {
        let answer = self.send_to(base, &Method::GET, "health", None).await?;
        Ok(answer.status.is_success() && answer.text.trim_ascii() == b"true")
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, PrefectError> {
        let sent = body.clone();
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
        let Received { status, wait, to, text } = answer;
        let detail = || self.hidden(&detail(&text), sent.as_deref());
        match status {
            _ if status.is_success() => Ok(text),
            _ if status.is_redirection() => {
                let to = to.unwrap_or_else(|| "another address".to_owned());
                Err(PrefectError::Elsewhere { call: call(), status: status.as_u16(), to })
            }
            StatusCode::UNAUTHORIZED => {
                let what = match self.auth {
                    Auth::None => Refusal::Nobody,
                    Auth::Key(_) => Refusal::Key,
                    Auth::Basic(_) => Refusal::Pair,
                };
                Err(PrefectError::Unauthorized { call: call(), status: status.as_u16(), what })
            }
            StatusCode::FORBIDDEN => {
                let what = Refusal::Forbidden(detail());
                Err(PrefectError::Unauthorized { call: call(), status: status.as_u16(), what })
            }
            StatusCode::NOT_FOUND => {
                if !is_prefects(&text) {
                    self.is_the_api(is_page(&text)).await?;
                }
                Err(PrefectError::Missing { call: call(), detail: detail() })
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                self.is_the_api(is_page(&text)).await?;
                let status = status.as_u16();
                Err(PrefectError::Refused { call: call(), status, detail: detail() })
            }
            StatusCode::CONFLICT => Err(PrefectError::Exists { call: call(), detail: detail() }),
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
                detail: detail(),
            }),
        }
    }

    /// What the server says, without secrets that it says back.
    fn hidden(&self, said: &str, sent: Option<&[u8]>) -> String {
        let mut secrets = self.secrets();
        if let Some(sent) = sent.and_then(|sent| serde_json::from_slice(sent).ok()) {
            environment(&sent, false, &mut secrets);
        }
        Secrets::from_iter(secrets).masked(said).into_owned()
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Received, PrefectError> {
        self.send_to(&self.base, method, path, body).await
    }

    async fn send_to(
        &self,
        base: &Url,
        method: &Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Received, PrefectError> {
        let url = base.join(path.trim_start_matches('/')).map_err(|_| PrefectError::Address)?;
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
            PrefectError::Connection { call, what: innermost(&source), source }
        };
        let response = request.send().await.map_err(lost)?;
        let (status, wait) = (response.status(), retry_after(response.headers()));
        let to = leads_to(&response);
        Ok(Received { status, wait, to, text: response.bytes().await.map_err(lost)?.to_vec() })
    }

    fn shown(&self, method: &Method, path: &str) -> String {
        format!("{method} {}/{}", self.url(), path.trim_start_matches('/'))
    }
}

/// An answer of any status.
struct Received {
    status: StatusCode,
    wait: Option<Duration>,
    /// The server that it leads to.
    to: Option<String>,
    text: Vec<u8>,
}

/// Follows what keeps the method and the body of a call: after another redirection a change would
/// become a question, and a login page the answer.
fn follow(attempt: Attempt<'_>) -> redirect::Action {
    let keeps = matches!(attempt.status().as_u16(), 307 | 308);
    if keeps && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
}

/// The server that an answer leads to, without what else is in its address.
fn leads_to(response: &Response) -> Option<String> {
    let to = response.headers().get(LOCATION)?.to_str().ok()?;
    let to = response.url().join(to).ok()?;
    Some(to.origin().ascii_serialization())
}

/// An address without a slash at its end and without a user or password.
fn plain(url: &Url) -> String {
    url_without_secrets(url).trim_end_matches('/').to_owned()
}

/// Whether an answer is a page for a browser.
fn is_page(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"<")
}

/// Whether a 404 is of Prefect's API, about a thing that it knows the kind of. It says "Not Found"
/// alone of a path that it does not know, and so do other servers.
fn is_prefects(text: &[u8]) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_slice(text) else { return false };
    fields.contains_key("exception_message")
        || fields.get("detail").and_then(Value::as_str).is_some_and(|detail| detail != "Not Found")
}

/// Gathers the values of what runs find in their environment, of what is called a secret, and
/// texts with a secret in them.
fn environment(sent: &Value, within: bool, found: &mut Vec<String>) {
    const SHORTEST: usize = 4;
    match sent {
        Value::Object(fields) => {
            for (name, value) in fields {
                environment(value, within || name == "env" || names_a_secret(name), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| environment(item, within, found)),
        Value::String(text) if text.len() >= SHORTEST && (within || public(text) != *text) => {
            found.push(text.clone());
        }
        _ => {}
    }
}

/// Whether an answer asks for a token, or for a new one.
fn is_about_csrf(text: &[u8]) -> bool {
    detail(text).contains("CSRF token")
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

/// What the server says is wrong, as a sentence rather than JSON where that can be told.
fn detail(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let said = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(mut fields)) => {
            let found = ["exception_detail", "detail", "exception_message"]
                .iter()
                .find_map(|name| fields.remove(*name));
            found.map_or_else(|| text.to_string(), |found| sentence(&found))
        }
        _ if text.trim_start().starts_with('<') => "a page for a browser".to_owned(),
        _ => text.trim().to_owned(),
    };
    if said.len() > LONGEST_DETAIL {
        return format!("{}…", within(&said, LONGEST_DETAIL));
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
        assert_eq!(said("<html>"), "a page for a browser");
        assert!(said(&"é".repeat(1000)).len() < 700);
    }

    #[test]
    fn an_address_that_is_none_is_refused_and_a_password_in_it_not_shown() {
        let api = |url: &str| Api::new(&Access { url: url.to_owned(), auth: Auth::None });
        assert!(matches!(api("localhost:4200/api"), Err(PrefectError::Address)));
        assert!(matches!(api("4200"), Err(PrefectError::Address)));
        let key = Auth::Key("pnu_1\nx".to_owned());
        let access = Access { url: "http://h/api".to_owned(), auth: key };
        let error = Api::new(&access).unwrap_err();
        assert!(!error.to_string().contains("pnu_1"), "{error}");
        assert!(matches!(api("http://h/api?x=1"), Err(PrefectError::Address)));
        assert!(matches!(api("http://h/#/api"), Err(PrefectError::Address)));
        assert_eq!(api("http://u:p@h:4200/api/").unwrap().url(), "http://h:4200/api");
    }

    #[test]
    fn a_secret_that_the_server_says_back_is_hidden() {
        let auth = Auth::Basic("admin:hunter22".to_owned());
        let url = "http://u:inurl@h/api".to_owned();
        let api = Api::new(&Access { url, auth }).unwrap();
        let sent =
            br#"{"job_variables": {"env": {"A": "s3cret", "B": ["an0ther"]}, "image": "x"}}"#;
        let said = "wrong: admin:hunter22, hunter22, inurl, {'A': 's3cret'}, an0ther, x";
        assert_eq!(
            api.hidden(said, Some(sent)),
            "wrong: ********, ********, ********, {'A': '********'}, ********, x"
        );
    }
}
