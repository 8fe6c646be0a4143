//! The layout of a file of rows set aside, shared by its writer and its readers.

/// The line on which the record begins in the decompressed text, or its row in a Parquet
/// file; counted from 1. A 64-bit integer.
pub const LINE: &str = "line";
/// The names of the rules that reject it. A list of texts.
pub const REASONS: &str = "reasons";
/// Its fields as text, in the order of the source; null where a Parquet value is. A list of
/// texts.
pub const FIELDS: &str = "fields";
/// The names of the source columns that could not be read. A list of texts; files of earlier
/// versions do not have it.
pub const UNREADABLE: &str = "unreadable";
/// The footer entry that holds the source's column names, as a JSON list.
pub const HEADER_KEY: &str = "nyc_taxi_etl.header";

/// A row set aside.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct QuarantinedRow {
    /// See [`LINE`].
    pub line: i64,
    /// See [`REASONS`].
    pub reasons: Vec<String>,
    /// See [`UNREADABLE`].
    pub unreadable: Vec<String>,
    /// See [`FIELDS`].
    pub fields: Vec<Option<String>>,
}
