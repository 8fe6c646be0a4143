//! Pages that inflate to a gigabyte, while their headers say that they are small.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;

use super::cleaned_within_bounds;
use crate::harness::taxi::Taxi;

const ROWS: usize = 1_000;

/// How much a page says to hold: its values.
const SAID: usize = 8 * ROWS;

/// What a piece of a page inflates to, and how many pieces it has: more than may be in memory.
const PIECE: usize = 16 << 20;
const PIECES: usize = 64;

/// Where in a column the page is that inflates.
#[derive(Debug, Clone, Copy)]
enum Place {
    Data,
    /// A page of version 2, behind some levels.
    DataV2,
    Dictionary,
    /// The second page, after one that is as it says.
    Second,
}

const PLACES: [Place; 4] = [Place::Data, Place::DataV2, Place::Dictionary, Place::Second];

/// Zeros compressed piece by piece, as one stream.
fn inflating(codec: Compression) -> Vec<u8> {
    let zeros = vec![0; PIECE];
    match codec {
        Compression::GZIP(_) => {
            let level = flate2::Compression::fast();
            let mut member = flate2::write::GzEncoder::new(Vec::new(), level);
            member.write_all(&zeros).unwrap();
            member.finish().unwrap().repeat(PIECES)
        }
        Compression::BROTLI(_) => {
            let mut stream = brotli::CompressorWriter::new(Vec::new(), 4096, 1, 22);
            let mut ends = Vec::new();
            for _ in 0..3 {
                stream.write_all(&zeros).unwrap();
                stream.flush().unwrap();
                ends.push(stream.get_ref().len());
            }
            let bytes = stream.into_inner();
            let (start, again) = (&bytes[..ends[1]], &bytes[ends[1]..ends[2]]);
            [start, &again.repeat(PIECES - 2), &bytes[ends[2]..]].concat()
        }
        Compression::LZ4 => {
            use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
            let info =
                FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max4MB);
            let mut frame = FrameEncoder::with_frame_info(info, Vec::new());
            frame.write_all(&zeros[..4 << 20]).unwrap();
            let frame = frame.finish().unwrap();
            // A head of 7 bytes, a block, and the mark of the end.
            let (head, rest) = frame.split_at(7);
            let (block, end) = rest.split_at(rest.len() - 4);
            [head, &block.repeat(PIECES * PIECE / (4 << 20)), end].concat()
        }
        other => panic!("{other}"),
    }
}

