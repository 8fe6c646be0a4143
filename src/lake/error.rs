use std::io;
use std::path::{Path, PathBuf};

use crate::flow::{Failure, Retry, out_of_room};
use crate::guard::Refusal;
use crate::support::error_chain::cause;

use super::store::closed::Closed;

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
    #[error("{address} was not found: does the bucket exist, and is its name right? ({source})")]
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
        "cannot get an access token from Google ({source}): give the JSON key of a service account with \
         --credentials or GOOGLE_APPLICATION_CREDENTIALS, or log in with: gcloud auth \
         application-default login"
    )]
    Token {
        /// The store's error.
        source: object_store::Error,
    },
    /// Where the bucket is cannot be learned.
    #[error("cannot find the location of {address}: {what}")]
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
    #[error("{address} gave {got} of {size} bytes: the connection broke")]
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
    #[error("{address} cannot be read ({source}): publish the month again with --force")]
    Damaged {
        /// The object.
        address: String,
        /// What Parquet says.
        source: parquet::errors::ParquetError,
    },
    /// The rows set aside that a month names are not there.
    #[error(
        "{address}, which the footer of the month's trips names, was not found: the month was just replaced, or the object was removed by hand. Try again, or publish the month again with --force"
    )]
    QuarantineGone {
        /// The object.
        address: String,
    },
    /// An object of another schema, or of nobody knows what.
    #[error(
        "{address} was made by another version of this program, or by another program: publish it again with taxi run etl-web-to-gcs"
    )]
    OtherSchema {
        /// The object.
        address: String,
    },
    /// An edition that must not take the place of the month that is there.
    #[error(transparent)]
    EditionRefused(#[from] Box<Refusal>),
    /// The run was interrupted.
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

    /// What a store said when it was asked for an address; what to do if it refuses access.
    pub(super) fn store(
        if_denied: &'static str,
        address: String,
        source: object_store::Error,
    ) -> Self {
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
                Self::Denied { address, source, remedy: if_denied }
            }
            _ => Self::Store { address, source },
        }
    }
}

impl Failure for LakeError {
    fn retry(&self) -> Retry {
        match self {
            // What object_store has no name for is a status of 5xx or 429, a broken connection, or
            // what the system says of a local file.
            Self::Store { source: source @ object_store::Error::Generic { .. }, .. }
            | Self::Token { source: source @ object_store::Error::Generic { .. } }
                if cause::<io::Error>(source).is_none_or(|error| passes(error.kind())) =>
            {
                Retry::Backoff
            }
            Self::Replaced { .. } | Self::Cut { .. } => Retry::Backoff,
            _ => Retry::Never,
        }
    }

    fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}

/// Whether what the system says may be otherwise soon. Rights, room and what stands in the way of a
/// file change only when somebody changes them.
const fn passes(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        FileTooLarge, InvalidInput, IsADirectory, NotADirectory, PermissionDenied, QuotaExceeded,
        ReadOnlyFilesystem, StorageFull, Unsupported,
    };
    !matches!(
        kind,
        PermissionDenied
            | ReadOnlyFilesystem
            | StorageFull
            | QuotaExceeded
            | FileTooLarge
            | NotADirectory
            | IsADirectory
            | InvalidInput
            | Unsupported
    )
}

#[cfg(test)]
mod tests {
    use crate::lake::{LakeAddress, StoreOptions};
    use crate::trip::{Colour, TripFile};

    use super::*;

    /// As the store of a folder gives it: the system's error within one of its own.
    #[derive(Debug, thiserror::Error)]
    #[error("Unable to open file")]
    struct Local(#[source] io::Error);

    fn retry(kind: io::ErrorKind) -> Retry {
        let source = Box::new(Local(kind.into()));
        let source = object_store::Error::Generic { store: "LocalFileSystem", source };
        LakeError::store("", "data/x".to_owned(), source).retry()
    }

    #[test]
    fn what_only_people_can_change_is_not_tried_again() {
        use io::ErrorKind::{
            ConnectionReset, NotADirectory, Other, PermissionDenied, ReadOnlyFilesystem,
            StorageFull, TimedOut,
        };
        for kind in [PermissionDenied, ReadOnlyFilesystem, NotADirectory, StorageFull] {
            assert_eq!(retry(kind), Retry::Never, "{kind}");
        }
        for kind in [TimedOut, ConnectionReset, Other] {
            assert_eq!(retry(kind), Retry::Backoff, "{kind}");
        }
        let broken = object_store::Error::Generic { store: "GCS", source: "503".into() };
        assert_eq!(LakeError::store("", "gs://b".to_owned(), broken).retry(), Retry::Backoff);
    }

    #[tokio::test]
    async fn a_file_in_the_place_of_a_folder_of_the_lake_is_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("green"), "").unwrap();
        let lake = LakeAddress::folder(folder.path());
        let lake = lake.open(&StoreOptions::default()).unwrap();
        let file = TripFile::new(Colour::Green, "2020-01".parse().unwrap());
        let error = lake.published(file).await.unwrap_err();
        assert!(error.to_string().contains("Not a directory"), "{error}");
        assert_eq!(error.retry(), Retry::Never);
    }
}
