//! Opens a trip file and returns it in parts, each with its position in the file.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::CleanError;
use super::gzip::Members;
use super::parquet_file::{Batches, ParquetFile, UnreadColumns};
use super::part::Part;
use super::records::{
    End, MOST_FIELDS, Shape, field_text, last_cut, marks_of_order, record_end, split_fields,
};
use super::text::Piece;
use crate::flow::Progress;
use crate::schema::{HeaderError, editions};
use crate::trip::{Format, KeptColumn, TripFile};

/// How much text a piece holds, in bytes: about 80,000 records, which become a row group.
const PIECE: usize = 8 << 20;

/// The most records a piece of text holds: where they are tiny, they are many.
const RECORDS: usize = 1 << 18;

/// The longest record that is read, in bytes; a longer one means that this is not a trip file.
const LONGEST_RECORD: usize = 16 << 20;

/// A text, read from its beginning.
pub type Text = Box<dyn Read + Send>;

/// A file of trips, opened: its column names are known.
pub(super) struct Input {
    /// The names of its columns, as spelled.
    pub(super) names: Vec<String>,
    pub(super) rest: Rest,
    /// The columns that are read for rows set aside alone.
    pub(super) unread: Option<UnreadColumns>,
}

/// What follows the header.
pub(super) enum Rest {
    Text(Pieces),
    Rows(Batches),
}

impl Input {
    /// Opens a file of a known format; a text that is given is read in its place. What has to
    /// be written again to be read is put in `folder`.
    pub(super) fn open(
        file: TripFile,
        path: &Path,
        format: Format,
        text: Option<Text>,
        folder: &Path,
        kept: &[KeptColumn],
        progress: &Progress,
    ) -> Result<Self, CleanError> {
        let open = || File::open(path).map_err(|source| CleanError::io("read", path, source));
        if format == Format::Parquet {
            let ParquetFile { names, batches, unread } =
                ParquetFile::open(file, path, open()?, folder, kept, progress)?;
            return Ok(Self { names, rest: Rest::Rows(batches), unread });
        }
        let inner = match text {
            Some(text) => text,
            None => Box::new(open()?),
        };
        let counted = Counted { inner, progress: progress.clone() };
        let reader: Text = if format == Format::CsvGz {
            Box::new(Members::new(BufReader::with_capacity(1 << 18, counted)))
        } else {
            Box::new(counted)
        };
        let mut pieces = Pieces {
            file,
            path: path.to_owned(),
            reader,
            compressed: format == Format::CsvGz,
            carry: Vec::new(),
            lines_before: 0,
            bytes_before: 0,
            shape: Shape::default(),
            ended: false,
        };
        let names = pieces.header()?;
        let surplus = editions(file).map(|edition| edition.surplus).max().unwrap_or_default();
        pieces.shape = Shape { fields: names.len(), surplus };
        Ok(Self { names, rest: Rest::Text(pieces), unread: None })
    }
}

impl Rest {
    /// The next part; `None` at the end. `buffer` is reused for the text.
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
    compressed: bool,
    /// What was read beyond the last cut.
    carry: Vec<u8>,
    lines_before: u64,
    /// How many bytes of the text come before what was read beyond the last cut.
    bytes_before: u64,
    shape: Shape,
    ended: bool,
}

