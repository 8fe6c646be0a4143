use std::sync::Arc;

use bytes::Bytes;

use arrow::array::{
    Float64Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaDataReader};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use proptest::prelude::*;
use proptest::{collection, option};

use super::*;

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .build()
}

fn schema(array: &ArrayRef, nullable: bool) -> Arc<Schema> {
    Arc::new(Schema::new(vec![Field::new("column", array.data_type().clone(), nullable)]))
}

/// A file with one column in one row group.
fn encoded(array: &ArrayRef, nullable: bool, encoder: &mut ColumnEncoder) -> Bytes {
    let columns = ArrowSchemaConverter::new().convert(&schema(array, nullable)).unwrap();
    let chunk = encoder.encode(array, &columns.column(0)).unwrap();
    let mut file =
        SerializedFileWriter::new(Vec::new(), columns.root_schema_ptr(), properties().into())
            .unwrap();
    let mut group = file.next_row_group().unwrap();
    group.append_column(&chunk.bytes, chunk.close).unwrap();
    group.close().unwrap();
    file.into_inner().unwrap().into()
}

/// The same as the parquet crate writes it.
fn written(array: &ArrayRef, nullable: bool) -> Bytes {
    let schema = schema(array, nullable);
    let options =
        ArrowWriterOptions::new().with_properties(properties()).with_skip_arrow_metadata(true);
    let mut file =
        ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&schema), options).unwrap();
    file.write(&RecordBatch::try_new(schema, vec![Arc::clone(array)]).unwrap()).unwrap();
    file.into_inner().unwrap().into()
}

/// What a reader finds in a file.
fn read(file: Bytes) -> ArrayRef {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let batches = builder.with_batch_size(1 << 20).build().unwrap();
    let columns: Vec<ArrayRef> =
        batches.map(|batch| Arc::clone(batch.unwrap().column(0))).collect();
    arrow::compute::concat(&columns.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap()
}

fn chunk(file: &Bytes) -> ColumnChunkMetaData {
    let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
    reader.try_parse(file).unwrap();
    reader.finish().unwrap().row_group(0).column(0).clone()
}

/// Floats by their bits: those that are not numbers are equal to themselves, zeros differ.
fn bits(array: &ArrayRef) -> ArrayRef {
    match array.as_primitive_opt::<Float64Type>() {
        Some(floats) => Arc::new(floats.unary::<_, Int64Type>(|value| value.to_bits() as i64)),
        None => Arc::clone(array),
    }
}

/// A file that is encoded here is read back as it was, and says of itself what a file of the
/// parquet crate says.
#[track_caller]
fn check(array: &dyn Array, encoder: &mut ColumnEncoder) {
    let array = array.slice(0, array.len());
    if array.is_empty() {
        // The parquet crate writes no row group.
        let file = encoded(&array, true, encoder);
        let read = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        assert_eq!(read.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 0);
        return;
    }
    let mut ways = vec![true];
    if array.null_count() == 0 {
        ways.push(false);
    }
    for nullable in ways {
        let ours = encoded(&array, nullable, encoder);
        let theirs = written(&array, nullable);
        assert_eq!(bits(&read(ours.clone())).as_ref(), bits(&read(theirs.clone())).as_ref());
        let (ours, theirs) = (chunk(&ours), chunk(&theirs));
        assert_eq!(format!("{:?}", ours.statistics()), format!("{:?}", theirs.statistics()));
        assert_eq!(ours.num_values(), theirs.num_values());
        assert_eq!(ours.compression_codec(), theirs.compression_codec());
        assert_eq!(ours.definition_level_histogram(), theirs.definition_level_histogram());
        assert_eq!(
            ours.unencoded_byte_array_data_bytes(),
            theirs.unencoded_byte_array_data_bytes()
        );
        assert_eq!(ours.dictionary_page_offset().is_some(), ours.encodings().count() == 3);
    }
}

/// Values that are few or many, with nulls or without, that come in runs or do not.
fn column<T: std::fmt::Debug + Clone + 'static>(
    value: impl Strategy<Value = T> + Clone + 'static,
) -> impl Strategy<Value = Vec<Option<T>>> {
    let many = collection::vec(option::weighted(0.9, value.clone()), 0..600);
    let full = collection::vec(value.clone().prop_map(Some), 0..600);
    let runs = collection::vec((option::of(value.clone()), 1..200_usize), 0..20);
    let runs = runs.prop_map(|runs| {
        let each = runs.into_iter().map(|(value, count)| vec![value; count]);
        each.flatten().collect()
    });
    let few = (collection::vec(value, 1..9), collection::vec(option::of(any::<usize>()), 0..600));
    let few = few.prop_map(|(values, picks)| {
        let pick = |pick: usize| values[pick % values.len()].clone();
        picks.into_iter().map(|at| at.map(pick)).collect()
    });
    let none = (0..100_usize).prop_map(|count| vec![None; count]);
    prop_oneof![many, full, runs, few, none]
}

