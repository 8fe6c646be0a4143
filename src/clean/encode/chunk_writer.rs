use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, EncodingMask, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, LevelHistogram, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::page_compressor::{Content, PageCompressor};

/// A column of a row group, encoded.
#[derive(Debug)]
pub(in crate::clean) struct ColumnChunk {
    /// Its pages, headers and all.
    pub(in crate::clean) bytes: Bytes,
    /// What the footer says of it.
    pub(in crate::clean) close: ColumnCloseResult,
}

/// Writes the pages of a column chunk and keeps the sums that the footer has of them.
pub(super) struct ChunkWriter<'a> {
    column: ColumnDescPtr,
    content: Content,
    compressor: &'a mut PageCompressor,
    sink: TrackedWrite<Vec<u8>>,
    encodings: Vec<PageEncodingStats>,
    offsets: OffsetIndexBuilder,
    dictionary_at: Option<i64>,
    data_at: Option<i64>,
    rows: u64,
    nulls: u64,
    uncompressed: i64,
}

impl<'a> ChunkWriter<'a> {
    pub(super) fn new(
        column: &ColumnDescPtr,
        content: Content,
        compressor: &'a mut PageCompressor,
    ) -> Self {
        Self {
            column: Arc::clone(column),
            content,
            compressor,
            sink: TrackedWrite::new(Vec::new()),
            encodings: Vec::new(),
            offsets: OffsetIndexBuilder::new(),
            dictionary_at: None,
            data_at: None,
            rows: 0,
            nulls: 0,
            uncompressed: 0,
        }
    }

    /// Writes the dictionary: so many values, plainly encoded. Comes before the data.
    pub(super) fn dictionary(&mut self, values: &[u8], count: usize) -> Result<(), ParquetError> {
        let page = Page::DictionaryPage {
            buf: self.compressor.compress(values, self.content)?,
            num_values: count as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let (offset, _) = self.write(page, values.len())?;
        self.dictionary_at = Some(offset);
        Ok(())
    }

    /// Writes a page of rows; `text_bytes` is how long the texts among its values are together.
    pub(super) fn data(
        &mut self,
        page: &[u8],
        encoding: Encoding,
        rows: &Range<usize>,
        nulls: usize,
        text_bytes: Option<i64>,
    ) -> Result<(), ParquetError> {
        let compressed = Page::DataPage {
            buf: self.compressor.compress(page, self.content)?,
            num_values: rows.len() as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let (offset, size) = self.write(compressed, page.len())?;
        self.data_at.get_or_insert(offset);
        self.offsets.append_offset_and_size(offset, size);
        self.offsets.append_row_count(rows.len() as i64);
        self.offsets.append_unencoded_byte_array_data_bytes(text_bytes);
        self.rows += rows.len() as u64;
        self.nulls += nulls as u64;
        Ok(())
    }

    /// Where the page is and how many bytes it takes.
    fn write(&mut self, page: Page, uncompressed: usize) -> Result<(i64, i32), ParquetError> {
        let (page_type, encoding) = (page.page_type(), page.encoding());
        match self.encodings.last_mut() {
            Some(last) if last.page_type == page_type => last.count += 1,
            _ => self.encodings.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
        let page = CompressedPage::new(page, uncompressed);
        let written = SerializedPageWriter::new(&mut self.sink).write_page(page)?;
        self.uncompressed += written.uncompressed_size as i64;
        Ok((written.offset as i64, written.compressed_size as i32))
    }

    /// Ends the chunk; `text_bytes` as for [`Self::data`], of all of them.
    pub(super) fn close(
        self,
        statistics: Statistics,
        text_bytes: Option<i64>,
    ) -> Result<ColumnChunk, ParquetError> {
        let bytes = Bytes::from(self.sink.into_inner()?);
        let size = bytes.len();
        let levels = self.column.max_def_level();
        let histogram = LevelHistogram::try_new(levels).map(|mut histogram| {
            histogram.increment_by(0, self.nulls as i64);
            histogram.increment_by(levels, (self.rows - self.nulls) as i64);
            histogram
        });
        let encodings = self.encodings.iter().map(|stats| stats.encoding);
        // Of the levels.
        let encodings: Vec<Encoding> = encodings.chain([Encoding::RLE]).collect();
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(self.encodings)
            .set_total_compressed_size(size as i64)
            .set_total_uncompressed_size(self.uncompressed)
            .set_num_values(self.rows as i64)
            .set_data_page_offset(self.data_at.unwrap_or_default())
            .set_dictionary_page_offset(self.dictionary_at)
            .set_statistics(statistics)
            .set_unencoded_byte_array_data_bytes(text_bytes)
            .set_definition_level_histogram(histogram)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: size as u64,
            rows_written: self.rows,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(self.offsets.build()),
        };
        Ok(ColumnChunk { bytes, close })
    }
}
