//! The canonical schema for people: each column with its type, its months and its meaning.

use std::fmt::Write;

use serde::Serialize;

use crate::trip::{Colour, Month};

use super::columns::same_name;
use super::{Column, FLAG_WORDS, Kind, MISSING_WORDS, VINTAGES, columns};

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
        let mut found = vintage.columns().filter(|name| column.is_called(name)).peekable();
        if found.peek().is_some() {
            spans.push((vintage.from, vintage.to));
        }
        for name in found {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name);
            }
        }
    }
    for alias in column.aliases {
        if !names.iter().any(|known| same_name(known, alias)) {
            names.push(alias);
        }
    }
    let spans = joined(spans);
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

/// Spans in the order of time, those that touch or overlap as one.
fn joined(mut spans: Vec<(Month, Option<Month>)>) -> Vec<(Month, Option<Month>)> {
    spans.sort_by_key(|(from, _)| *from);
    let mut all: Vec<(Month, Option<Month>)> = Vec::new();
    for (from, to) in spans {
        match all.last_mut() {
            Some((_, last)) if last.is_none_or(|last| from <= last.next()) => {
                *last = last.zip(to).map(|(last, to)| last.max(to));
            }
            _ => all.push((from, to)),
        }
    }
    all
}

const fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Code(_) => "int16",
        Kind::Seconds => "int32",
        Kind::Whole => "int64",
        Kind::Number => "float64",
        Kind::Time => "timestamp",
        Kind::Text | Kind::Base | Kind::Flag | Kind::Any => "string",
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
        A column of a file is found by the letters and digits of its name, in any case: \
        `PULocationID`, `pu_location_id` and `PU Location ID` are the same. If a file has two columns \
        of one meaning, a row's value is in whichever is not empty; two different values are \
        unreadable.\n\n\
        This page is made by `taxi schema --output markdown`; a test compares it with the program.\n",
    );
    page.push_str(&readings());
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

/// What is read, as text and as Parquet types.
fn readings() -> String {
    let code = |text: &str| format!("`{text}`");
    let missing = MISSING_WORDS.iter().map(|word| code(word)).collect::<Vec<_>>().join(", ");
    let flags = |yes: bool| {
        let words = FLAG_WORDS.iter().filter(|(_, is_yes)| *is_yes == yes);
        words.map(|(word, _)| code(word)).collect::<Vec<_>>().join(", ")
    };
    let (yes, no) = (flags(true), flags(false));
    format!(
        "\n## What is read\n\n\
        | kind | text | Parquet |\n|---|---|---|\n\
        | missing, any column | empty, blank, or in any case {missing} | null; NaN; NaT, the smallest integer of a timestamp |\n\
        | whole numbers | digits, with blanks around, leading zeros, or written `1.0`; code words of old files | integers, floats and decimals without a fraction; text |\n\
        | numbers | `.5`, `12.`, `1e3` | floats, integers and decimals; text |\n\
        | timestamps | see below | timestamps in seconds to nanoseconds, INT96; text |\n\
        | flags | Y: {yes}, `1`; N: {no}, `0` | booleans, 0 and 1; text |\n\
        | bases and licences | any text in UTF-8; base numbers become upper case | text; binary that is UTF-8 |\n\n\
        A value that is not one of these makes its row unreadable: infinity, a number too large for \
        its column, a flag that is another word. A Parquet column of another type (a date or an integer \
        for a timestamp, a boolean for a number) fails the month, unless all its values are null.\n\n\
        | timestamp as text | is |\n|---|---|\n\
        | `2020-01-05 10:00:00`, also with `T` or a fraction of a second | New York wall-clock time |\n\
        | the same with ` UTC`, `GMT`, `Z`, `+00`, `+0000` or `+00:00` | read as it stands, with a warning |\n\
        | the same with the offset that New York has at that time: `-05:00`, `-0400`, `EST`, `EDT` | New York wall-clock time |\n\
        | `01/05/2020 10:00:00 AM`, month first | New York wall-clock time |\n\
        | `2020 Jan 05 10:00:00 AM` | New York wall-clock time |\n\
        | without seconds; days and months that could be swapped; another offset | unreadable |\n\n\
        A Parquet timestamp with the zone `America/New_York`, or one that shows the same time all through \
        the month, is read as the wall-clock time of that zone; zones are named in the Arrow schema or \
        in the entry for pandas. One in UTC is read as it stands, with a \
        warning: most writers mark times without a zone as UTC. Any other zone fails the month. \
        Digits beyond the microsecond are dropped.\n"
    )
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