fn float() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![
        any::<f64>(),
        (-2_000..20_000_i32).prop_map(|cents| f64::from(cents) / 100.0),
        prop_oneof![
            Just(0.0),
            Just(-0.0),
            Just(f64::NAN),
            Just(-f64::NAN),
            Just(f64::INFINITY),
            Just(f64::NEG_INFINITY),
        ],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_column_is_read_back_with_the_same_statistics(
        codes in column(any::<i16>()),
        seconds in column(any::<i32>()),
        wholes in column(any::<i64>()),
        numbers in column(float()),
        times in column(any::<i64>()),
        texts in column("[a-z]{0,3}|\\PC{0,40}|\\PC{40,90}|[a\\u{7f}\\u{10ffff}\\u{d7ff}]{60,70}"),
        offset in 0..20_usize,
    ) {
        // One encoder for all, and arrays that do not begin where their buffers do.
        let encoder = &mut ColumnEncoder::default();
        let mut each = |array: &dyn Array| {
            let offset = offset.min(array.len());
            check(&array.slice(offset, array.len() - offset), encoder);
        };
        each(&Int16Array::from(codes));
        each(&Int32Array::from(seconds));
        each(&Int64Array::from(wholes));
        each(&Float64Array::from(numbers));
        each(&TimestampMicrosecondArray::from(times));
        each(&StringViewArray::from_iter(texts));
    }

    #[test]
    fn values_of_any_width_are_read_back(
        distinct in 1..70_000_u64,
        count in 0..140_000_u64,
        step in 1..10_000_u64,
    ) {
        let values = (0..count).map(|at| (at / (at % 7 + 1) * step % distinct) as i64);
        check(&Int64Array::from_iter_values(values), &mut ColumnEncoder::default());
    }
}

#[test]
fn a_column_of_more_rows_than_a_page_is_read_back() {
    let encoder = &mut ColumnEncoder::default();
    let count = 300_000;
    let some = |at: &usize| at % 11 != 3 && !(140_000..150_000).contains(at);
    let rows = || (0..count).map(|at| Some(at).filter(some));
    let codes = rows().map(|at| Some((at? % 300) as i16));
    check(&codes.collect::<Int16Array>(), encoder);
    let wholes = rows().map(|at| Some(at? as i64 * 1_000_003));
    check(&wholes.collect::<Int64Array>(), encoder);
    let times = rows().map(|at| Some(at? as i64 * 1_000_000));
    check(&times.collect::<TimestampMicrosecondArray>(), encoder);
    let texts = rows().map(|at| Some(format!("a text of some length, {}", at? % 50_000)));
    check(&texts.collect::<StringViewArray>(), encoder);
    let texts = rows().map(|at| Some(format!("{}", at?)));
    check(&texts.collect::<StringViewArray>(), encoder);
    check(&Int16Array::new_null(count), encoder);
}

#[test]
fn a_dictionary_that_does_not_pay_is_given_up() {
    let encoder = &mut ColumnEncoder::default();
    let mut has_dictionary = |array: ArrayRef| {
        let file = encoded(&array, true, encoder);
        check(&array, encoder);
        chunk(&file).dictionary_page_offset().is_some()
    };
    let numbers = |distinct: u32| -> ArrayRef {
        let values = (0..100_000_u32).map(|at| f64::from(at.wrapping_mul(7_919) % distinct));
        Arc::new(Float64Array::from_iter_values(values))
    };
    assert!(has_dictionary(numbers(2_000)));
    assert!(!has_dictionary(numbers(100_000)));
    let texts = (0..100_000).map(|at| format!("{at}"));
    assert!(has_dictionary(Arc::new(StringViewArray::from_iter_values(texts))));
    // A few long texts are larger than any dictionary.
    let long: Vec<String> = (0..40).map(|at| format!("{at}").repeat(1 << 17)).collect();
    let long = (0..100).map(|at| &long[at % long.len()]);
    assert!(!has_dictionary(Arc::new(StringViewArray::from_iter_values(long))));
}

#[test]
fn what_was_encoded_before_does_not_change_a_byte() {
    let numbers = |distinct: u32| -> ArrayRef {
        let values = (0..90_000_u32).map(|at| f64::from(at.wrapping_mul(7_919) % distinct) / 4.0);
        Arc::new(Float64Array::from_iter_values(values))
    };
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(0..90_000));
    let fresh = encoded(&numbers(5_000), true, &mut ColumnEncoder::default());
    let used = &mut ColumnEncoder::default();
    for before in [numbers(5_001), times, numbers(60_000), numbers(5_000)] {
        encoded(&before, true, used);
    }
    assert!(fresh == encoded(&numbers(5_000), true, used));
}

#[test]
fn a_null_in_a_column_that_has_none_is_refused() {
    let array: ArrayRef = Arc::new(Int16Array::from(vec![Some(1), None]));
    let columns = ArrowSchemaConverter::new().convert(&schema(&array, false)).unwrap();
    assert!(ColumnEncoder::default().encode(&array, &columns.column(0)).is_err());
}
