//! Writes the trips that are kept and the rows that are not, each to a Parquet file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescPtr;
use polars::prelude::DataFrame;

use super::encode::{ColumnChunk, ColumnEncoder};
use super::parquet_file::UnreadColumns;
use super::workers::Encode;
use super::{CleanError, Rejects, bridge};
use crate::trip::{Digest, Provenance, quarantine};

type Sink = BufWriter<File>;

/// The most bytes of rows set aside that wait to be written as a row group.
const ROW_GROUP: usize = 32 << 20;

/// How many rows set aside are completed in one pass over the pages that have them.
const COMPLETED_AT_ONCE: usize = 1 << 14;

/// The file of trips in the making. Row groups are encoded by whoever has the rows, on any
/// thread, and appended in order.
pub(super) struct TripsWriter {
    writer: SerializedFileWriter<Sink>,
    path: PathBuf,
}

/// Encodes trips as row groups.
#[derive(Debug)]
pub(super) struct Encoder {
    schema: Arc<Schema>,
    columns: SchemaDescPtr,
}

/// Texts are written from views.
fn viewed(schema: &Schema) -> Arc<Schema> {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Field::new(field.name(), DataType::Utf8View, field.is_nullable()),
        _ => field.as_ref().clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_created_by(Provenance::PROGRAM.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
}

impl TripsWriter {
    pub(super) fn create(path: &Path, schema: &Arc<Schema>) -> Result<(Self, Encoder), CleanError> {
        let viewed = viewed(schema);
        let columns = Arc::new(ArrowSchemaConverter::new().convert(&viewed)?);
        let properties = Arc::new(properties().build());
        let writer =
            SerializedFileWriter::new(create(path)?, columns.root_schema_ptr(), properties)?;
        let encoder = Encoder { schema: viewed, columns };
        Ok((Self { writer, path: path.to_owned() }, encoder))
    }

    /// Appends an encoded row group.
    pub(super) fn append(&mut self, columns: Vec<ColumnChunk>) -> Result<(), CleanError> {
        let written = (|| {
            let mut group = self.writer.next_row_group()?;
            for ColumnChunk { bytes, close } in columns {
                group.append_column(&bytes, close)?;
            }
            group.close()
        })();
        written.map(drop).map_err(|source| CleanError::writing(&self.path, source))
    }

    /// Writes the footer with the month's provenance and closes the file; how many rows it has.
    pub(super) fn close(mut self, provenance: &Provenance) -> Result<u64, CleanError> {
        let json = serde_json::to_string(provenance)?;
        self.writer.append_key_value_metadata(KeyValue::new(Provenance::KEY.to_owned(), json));
        let path = self.path;
        let writing = |source| CleanError::writing(&path, source);
        let metadata = self.writer.finish().map_err(writing)?;
        finish(self.writer.inner_mut(), &path)?;
        Ok(metadata.file_metadata().num_rows() as u64)
    }
}

impl Encode for Encoder {
    type Encoded = Vec<ColumnChunk>;
    type Scratch = ColumnEncoder;

    fn encode(
        &self,
        trips: DataFrame,
        scratch: &mut ColumnEncoder,
    ) -> Result<Option<Self::Encoded>, CleanError> {
        if trips.height() == 0 {
            return Ok(None);
        }
        let arrays = bridge::arrays(trips, &self.schema)?;
        let columns = arrays.into_iter().zip(self.columns.columns());
        let encoded = columns.map(|(array, column)| scratch.encode(&array, column));
        Ok(Some(encoded.collect::<Result<Vec<_>, _>>()?))
    }
}

/// Hands trips on as arrow batches, texts as views.
#[derive(Debug)]
pub(super) struct Batching(Arc<Schema>);

impl Batching {
    pub(super) fn new(schema: &Schema) -> Self {
        Self(viewed(schema))
    }
}

impl Encode for Batching {
    type Encoded = RecordBatch;
    type Scratch = ();

    fn encode(&self, trips: DataFrame, (): &mut ()) -> Result<Option<RecordBatch>, CleanError> {
        if trips.height() == 0 {
            return Ok(None);
        }
        let arrays = bridge::arrays(trips, &self.0)?;
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.0), arrays)?))
    }
}

