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
    #[error(
        "{call}: the Prefect server answers {status}: it wants another PREFECT_API_KEY (Prefect \
         Cloud) or PREFECT_API_AUTH_STRING (a server of your own)"
    )]
    Unauthorized {
        /// What was asked.
        call: String,
        /// The answer.
        status: u16,
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
