//! Opens a Parquet file and reads it in batches, in bounded memory. Everything that can be checked
//! before it is used is checked.
//!
//! The footer and the page headers say what it takes to read a column: batches are sized by
//! what their rows take once decoded, and columns whose pages are too large to be held side by
//! side are first rewritten, one by one, in smaller pages. Columns that the schema does not
//! know are read for the rows set aside alone, which keep all their fields.

mod batches;
mod careful;
mod footer;
mod inflate;
mod lengths;
mod opened;
mod pages;
mod repaged;
mod thrift;
mod unread;

use std::fs::File;
use std::path::Path;

use super::CleanError;
use super::stored_zones::with_stored_zones;
use crate::flow::Progress;
use crate::schema;
use crate::trip::{KeptColumn, TripFile};

use opened::{BATCH, Opened, rows_of};

pub(super) use batches::Batches;
pub(super) use unread::UnreadColumns;

/// How much the pages of all columns may take that are read side by side, in bytes.
const SIDE_BY_SIDE: u64 = 96 << 20;

/// A Parquet file, opened.
pub(super) struct ParquetFile {
    /// The names of its columns, as spelled.
    pub(super) names: Vec<String>,
    pub(super) batches: Batches,
    pub(super) unread: Option<UnreadColumns>,
}

impl ParquetFile {
    /// Opens a file, to read the columns that the schema knows and those that are kept. Columns
    /// that have to be written again are put in `folder`, without a name.
    pub(super) fn open(
        file: TripFile,
        path: &Path,
        opened: File,
        folder: &Path,
        kept: &[KeptColumn],
        progress: &Progress,
    ) -> Result<Self, CleanError> {
        let size = opened.metadata().map_err(|source| CleanError::io("read", path, source))?.len();
        footer::check(file, &opened, size)?;
        let opened = Opened::new(file, opened, size)?;
        let schema = with_stored_zones(opened.metadata.schema(), opened.parquet().file_metadata());
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let known = schema::columns(file.colour);
        let (wanted, unread): (Vec<usize>, Vec<usize>) = (0..names.len()).partition(|root| {
            let name = names[*root].trim().to_lowercase();
            known.iter().any(|column| column.is_called(&name))
                || kept.iter().any(|column| column.source == names[*root].trim())
        });
        let reading = opened.pages(&wanted)?;
        let opened = opened.with_dictionaries(&reading)?;
        let side_by_side: u64 =
            reading.iter().map(|(_, pages)| pages.largest + pages.dictionary).sum();
        let compressed = reading.iter().map(|(_, pages)| pages.compressed).max();
        let row = reading.iter().map(|(_, pages)| pages.row).sum();
        let rows = rows_of(BATCH, row);
        let readers = if side_by_side + compressed.unwrap_or_default() <= SIDE_BY_SIDE {
            vec![opened.reader(&wanted, rows)?]
        } else {
            repaged::readers(&opened, &reading, rows, folder, progress)?
        };
        let batches = Batches {
            file,
            readers,
            wanted,
            schema,
            waiting: None,
            rows_before: 0,
            rows: opened.parquet().file_metadata().num_rows() as u64,
            size,
            progress: progress.clone(),
        };
        let unread = (!unread.is_empty()).then(|| UnreadColumns::new(opened, unread));
        Ok(Self { names, batches, unread })
    }
}

/// The entry of a file's footer that is called so; `None` if it has none, or is no Parquet file.
pub(super) fn footer_entry(file: TripFile, path: &Path, key: &str) -> Option<String> {
    let opened = File::open(path).ok()?;
    let size = opened.metadata().ok()?.len();
    footer::check(file, &opened, size).ok()?;
    let opened = Opened::new(file, opened, size).ok()?;
    let entries = opened.parquet().file_metadata().key_value_metadata()?;
    entries.iter().find(|entry| entry.key == key)?.value.clone()
}