/// The file of rows set aside, made when the first one is.
pub(super) struct QuarantineWriter {
    path: PathBuf,
    header: Vec<String>,
    writer: Option<ArrowWriter<Sink>>,
    rows: u64,
}

impl QuarantineWriter {
    pub(super) fn new(path: PathBuf, header: Vec<String>) -> Self {
        Self { path, header, writer: None, rows: 0 }
    }

    pub(super) fn append(&mut self, rows: &RecordBatch) -> Result<(), CleanError> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let properties = properties().set_max_row_group_row_count(Some(1 << 16)).build();
                let options = ArrowWriterOptions::new()
                    .with_properties(properties)
                    .with_skip_arrow_metadata(true);
                let file = create(&self.path)?;
                let writer = ArrowWriter::try_new_with_options(file, Rejects::schema(), options)?;
                self.writer.insert(writer)
            }
        };
        self.rows += rows.num_rows() as u64;
        writer.write(rows).map_err(|source| CleanError::writing(&self.path, source))?;
        // Rows of any length may be set aside.
        if writer.in_progress_size() > ROW_GROUP {
            writer.flush().map_err(|source| CleanError::writing(&self.path, source))?;
        }
        Ok(())
    }

    /// The same rows with the fields of columns that were not read with the others.
    pub(super) fn completed(self, unread: UnreadColumns) -> Result<Self, CleanError> {
        if self.rows == 0 {
            return Ok(self);
        }
        let (path, header) = (self.path.clone(), self.header.clone());
        let partial = path.with_extension("partial");
        self.close()?;
        let renamed = std::fs::rename(&path, &partial);
        renamed.map_err(|source| CleanError::io("write", &partial, source))?;
        let opened = File::open(&partial);
        let opened = opened.map_err(|source| CleanError::io("read", &partial, source))?;
        let rejected = ParquetRecordBatchReaderBuilder::try_new(opened)?;
        let completer = unread.completer()?;
        let mut completed = Self::new(path, header);
        for rejected in rejected.with_batch_size(COMPLETED_AT_ONCE).build()? {
            completer.complete(&rejected?, |rows| completed.append(rows))?;
        }
        let removed = std::fs::remove_file(&partial);
        removed.map_err(|source| CleanError::io("write", &partial, source))?;
        Ok(completed)
    }

    /// Closes the file; its path and digest, `None` if no row was set aside, and the rows.
    pub(super) fn close(self) -> Result<(Option<(PathBuf, Digest)>, u64), CleanError> {
        let Some(mut writer) = self.writer else {
            return Ok((None, 0));
        };
        let header = serde_json::to_string(&self.header)?;
        writer.append_key_value_metadata(KeyValue::new(quarantine::HEADER_KEY.to_owned(), header));
        let writing = |source| CleanError::writing(&self.path, source);
        writer.finish().map_err(writing)?;
        finish(writer.inner_mut(), &self.path)?;
        let reading = |source| CleanError::io("read", &self.path, source);
        let digest =
            Digest::of_reader(File::open(&self.path).map_err(reading)?).map_err(reading)?;
        Ok((Some((self.path.clone(), digest)), self.rows))
    }
}

/// Writes a small file of its own, with one entry in its footer.
pub(super) fn small_file(
    path: &Path,
    rows: &RecordBatch,
    entry: KeyValue,
) -> Result<(), CleanError> {
    let options = ArrowWriterOptions::new()
        .with_properties(properties().build())
        .with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(create(path)?, rows.schema(), options)?;
    writer.write(rows).map_err(|source| CleanError::writing(path, source))?;
    writer.append_key_value_metadata(entry);
    writer.finish().map_err(|source| CleanError::writing(path, source))?;
    finish(writer.inner_mut(), path)
}

fn create(path: &Path) -> Result<Sink, CleanError> {
    let file = File::create(path).map_err(|source| CleanError::io("write", path, source))?;
    Ok(BufWriter::with_capacity(1 << 18, file))
}

fn finish(sink: &mut Sink, path: &Path) -> Result<(), CleanError> {
    sink.flush().map_err(|source| CleanError::io("write", path, source))
}
