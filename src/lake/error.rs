use std::io;
use std::path::{Path, PathBuf};

use crate::flow::{Failure, Retry, out_of_room};
use crate::guard::Refusal;

use super::LakeAddress;
use super::store::closed::Closed;
use super::store::folder;

/// Why the lake could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The address is none.
    #[error("'{given}' is not the address of a lake{what}")]
    UnknownAddress {
        /// The address, without what may be secret.
        given: String,
        /// What is wrong with it, and what may be meant.
        what: String,
    },
    /// The lake cannot be asked anything.
    #[error("{why}")]
    Closed {
        /// Why, as a sentence.
        why: String,
    },
    /// The bucket, or the object, is not there.
    #[error("{address} is not there: does the bucket exist, and is its name right? ({source})")]
    NotFound {
        /// What was asked for.
        address: String,
        /// The store's error.
        source: object_store::Error,
    },
    /// Access is refused.
    #[error("{address} refuses access ({source}): {remedy}")]
    Denied {
        /// What was asked for.
        address: String,
        /// The store's error.
        source: object_store::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The credentials are none.
    #[error("the credentials {which} cannot be used: {what}. {remedy}")]
    Credentials {
        /// Their file, or where they come from.
        which: String,
        /// What is wrong with them.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Google gives no token for the credentials.
    #[error(
        "there is no access token of Google ({source}): name the JSON key of a service account with \
         --credentials or GOOGLE_APPLICATION_CREDENTIALS, or log in with: gcloud auth \
         application-default login"
    )]
    Token {
        /// The store's error.
        source: object_store::Error,
    },
    /// Where the bucket is cannot be learned.
    #[error("where {address} is cannot be learned: {what}")]
    Where {
        /// The bucket.
        address: String,
        /// Why.
        what: String,
    },
    /// An object that was replaced while it was read.
    #[error("{address} was replaced while it was loaded")]
    Replaced {
        /// The object.
        address: String,
    },
    /// An object that did not come whole.
    #[error("{address} gave {got} bytes of {size}: the connection broke")]
    Cut {
        /// The object.
        address: String,
        /// What came.
        got: u64,
        /// What it has.
        size: u64,
    },
    /// The store failed after its own retries.
    #[error("{address}: {source}")]
    Store {
        /// What was asked for.
        address: String,
        /// The store's error.
        source: object_store::Error,
    },
    /// A local file.
    #[error("cannot {doing} {}: {source}{}", path.display(), out_of_room(source, option))]
    Io {
        /// `read`, `write`, `make` or `remove`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
        /// The option that names another place.
        option: &'static str,
    },
    /// An object that is no readable Parquet file.
    #[error("{address} cannot be read ({source}): bring the month anew with --force")]
    Damaged {
        /// The object.
        address: String,
        /// What Parquet says.
        source: parquet::errors::ParquetError,
    },
    /// The rows set aside that a month names are not there.
    #[error(
        "{address}, which the month's trips name, is not there: the month was replaced just now, or \
         it was removed by hand. Look again, or bring the month anew with --force"
    )]
    QuarantineGone {
        /// The object.
        address: String,
    },
    /// An object of another schema, or of nobody knows what.
    #[error(
        "{address} was made by another version of this program, or by another program: bring it \
         anew with taxi run etl-web-to-gcs"
    )]
    OtherSchema {
        /// The object.
        address: String,
    },
    /// An edition that must not take the place of the month that is there.
    #[error(transparent)]
    EditionRefused(#[from] Box<Refusal>),
    /// The run was told to stop.
    #[error("interrupted")]
    Interrupted,
}

impl LakeError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source, option: "--lake" }
    }

    /// The same of a file in the spool.
    pub(super) fn spool(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source, option: "--spool" }
    }

    /// What a store said when it was asked for an address in a lake.
    pub(super) fn store(lake: &LakeAddress, address: String, source: object_store::Error) -> Self {
        use object_store::Error::{Generic, NotFound, PermissionDenied, Unauthenticated};
        if let Some(why) = Closed::reason(&source) {
            return Self::Closed { why };
        }
        match source {
            NotFound { .. } => Self::NotFound { address, source },
            // Nothing else tells a listing's 404 from other failures.
            Generic { .. } if source.to_string().contains("NoSuchBucket") => {
                Self::NotFound { address, source }
            }
            PermissionDenied { .. } | Unauthenticated { .. } => {
                let remedy = lake.bucket().map_or(folder::IF_DENIED, |it| it.kind.if_denied);
                Self::Denied { address, source, remedy }
            }
            _ => Self::Store { address, source },
        }
    }
}

impl Failure for LakeError {
    fn retry(&self) -> Retry {
        match self {
            // What object_store has no name for is a status of 5xx or 429 or a broken connection.
            Self::Store { source: object_store::Error::Generic { .. }, .. }
            | Self::Token { source: object_store::Error::Generic { .. } }
            | Self::Replaced { .. }
            | Self::Cut { .. } => Retry::Backoff,
            _ => Retry::Never,
        }
    }

    fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}
