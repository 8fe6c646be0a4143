use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::flow::{Failure, Retry, bytes, out_of_room};
use crate::support::error_chain::{chain, innermost};
use crate::trip::UnsupportedFormat;

use super::UnknownSource;

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the spool {}: {source}. Choose another folder with --spool", path.display())]
pub struct SpoolError {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// Why a month's file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The source is none.
    #[error(transparent)]
    Source(#[from] UnknownSource),
    /// The source does not have a month that it should have.
    #[error(
        "{address} was not found ({status}), but its source should have this month: has the file moved?"
    )]
    Missing {
        /// The address asked.
        address: String,
        /// The answer.
        status: u16,
    },
    /// The host asks for patience.
    #[error("{address} answers {status}: the host asks for fewer requests{}", after(*wait))]
    Throttled {
        /// The address asked.
        address: String,
        /// The answer.
        status: u16,
        /// How long the host asks to wait.
        wait: Option<Duration>,
    },
    /// The host has a transient error.
    #[error("{address} answers {status}{}{}", passing(*status), after(*wait))]
    Server {
        /// The address asked.
        address: String,
        /// The answer.
        status: u16,
        /// How long the host asks to wait.
        wait: Option<Duration>,
    },
    /// The host refuses for good.
    #[error("{address} answers {status}: {}", meaning(*status))]
    Refused {
        /// The address asked.
        address: String,
        /// The answer.
        status: u16,
    },
    /// The body is encoded in a way that is not read.
    #[error(
        "{address} gives the file in the {of} encoding '{encoding}', which is not supported: make the host send it without an encoding (Content-Encoding: identity), or download it by other means and name its folder with --source"
    )]
    Encoded {
        /// The address asked.
        address: String,
        /// `content` or `transfer`.
        of: &'static str,
        /// The encoding.
        encoding: String,
    },
    /// A part of the file was asked for, and what came is another, or of another file.
    #[error("{address} answers {status} with a part that was not requested: {why}")]
    OtherPart {
        /// The address asked.
        address: String,
        /// The answer.
        status: u16,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The whole file was asked for, and what came is a part.
    #[error(
        "{address} answers {status} with a part of the file, although the whole file was requested: {why}. The fault is in the server or in a proxy in front of it"
    )]
    UnaskedPart {
        /// The address asked.
        address: String,
        /// The answer.
        status: u16,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The body is something else.
    #[error("{address} is not a trip file: it is {found}")]
    NotATripFile {
        /// The address asked.
        address: String,
        /// What it is instead.
        found: UnsupportedFormat,
    },
    /// The body is not as long as announced.
    #[error(
        "{address} gave {got} of {announced} bytes: the connection broke, or the server announced a wrong length"
    )]
    WrongLength {
        /// The address asked.
        address: String,
        /// What came.
        got: u64,
        /// What was announced.
        announced: u64,
    },
    /// Nothing tells the end of the body from a cut.
    #[error(
        "{address} sends the file without its length, not in chunks, and cannot be asked for the \
         rest of it, so a broken connection cannot be told from the end of the file: it was not used. \
         Download it by other means and name its folder with --source"
    )]
    EndUnknown {
        /// The address asked.
        address: String,
    },
    /// Another edition of the file took the place of the one that was read.
    #[error("the download started again from the first byte, so processing starts again too")]
    Restarted,
    /// A file in the spool is not what was put there.
    #[error("{} has changed since it was fetched: it will be fetched again", path.display())]
    SpoolSpoiled {
        /// The file.
        path: PathBuf,
    },
    /// The connection failed or stalled.
    #[error("{address}: {what}")]
    Connection {
        /// The address asked.
        address: String,
        /// What failed, without the address.
        what: String,
        /// The client's error, its address removed.
        source: reqwest::Error,
    },
    /// The client cannot be made.
    #[error("the HTTP client cannot start: {0}")]
    Client(reqwest::Error),
    /// No room for the file.
    #[error(
        "{} has {} left, and the file takes {}: free some space there, or choose another folder with --spool", path.display(), bytes(*free), bytes(*needed)
    )]
    NoSpace {
        /// The spool.
        path: PathBuf,
        /// What is free.
        free: u64,
        /// What is needed.
        needed: u64,
    },
    /// A local file cannot be read, or the spool not written.
    #[error("cannot {doing} {}: {source}{}", path.display(), out_of_room(source, "--spool"))]
    Io {
        /// `read` or `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The raw file is not the one that was kept.
    #[error(
        "{address} is damaged: its {size} bytes differ from those that were stored. Fetch the month from its source again, with --keep-raw and --force"
    )]
    RawSpoiled {
        /// The file in the lake.
        address: String,
        /// How many bytes it has.
        size: u64,
    },
    /// The raw file cannot be read from the lake.
    #[error("the raw file cannot be read from the lake: {0}")]
    Raw(Box<dyn Failure + Send + Sync>),
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
}

fn after(wait: Option<Duration>) -> String {
    wait.map(|wait| format!(" (and to wait {} s)", wait.as_secs())).unwrap_or_default()
}

fn passing(status: u16) -> &'static str {
    match status {
        202 => ": the file is not ready yet",
        _ => "",
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        204 | 205 => "the response has no content. Check the address",
        200..=299 => "the response has no file. Check the address",
        300 => "there are several files. Check the address",
        304 => "it says that nothing has changed, but not about the requested edition",
        301..=399 => "it redirects to nowhere. Check the address",
        401 | 407 => "it requires credentials",
        400 => "it does not understand the address",
        406 | 415 => "it cannot send the file without a content encoding",
        410 => "the file was removed permanently",
        _ => "it will not serve this file",
    }
}

impl FetchError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    pub(super) fn connection(address: &str, source: reqwest::Error) -> Self {
        let source = source.without_url();
        let what = if source.is_timeout() {
            "no answer within the time limit"
        } else if source.is_connect() {
            "no connection"
        } else if source.is_redirect() {
            "it redirects endlessly"
        } else if is_garbled(&source) {
            "its response is not understood"
        } else {
            "the connection broke"
        };
        let cause = innermost(&source);
        Self::Connection { address: address.to_owned(), what: format!("{what} ({cause})"), source }
    }
}

/// Whether what came is not HTTP, as one with two lengths.
fn is_garbled(error: &reqwest::Error) -> bool {
    chain(error)
        .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
        .any(hyper::Error::is_parse)
}

impl Failure for FetchError {
    fn retry(&self) -> Retry {
        match self {
            Self::Throttled { wait, .. } | Self::Server { wait, .. } => {
                wait.map_or(Retry::Backoff, Retry::After)
            }
            Self::Connection { source, .. } => {
                if source.is_redirect() || source.is_builder() {
                    Retry::Never
                } else {
                    Retry::Backoff
                }
            }
            Self::WrongLength { .. }
            | Self::OtherPart { .. }
            | Self::SpoolSpoiled { .. }
            | Self::Restarted => Retry::Backoff,
            Self::Raw(error) => error.retry(),
            _ => Retry::Never,
        }
    }

    fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}
