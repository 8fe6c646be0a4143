use std::io;
use std::path::{Path, PathBuf};

use crate::flow::{Failure, Retry, out_of_room};
use crate::schema::HeaderError;
use crate::trip::{TripFile, UnsupportedFormat};

use super::Streamed;

/// Why a month could not be cleaned. None of these gets better by itself.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The header is not that of such a file.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The file has no header.
    #[error("the file of {file} is empty: it has no header")]
    Empty {
        /// The month.
        file: TripFile,
    },
    /// The bytes are not what they claim to be, from some place on.
    #[error(
        "the {what} file of {file} is damaged ({source}): nothing of it was used. Run again to fetch it again"
    )]
    Damaged {
        /// The month.
        file: TripFile,
        /// The format that is broken.
        what: &'static str,
        /// What the decoder says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The text is not CSV.
    #[error("{container} of {file} is not CSV inside: it is {found}")]
    NotCsv {
        /// The month.
        file: TripFile,
        /// What was opened: `the file` or `the gzip file`.
        container: &'static str,
        /// What it is instead.
        found: UnsupportedFormat,
    },
    /// The header has bytes that no text has.
    #[error(
        "the header of {file} contains zero bytes: it is not a trip file, or it is damaged. Check the address"
    )]
    BinaryHeader {
        /// The month.
        file: TripFile,
    },
    /// A Parquet file of a kind that is not read.
    #[error("the Parquet file of {file} {what}. {remedy}")]
    UnsupportedParquet {
        /// The month.
        file: TripFile,
        /// What it is or has: `is encrypted`.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A column that takes more memory than a run may have.
    #[error(
        "the column '{column}' of {file} takes {size} MB to read at once, more than the limit of {limit} MB: its pages or single values are too large. Rewrite the file with \
         smaller pages, for example with pyarrow.parquet.write_table(table, path)"
    )]
    PageTooLarge {
        /// The month.
        file: TripFile,
        /// The column as spelled in the file.
        column: String,
        /// What its largest page and its dictionary take, in mebibytes.
        size: u64,
        /// The limit in mebibytes.
        limit: u64,
    },
    /// A record without an end.
    #[error(
        "line {line} of {file} is longer than {limit} MB: this is not a trip file, or it is damaged"
    )]
    RecordTooLong {
        /// The month.
        file: TripFile,
        /// The line, counted from 1.
        line: u64,
        /// The limit in mebibytes.
        limit: usize,
    },
    /// A header in the midst of the records that is not the file's own.
    #[error(
        "line {line} of {file} is another header: files with different columns were concatenated, and the following values would be read into the wrong columns. Nothing of the file was used: split it, or fetch it again"
    )]
    OtherHeader {
        /// The month.
        file: TripFile,
        /// The line, counted from 1.
        line: u64,
    },
    /// A column of a Parquet file whose type cannot hold such values.
    #[error(
        "the column '{column}' of {file} has the type {found}, but {expected} is expected: nothing \
         of the file was used. Has the meaning of the column changed? If not, write it as {expected}"
    )]
    ColumnType {
        /// The month.
        file: TripFile,
        /// The column as spelled in the file.
        column: String,
        /// Its type.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A fault of this program in the midst of the work.
    #[error(
        "cleaning {file} hit a bug in taxi (see above): nothing was published. Please report it, with the file"
    )]
    Fault {
        /// The month.
        file: TripFile,
    },
    /// Lines that end in carriage returns alone.
    #[error(
        "the lines of {file} end in carriage returns alone, which is not supported: use line feeds"
    )]
    LineEnds {
        /// The month.
        file: TripFile,
    },
    /// The sums do not agree: a fault of this program, caught before anything is published.
    #[error(
        "{read} rows of {file} were read, {kept} kept and {quarantined} quarantined: the numbers do not add up, so nothing was published. This is a bug in taxi: please report it"
    )]
    Unbalanced {
        /// The month.
        file: TripFile,
        /// Rows read.
        read: u64,
        /// Rows in the file of trips.
        kept: u64,
        /// Rows in the quarantine.
        quarantined: u64,
    },
    /// Every row was set aside: a change of the files, or another month's.
    #[error(
        "none of the {read} rows of {file} is a trip of that month ({reasons}): nothing was published. {unreadable}Is this another month's file, or has its format changed?"
    )]
    NothingKept {
        /// The month.
        file: TripFile,
        /// Rows read.
        read: u64,
        /// Rows by reason.
        reasons: String,
        /// The edition: what it says of itself, and its rows set aside.
        edition: Box<Streamed>,
        /// A sentence on the columns that could not be read and their first values; empty if
        /// there are none.
        unreadable: String,
    },
    /// A row of the taxi zones.
    #[error("line {line} of the taxi zones: {what}. Is the address that of taxi_zone_lookup.csv?")]
    Zones {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A file of the spool cannot be read or written.
    #[error("cannot {doing} {}: {source}{}", path.display(), out_of_room(source, "--spool"))]
    Io {
        /// `read` or `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Parquet cannot be written or read.
    #[error("Parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A conversion between arrays failed.
    #[error("Arrow: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The rules could not be asked.
    #[error("Polars: {0}")]
    Polars(#[from] polars::error::PolarsError),
    /// The provenance cannot be written down.
    #[error("provenance: {0}")]
    Json(#[from] serde_json::Error),
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl CleanError {
    /// A file that cannot be read.
    pub fn reading(path: &Path, source: io::Error) -> Self {
        Self::io("read", path, source)
    }

    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    /// A failing writer: the disk's own words where it is the disk.
    pub(super) fn writing(path: &Path, source: parquet::errors::ParquetError) -> Self {
        match source {
            parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(source) => Self::io("write", path, *source),
                Err(inner) => Self::Parquet(parquet::errors::ParquetError::External(inner)),
            },
            other => Self::Parquet(other),
        }
    }

    /// Whether the bytes themselves are at fault, so that keeping them is of no use.
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. }
                | Self::Empty { .. }
                | Self::NotCsv { .. }
                | Self::BinaryHeader { .. }
                | Self::UnsupportedParquet { .. }
                | Self::PageTooLarge { .. }
                | Self::RecordTooLong { .. }
        )
    }
}

impl Failure for CleanError {
    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}
