//! Hands the columns of a Polars frame to arrow without copying them, through the Arrow C
//! data interface (<https://arrow.apache.org/docs/format/CDataInterface.html>).

use arrow::array::{ArrayRef, make_array};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, from_ffi_and_data_type};
use polars::prelude::{CompatLevel, DataFrame};
use polars_arrow::ffi::{ArrowArray, export_array_to_c};

/// The columns of a frame as arrays of the types of `schema`, which are those of the frame
/// but for times, 64-bit integers in the frame, and texts, views in both.
pub(super) fn arrays(frame: DataFrame, schema: &Schema) -> Result<Vec<ArrayRef>, ArrowError> {
    let columns = frame.rechunk_into_arrow(CompatLevel::newest());
    columns
        .into_iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            let data_type = match field.data_type() {
                DataType::Utf8 | DataType::Utf8View => DataType::Utf8View,
                other => other.clone(),
            };
            import(export_array_to_c(column), data_type)
        })
        .collect()
}

#[allow(unsafe_code)]
fn import(array: ArrowArray, data_type: DataType) -> Result<ArrayRef, ArrowError> {
    // SAFETY: both are the struct `ArrowArray` of the C data interface, `repr(C)` with the
    // same fields, and both release what they own when dropped: ownership moves over whole.
    let array = unsafe { std::mem::transmute::<ArrowArray, FFI_ArrowArray>(array) };
    // SAFETY: the array was exported just now by Polars from a column of this layout: 64-bit
    // integers and timestamps share theirs.
    let data = unsafe { from_ffi_and_data_type(array, data_type) }?;
    Ok(make_array(data))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Field, Float64Type, Int16Type, TimeUnit, TimestampMicrosecondType};
    use polars::prelude::{
        Float64Chunked, Int16Chunked, Int64Chunked, IntoColumn, NewChunkedArray, StringChunked,
    };

    use super::*;

    #[test]
    fn values_and_nulls_come_over_as_they_are() {
        let long = "a text longer than the twelve bytes a view holds";
        let frame = DataFrame::new(
            3,
            vec![
                Int64Chunked::from_slice_options("t".into(), &[Some(1), None, Some(3)])
                    .into_column(),
                Float64Chunked::from_slice("x".into(), &[-0.0, 1.5, f64::MAX]).into_column(),
                StringChunked::from_slice_options("s".into(), &[Some("N"), Some(long), None])
                    .into_column(),
                Int16Chunked::from_slice_options("i".into(), &[None, Some(i16::MIN), Some(0)])
                    .into_column(),
            ],
        )
        .unwrap();
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        let schema = Schema::new(vec![
            Arc::new(Field::new("t", time, true)),
            Arc::new(Field::new("x", DataType::Float64, true)),
            Arc::new(Field::new("s", DataType::Utf8, true)),
            Arc::new(Field::new("i", DataType::Int16, true)),
        ]);
        let arrays = arrays(frame, &schema).unwrap();
        let times = arrays[0].as_primitive::<TimestampMicrosecondType>();
        assert_eq!(times.iter().collect::<Vec<_>>(), [Some(1), None, Some(3)]);
        assert!(arrays[1].as_primitive::<Float64Type>().value(0).is_sign_negative());
        let texts = arrays[2].as_string_view();
        assert_eq!(texts.iter().collect::<Vec<_>>(), [Some("N"), Some(long), None]);
        assert_eq!(arrays[3].as_primitive::<Int16Type>().null_count(), 1);
        assert_eq!(arrays[3].as_primitive::<Int16Type>().value(1), i16::MIN);
    }
}
