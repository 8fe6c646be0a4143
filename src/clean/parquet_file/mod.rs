//! Opens a Parquet file and reads it in batches, in bounded memory and believing nothing that
//! can be looked at first.
//!
//! The footer and the page headers say what it takes to read a column: batches are sized by
//! what their rows take once decoded, and columns whose pages are too large to be held side by
//! side are first written again, one by one, in smaller pages. Columns that the schema does not
//! know are read for the rows set aside alone, which keep all their fields.

mod footer;
mod inflate;
mod lengths;
mod pages;
mod repaged;
mod thrift;
mod unread;

use std::cell::Cell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Once};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetStatisticsPolicy};

use super::CleanError;
use super::input::Part;
use super::stored_zones::with_stored_zones;
use crate::flow::Progress;
use crate::schema::{self, Kind};
use crate::trip::{KeptColumn, TripFile};

pub(super) use unread::UnreadColumns;

use pages::{LEVELS, Measure, Pages};

/// The most rows a batch holds, and the fewest.
const ROWS: std::ops::RangeInclusive<u64> = 1..=1 << 16;

/// How much a batch may hold once decoded, in bytes.
const BATCH: u64 = 32 << 20;

/// How much the pages of all columns may take that are read side by side, in bytes.
const SIDE_BY_SIDE: u64 = 96 << 20;

/// How much the pages of one column may take, in bytes.
const ONE_COLUMN: u64 = 352 << 20;

/// Texts longer than this in a dictionary are kept there, whatever they are read as.
const LONG_TEXT: u64 = 64;

/// A Parquet file, opened.
pub(super) struct ParquetFile {
    /// The names of its columns, as spelled.
    pub(super) names: Vec<String>,
    pub(super) batches: Batches,
    pub(super) unread: Option<UnreadColumns>,
}

/// What is known of a file before any page is read.
struct Opened {
    file: TripFile,
    bytes: File,
    size: u64,
    metadata: ArrowReaderMetadata,
}

