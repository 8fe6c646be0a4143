//! What things are called in BigQuery.

use gcp_bigquery_client::model::table_reference::TableReference;

use crate::trip::{Colour, Month, TripFile};

use super::BigQueryError;

/// The table of the ledger: all that ever happened.
pub(super) const LOG: &str = "loads_log";

/// The view of the latest row of each month.
pub(super) const LOADS: &str = "loads";

/// The table of the zones.
pub(super) const ZONES: &str = "zones";

/// A dataset of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dataset {
    pub(super) project: String,
    pub(super) dataset: String,
}

/// What is not taken for the name of a dataset
/// (<https://cloud.google.com/bigquery/docs/datasets#dataset-naming>) or a table
/// (<https://cloud.google.com/bigquery/docs/tables#table_naming>).
const LONGEST: usize = 1024;

impl Dataset {
    /// The dataset of these names, where they are such.
    pub(super) fn new(project: String, dataset: String) -> Result<Self, BigQueryError> {
        // A project may be in a domain: example.com:my-project.
        let letters = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
        check("project", &project, "letters, digits and dashes", letters)?;
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        check("dataset", &dataset, "letters, digits and underscores", letters)?;
        Ok(Self { project, dataset })
    }

    /// A table of it; with a month's decorator, a partition.
    pub(super) fn reference(&self, table: &str) -> TableReference {
        TableReference::new(&self.project, &self.dataset, table)
    }

    /// The name of a table, qualified and quoted for SQL.
    pub(super) fn quoted(&self, table: &str) -> String {
        format!("`{}`.`{}`.`{table}`", self.project, self.dataset)
    }

    /// A view of the dataset's metadata, quoted for SQL.
    pub(super) fn quoted_schema(&self, view: &str) -> String {
        format!("`{}`.`{}`.INFORMATION_SCHEMA.{view}", self.project, self.dataset)
    }

    /// The name of a table, qualified, for people.
    pub(super) fn shown(&self, table: &str) -> String {
        format!("{}.{}.{table}", self.project, self.dataset)
    }
}

/// Checks the name of a table of trips. None of what is allowed needs an escape between
/// backticks.
pub(super) fn check_table(name: &str) -> Result<(), BigQueryError> {
    if [LOADS, LOG, ZONES].contains(&name) {
        let (what, name) = ("table of trips", name.to_owned());
        return Err(BigQueryError::BadName { what, name, rule: "another: this one is taken" });
    }
    let letters = |c: char| c.is_alphanumeric() || "_-".contains(c);
    check("table", name, "letters, digits, underscores and dashes", letters)
}

fn check(
    what: &'static str,
    name: &str,
    rule: &'static str,
    letters: impl Fn(char) -> bool,
) -> Result<(), BigQueryError> {
    if name.is_empty() || name.len() > LONGEST || !name.chars().all(letters) {
        return Err(BigQueryError::BadName { what, name: name.to_owned(), rule });
    }
    Ok(())
}

/// The table of a colour's trips.
pub(super) fn trips(colour: Colour) -> String {
    format!("{colour}_trips")
}

/// The id of a month's partition: `202001`.
pub(super) fn partition_id(month: Month) -> String {
    format!("{:04}{:02}", month.year(), month.number())
}

/// The month of a partition's id; `None` if it is no month's.
pub(super) fn month_of(id: &str) -> Option<Month> {
    let (year, month) = id.split_at_checked(4).filter(|_| id.len() == 6)?;
    Month::new(year.parse().ok()?, month.parse().ok()?).ok()
}

/// The name of a month's partition: `green_trips$202001`
/// (<https://cloud.google.com/bigquery/docs/managing-partitioned-tables#partition_decorators>).
pub(super) fn partition(table: &str, file: TripFile) -> String {
    format!("{table}${}", partition_id(file.month))
}

/// A text constant of GoogleSQL, quoted
/// (<https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#literals>).
pub(super) fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\\' | '\'' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// The condition that a row is of a month, in a form by which only its partition is read.
pub(super) fn in_month(month: Month) -> String {
    let pickup = crate::schema::PICKUP;
    format!(
        "{pickup} >= DATETIME '{month}-01 00:00:00' AND {pickup} < DATETIME '{}-01 00:00:00'",
        month.next()
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_month_is_a_partition() {
        let file = TripFile::new(Colour::Green, "2020-01".parse().unwrap());
        assert_eq!(partition("green_trips", file), "green_trips$202001");
        assert_eq!(month_of("202001"), Some(file.month));
        for id in ["__NULL__", "__UNPARTITIONED__", "20200101", "202013", "2020-1"] {
            assert_eq!(month_of(id), None, "{id}");
        }
        let dataset = Dataset::new("example.com:p-1".into(), "nyc_taxi".into()).unwrap();
        assert_eq!(dataset.quoted("t"), "`example.com:p-1`.`nyc_taxi`.`t`");
    }

    #[test]
    fn names_that_bigquery_does_not_take_are_refused() {
        for (project, dataset) in [("", "d"), ("p", ""), ("p", "a-b"), ("p/q", "d"), ("p", "d`")] {
            assert!(Dataset::new(project.into(), dataset.into()).is_err(), "{project} {dataset}");
        }
        for table in ["", "a.b", "a$202001", "a`b", "a b", "zones", "loads", "loads_log"] {
            assert!(check_table(table).is_err(), "{table}");
        }
        assert!(check_table("fahrten-grün_2").is_ok());
    }

    proptest! {
        #[test]
        fn a_constant_ends_where_its_text_does(text in ".*") {
            let quoted = literal(&text);
            let inner = &quoted[1..quoted.len() - 1];
            let (mut read, mut chars) = (String::new(), inner.chars());
            while let Some(c) = chars.next() {
                prop_assert!(c != '\'' && c != '\n');
                read.push(match c {
                    '\\' => match chars.next() { Some('n') => '\n', Some('r') => '\r', Some(c) => c, None => '\0' },
                    c => c,
                });
            }
            prop_assert_eq!(read, text);
        }
    }
}
