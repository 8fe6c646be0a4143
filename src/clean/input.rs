//! Opens a trip file and hands it out in pieces, each with the place it has in the file.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use flate2::bufread::MultiGzDecoder;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};

use super::CleanError;
use super::records::{End, field_text, last_cut, record_end, split_fields};
use super::text::Piece;
use crate::flow::Progress;
use crate::schema::{self, Kind};
use crate::trip::{Format, TripFile};

/// How much text a piece holds, in bytes: about 80,000 records, which become a row group.
const PIECE: usize = 8 << 20;

/// The most records a piece of text holds: where they are tiny, they are many.
const RECORDS: usize = 1 << 18;

/// The most rows a piece of a Parquet file holds, and the fewest.
const ROWS: std::ops::RangeInclusive<u64> = 1 << 8..=1 << 16;

/// How much a piece of a Parquet file may hold, in bytes without compression.
const BATCH: u64 = 32 << 20;

/// The longest record that is read, in bytes; a longer one means that this is no trip file.
const LONGEST_RECORD: usize = 16 << 20;

/// A text, read from its beginning.
pub type Text = Box<dyn Read + Send>;

/// A file of trips, opened: its column names are known.
pub(super) struct Input {
    /// The names of its columns, as spelled.
    pub(super) names: Vec<String>,
    pub(super) rest: Rest,
}

/// What comes after the header.
pub(super) enum Rest {
    Text(Pieces),
    Rows(Batches),
}

/// A part of the file.
pub(super) enum Part {
    Text(Piece),
    Rows { batch: RecordBatch, rows_before: u64 },
}

impl Input {
    /// Opens a file of a known format; a text that is given is read in its place.
    pub(super) fn open(
        file: TripFile,
        path: &Path,
        format: Format,
        text: Option<Text>,
        progress: &Progress,
    ) -> Result<Self, CleanError> {
        let open = || File::open(path).map_err(|source| CleanError::io("read", path, source));
        if format == Format::Parquet {
            return Self::open_parquet(file, path, open()?, progress);
        }
        let inner = match text {
            Some(text) => text,
            None => Box::new(open()?),
        };
        let counted = Counted { inner, progress: progress.clone() };
        let reader: Text = if format == Format::CsvGz {
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 18, counted)))
        } else {
            Box::new(counted)
        };
        let mut pieces = Pieces {
            file,
            path: path.to_owned(),
            reader,
            carry: Vec::new(),
            lines_before: 0,
            ended: false,
        };
        let names = pieces.header()?;
        Ok(Self { names, rest: Rest::Text(pieces) })
    }

    fn open_parquet(
        file: TripFile,
        path: &Path,
        opened: File,
        progress: &Progress,
    ) -> Result<Self, CleanError> {
        let size = opened.metadata().map_err(|source| CleanError::io("read", path, source))?.len();
        let damaged = |source: parquet::errors::ParquetError| CleanError::Damaged {
            file,
            what: "Parquet",
            source: Box::new(source),
        };
        let found =
            ArrowReaderMetadata::load(&opened, ArrowReaderOptions::new()).map_err(damaged)?;
        let wanted = ArrowReaderOptions::new().with_schema(with_dictionaries(file, found.schema()));
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(found.metadata()), wanted);
        let metadata = metadata.map_err(damaged)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(opened, metadata);
        let names = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let rows = builder.metadata().file_metadata().num_rows() as u64;
        let groups = builder.metadata().row_groups().iter();
        let bytes: u64 = groups.map(|group| group.total_byte_size().max(0) as u64).sum();
        let batch = (BATCH / (bytes / rows.max(1)).max(1)).clamp(*ROWS.start(), *ROWS.end());
        let reader = builder.with_batch_size(batch as usize).build().map_err(damaged)?;
        let batches =
            Batches { file, reader, rows_before: 0, rows, size, progress: progress.clone() };
        Ok(Self { names, rest: Rest::Rows(batches) })
    }
}

