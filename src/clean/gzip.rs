//! Decompresses gzip files of any number of members, with padding after them.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The most bytes of padding after any file: that of the largest blocks of tapes.
const BLOCK: u64 = 64 << 10;

/// The most bytes of padding after a file that is itself as large.
const MOST_PADDING: u64 = 1 << 20;

/// Reads the text of every member. Bytes of 0 after a member are padding, as for `gzip` and
/// Python, as long as they are few; anything else that is not a member is damage.
pub(super) struct Members<R: BufRead> {
    state: Position<R>,
}

enum Position<R: BufRead> {
    Member(Box<GzDecoder<Tally<R>>>),
    Between(Tally<R>),
    Ended,
}

/// A reader that counts its bytes.
struct Tally<R> {
    inner: R,
    bytes: u64,
}

/// What follows a member is not gzip.
#[derive(Debug, thiserror::Error)]
#[error("it is followed by bytes that are not gzip")]
struct TrailingBytes;

/// What follows a member is more than padding.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is followed by more than {0} zero bytes, which is not padding but a sign of an unfinished download"
)]
struct HollowEnd(u64);

impl<R: BufRead> Read for Tally<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Tally<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.inner.consume(bytes);
    }
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(inner: R) -> Self {
        let inner = Tally { inner, bytes: 0 };
        Self { state: Position::Member(Box::new(GzDecoder::new(inner))) }
    }

    /// Skips padding: whether another member follows.
    fn more(inner: &mut Tally<R>) -> io::Result<bool> {
        let end = inner.bytes;
        let most = end.clamp(BLOCK, MOST_PADDING);
        loop {
            if inner.bytes - end > most {
                return Err(io::Error::new(io::ErrorKind::InvalidData, HollowEnd(most)));
            }
            let ahead = inner.fill_buf()?;
            let padding = ahead.iter().take_while(|byte| **byte == 0).count();
            match ahead.get(padding) {
                Some(0x1f) => {
                    inner.consume(padding);
                    return Ok(true);
                }
                Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, TrailingBytes)),
                None if ahead.is_empty() => return Ok(false),
                None => inner.consume(padding),
            }
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            // An error leaves the state behind in which it came: the next read gives it again.
            match std::mem::replace(&mut self.state, Position::Ended) {
                Position::Ended => return Ok(0),
                Position::Member(mut member) => match member.read(buffer) {
                    Ok(0) => self.state = Position::Between(member.into_inner()),
                    read => {
                        self.state = Position::Member(member);
                        return read;
                    }
                },
                Position::Between(mut inner) => match Self::more(&mut inner) {
                    Ok(true) => self.state = Position::Member(Box::new(GzDecoder::new(inner))),
                    Ok(false) => return Ok(0),
                    Err(error) => {
                        self.state = Position::Between(inner);
                        return Err(error);
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8], buffer: usize) -> Result<String, String> {
        let mut text = String::new();
        let mut members = Members::new(BufReader::with_capacity(buffer, bytes));
        members.read_to_string(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    #[test]
    fn members_follow_each_other_with_padding_or_without() {
        let members = [gzip(b""), gzip(b"a,b\n"), vec![0; 700], gzip(b""), gzip(b"1,2\n")];
        for padding in [0, 1, 511, 65_536] {
            for buffer in [1, 7, 1 << 16] {
                let bytes = [members.concat(), vec![0; padding]].concat();
                assert_eq!(read(&bytes, buffer).unwrap(), "a,b\n1,2\n");
            }
        }
    }

    #[test]
    fn more_zeros_than_any_block_has_are_damage() {
        let small = gzip(b"a,b\n");
        // Stored as they are, so that the file is large.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(&vec![b'x'; 400_000]).unwrap();
        let large = encoder.finish().unwrap();
        let padded = |file: &[u8], zeros: usize| read(&[file, &vec![0; zeros]].concat(), 1 << 16);
        assert!(padded(&small, 65_536).is_ok() && padded(&large, 400_000).is_ok());
        assert_eq!(
            padded(&small, 65_537).unwrap_err(),
            "it is followed by more than 65536 zero bytes, which is not padding but a sign of an unfinished download"
        );
        assert!(padded(&large, 500_000).is_err());
    }

    #[test]
    fn what_follows_and_is_neither_is_damage() {
        let member = gzip(b"a,b\n");
        for rest in [b"x".as_slice(), b"\0\0\0x", b"\0\x1e", b"and more"] {
            let error = read(&[member.as_slice(), rest].concat(), 9).unwrap_err();
            assert_eq!(error, "it is followed by bytes that are not gzip");
        }
        for rest in [b"\x1f".as_slice(), b"\x1f\x8b", b"\0\x1fx", &member[..9], &member[..12]] {
            assert!(read(&[member.as_slice(), rest].concat(), 9).is_err());
        }
    }
}
