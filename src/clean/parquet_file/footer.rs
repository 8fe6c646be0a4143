//! Checks a Parquet file's footer before it is parsed: whether it exists, is encrypted, or is too
//! large for memory.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::careful::damaged;
use super::thrift::{BINARY, Compact, INTEGERS, LIST, STRUCT};
use crate::clean::CleanError;
use crate::trip::TripFile;

/// The largest footer that is read, in bytes. That of the largest real month has some 100 kB.
const LARGEST: u64 = 32 << 20;

/// The most parts of columns: each takes some 600 bytes once parsed.
const MOST_CHUNKS: u64 = 200_000;

/// The most columns with all that is nested in them.
const MOST_COLUMNS: u64 = 20_000;

/// Columns nested deeper than this are not read, as parsing them takes the stack.
const DEEPEST: usize = 40;

/// What a footer says before it is parsed.
#[derive(Debug, Default)]
struct Footer {
    encrypted: bool,
    elsewhere: bool,
    columns: u64,
    depth: usize,
    chunks: u64,
}

/// Looks at the footer of a file of this size.
pub(super) fn check(file: TripFile, opened: &File, size: u64) -> Result<(), CleanError> {
    let wrong = |what: String, remedy| CleanError::UnsupportedParquet { file, what, remedy };
    let encrypted = || wrong("is encrypted".to_owned(), "Decrypt it first: keys are not supported");
    let cut = || damaged(file, "it is truncated: there is no footer at its end");
    let mut tail = [0; 8];
    let place = size.checked_sub(8).filter(|place| *place >= 4).ok_or_else(cut)?;
    opened.read_exact_at(&mut tail, place).map_err(|_| cut())?;
    match &tail[4..] {
        b"PAR1" => {}
        b"PARE" => return Err(encrypted()),
        _ => return Err(cut()),
    }
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    let start = place.checked_sub(length).filter(|start| *start >= 4);
    let start = start.ok_or_else(|| damaged(file, "its footer is longer than the file"))?;
    if length > LARGEST {
        return Err(wrong(
            format!(
                "has a footer of {} MB, more than the limit of {} MB",
                length >> 20,
                LARGEST >> 20
            ),
            MERGE,
        ));
    }
    let mut bytes = vec![0; length as usize];
    opened.read_exact_at(&mut bytes, start).map_err(|_| cut())?;
    let footer =
        Footer::read(&bytes).ok_or_else(|| damaged(file, "its footer cannot be understood"))?;
    if footer.encrypted {
        return Err(encrypted());
    }
    if footer.elsewhere {
        let what = "is only the index of a set of files".to_owned();
        return Err(wrong(what, "Use the file that has the rows"));
    }
    if footer.columns > MOST_COLUMNS || footer.depth > DEEPEST {
        let what = format!("has {} columns, nested {} deep", footer.columns, footer.depth);
        return Err(wrong(what, "This is not a trip file: check the address"));
    }
    if footer.chunks > MOST_CHUNKS {
        return Err(wrong(
            format!("has {} column chunks, more than the limit of {MOST_CHUNKS}", footer.chunks),
            MERGE,
        ));
    }
    Ok(())
}

const MERGE: &str = "Rewrite it with larger row groups, for example with \
                     pyarrow.parquet.write_table(table, path)";

impl Footer {
    /// Reads a `FileMetaData`; `None` if it is not one.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut footer = Self::default();
        let (mut has_schema, mut has_groups) = (false, false);
        Compact::new(bytes).fields(|thrift, number, kind| match (number, kind) {
            (2, LIST) => {
                has_schema = true;
                footer.schema(thrift).map(|()| true)
            }
            (4, LIST) => {
                has_groups = true;
                footer.row_groups(thrift).map(|()| true)
            }
            // The algorithm of encryption: the columns are encrypted, the footer is not.
            (8, _) => {
                footer.encrypted = true;
                Some(false)
            }
            _ => Some(false),
        })?;
        (has_schema && has_groups).then_some(footer)
    }

    /// Reads the list of schema elements: a tree, each parent before its children.
    fn schema(&mut self, thrift: &mut Compact) -> Option<()> {
        let (kind, length) = thrift.list()?;
        let mut open: Vec<i64> = Vec::new();
        for _ in 0..length {
            if kind != STRUCT {
                return None;
            }
            let mut children = 0;
            thrift.fields(|thrift, number, kind| {
                if number != 5 || !INTEGERS.contains(&kind) {
                    return Some(false);
                }
                children = thrift.integer()?;
                Some(true)
            })?;
            if children < 0 {
                return None;
            }
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if children > 0 {
                open.push(children);
            }
            self.depth = self.depth.max(open.len());
            while open.last() == Some(&0) {
                open.pop();
            }
            self.columns += 1;
            if self.depth > DEEPEST {
                // Enough is known, and this must not become long.
                open.clear();
            }
        }
        Some(())
    }

    fn row_groups(&mut self, thrift: &mut Compact) -> Option<()> {
        let (kind, length) = thrift.list()?;
        (0..length).try_for_each(|_| {
            if kind != STRUCT {
                return None;
            }
            thrift.fields(|thrift, number, kind| {
                if (number, kind) != (1, LIST) {
                    return Some(false);
                }
                let (kind, length) = thrift.list()?;
                self.chunks += length;
                for _ in 0..length {
                    if kind != STRUCT {
                        return None;
                    }
                    self.chunk(thrift)?;
                }
                Some(true)
            })
        })
    }

    fn chunk(&mut self, thrift: &mut Compact) -> Option<()> {
        thrift.fields(|_, number, kind| {
            self.elsewhere |= (number, kind) == (1, BINARY);
            self.encrypted |= matches!(number, 8 | 9);
            Some(false)
        })
    }
}
