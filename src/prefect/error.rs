use std::fmt;
use std::time::Duration;

use crate::flow::{Failure, Retry};

/// Why a Prefect server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PrefectError {
    /// Nothing says which server.
    #[error(
        "no Prefect server is named: set PREFECT_API_URL, such as http://127.0.0.1:4200/api, or \
         choose a profile with 'prefect profile use'"
    )]
    NoServer,
    /// The address is none.
    #[error("PREFECT_API_URL is no address of a server: write it as http://127.0.0.1:4200/api")]
    Address,
    /// The key of Prefect Cloud cannot be sent.
    #[error(
        "PREFECT_API_KEY has a blank, a line break or a letter outside ASCII in it: set it to the \
         key alone, without quotes"
    )]
    Key,
    /// Prefect's file of profiles makes no sense.
    #[error("Prefect's profiles in {path} are not understood: {what}")]
    Profiles {
        /// The file.
        path: String,
        /// What is wrong, without the line itself: a key may be in it.
        what: String,
    },
    /// The client cannot be made.
    #[error("the HTTP client cannot start: {0}")]
    Client(reqwest::Error),
    /// The connection failed or stalled.
    #[error("{call}: {what}. Does the Prefect server run, and is PREFECT_API_URL its address?")]
    Connection {
        /// What was asked.
        call: String,
        /// What failed, without the address.
        what: String,
        /// The client's error, its address removed.
        source: reqwest::Error,
    },
    /// The server has a passing trouble.
    #[error("{call}: the Prefect server answers {status}")]
    Server {
        /// What was asked.
        call: String,
        /// The answer.
        status: u16,
        /// How long the server asks to wait.
        wait: Option<Duration>,
    },
    /// The server does not know who asks, or does not let it.
    #[error("{call}: the Prefect server answers {status}: {what}")]
    Unauthorized {
        /// What was asked.
        call: String,
        /// The answer.
        status: u16,
        /// What it does not accept.
        what: Refusal,
    },
    /// The API is at another address of the same server.
    #[error(
        "PREFECT_API_URL is {given}, but Prefect's API is at {api}{}: set PREFECT_API_URL={api}",
        missing(given, api)
    )]
    NotTheApi {
        /// The address given.
        given: String,
        /// The right one.
        api: String,
    },
    /// What answers is not Prefect's API.
    #[error(
        "PREFECT_API_URL is {given}, and no Prefect API answers there{}: set it to the address of \
         a Prefect 3 server, such as http://127.0.0.1:4200/api",
        if *page { " (what answers is a page for a browser)" } else { "" }
    )]
    NoPrefect {
        /// The address given.
        given: String,
        /// A page for a browser answers.
        page: bool,
    },
    /// The server sends the call somewhere else.
    #[error(
        "{call}: the server answers {status} and leads to {to}: set PREFECT_API_URL to the address \
         of the API itself (https:// rather than http://, and no login page before it)"
    )]
    Elsewhere {
        /// What was asked.
        call: String,
        /// The answer.
        status: u16,
        /// The server that it leads to.
        to: String,
    },
    /// There is no such thing.
    #[error("{call}: the Prefect server knows no such thing ({detail})")]
    Missing {
        /// What was asked.
        call: String,
        /// What the server says.
        detail: String,
    },
    /// There is such a thing already.
    #[error("{call}: {detail}")]
    Exists {
        /// What was asked.
        call: String,
        /// What the server says.
        detail: String,
    },
    /// The server refuses for good.
    #[error("{call}: the Prefect server refuses ({status}): {detail}")]
    Refused {
        /// What was asked.
        call: String,
        /// The answer.
        status: u16,
        /// What the server says.
        detail: String,
    },
    /// The answer is another than expected.
    #[error("{call}: the answer is not understood ({what}): is this a Prefect 3 server?")]
    Answer {
        /// What was asked.
        call: String,
        /// What is wrong with it.
        what: String,
    },
}

/// What of who asks a server does not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing says who asks.
    Nobody,
    /// The key of Prefect Cloud.
    Key,
    /// The `user:password` of a server of one's own.
    Pair,
    /// It knows who asks and does not let it: in its words.
    Forbidden(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str(
                "it asks who you are; set PREFECT_API_AUTH_STRING to the user:password of the \
                 server, or PREFECT_API_KEY to a key of Prefect Cloud",
            ),
            Self::Key => f.write_str(
                "it does not accept PREFECT_API_KEY, which is for Prefect Cloud; a server of your \
                 own takes PREFECT_API_AUTH_STRING (user:password) instead",
            ),
            Self::Pair => f.write_str(
                "it does not accept PREFECT_API_AUTH_STRING; set it to the user:password that the \
                 server was started with",
            ),
            Self::Forbidden(detail) => {
                write!(
                    f,
                    "it does not allow this to whoever PREFECT_API_KEY or \
                           PREFECT_API_AUTH_STRING says you are ({detail})"
                )
            }
        }
    }
}

/// That the end of the address is missing, if that is all.
fn missing(given: &str, api: &str) -> &'static str {
    if api.strip_suffix("/api") == Some(given) { " ('/api' is missing)" } else { "" }
}

impl PrefectError {
    /// Whether what was asked for is not there.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }

    /// Whether what was to be made is there already.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Exists { .. })
    }
}

impl Failure for PrefectError {
    fn retry(&self) -> Retry {
        match self {
            Self::Server { wait: Some(wait), .. } => Retry::After(*wait),
            Self::Server { .. } | Self::Connection { .. } => Retry::Backoff,
            _ => Retry::Never,
        }
    }

    fn is_interruption(&self) -> bool {
        false
    }
}
