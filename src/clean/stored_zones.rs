//! The zones of a Parquet file's timestamps, as the program that wrote them named them.
//!
//! Parquet itself only says that a time is an instant. The arrow schema in the footer
//! names its zone, which parquet's own reader only believes if the unit is the same in both:
//! Parquet has no seconds, so a time in seconds would lose its zone. Programs that write no arrow
//! schema (fastparquet, pyarrow without `store_schema`) name the zones in an entry for pandas.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::metadata::FileMetaData;
use parquet::schema::types::{SchemaDescriptor, Type};
use serde::Deserialize;
use serde_json::Value;

/// The schema with the zone of each timestamp as it was named when it was written.
pub(super) fn with_stored_zones(schema: &SchemaRef, file: &FileMetaData) -> SchemaRef {
    let is_time = |data_type: &DataType| matches!(data_type, DataType::Timestamp(..));
    if !schema.fields().iter().any(|field| is_time(field.data_type())) {
        return Arc::clone(schema);
    }
    let written = written_schema(file).ok();
    let pandas = pandas_zones(file);
    let roots = file.schema_descr().root_schema().get_fields();
    let fields = schema.fields().iter().enumerate().map(|(at, field)| {
        let DataType::Timestamp(unit, zone) = field.data_type() else {
            return Arc::clone(field);
        };
        let written = written.as_ref().and_then(|schema| schema.fields().get(at));
        let in_arrow = match written.map(|field| field.data_type()) {
            Some(DataType::Timestamp(_, Some(zone))) => Some(Arc::clone(zone)),
            _ => None,
        };
        // A time of 96 bits is never marked as an instant.
        let is_int96 = roots.get(at).is_some_and(|root| {
            root.is_primitive() && root.get_physical_type() == PhysicalType::INT96
        });
        let in_pandas = pandas.get(field.name()).map(|zone| Arc::from(zone.as_str()));
        let named = match zone {
            Some(_) => in_arrow.or(in_pandas),
            None if is_int96 => in_pandas,
            None => None,
        };
        match named {
            Some(zone) => {
                let zoned = DataType::Timestamp(*unit, Some(zone));
                Arc::new(field.as_ref().clone().with_data_type(zoned))
            }
            None => Arc::clone(field),
        }
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// What the entry of pandas says of a column, as far as it matters here.
#[derive(Debug, Deserialize)]
struct PandasColumn {
    name: Option<String>,
    field_name: Option<String>,
    metadata: Option<PandasMetadata>,
}

#[derive(Debug, Deserialize)]
struct PandasMetadata {
    timezone: Option<String>,
}

/// The zones of columns in the entry that pandas reads
/// (<https://pandas.pydata.org/docs/development/developer.html>).
fn pandas_zones(file: &FileMetaData) -> HashMap<String, String> {
    let entries = file.key_value_metadata().map_or(&[][..], Vec::as_slice);
    let entry = entries.iter().find(|entry| entry.key == "pandas");
    let Some(text) = entry.and_then(|entry| entry.value.as_deref()) else {
        return HashMap::new();
    };
    zones_of(text)
}

fn zones_of(text: &str) -> HashMap<String, String> {
    #[derive(Deserialize)]
    struct Entry {
        columns: Vec<Value>,
    }
    let entry = serde_json::from_str::<Entry>(text).map(|entry| entry.columns);
    let columns = entry.unwrap_or_default().into_iter();
    // One column that is written another way says nothing of the others.
    let columns = columns.filter_map(|column| serde_json::from_value::<PandasColumn>(column).ok());
    let zone = |column: PandasColumn| {
        Some((column.field_name.or(column.name)?, column.metadata?.timezone?))
    };
    columns.filter_map(zone).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zones_of_the_pandas_entry_are_found_by_column() {
        let text = r#"{"columns": [
            {"name": "a", "field_name": "a", "pandas_type": "datetimetz",
             "metadata": {"timezone": "America/New_York"}},
            {"name": "b", "pandas_type": "datetimetz", "metadata": {"timezone": "UTC"}},
            {"name": "c", "field_name": "c", "pandas_type": "datetime", "metadata": null},
            {"name": ["d", "e"], "field_name": "d", "metadata": {"timezone": "UTC"}},
            {"name": "f", "metadata": {"encoding": "UTF-8"}}], "pandas_version": "2.2.0"}"#;
        let zones = zones_of(text);
        assert_eq!(zones.len(), 2);
        assert_eq!((zones["a"].as_str(), zones["b"].as_str()), ("America/New_York", "UTC"));
        assert!(zones_of("not JSON").is_empty() && zones_of("{}").is_empty());
    }
}