/// A Parquet file whose bytes cannot be what was written.
fn damaged(
    file: TripFile,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> CleanError {
    CleanError::Damaged { file, what: "Parquet", source: source.into() }
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

/// How many rows fit into so many bytes, if each takes so many.
fn rows_of(bytes: u64, row: u64) -> usize {
    (bytes / row.max(1)).clamp(*ROWS.start(), *ROWS.end()) as usize
}

impl Opened {
    /// Parses the footer and checks its counts and places.
    fn new(file: TripFile, bytes: File, size: u64) -> Result<Self, CleanError> {
        // Statistics are most of a footer, and none is asked for.
        let options = ArrowReaderOptions::new()
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let metadata = careful(file, || ArrowReaderMetadata::load(&bytes, options))?;
        pages::check(metadata.metadata(), size).map_err(|error| damaged(file, error))?;
        Ok(Self { file, bytes, size, metadata })
    }

    fn parquet(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// The leaves of a column.
    fn leaves(&self, root: usize) -> impl Iterator<Item = usize> + '_ {
        let schema = self.parquet().file_metadata().schema_descr();
        (0..schema.num_columns()).filter(move |leaf| schema.get_column_root_idx(*leaf) == root)
    }

    /// What the pages of columns hold: for one that is nested, of all that is in it.
    fn pages(&self, roots: &[usize]) -> Result<Vec<(usize, Pages)>, CleanError> {
        let of_root = |root: &usize| {
            let mut all = Pages::default();
            for leaf in self.leaves(*root) {
                let pages = self.pages_of_leaf(leaf)?;
                all.largest += pages.largest;
                all.dictionary += pages.dictionary;
                all.compressed = all.compressed.max(pages.compressed);
                all.row = all.row.saturating_add(pages.row);
                all.pair += pages.pair;
            }
            if all.at_once() > ONE_COLUMN {
                return Err(CleanError::PageTooLarge {
                    file: self.file,
                    column: self.metadata.schema().field(*root).name().clone(),
                    size: all.at_once() >> 20,
                    limit: ONE_COLUMN >> 20,
                });
            }
            Ok((*root, all))
        };
        roots.iter().map(of_root).collect()
    }

    /// What the pages of a leaf hold. Its values are only looked at where that takes little memory.
    fn pages_of_leaf(&self, leaf: usize) -> Result<Pages, CleanError> {
        let mut pages =
            pages::of_column(&self.bytes, self.size, self.parquet(), leaf, BATCH, ONE_COLUMN)
                .map_err(|error| damaged(self.file, error))?;
        if pages.measure == Measure::None || pages.at_once() > ONE_COLUMN {
            return Ok(pages);
        }
        let measure = |all: bool| {
            careful(self.file, || {
                let bytes = Arc::new(self.bytes.try_clone().map_err(ParquetError::from)?);
                lengths::of_column(&bytes, self.parquet(), leaf, BATCH, all)
            })
        };
        let all = pages.measure == Measure::All;
        let mut measured = measure(all)?;
        if !all && pages.nested.saturating_mul(measured.text + LEVELS) > BATCH {
            measured = measure(true)?;
        }
        let value = if measured.text > 0 { measured.text + 4 } else { pages.value };
        pages.row = pages.row.max(value);
        if measured.per_row > 0 {
            pages.row = pages.row.max(measured.per_row.saturating_mul(value + LEVELS));
        }
        Ok(pages)
    }

    /// The same file with these of its texts as dictionaries, as they are stored: flags and
    /// bases are few, and each is then looked at once and not in every row; and a long text is
    /// in memory once. INT96 is a time of any year in microseconds alone.
    fn with_dictionaries(self, reading: &[(usize, Pages)]) -> Result<Self, CleanError> {
        let known = schema::columns(self.file.colour);
        let found = self.metadata.schema();
        let zoned = with_stored_zones(found, self.parquet().file_metadata());
        let mut fields: Vec<Arc<Field>> = zoned.fields().to_vec();
        for (root, pages) in reading {
            let field = &mut fields[*root];
            let name = field.name().trim().to_lowercase();
            let kind = known.iter().find(|column| column.is_called(&name)).map(|it| it.kind);
            let few = kind.is_none_or(|kind| matches!(kind, Kind::Text | Kind::Base | Kind::Flag));
            let average = pages.row;
            let data_type = match field.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
                    if few || average > LONG_TEXT =>
                {
                    dictionary(DataType::Utf8)
                }
                DataType::Binary | DataType::LargeBinary | DataType::BinaryView
                    if kind.is_none() =>
                {
                    dictionary(DataType::Binary)
                }
                DataType::Timestamp(TimeUnit::Nanosecond, zone) if self.is_int96(*root) => {
                    DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
                }
                _ => continue,
            };
            *field = Arc::new(field.as_ref().clone().with_data_type(data_type));
        }
        let schema = Schema::new_with_metadata(fields, found.metadata().clone());
        self.read_as(Arc::new(schema))
    }

    fn read_as(self, schema: SchemaRef) -> Result<Self, CleanError> {
        let options = ArrowReaderOptions::new().with_schema(schema);
        let parquet = Arc::clone(self.metadata.metadata());
        let metadata = careful(self.file, || ArrowReaderMetadata::try_new(parquet, options))?;
        Ok(Self { metadata, ..self })
    }

    fn is_int96(&self, root: usize) -> bool {
        let schema = self.parquet().file_metadata().schema_descr();
        self.leaves(root).any(|leaf| schema.column(leaf).physical_type() == Type::INT96)
    }

    /// A reader of some columns, to be given what is left out and how it goes on.
    fn builder(
        &self,
        roots: &[usize],
        rows: usize,
    ) -> Result<ParquetRecordBatchReaderBuilder<File>, CleanError> {
        let bytes = self.bytes.try_clone().map_err(|error| damaged(self.file, error))?;
        let schema = self.parquet().file_metadata().schema_descr();
        let mask = ProjectionMask::roots(schema, roots.iter().copied());
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, self.metadata.clone());
        Ok(builder.with_projection(mask).with_batch_size(rows))
    }

    fn reader(&self, roots: &[usize], rows: usize) -> Result<ParquetRecordBatchReader, CleanError> {
        let builder = self.builder(roots, rows)?;
        careful(self.file, || builder.build())
    }
}

