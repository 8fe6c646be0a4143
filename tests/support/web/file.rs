//! What a path holds, in memory or on disk, and the parts of it that a client can ask for.
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Cursor, SeekFrom};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncSeekExt};

pub(super) type Source = Box<dyn AsyncRead + Send + Unpin>;

/// What a path holds.
pub(super) struct File {
    content: Content,
    pub(super) length: u64,
    pub(super) etag: String,
    pub(super) modified: String,
}

pub(super) enum Content {
    Memory(Bytes),
    Disk(PathBuf),
}

impl File {
    pub(super) fn memory(bytes: Bytes, modified: SystemTime) -> Self {
        let mut hash = DefaultHasher::new();
        hash.write(&bytes);
        Self {
            length: bytes.len() as u64,
            etag: format!("\"{:016x}\"", hash.finish()),
            modified: http_date(modified),
            content: Content::Memory(bytes),
        }
    }

    pub(super) fn disk(path: PathBuf) -> Option<Self> {
        let meta = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let modified = meta.modified().ok()?;
        let age = modified.duration_since(UNIX_EPOCH).ok()?;
        Some(Self {
            length: meta.len(),
            etag: format!("\"{:x}-{:x}\"", meta.len(), age.as_nanos()),
            modified: http_date(modified),
            content: Content::Disk(path),
        })
    }

    pub(super) async fn read_from(self, start: u64) -> io::Result<Source> {
        Ok(match self.content {
            Content::Memory(bytes) => Box::new(Cursor::new(bytes.slice(start as usize..))),
            Content::Disk(path) => {
                let mut file = tokio::fs::File::open(path).await?;
                file.seek(SeekFrom::Start(start)).await?;
                Box::new(file)
            }
        })
    }
}

/// The first byte of `bytes=a-b`, `bytes=a-` or `bytes=-n` and the one after the last:
/// none for another form, an empty range for one that the file does not have.
pub(super) fn parse_range(range: &str, length: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        return Some((length.saturating_sub(last.parse().ok()?), length));
    }
    let end = if last.is_empty() { length } else { last.parse::<u64>().ok()?.saturating_add(1) };
    Some((first.parse().ok()?, end.min(length)))
}

/// The form of a date that HTTP prefers, as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let weekday = DAYS[(seconds / 86400 % 7) as usize];
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let (mut day, mut year, mut month) = (seconds / 86400, 1970, 0);
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let (day, month) = (day + 1, MONTHS[month]);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}
