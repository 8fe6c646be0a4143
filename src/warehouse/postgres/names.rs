//! What things are called in the database, and the SQL of their types.

use crate::schema::{Column, Kind, PICKUP, columns};
use crate::trip::{Colour, Month, TripFile};

/// The longest name of anything: Postgres cuts longer ones in silence.
pub(super) const LONGEST_NAME: usize = 63;

/// The longest name of a table: its partitions and their indexes have longer ones, and
/// Postgres cuts names at 63 bytes.
pub(super) const LONGEST_TABLE: usize = 40;

/// An identifier, quoted.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text constant, quoted so that it is read the same under any setting of the server.
pub(super) fn literal(text: &str) -> String {
    let mark = if text.contains('\\') { "E" } else { "" };
    format!("{mark}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The names of one month in a schema.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) partition: String,
    pub(super) new: String,
    pub(super) quarantine: String,
}

impl Names {
    pub(super) fn of(file: TripFile, schema: &str, table: Option<&str>) -> Self {
        let table = table.map_or_else(|| trips(file.colour), str::to_owned);
        let month = file.month;
        let partition = format!("{table}_{:04}_{:02}", month.year(), month.number());
        let new = format!("{partition}_new");
        let quarantine = format!("{table}_quarantine");
        Self { schema: schema.to_owned(), table, partition, new, quarantine }
    }

    /// The month of a partition of the table.
    pub(super) fn month_of(&self, partition: &str) -> Option<Month> {
        let month = partition.strip_prefix(&self.table)?.strip_prefix('_')?;
        month.replace('_', "-").parse().ok()
    }

    /// A name of the schema, qualified and quoted.
    pub(super) fn qualified(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(name))
    }
}

/// The table of a colour's trips.
pub(super) fn trips(colour: Colour) -> String {
    format!("{colour}_trips")
}

/// The type of a kind of column.
pub(super) const fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Code(_) => "smallint",
        Kind::Seconds => "integer",
        Kind::Whole => "bigint",
        Kind::Number => "double precision",
        Kind::Time => "timestamp",
        Kind::Text | Kind::Base | Kind::Flag | Kind::Any => "text",
    }
}

/// A column as it is declared.
pub(super) fn declared(column: &Column) -> String {
    let null = if column.name == PICKUP { " NOT NULL" } else { "" };
    format!("{} {}{null}", quoted(column.name), type_name(column.kind))
}

/// All columns of a colour as they are declared.
pub(super) fn columns_declared(colour: Colour) -> String {
    columns(colour).into_iter().map(declared).collect::<Vec<_>>().join(", ")
}

/// The first day of a month, as a constant.
pub(super) fn first_day(month: Month) -> String {
    format!("'{month}-01'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_always_quoted() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'; DROP"), "E'a\\\\''; DROP'");
        let file = TripFile::new(Colour::Green, "2020-01".parse().unwrap());
        let names = Names::of(file, "nyc taxi", None);
        assert_eq!(names.qualified(&names.partition), "\"nyc taxi\".\"green_trips_2020_01\"");
        assert_eq!(names.month_of(&names.partition), Some(file.month));
        assert_eq!(names.month_of(&names.new), None);
    }
}
