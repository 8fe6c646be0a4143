use std::fmt;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::flow::{Failure, Retry};
use crate::support::error_chain::{cause, innermost};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// None named.
    #[error(
        "no Postgres is named: set DATABASE_URL=postgres://user:password@host/database, or PGHOST \
         and its kin. A local one in one line: make postgres (or: docker run --rm -d -p 5432:5432 \
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
    Session(&'static str),
}

impl Why {
    /// Whether a server has answered: who is refused by one does not go on to the next.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Driver(error)
            if error.code().is_some_and(|code| *code != SqlState::CANNOT_CONNECT_NOW))
    }
}

impl Refusal {
    fn passes(&self) -> bool {
        match &self.why {
            Why::Io(error) => error.kind() != io::ErrorKind::InvalidData,
            Why::Driver(error) => error.code().map_or_else(|| broke(error), passes),
            Why::TimedOut(_) | Why::Session(_) => true,
            Why::NoTls => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match &self.why {
            Why::Io(error) => error.fmt(f),
            Why::Driver(error) => f.write_str(&reason(error)),
            Why::TimedOut(after) => write!(f, "no answer within {} s", after.as_secs()),
            Why::NoTls => f.write_str("server does not support TLS"),
            Why::Session(what) => f.write_str(what),
        }
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
            Self::Refused(refusals) if refusals.iter().any(Refusal::passes) => Retry::Backoff,
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
