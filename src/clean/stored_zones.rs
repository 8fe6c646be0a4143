//! The zones of a Parquet file's timestamps, as the program that wrote them named them.
//!
//! Parquet itself says no more than that a time is an instant. The arrow schema in the footer
//! names its zone, which parquet's own reader only believes if the unit is the same in both:
//! Parquet has no seconds, so a time in seconds would lose its zone.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::metadata::FileMetaData;
use parquet::schema::types::{SchemaDescriptor, Type};

/// The schema with the zone of each timestamp as it was named when it was written.
pub(super) fn with_stored_zones(schema: &SchemaRef, file: &FileMetaData) -> SchemaRef {
    let is_instant = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, Some(_)));
    if !schema.fields().iter().any(|field| is_instant(field.data_type())) {
        return Arc::clone(schema);
    }
    let Ok(written) = written_schema(file) else {
        return Arc::clone(schema);
    };
    let fields = schema.fields().iter().enumerate().map(|(at, field)| {
        let written = written.fields().get(at).map(|field| field.data_type());
        match (field.data_type(), written) {
            (DataType::Timestamp(unit, Some(_)), Some(DataType::Timestamp(_, Some(zone)))) => {
                let zoned = DataType::Timestamp(*unit, Some(Arc::clone(zone)));
                Arc::new(field.as_ref().clone().with_data_type(zoned))
            }
            _ => Arc::clone(field),
        }
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// The schema as the writer had it: a plain integer may be a time of any unit.
fn written_schema(file: &FileMetaData) -> Result<Schema, ParquetError> {
    let root = file.schema_descr().root_schema();
    let plain = |field: &Arc<Type>| -> Result<Arc<Type>, ParquetError> {
        if !field.is_primitive() || field.get_physical_type() != PhysicalType::INT64 {
            return Ok(Arc::clone(field));
        }
        let info = field.get_basic_info();
        let plain = Type::primitive_type_builder(field.name(), PhysicalType::INT64)
            .with_repetition(info.repetition());
        Ok(Arc::new(plain.build()?))
    };
    let fields = root.get_fields().iter().map(plain).collect::<Result<Vec<_>, _>>()?;
    let root = Type::group_type_builder(root.name()).with_fields(fields).build()?;
    parquet_to_arrow_schema(&SchemaDescriptor::new(Arc::new(root)), file.key_value_metadata())
}
