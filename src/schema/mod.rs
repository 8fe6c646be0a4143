//! The canonical schema: one set of columns per colour, the same for every year and source.
//!
//! Everything here is a table. To add a column is to add a row to `columns`; to learn a new
//! spelling is to add an alias to a row; to learn a new edition of the files is to add a row
//! to `vintages`.

mod columns;
mod dictionary;
mod header;
mod kept;
mod sums;
mod vintages;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

pub use columns::{COLUMNS, Column, FLAG_WORDS, Kind, MISSING_WORDS, is_missing_word};
pub use dictionary::{Entry, dictionary, page};
pub use header::{HeaderError, Mapping, Target};
pub use kept::{ABOUT_KEPT, columns_with, is_kept, kept_kind, name_for_kept};
pub use sums::{SUMMED, Sums, summed};
pub use vintages::{PARQUET_EDITIONS, VINTAGES, Vintage, editions};

use crate::trip::{Colour, Digest, KeptColumn};

/// The name of the column every file must fill and every table is partitioned by.
pub const PICKUP: &str = "pickup_datetime";

/// The columns of a colour, in their order in files and tables.
pub fn columns(colour: Colour) -> Vec<&'static Column> {
    COLUMNS.iter().filter(|column| column.colours.contains(&colour)).collect()
}

/// The schema of a colour's published files.
pub fn arrow_schema(colour: Colour) -> Arc<Schema> {
    arrow_schema_with(colour, &[])
}

/// The schema of a published file that has kept columns beside those of its colour.
pub fn arrow_schema_with(colour: Colour, kept: &[KeptColumn]) -> Arc<Schema> {
    let fields = columns_with(colour, kept).into_iter().map(|column| {
        let nullable = column.name != PICKUP;
        Field::new(column.name, data_type(column.kind), nullable)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// How a kind of column is stored.
pub const fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Code(_) => DataType::Int16,
        Kind::Seconds => DataType::Int32,
        Kind::Whole => DataType::Int64,
        Kind::Number => DataType::Float64,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, None),
        Kind::Text | Kind::Base | Kind::Flag | Kind::Any => DataType::Utf8,
    }
}

/// The version of the way in which published files are encoded.
const ENCODING: u32 = 2;

/// The digest of all that decides how a value of this colour is read and stored: names, aliases,
/// code words, missing words, and the versions of the readings and of the encoding. When it
/// changes, months are cleaned again. What columns mean, said for people, is not in it.
pub fn digest(colour: Colour) -> Digest {
    let mut lines = vec![format!("encoding {ENCODING}"), format!("missing {MISSING_WORDS:?}")];
    lines.extend(columns(colour).into_iter().map(|column| {
        let (reading, version) = column.kind.reading();
        let words = match column.kind {
            Kind::Code(words) => format!("{words:?}"),
            Kind::Flag => format!("{FLAG_WORDS:?}"),
            _ => String::new(),
        };
        format!("{} {reading} {version} {:?} {words}", column.name, column.aliases)
    }));
    Digest::of(lines.join("\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_colour_has_one_pickup_and_no_column_or_alias_twice() {
        for colour in Colour::ALL {
            let names: Vec<&&str> = columns(colour)
                .into_iter()
                .flat_map(|column| std::iter::once(&column.name).chain(column.aliases))
                .collect();
            assert_eq!(names.iter().filter(|name| ***name == PICKUP).count(), 1, "{colour}");
            for (at, name) in names.iter().enumerate() {
                let twice = names[..at].iter().any(|other| super::columns::same_name(name, other));
                assert!(!twice, "{colour} has {name} twice");
            }
        }
    }

    #[test]
    fn only_the_pickup_may_not_be_null() {
        let schema = arrow_schema(Colour::Yellow);
        let required: Vec<_> = schema
            .fields()
            .iter()
            .filter(|f| !f.is_nullable())
            .map(|f| f.name().as_str())
            .collect();
        assert_eq!(required, [PICKUP]);
    }

    #[test]
    fn a_digest_tells_the_colours_apart() {
        assert_ne!(digest(Colour::Yellow), digest(Colour::Green));
    }
}