impl Pieces {
    /// Reads the header: the first line that is not blank.
    fn header(&mut self) -> Result<Vec<String>, CleanError> {
        let mut buffer = vec![0; 1 << 16];
        let read = self.fill(&mut buffer, 0)?;
        self.carry.extend_from_slice(&buffer[..read]);
        self.check_format()?;
        let mut at = 0;
        loop {
            at += marks_of_order(&self.carry[at..]);
            match record_end(&self.carry[at..], self.shape, self.ended) {
                End::At { content, next, wellformed } if next > 0 => {
                    let record = &self.carry[at..at + content];
                    let blank = record.trim_ascii().is_empty();
                    let mut ranges = Vec::new();
                    split_fields(record, wellformed, &mut ranges);
                    if ranges.len() == MOST_FIELDS {
                        let found = memchr::memchr_iter(b',', record).count() + 1;
                        return Err(HeaderError::TooMany { file: self.file, found }.into());
                    }
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
                    if record.contains(&0) {
                        return Err(CleanError::BinaryHeader { file: self.file });
                    }
                    if !blank {
                        self.carry.drain(..at);
                        self.bytes_before = at as u64;
                        return Ok(names);
                    }
                }
                End::At { .. } => return Err(CleanError::Empty { file: self.file }),
                End::Beyond if self.carry.len() > LONGEST_RECORD => {
                    return Err(if memchr::memchr(b'\r', &self.carry[at..]).is_some() {
                        CleanError::LineEnds { file: self.file }
                    } else {
                        self.too_long()
                    });
                }
                End::Beyond => {
                    let read = self.fill(&mut buffer, 0)?;
                    self.carry.extend_from_slice(&buffer[..read]);
                }
            }
        }
    }

    /// What came is looked at before any of it is taken for a header: a name and an address
    /// say nothing of what was compressed.
    fn check_format(&self) -> Result<(), CleanError> {
        if self.carry.is_empty() {
            return Err(CleanError::Empty { file: self.file });
        }
        let first = &self.carry[..self.carry.len().min(Format::FIRST_BYTES)];
        Format::sniff_text(first).map_err(|found| CleanError::NotCsv {
            file: self.file,
            container: if self.compressed { "the gzip file" } else { "the file" },
            found,
        })
    }

    /// Bytes of 0 where text should be, so far into what was read since the last cut.
    fn hollow(&self, at: usize) -> CleanError {
        let offset = self.bytes_before + at as u64;
        let inside = if self.compressed { " once decompressed" } else { "" };
        CleanError::Damaged {
            file: self.file,
            what: if self.compressed { "gzip" } else { "CSV" },
            source: format!(
                "there is no text from byte {offset} on{inside}, only zero bytes, as an unfinished download or copy leaves"
            )
            .into(),
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
        let mut looked = 0;
        buffer.resize(PIECE.max(filled), 0);
        buffer[..filled].copy_from_slice(&self.carry);
        loop {
            filled = self.fill(&mut buffer, filled)?;
            if let Some(at) = nuls(&buffer[..filled], looked) {
                return Err(self.hollow(at));
            }
            looked = filled.saturating_sub(NULS);
            let quoted = memchr::memchr(b'"', &buffer[..filled]).is_some();
            let cut = last_cut(&buffer[..filled], self.shape, quoted, self.ended, RECORDS);
            if cut == 0 && !self.ended {
                if filled >= LONGEST_RECORD {
                    return Err(self.too_long());
                }
                buffer.resize(filled * 2, 0);
                continue;
            }
            self.bytes_before += cut as u64;
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

/// The shortest run of bytes of 0 that is damage: a disk or a program made room for bytes that
/// never
/// came.
const NULS: usize = 64;

/// Where a long run of bytes of 0 begins in a text, if it ends after `from`.
fn nuls(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr(0, text.get(at..)?)?;
        let run = text[at..].iter().take(NULS).take_while(|byte| **byte == 0).count();
        if run == NULS {
            return Some(at);
        }
        at += run;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_of_nuls_is_found_and_a_short_one_is_not() {
        let text = [b"a,b\n".as_slice(), &[0; NULS - 1], b"x", &[0; NULS], b"y"].concat();
        assert_eq!(nuls(&text, 0), Some(4 + NULS));
        assert_eq!(nuls(&text[..4 + NULS], 0), None);
        assert_eq!(nuls(&text, 4 + NULS), Some(4 + NULS));
        assert_eq!(nuls(b"", 0), None);
    }
}
