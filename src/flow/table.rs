use std::collections::BTreeMap;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent};

use super::MonthReport;

/// The narrowest terminal on which the rules of a month fit beside it.
const WIDE: u16 = 132;

/// The months of a run as a table for people; `width` is the terminal's, where there is one.
pub fn month_table(months: &[MonthReport], width: Option<u16>) -> String {
    let wide = width.is_none_or(|width| width >= WIDE);
    let mut header = vec!["month", "state", "read", "kept", "set aside", "seconds", "size"];
    if wide {
        header.splice(5..5, ["reasons", "flagged"]);
    }
    let mut table = plain_table(header, width);
    for month in months {
        let number = |rows: Option<u64>| rows.map_or_else(|| "-".to_owned(), thousands);
        let mut row = vec![
            month.file().to_string(),
            month.state.as_str().to_owned(),
            number(month.rows_read),
            number(month.rows_kept),
            number(month.rows_quarantined),
            format!("{:.1}", month.seconds),
            month.bytes.map_or_else(|| "-".to_owned(), bytes),
        ];
        if wide {
            row.splice(5..5, [by_rule(&month.reasons), by_rule(&month.flags)]);
        }
        table.add_row(row);
    }
    let last = table.column_count() - 1;
    for right in [2, 3, 4, last - 1, last] {
        align_right(&mut table, right);
    }
    let mut parts = vec![printed(&mut table)];
    if !wide && let Some(rules) = rules_table(months, width) {
        parts.push(rules);
    }
    if months.iter().any(|month| month.rows_read.is_some()) {
        parts.push(sum(months));
    }
    for month in months {
        if let Some(error) = &month.error {
            parts.push(format!(" {}: {error}", month.file()));
        }
    }
    parts.join("\n")
}

/// The rules of each month, one a line: for a narrow terminal.
fn rules_table(months: &[MonthReport], width: Option<u16>) -> Option<String> {
    let mut table = plain_table(vec!["month", "rows", "are", "by the rule"], width);
    for month in months {
        for (what, rules) in [("set aside", &month.reasons), ("flagged", &month.flags)] {
            for (rule, rows) in rules {
                table.add_row([
                    month.file().to_string(),
                    thousands(*rows),
                    what.into(),
                    rule.clone(),
                ]);
            }
        }
    }
    align_right(&mut table, 1);
    (!table.is_empty()).then(|| printed(&mut table))
}

fn plain_table(header: Vec<&str>, width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY);
    // One line for one month: no rules between them.
    table.remove_style(TableComponent::HorizontalLines);
    table.remove_style(TableComponent::MiddleIntersections);
    table.remove_style(TableComponent::LeftBorderIntersections);
    table.remove_style(TableComponent::RightBorderIntersections);
    if let Some(width) = width {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(header);
    table
}

fn align_right(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn printed(table: &mut Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((1, 0));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The rows of all months together: what was read is what was kept and what was set aside.
fn sum(months: &[MonthReport]) -> String {
    let all = |of: fn(&MonthReport) -> Option<u64>| thousands(months.iter().filter_map(of).sum());
    let mut sum = format!(
        " {} rows read = {} kept + {} set aside",
        all(|month| month.rows_read),
        all(|month| month.rows_kept),
        all(|month| month.rows_quarantined)
    );
    if months.iter().any(|month| month.rows_loaded.is_some()) {
        sum.push_str("; ");
        sum.push_str(&all(|month| month.rows_loaded));
        sum.push_str(" loaded");
    }
    sum
}

fn by_rule(rows: &BTreeMap<String, u64>) -> String {
    if rows.is_empty() {
        return "-".to_owned();
    }
    let lines = rows.iter().map(|(rule, rows)| format!("{rule} {}", thousands(*rows)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A number with its thousands set apart: `35,644`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size for people: `1.5 MB`.
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if size < 1000 {
        return format!("{size} B");
    }
    let mut value = size as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::trip::{Colour, Counts, TripFile};

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [0, 999, 1000, 35_644, 1_234_567].map(thousands),
            ["0", "999", "1,000", "35,644", "1,234,567"]
        );
        assert_eq!(
            [0, 999, 1500, 999_960, 35_000_000].map(bytes),
            ["0 B", "999 B", "1.5 kB", "1.0 MB", "35.0 MB"]
        );
    }

    #[test]
    fn the_months_of_a_run_are_shown_as_a_table() {
        let month =
            |n: u32| TripFile::new(Colour::Green, crate::trip::Month::new(2020, n).unwrap());
        let counts = Counts {
            rows_read: 35_644,
            rows_kept: 35_612,
            rows_quarantined: 32,
            reasons: [
                ("dropoff_before_pickup".to_owned(), 12),
                ("pickup_outside_month".to_owned(), 20),
            ]
            .into(),
            flags: [("negative_fare".to_owned(), 97)].into(),
        };
        let mut published = MonthReport::new(month(4), State::Published).counted(&counts);
        published.bytes = Some(613_411);
        published.seconds = 0.34;
        let mut failed = MonthReport::new(month(6), State::Failed);
        failed.error = Some("http://h/x.csv answers 410: the file is gone for good".to_owned());
        let months = [published, MonthReport::new(month(5), State::NotPublished), failed];
        insta::assert_snapshot!(month_table(&months, Some(80)), @r"
        ───────────────────────────────────────────────────────────────────────────
         month          state            read    kept  set aside  seconds      size
        ═══════════════════════════════════════════════════════════════════════════
         green 2020-04  published      35,644  35,612         32      0.3  613.4 kB
         green 2020-05  not published       -       -          -      0.0         -
         green 2020-06  failed              -       -          -      0.0         -
        ───────────────────────────────────────────────────────────────────────────
        ──────────────────────────────────────────────────────
         month          rows  are        by the rule
        ══════════════════════════════════════════════════════
         green 2020-04    12  set aside  dropoff_before_pickup
         green 2020-04    20  set aside  pickup_outside_month
         green 2020-04    97  flagged    negative_fare
        ──────────────────────────────────────────────────────
         35,644 rows read = 35,612 kept + 32 set aside
         green 2020-06: http://h/x.csv answers 410: the file is gone for good
        ");
        let table = month_table(&months, None);
        insta::assert_snapshot!(table, @r"
        ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
         month          state            read    kept  set aside  reasons                   flagged           seconds      size
        ═══════════════════════════════════════════════════════════════════════════════════════════════════════════════════════
         green 2020-04  published      35,644  35,612         32  dropoff_before_pickup 12  negative_fare 97      0.3  613.4 kB
                                                                  pickup_outside_month 20
         green 2020-05  not published       -       -          -  -                         -                     0.0         -
         green 2020-06  failed              -       -          -  -                         -                     0.0         -
        ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
         35,644 rows read = 35,612 kept + 32 set aside
         green 2020-06: http://h/x.csv answers 410: the file is gone for good
        ");
    }
}