fn dictionary(values: DataType) -> DataType {
    DataType::Dictionary(DataType::Int32.into(), values.into())
}

thread_local! {
    /// Whether a panic of this thread is one that is expected of hostile bytes.
    static CAREFUL: Cell<bool> = const { Cell::new(false) };
}

/// What the parser says; where hostile bytes bring it down, they are damaged, and nobody is shown
/// where in the parser that was.
fn careful<T, E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    file: TripFile,
    parse: impl FnOnce() -> Result<T, E>,
) -> Result<T, CleanError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !CAREFUL.get() {
                shown(panic);
            }
        }));
    });
    let before = CAREFUL.replace(true);
    let parsed = catch_unwind(AssertUnwindSafe(parse));
    CAREFUL.set(before);
    match parsed {
        Ok(parsed) => parsed.map_err(|error| damaged(file, error)),
        Err(_) => Err(damaged(file, "it cannot be understood")),
    }
}

/// The rows of a Parquet file in batches: the columns that are wanted, the others empty.
pub(super) struct Batches {
    file: TripFile,
    /// One reader of all columns, or one of each.
    readers: Vec<ParquetRecordBatchReader>,
    /// The places of the columns that are read.
    wanted: Vec<usize>,
    schema: SchemaRef,
    /// What is left of a batch that is too large once decoded.
    waiting: Option<RecordBatch>,
    rows_before: u64,
    rows: u64,
    size: u64,
    progress: Progress,
}

impl Batches {
    /// The columns of the file.
    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) fn next(&mut self) -> Result<Option<Part>, CleanError> {
        let file = self.file;
        let read = match self.waiting.take() {
            Some(waiting) => Some(waiting),
            None => careful(file, || self.read())?,
        };
        let Some(mut batch) = read else {
            if self.rows_before == self.rows {
                return Ok(None);
            }
            let (rows, has) = (self.rows, self.rows_before);
            return Err(damaged(file, format!("its footer promises {rows} rows, it has {has}")));
        };
        let rows = rows_of(BATCH, longest_row(&batch));
        if rows < batch.num_rows() {
            self.waiting = Some(batch.slice(rows, batch.num_rows() - rows));
            batch = batch.slice(0, rows);
        }
        let rows_before = self.rows_before;
        self.rows_before += batch.num_rows() as u64;
        self.progress.advance(batch.num_rows() as u64 * self.size / self.rows.max(1));
        Ok(Some(Part::Rows { batch, rows_before }))
    }

    /// The next batch of every reader, as one of all columns of the file.
    fn read(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.wanted.len());
        let mut rows = None;
        for reader in &mut self.readers {
            let batch = reader.next().transpose()?;
            let length = batch.as_ref().map(RecordBatch::num_rows);
            if rows.is_some_and(|rows| rows != length) {
                let differ = "its columns differ in length".to_owned();
                return Err(ArrowError::ParquetError(differ));
            }
            rows = Some(length);
            columns.extend(batch.iter().flat_map(RecordBatch::columns).cloned());
        }
        let Some(Some(rows)) = rows else {
            return Ok(None);
        };
        let mut all = vec![new_null_array(&DataType::Null, rows); self.schema.fields().len()];
        for (root, column) in self.wanted.iter().zip(columns) {
            all[*root] = column;
        }
        let fields = self
            .schema
            .fields()
            .iter()
            .zip(&all)
            .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Some(RecordBatch::try_new(schema, all)?))
    }
}

/// The most that a row takes once its texts are taken out of their dictionaries.
fn longest_row(batch: &RecordBatch) -> u64 {
    let texts = batch.columns().iter().filter_map(|column| column.as_dictionary_opt::<Int32Type>());
    let longest = texts.map(|column| {
        let values = column.values();
        let lengths: &[i32] = match values.data_type() {
            DataType::Utf8 => values.as_string::<i32>().value_offsets(),
            DataType::Binary => values.as_binary::<i32>().value_offsets(),
            _ => return 0,
        };
        lengths.windows(2).map(|pair| (pair[1] - pair[0]) as u64).max().unwrap_or_default()
    });
    longest.sum()
}
