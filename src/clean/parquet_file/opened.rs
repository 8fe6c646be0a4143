//! A Parquet file whose footer was read: what its pages hold, and readers of its columns.

use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetStatisticsPolicy};

use super::careful::{careful, damaged};
use super::lengths;
use super::pages::{self, LEVELS, Measure, Pages};
use crate::clean::CleanError;
use crate::clean::stored_zones::with_stored_zones;
use crate::schema::{self, Kind};
use crate::trip::TripFile;

/// The most rows a batch holds, and the fewest.
const ROWS: std::ops::RangeInclusive<u64> = 1..=1 << 16;

/// How much a batch may hold once decoded, in bytes.
pub(super) const BATCH: u64 = 32 << 20;

/// How much the pages of one column may take, in bytes.
pub(super) const ONE_COLUMN: u64 = 352 << 20;

/// Texts longer than this in a dictionary are kept there, whatever they are read as.
const LONG_TEXT: u64 = 64;

/// What is known of a file before any page is read.
pub(super) struct Opened {
    pub(super) file: TripFile,
    pub(super) bytes: File,
    pub(super) size: u64,
    pub(super) metadata: ArrowReaderMetadata,
}

/// How many rows fit into so many bytes, if each takes so many.
pub(super) fn rows_of(bytes: u64, row: u64) -> usize {
    (bytes / row.max(1)).clamp(*ROWS.start(), *ROWS.end()) as usize
}

impl Opened {
    /// Parses the footer and checks its counts and places.
    pub(super) fn new(file: TripFile, bytes: File, size: u64) -> Result<Self, CleanError> {
        // Statistics are most of a footer, and none is asked for.
        let options = ArrowReaderOptions::new()
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let metadata = careful(file, || ArrowReaderMetadata::load(&bytes, options))?;
        pages::check(metadata.metadata(), size).map_err(|error| damaged(file, error))?;
        Ok(Self { file, bytes, size, metadata })
    }

    pub(super) fn parquet(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// The leaves of a column.
    pub(super) fn leaves(&self, root: usize) -> impl Iterator<Item = usize> + '_ {
        let schema = self.parquet().file_metadata().schema_descr();
        (0..schema.num_columns()).filter(move |leaf| schema.get_column_root_idx(*leaf) == root)
    }

    /// What the pages of columns hold: for one that is nested, of all that is in it.
    pub(super) fn pages(&self, roots: &[usize]) -> Result<Vec<(usize, Pages)>, CleanError> {
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
    pub(super) fn pages_of_leaf(&self, leaf: usize) -> Result<Pages, CleanError> {
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
    pub(super) fn with_dictionaries(self, reading: &[(usize, Pages)]) -> Result<Self, CleanError> {
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

    pub(super) fn read_as(self, schema: SchemaRef) -> Result<Self, CleanError> {
        let options = ArrowReaderOptions::new().with_schema(schema);
        let parquet = Arc::clone(self.metadata.metadata());
        let metadata = careful(self.file, || ArrowReaderMetadata::try_new(parquet, options))?;
        Ok(Self { metadata, ..self })
    }

    pub(super) fn is_int96(&self, root: usize) -> bool {
        let schema = self.parquet().file_metadata().schema_descr();
        self.leaves(root).any(|leaf| schema.column(leaf).physical_type() == Type::INT96)
    }

    /// A reader of some columns, to be given what is left out and how it goes on.
    pub(super) fn builder(
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

    pub(super) fn reader(
        &self,
        roots: &[usize],
        rows: usize,
    ) -> Result<ParquetRecordBatchReader, CleanError> {
        let builder = self.builder(roots, rows)?;
        careful(self.file, || builder.build())
    }
}

fn dictionary(values: DataType) -> DataType {
    DataType::Dictionary(DataType::Int32.into(), values.into())
}
