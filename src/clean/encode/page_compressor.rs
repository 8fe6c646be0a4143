use std::io;

use bytes::Bytes;
use parquet::basic::ZstdLevel;
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

/// How hard zstd works on times.
const TIME_LEVEL: i32 = 3;

/// How large zstd's tables of long and of short matches are for times, as powers of two. What is
/// equal in two times is so in times nearby: larger tables find no more, and these stay in the
/// cache of a core.
const TIME_TABLES: [CParameter; 2] = [CParameter::HashLog(12), CParameter::ChainLog(14)];

/// What a page holds, as far as it is compressed in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Times, plainly encoded.
    Times,
    /// Anything else.
    Other,
}

/// Compresses one page after another with zstd.
#[derive(Default)]
pub(super) struct PageCompressor {
    times: Option<Compressor<'static>>,
    others: Option<Compressor<'static>>,
    compressed: Vec<u8>,
}

impl PageCompressor {
    pub(super) fn compress(&mut self, page: &[u8], content: Content) -> io::Result<Bytes> {
        let (compressor, new): (_, fn() -> _) = match content {
            Content::Times => (&mut self.times, for_times),
            Content::Other => (&mut self.others, for_others),
        };
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(new()?),
        };
        self.compressed.clear();
        self.compressed.reserve(compress_bound(page.len()));
        compressor.compress_to_buffer(page, &mut self.compressed)?;
        Ok(Bytes::copy_from_slice(&self.compressed))
    }
}

fn for_times() -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(TIME_LEVEL)?;
    for parameter in TIME_TABLES {
        compressor.set_parameter(parameter)?;
    }
    Ok(compressor)
}

fn for_others() -> io::Result<Compressor<'static>> {
    Compressor::new(ZstdLevel::default().compression_level())
}
