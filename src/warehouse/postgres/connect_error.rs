use std::fmt;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::flow::{Failure, Retry};
use crate::support::error_chain::{cause, innermost};

use super::trust::told;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// None named.
    #[error(
        "no Postgres is named: set DATABASE_URL=postgres://user:password@host/database, or \
         PGHOST, PGPORT, PGUSER and PGDATABASE. To start a local server: make postgres (or: docker run --rm -d -p 5432:5432 \
         -e POSTGRES_PASSWORD=taxi postgres)"
    )]
    NoTarget,
    /// A URL that is not understood. It is not shown: a password may be in it.
    #[error(
        "the database URL is not understood: {0}. Write it as postgres://user:password@host:5432/database"
    )]
    Url(String),
    /// A parameter with a value that means nothing.
    #[error("the database URL is not understood: its {name} is not {expected}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What it may be.
        expected: String,
    },
    /// A parameter of libpq that asks for what this program cannot do.
    #[error(
        "the database URL or the environment sets {0} to something that is not supported here: \
         leave it out if the connection may do without"
    )]
    Unsupported(&'static str),
    /// A service that is not defined.
    #[error("the database's service cannot be read: {0}")]
    Service(String),
    /// A part of it that is kept elsewhere is not to be had.
    #[error("the database cannot be named: {0}")]
    Secret(String),
    /// An `sslmode` that is none.
    #[error("unknown sslmode: use disable, allow, prefer, require, verify-ca or verify-full")]
    SslMode,
    /// An `sslmode` that would make another parameter pointless.
    #[error("sslmode {mode} is too weak for {with}: use verify-full (or leave {with} out)")]
    WeakMode {
        /// The mode.
        mode: String,
        /// The parameter.
        with: &'static str,
    },
    /// `verify-ca` without a root certificate.
    #[error(
        "sslmode verify-ca needs a root certificate: name its file with sslrootcert (or \
         PGSSLROOTCERT), or put it in ~/.postgresql/root.crt"
    )]
    NoRoots,
    /// `verify-full` without a name to look for.
    #[error(
        "sslmode verify-full needs the host's name, and hostaddr gives its address alone: name it \
         with host (or PGHOST)"
    )]
    NoName,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// No server can be reached, or each refuses.
    #[error("cannot connect to Postgres at {}", listed(.0))]
    Refused(Vec<Refusal>),
    /// Every transaction gets another session of the server.
    #[error(
        "{place} is a connection pooler that hands out a server session per transaction, which \
         loads cannot work with: set pool_mode=session for this database in the pooler (pgbouncer), \
         or connect to the server itself"
    )]
    Pooler {
        /// Host, port and database.
        place: String,
    },
}

/// One host that cannot be reached, or refuses.
#[derive(Debug)]
pub struct Refusal {
    pub(super) place: String,
    pub(super) why: Why,
}

/// Why a host is not connected to.
#[derive(Debug)]
pub(super) enum Why {
    Io(io::Error),
    Driver(tokio_postgres::Error),
    TimedOut(Duration),
    NoTls,
    /// TLS that begins and fails.
    Handshake(io::Error),
    /// A line without TLS that fails after one with it.
    Both {
        tls: Box<Why>,
        plain: Box<Why>,
    },
    Session(&'static str),
}

impl Why {
    /// Whether TLS was begun and is not to be had.
    pub(super) fn is_lost_tls(&self) -> bool {
        matches!(self, Self::Handshake(_))
    }

    /// Whether the other way of encryption may help: the server has a rule that wants it, or
    /// TLS fails.
    pub(super) fn is_mended(&self, encrypted: bool) -> bool {
        match self {
            Self::Driver(error) => {
                error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
            }
            Self::Handshake(_) => encrypted,
            _ => false,
        }
    }

    /// Whether a server has answered: as with libpq, a client that is refused by one, or has no
    /// TLS with it, does not go on to the next.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Driver(error) => {
                error.code().is_some_and(|code| *code != SqlState::CANNOT_CONNECT_NOW)
            }
            Self::Both { plain, .. } => plain.is_refusal(),
            Self::NoTls | Self::Handshake(_) => true,
            _ => false,
        }
    }

    fn passes(&self) -> bool {
        match self {
            Self::Io(error) | Self::Handshake(error) => error.kind() != io::ErrorKind::InvalidData,
            Self::Driver(error) => error.code().map_or_else(|| broke(error), passes),
            Self::TimedOut(_) | Self::Session(_) => true,
            Self::Both { plain, .. } => plain.passes(),
            Self::NoTls => false,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Driver(error) => f.write_str(&reason(error)),
            Self::TimedOut(after) => write!(f, "no answer within {} s", after.as_secs()),
            Self::NoTls => f.write_str("server does not support TLS"),
            Self::Handshake(error) => match error.get_ref().and_then(|e| e.downcast_ref()) {
                Some(error) => f.write_str(&told(error)),
                None => write!(f, "the TLS handshake failed: {error}"),
            },
            Self::Both { tls, plain } => write!(f, "{tls}; without TLS: {plain}"),
            Self::Session(what) => f.write_str(what),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.why)
    }
}

fn listed(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn reason(source: &tokio_postgres::Error) -> String {
    if let Some(error) = source.as_db_error() {
        return error.message().to_owned();
    }
    innermost(source)
}

impl ConnectError {
    /// The refusal of one host.
    pub(super) fn refused(place: String, source: tokio_postgres::Error) -> Self {
        Self::Refused(vec![Refusal { place, why: Why::Driver(source) }])
    }
}

impl Failure for ConnectError {
    fn retry(&self) -> Retry {
        match self {
            Self::Refused(refusals) if refusals.iter().any(|refusal| refusal.why.passes()) => {
                Retry::Backoff
            }
            _ => Retry::Never,
        }
    }

    fn is_interruption(&self) -> bool {
        false
    }
}

/// Whether an error is that of a broken connection, and not of what was sent over it.
pub(super) fn broke(error: &tokio_postgres::Error) -> bool {
    match cause::<std::io::Error>(error) {
        // A failed TLS handshake comes as such an error too.
        Some(io) => io.kind() != std::io::ErrorKind::InvalidData,
        None => error.is_closed(),
    }
}

/// Whether what an error code stands for passes by itself
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
pub(super) fn passes(code: &SqlState) -> bool {
    let class = &code.code()[..2];
    // 08 connection exceptions, 40 transaction rollbacks, 57P the operator's intervention.
    class == "08"
        || class == "40"
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::IDLE_SESSION_TIMEOUT,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::LOCK_NOT_AVAILABLE,
        ]
        .contains(code)
}
