//! Whether a page inflates to more than its header says, found without holding it in memory.
//!
//! Snappy, zstd and raw LZ4 are decoded into as much room as the header asks for and fail if they
//! need more. Gzip, brotli and LZ4 in frames are decoded to their end, however far that is: these
//! are counted first.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use parquet::basic::Compression;

/// How many bytes are read at once.
const STEP: usize = 64 << 10;

/// By how much a page may be longer than its header says, in bytes. Its reader finds that as well,
/// and knows whether the stream is broken.
const SLACK: u64 = 1 << 20;

/// The first seven bits of a brotli stream whose window is larger than 16 MB, which is not brotli
/// as RFC 7932 has it: such a window is filled before anything of it is given out.
const LARGE_WINDOW: u8 = 0x11;

/// What a page is that must not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Oversized {
    #[error("more than the {0} bytes that its header says")]
    Bytes(u64),
    #[error("a brotli window of more than 16 MB")]
    Window,
}

/// Whether a codec decodes into no more room than the page header asks for.
pub(super) const fn is_bounded(codec: Compression) -> bool {
    !matches!(codec, Compression::GZIP(_) | Compression::BROTLI(_) | Compression::LZ4)
}

/// What the decoder of a codec takes in memory beside the page itself, in bytes: that of brotli
/// has a buffer as large as the page.
pub(super) const fn beside(codec: Compression, decompressed: u64) -> u64 {
    if matches!(codec, Compression::BROTLI(_)) { decompressed } else { 0 }
}

/// Counts what these bytes of a file inflate to. A stream that breaks before it is much too long is
/// left to its reader.
pub(super) fn check(
    codec: Compression,
    opened: &File,
    [at, length]: [u64; 2],
    decompressed: u64,
) -> Result<(), Oversized> {
    let bytes = BufReader::with_capacity(STEP, Section { opened, at }.take(length));
    let inflated: Box<dyn Read> = match codec {
        Compression::GZIP(_) => Box::new(MultiGzDecoder::new(bytes)),
        Compression::BROTLI(_) => {
            let mut first = [0];
            let read = opened.read_at(&mut first, at).unwrap_or_default();
            if read > 0 && length > 0 && first[0] & 0x7f == LARGE_WINDOW {
                return Err(Oversized::Window);
            }
            Box::new(brotli::Decompressor::new(bytes, STEP))
        }
        // Hadoop's framing is tried first when a page is read, and is bounded.
        Compression::LZ4 => Box::new(FrameDecoder::new(bytes)),
        _ => return Ok(()),
    };
    let most = decompressed.saturating_add(SLACK);
    let mut inflated = inflated.take(most.saturating_add(1));
    let mut buffer = vec![0; STEP];
    let mut count = 0;
    while let Ok(read) = inflated.read(&mut buffer) {
        count += read as u64;
        if read == 0 {
            break;
        }
    }
    if count > most { Err(Oversized::Bytes(decompressed)) } else { Ok(()) }
}

/// A file from a place on, whose own position is left alone.
struct Section<'a> {
    opened: &'a File,
    at: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.opened.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression as Level;
    use flate2::write::GzEncoder;
    use lz4_flex::frame::FrameEncoder;

    use super::*;

    fn pages(text: &[u8]) -> [(Compression, Vec<u8>); 3] {
        let mut gzip = GzEncoder::new(Vec::new(), Level::fast());
        gzip.write_all(text).unwrap();
        let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 1, 22);
        brotli.write_all(text).unwrap();
        let mut lz4 = FrameEncoder::new(Vec::new());
        lz4.write_all(text).unwrap();
        [
            (Compression::GZIP(Default::default()), gzip.finish().unwrap()),
            (Compression::BROTLI(Default::default()), brotli.into_inner()),
            (Compression::LZ4, lz4.finish().unwrap()),
        ]
    }

    /// Checks bytes that stand between others in a file.
    fn checked(codec: Compression, page: &[u8], decompressed: u64) -> Result<(), Oversized> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[b"before".as_slice(), page, page].concat()).unwrap();
        check(codec, &file, [6, page.len() as u64], decompressed)
    }

    #[test]
    fn a_page_may_inflate_to_little_more_than_its_header_says() {
        for size in [1, 65_536, SLACK + 1, SLACK + 4_096, 2 * SLACK, 3 * SLACK] {
            for (codec, page) in pages(&vec![b'x'; size as usize]) {
                assert_eq!(checked(codec, &page, size), Ok(()), "{codec} {size}");
                assert_eq!(checked(codec, &page, size + 1), Ok(()), "{codec} {size}");
                for less in [0, size.saturating_sub(SLACK + 1)].into_iter().filter(|_| size > SLACK)
                {
                    let oversized = Err(Oversized::Bytes(less));
                    assert_eq!(checked(codec, &page, less), oversized, "{codec} {size}");
                }
            }
        }
    }

    #[test]
    fn members_that_follow_each_other_count_together() {
        let [(gzip, page), ..] = pages(&vec![b'x'; SLACK as usize]);
        let three = page.repeat(3);
        assert_eq!(checked(gzip, &three, 2 * SLACK), Ok(()));
        assert_eq!(checked(gzip, &three, SLACK), Err(Oversized::Bytes(SLACK)));
    }

    #[test]
    fn what_breaks_is_left_to_its_reader() {
        for (codec, page) in pages(&[b'x'; 50_000]) {
            assert_eq!(checked(codec, &page[..page.len() / 2], 50_000), Ok(()));
            assert_eq!(checked(codec, b"", 7), Ok(()));
            assert_eq!(checked(codec, b"neither", 7), Ok(()));
        }
    }

    #[test]
    fn a_window_that_is_not_brotlis_is_not_filled() {
        let brotli = Compression::BROTLI(Default::default());
        for first in [0x11, 0x91] {
            let page = [first, 0x1e, 0, 0, 0];
            assert_eq!(checked(brotli, &page, 1 << 30), Err(Oversized::Window));
        }
    }
}