/// A number of a page header: its field, in zigzag.
fn number(bytes: &mut Vec<u8>, value: usize) {
    bytes.push(0x15);
    let mut left = value * 2;
    while left > 0x7f {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
}

/// A page header that says these sizes, and the page.
fn page(place: Place, page: &[u8], said: usize, values: usize) -> Vec<u8> {
    let levels = if matches!(place, Place::DataV2) { 16 } else { 0 };
    let mut bytes = Vec::new();
    let (kind, field) = match place {
        Place::Data | Place::Second => (0, 0x2c),
        Place::Dictionary => (2, 0x4c),
        Place::DataV2 => (3, 0x5c),
    };
    for value in [kind, said + levels, page.len() + levels] {
        number(&mut bytes, value);
    }
    bytes.push(field);
    let numbers: &[usize] = match place {
        Place::Data | Place::Second => &[values, 0, 3, 3],
        Place::Dictionary => &[values, 0],
        Place::DataV2 => &[values, 0, values, 0, levels, 0],
    };
    for value in numbers {
        number(&mut bytes, *value);
    }
    bytes.extend([0, 0]);
    bytes.extend(std::iter::repeat_n(0, levels));
    bytes.extend(page);
    bytes
}

/// The bytes of a column of zeros with a page that inflates.
fn column(codec: Compression, place: Place) -> Vec<u8> {
    let inflating = inflating(codec);
    let honest = |size: usize| {
        let mut bytes = Vec::new();
        match codec {
            Compression::GZIP(_) => {
                let level = flate2::Compression::fast();
                let mut member = flate2::write::GzEncoder::new(&mut bytes, level);
                member.write_all(&vec![0; size]).unwrap();
                member.finish().unwrap();
            }
            Compression::BROTLI(_) => {
                let mut stream = brotli::CompressorWriter::new(&mut bytes, 4096, 1, 22);
                stream.write_all(&vec![0; size]).unwrap();
            }
            _ => {
                let mut frame = lz4_flex::frame::FrameEncoder::new(&mut bytes);
                frame.write_all(&vec![0; size]).unwrap();
                frame.finish().unwrap();
            }
        }
        bytes
    };
    match place {
        Place::Data | Place::DataV2 => page(place, &inflating, SAID, ROWS),
        Place::Dictionary => {
            let data = page(Place::Data, &honest(SAID), SAID, ROWS);
            [page(place, &inflating, SAID, ROWS), data].concat()
        }
        Place::Second => {
            let half = page(Place::Data, &honest(SAID / 2), SAID / 2, ROWS / 2);
            [half, page(place, &inflating, SAID / 2, ROWS / 2)].concat()
        }
    }
}

/// Writes a month whose column of this name has the page.
fn write(taxi: &Taxi, name: &str, codec: Compression, place: Place) {
    let times = (0..ROWS as i64).map(|row| 1_577_836_800_000_000 + row * 400_000);
    let pickups: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(times));
    let fares: ArrayRef = Arc::new(Float64Array::from(vec![f64::INFINITY; ROWS]));
    let zeros: ArrayRef = Arc::new(Float64Array::from(vec![0.0; ROWS]));
    // A fare that is no number sets its row aside, with the fields of all columns.
    let mut columns = vec![("lpep_pickup_datetime", pickups), (name, zeros)];
    if name != "fare_amount" {
        columns.push(("fare_amount", fares));
    }
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut whole = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut whole, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let reader = SerializedFileReader::new(Bytes::from(whole.clone())).unwrap();
    let metadata = reader.metadata();
    let (schema, group) = (metadata.file_metadata().schema_descr(), metadata.row_group(0));
    let path = taxi.folder().join("green_tripdata_2020-01.parquet");
    let file = std::fs::File::create(path).unwrap();
    let properties = Arc::new(WriterProperties::default());
    let mut writer = SerializedFileWriter::new(file, schema.root_schema_ptr(), properties).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    for (at, chunk) in group.columns().iter().enumerate() {
        let (bytes, metadata) = if at == 1 {
            let bytes = column(codec, place);
            let mut metadata = ColumnChunkMetaData::builder(schema.column(at))
                .set_compression(codec)
                .set_num_values(ROWS as i64)
                .set_data_page_offset(0)
                .set_total_compressed_size(bytes.len() as i64)
                .set_total_uncompressed_size(SAID as i64);
            if matches!(place, Place::Dictionary) {
                metadata = metadata.set_dictionary_page_offset(Some(0));
            }
            (bytes, metadata.build().unwrap())
        } else {
            (whole.clone(), chunk.clone())
        };
        let close = ColumnCloseResult {
            bytes_written: metadata.compressed_size() as u64,
            rows_written: ROWS as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        rows.append_column(&Bytes::from(bytes), close).unwrap();
    }
    rows.close().unwrap();
    writer.close().unwrap();
}

fn are_refused(codec: Compression) {
    for place in PLACES {
        for name in ["fare_amount", "from_elsewhere"] {
            let taxi = Taxi::new().set("TAXI_THREADS", "2");
            write(&taxi, name, codec, place);
            let month = cleaned_within_bounds(&taxi, &format!("{codec} {place:?} {name}"), &[]);
            assert_eq!(month["state"], "failed", "{month}");
            let error = month["error"].as_str().unwrap();
            let column = format!("of the column '{name}' decompresses to more than the");
            assert!(error.contains(&column), "{error}");
            assert!(!taxi.lake("green").exists());
        }
    }
}

#[test]
fn gzip_pages_that_inflate_to_more_than_they_say_are_refused() {
    are_refused(Compression::GZIP(parquet::basic::GzipLevel::default()));
}

#[test]
fn brotli_pages_that_inflate_to_more_than_they_say_are_refused() {
    are_refused(Compression::BROTLI(parquet::basic::BrotliLevel::default()));
}

#[test]
fn lz4_pages_that_inflate_to_more_than_they_say_are_refused() {
    are_refused(Compression::LZ4);
}
