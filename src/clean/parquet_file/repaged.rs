//! Rewrites columns whose pages are too large to be held at the same time: pandas with fastparquet
//! writes one page per column, whatever its length.

use std::fs::File;
use std::io::Seek;
use std::path::Path;

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::careful::{careful, damaged};
use super::opened::{Opened, rows_of};
use super::pages::Pages;
use crate::clean::CleanError;
use crate::flow::Progress;

/// How much is decoded at once, in bytes.
const STEP: u64 = 4 << 20;

/// How much of a row group waits in memory to be written, in bytes.
const WAITING: usize = 16 << 20;

/// How many rows a row group of the copy has.
const GROUP: usize = 1 << 16;

/// Readers of each column's copy, in batches of so many rows.
pub(super) fn readers(
    opened: &Opened,
    columns: &[(usize, Pages)],
    rows: usize,
    folder: &Path,
    progress: &Progress,
) -> Result<Vec<ParquetRecordBatchReader>, CleanError> {
    let copies = columns.iter().map(|(root, pages)| {
        let copy = copy(opened, *root, pages, folder, progress)?;
        careful(opened.file, || {
            ParquetRecordBatchReaderBuilder::try_new(copy)?.with_batch_size(rows).build()
        })
    });
    copies.collect()
}

/// Writes a column to a file without a name, which is gone with its last reader.
fn copy(
    opened: &Opened,
    root: usize,
    pages: &Pages,
    folder: &Path,
    progress: &Progress,
) -> Result<File, CleanError> {
    let reader = opened.reader(&[root], rows_of(STEP, pages.row))?;
    let file = tempfile::tempfile_in(folder);
    let file = file.map_err(|source| CleanError::io("write", folder, source))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(GROUP))
        .build();
    let schema = arrow::record_batch::RecordBatchReader::schema(&reader);
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties))?;
    let mut reader = reader;
    while let Some(batch) = careful(opened.file, || reader.next().transpose())? {
        if progress.is_cancelled() {
            return Err(CleanError::Interrupted);
        }
        writer.write(&batch).map_err(|source| CleanError::writing(folder, source))?;
        if writer.memory_size() > WAITING {
            writer.flush().map_err(|source| CleanError::writing(folder, source))?;
        }
    }
    let mut file = writer.into_inner().map_err(|source| CleanError::writing(folder, source))?;
    file.rewind().map_err(|error| damaged(opened.file, error))?;
    Ok(file)
}
