//! The tables that a flow run shows as artifacts.

use serde::Serialize;
use serde_json::Value;

use crate::flow::{MonthReport, bytes};

use super::line::Mask;

/// A month, its columns in the order shown.
#[derive(Serialize)]
struct MonthRow {
    month: String,
    state: &'static str,
    read: Option<u64>,
    before: Option<u64>,
    kept: Option<u64>,
    #[serde(rename = "set aside")]
    set_aside: Option<u64>,
    flagged: Option<u64>,
    loaded: Option<u64>,
    seconds: f64,
    size: Option<String>,
    lake: Option<String>,
    warehouse: Option<String>,
    error: Option<String>,
}

/// The rows of a month that one rule concerns.
#[derive(Serialize)]
struct RuleRow {
    month: String,
    rule: String,
    #[serde(rename = "the rows are")]
    what: &'static str,
    rows: u64,
    #[serde(rename = "kept in")]
    file: Option<String>,
}

/// The months; a text, as the server wants a table.
pub(super) fn months(months: &[MonthReport], mask: &Mask) -> Value {
    let rows = months.iter().map(|month| {
        let loads = month.loads.iter().filter_map(|load| load.rows_loaded);
        let places: Vec<&str> = month.loads.iter().map(|load| load.place.as_str()).collect();
        MonthRow {
            month: month.file().to_string(),
            state: month.state.as_str(),
            read: month.rows_read,
            before: month.replaced.map(|replaced| replaced.rows_before),
            kept: month.rows_kept,
            set_aside: month.rows_quarantined,
            flagged: month.rows_read.map(|_| month.flags.values().sum()),
            loaded: month.rows_loaded.or_else(|| loads.max()),
            seconds: (month.seconds * 100.0).round() / 100.0,
            size: month.bytes.map(bytes),
            lake: month.lake.clone(),
            warehouse: month
                .warehouse
                .clone()
                .or_else(|| (!places.is_empty()).then(|| places.join(", "))),
            error: error(month).map(|error| mask.over(error)),
        }
    });
    text(&rows.collect::<Vec<_>>())
}

/// Why it failed, or why it is not in a warehouse.
pub(super) fn error(month: &MonthReport) -> Option<&str> {
    let mut loads = month.loads.iter().filter_map(|load| load.error.as_deref());
    month.error.as_deref().or_else(|| loads.next())
}

/// What was set aside or flagged, by month and rule; none where nothing was.
pub(super) fn rules(months: &[MonthReport]) -> Option<Value> {
    let mut rows = Vec::new();
    for month in months {
        for (what, rules) in [("set aside", &month.set_aside()), ("flagged", &month.flags)] {
            for (rule, count) in rules {
                rows.push(RuleRow {
                    month: month.file().to_string(),
                    rule: rule.clone(),
                    what,
                    rows: *count,
                    file: match what {
                        "set aside" => month.quarantine.clone(),
                        _ => month.lake.clone(),
                    },
                });
            }
        }
    }
    (!rows.is_empty()).then(|| text(&rows))
}

fn text<T: Serialize>(rows: &[T]) -> Value {
    // Rows of texts and numbers are always JSON.
    serde_json::to_string(rows).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::State;
    use crate::trip::{Colour, Counts, Month, TripFile};

    #[test]
    fn the_tables_have_their_columns_in_the_order_shown() {
        let file = TripFile::new(Colour::Green, Month::new(2020, 4).unwrap());
        let counts = Counts {
            rows_read: 35_644,
            rows_kept: 35_612,
            rows_quarantined: 32,
            reasons: [("unreadable".to_owned(), 32)].into(),
            flags: [("negative_fare".to_owned(), 97)].into(),
            ..Counts::default()
        };
        let mut month = MonthReport::new(file, State::Published).counted(&counts);
        month.seconds = 0.3449;
        month.quarantine = Some("q".to_owned());
        let failed = MonthReport::new(file, State::Failed);
        let all = [month, failed];
        insta::assert_snapshot!(months(&all, &Mask::default()).as_str().unwrap().replace("},{", "},\n{"), @r#"
        [{"month":"green 2020-04","state":"published","read":35644,"before":null,"kept":35612,"set aside":32,"flagged":97,"loaded":null,"seconds":0.34,"size":null,"lake":null,"warehouse":null,"error":null},
        {"month":"green 2020-04","state":"failed","read":null,"before":null,"kept":null,"set aside":null,"flagged":null,"loaded":null,"seconds":0.0,"size":null,"lake":null,"warehouse":null,"error":null}]
        "#);
        insta::assert_snapshot!(rules(&all).unwrap().as_str().unwrap().replace("},{", "},\n{"), @r#"
        [{"month":"green 2020-04","rule":"unreadable","the rows are":"set aside","rows":32,"kept in":"q"},
        {"month":"green 2020-04","rule":"negative_fare","the rows are":"flagged","rows":97,"kept in":null}]
        "#);
        assert_eq!(rules(&all[1..]), None);
    }
}
