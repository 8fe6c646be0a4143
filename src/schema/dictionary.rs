//! The canonical schema for people: each column with its type, its months and its meaning.

use std::fmt::Write;

use serde::Serialize;

use crate::trip::{Colour, Month};

use super::{Column, Kind, VINTAGES, columns};

/// A column of a colour, described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The colour.
    pub colour: Colour,
    /// The column.
    pub column: &'static str,
    /// Its type.
    pub r#type: &'static str,
    /// The months whose files have it, as published last.
    pub months: String,
    /// The names it has in the files.
    pub names: String,
    /// What it means.
    pub about: &'static str,
}

/// The columns of a colour, described.
pub fn dictionary(colour: Colour) -> Vec<Entry> {
    columns(colour).into_iter().map(|column| entry(colour, column)).collect()
}

fn entry(colour: Colour, column: &'static Column) -> Entry {
    let mut names: Vec<&str> = Vec::new();
    let mut spans: Vec<(Month, Option<Month>)> = Vec::new();
    for vintage in VINTAGES.iter().filter(|vintage| vintage.colour == colour) {
        let mut found =
            vintage.columns().filter(|name| column.is_called(&name.to_lowercase())).peekable();
        if found.peek().is_some() {
            match spans.last_mut() {
                Some((_, to)) if to.map(Month::next) == Some(vintage.from) => *to = vintage.to,
                _ => spans.push((vintage.from, vintage.to)),
            }
        }
        for name in found {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name);
            }
        }
    }
    let months = spans.iter().map(|(from, to)| match to {
        Some(to) => format!("{from} to {to}"),
        None => format!("{from} on"),
    });
    Entry {
        colour,
        column: column.name,
        r#type: type_name(column.kind),
        months: months.collect::<Vec<_>>().join(", "),
        names: names.join(", "),
        about: column.about,
    }
}

const fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Code(_) => "int16",
        Kind::Seconds => "int32",
        Kind::Number => "float64",
        Kind::Time => "timestamp",
        Kind::Text | Kind::Base | Kind::Flag => "string",
    }
}

/// The page docs/schema.md: the dictionary of every colour.
pub fn page() -> String {
    let mut page = String::from(
        "# The schema\n\n\
        One set of columns per colour, the same for every year and source; a column that a month's \
        file lacks is there and null. Names are those of BigQuery's public New York taxi tables. A \
        timestamp is New York wall-clock time to the microsecond, without a zone. Only \
        `pickup_datetime` is never null.\n\n\
        This page is made by `taxi schema --output markdown`; a test compares it with the program.\n",
    );
    for colour in Colour::ALL {
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "\n## {colour}\n\n| column | type | in the files of | called there | meaning |\n|---|---|---|---|---|\n"
        );
        for Entry { column, r#type, months, names, about, .. } in dictionary(colour) {
            let _ = writeln!(page, "| `{column}` | {type} | {months} | {names} | {about} |");
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_that_follow_one_another_are_one_span() {
        let all = dictionary(Colour::Yellow);
        let months =
            |name: &str| all.iter().find(|entry| entry.column == name).unwrap().months.clone();
        assert_eq!(months("vendor_id"), "2009-01 on");
        assert_eq!(months("pickup_longitude"), "2009-01 to 2016-06");
        assert_eq!(months("cbd_congestion_fee"), "2025-01 on");
    }

    #[test]
    fn every_column_is_in_some_file() {
        for colour in Colour::ALL {
            for entry in dictionary(colour) {
                assert!(!entry.months.is_empty() && !entry.about.is_empty(), "{entry:?}");
            }
        }
    }

    #[test]
    fn the_page_in_docs_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page(), "docs/schema.md is old: run `make docs`");
    }
}