/// The schema of a file with its texts as dictionaries, as they are stored: flags and bases
/// are few, and each is then looked at once and not in every row; and a long text of a column
/// that nobody knows is in memory once.
fn with_dictionaries(file: TripFile, schema: &Schema) -> SchemaRef {
    let known = schema::columns(file.colour);
    let is_text = |field: &Field| {
        let name = field.name().trim().to_lowercase();
        let kind = known.iter().find(|column| column.is_called(&name)).map(|column| column.kind);
        matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            && kind.is_none_or(|kind| matches!(kind, Kind::Text | Kind::Base | Kind::Flag))
    };
    let fields = schema.fields().iter().map(|field| {
        if is_text(field) {
            let dictionary = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
            Arc::new(field.as_ref().clone().with_data_type(dictionary))
        } else {
            Arc::clone(field)
        }
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

impl Rest {
    /// The next part; none at the end. `buffer` is used anew for the text.
    pub(super) fn next(&mut self, buffer: Vec<u8>) -> Result<Option<Part>, CleanError> {
        match self {
            Self::Text(pieces) => Ok(pieces.next(buffer)?.map(Part::Text)),
            Self::Rows(batches) => batches.next(),
        }
    }
}

/// A text in pieces.
pub(super) struct Pieces {
    file: TripFile,
    path: PathBuf,
    reader: Text,
    /// What was read beyond the last cut.
    carry: Vec<u8>,
    lines_before: u64,
    ended: bool,
}

impl Pieces {
    /// Reads the header: the first line that is not blank.
    fn header(&mut self) -> Result<Vec<String>, CleanError> {
        let mut buffer = vec![0; 1 << 16];
        let mut at = 0;
        loop {
            match record_end(&self.carry[at..], self.ended) {
                End::At { content, next, wellformed } if next > 0 => {
                    let start =
                        if at == 0 && self.carry.starts_with(b"\xef\xbb\xbf") { 3 } else { at };
                    let record = &self.carry[start..(at + content).max(start)];
                    let blank = record.trim_ascii().is_empty();
                    let mut ranges = Vec::new();
                    split_fields(record, wellformed, &mut ranges);
                    let names = ranges
                        .iter()
                        .map(|range| field_text(&record[range.clone()], true))
                        .collect();
                    self.lines_before +=
                        memchr::memchr_iter(b'\n', &self.carry[at..at + next]).count() as u64;
                    at += next;
                    if record.contains(&b'\r') {
                        return Err(CleanError::LineEnds { file: self.file });
                    }
                    if !blank {
                        self.carry.drain(..at);
                        return Ok(names);
                    }
                }
                End::At { .. } => return Err(CleanError::Empty { file: self.file }),
                End::Beyond if self.carry.len() > LONGEST_RECORD => return Err(self.too_long()),
                End::Beyond => {
                    let read = self.fill(&mut buffer, 0)?;
                    self.carry.extend_from_slice(&buffer[..read]);
                }
            }
        }
    }

    fn too_long(&self) -> CleanError {
        CleanError::RecordTooLong {
            file: self.file,
            line: self.lines_before + 1,
            limit: LONGEST_RECORD >> 20,
        }
    }

    /// Reads into `buffer` from `filled` on until it is full or the text ends; how full it is.
    fn fill(&mut self, buffer: &mut [u8], mut filled: usize) -> Result<usize, CleanError> {
        while filled < buffer.len() && !self.ended {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => self.ended = true,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(self.unreadable(source)),
            }
        }
        Ok(filled)
    }

    /// A failing decoder means damaged bytes, anything else a failing disk.
    fn unreadable(&self, source: io::Error) -> CleanError {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        if matches!(source.kind(), InvalidData | InvalidInput | UnexpectedEof) {
            CleanError::Damaged { file: self.file, what: "gzip", source: Box::new(source) }
        } else {
            CleanError::io("read", &self.path, source)
        }
    }

    fn next(&mut self, mut buffer: Vec<u8>) -> Result<Option<Piece>, CleanError> {
        let mut filled = self.carry.len();
        buffer.resize(PIECE.max(filled), 0);
        buffer[..filled].copy_from_slice(&self.carry);
        loop {
            filled = self.fill(&mut buffer, filled)?;
            let quoted = memchr::memchr(b'"', &buffer[..filled]).is_some();
            let cut = last_cut(&buffer[..filled], quoted, self.ended, RECORDS);
            if cut == 0 && !self.ended {
                if filled >= LONGEST_RECORD {
                    return Err(self.too_long());
                }
                buffer.resize(filled * 2, 0);
                continue;
            }
            self.carry.clear();
            self.carry.extend_from_slice(&buffer[cut..filled]);
            buffer.truncate(cut);
            // What one long record needed is not kept for all that follow.
            if buffer.capacity() > 2 * PIECE {
                buffer.shrink_to(PIECE);
            }
            if buffer.is_empty() {
                return Ok(None);
            }
            let lines = memchr::memchr_iter(b'\n', &buffer).count();
            let piece = Piece { text: buffer, lines_before: self.lines_before, lines, quoted };
            self.lines_before += lines as u64;
            return Ok(Some(piece));
        }
    }
}

/// The rows of a Parquet file in batches.
pub(super) struct Batches {
    file: TripFile,
    reader: ParquetRecordBatchReader,
    rows_before: u64,
    rows: u64,
    size: u64,
    progress: Progress,
}

impl Batches {
    fn next(&mut self) -> Result<Option<Part>, CleanError> {
        let damaged = |source: Box<dyn std::error::Error + Send + Sync>| CleanError::Damaged {
            file: self.file,
            what: "Parquet",
            source,
        };
        match self.reader.next() {
            None if self.rows_before == self.rows => Ok(None),
            None => Err(damaged(
                format!("its footer promises {} rows, it has {}", self.rows, self.rows_before)
                    .into(),
            )),
            Some(Err(source)) => Err(damaged(Box::new(source))),
            Some(Ok(batch)) => {
                let rows_before = self.rows_before;
                self.rows_before += batch.num_rows() as u64;
                let share = batch.num_rows() as u64 * self.size / self.rows.max(1);
                self.progress.advance(share);
                Ok(Some(Part::Rows { batch, rows_before }))
            }
        }
    }
}

/// A reader that tells how far it is.
struct Counted {
    inner: Text,
    progress: Progress,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.advance(read as u64);
        Ok(read)
    }
}
