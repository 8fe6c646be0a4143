use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent};
use indicatif::HumanCount;

use super::{MonthReport, PastRun, State};

/// The narrowest terminal on which the rules of a month fit beside it.
const WIDE: u16 = 132;

/// The months of a run as a table for people; `width` is the terminal's, where there is one.
pub fn month_table(months: &[MonthReport], width: Option<u16>) -> String {
    let wide = width.is_none_or(|width| width >= WIDE);
    let warehouses = warehouses(months);
    let replacing = months.iter().any(|month| month.replaced.is_some());
    let columns = columns(wide, replacing, &warehouses);
    let header = columns.iter().map(|column| column.header.clone());
    let mut table = plain_table(header.collect(), width);
    for month in months {
        table.add_row(columns.iter().map(|column| (column.cell)(month)));
    }
    for (at, _) in columns.iter().enumerate().filter(|(_, column)| column.number) {
        align_right(&mut table, at);
    }
    let mut parts = vec![printed(&mut table)];
    if !wide && let Some(rules) = rules_table(months, width) {
        parts.push(rules);
    }
    if months.iter().any(|month| month.rows_read.is_some()) {
        parts.push(format!(" {}", sum(months, "\n ")));
    }
    for month in months {
        if let Some(error) = &month.error {
            parts.push(format!(" {}: {error}", month.file()));
        }
        for load in &month.loads {
            if let Some(error) = &load.error {
                parts.push(format!(" {}, {}: {error}", month.file(), load.to));
            }
        }
    }
    parts.join("\n")
}

/// Runs of the past as a table for people, with times as the clock here tells them.
pub fn run_table(runs: &[PastRun], width: Option<u16>) -> String {
    let header = ["run", "flow", "began", "took", "ended", "months", "failed"];
    let mut table = plain_table(header.map(str::to_owned).into(), width);
    for run in runs {
        let count = |which: fn(State) -> bool| {
            run.months.iter().filter(|month| which(month.state)).count().to_string()
        };
        let took = Duration::from_secs(run.seconds.round() as u64);
        table.add_row([
            run.run.clone(),
            run.flow.clone(),
            run.began.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M").to_string(),
            humantime::format_duration(took).to_string(),
            run.ending.as_str().to_owned(),
            format!("{} of {}", count(State::is_ok), run.asked),
            count(|state| state == State::Failed),
        ]);
    }
    for right in [3, 5, 6] {
        align_right(&mut table, right);
    }
    printed(&mut table)
}

/// Rows below a header, all of them texts.
pub(crate) fn plain(header: Vec<String>, rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    let mut table = plain_table(header, width);
    table.add_rows(rows);
    printed(&mut table)
}

/// A column of the table of months.
struct Column<'a> {
    header: String,
    cell: Box<dyn Fn(&MonthReport) -> String + 'a>,
    /// Whether it stands to the right.
    number: bool,
}

fn text<'a>(header: &str, cell: impl Fn(&MonthReport) -> String + 'a) -> Column<'a> {
    Column { header: header.to_owned(), cell: Box::new(cell), number: false }
}

fn number<'a>(header: &str, cell: impl Fn(&MonthReport) -> Option<String> + 'a) -> Column<'a> {
    let cell = move |month: &MonthReport| cell(month).unwrap_or_else(|| "-".to_owned());
    Column { header: header.to_owned(), cell: Box::new(cell), number: true }
}

/// The columns of the table of months. Where it goes on to warehouses, they take the room of
/// what is less asked for on a narrow terminal.
fn columns<'a>(wide: bool, replacing: bool, warehouses: &[&'a str]) -> Vec<Column<'a>> {
    let mut columns = vec![
        text("month", |month| month.file().to_string()),
        text("state", |month| month.state.as_str().to_owned()),
    ];
    for &warehouse in warehouses {
        let state = move |month: &MonthReport| {
            let load = month.loads.iter().find(|load| load.to == warehouse);
            load.map_or("-", |load| load.state.as_str()).to_owned()
        };
        columns.push(text(warehouse, state));
    }
    let roomy = wide || warehouses.is_empty();
    if roomy {
        columns.push(number("read", |month| month.rows_read.map(thousands)));
    }
    if replacing {
        let before = |month: &MonthReport| month.replaced.map(|it| thousands(it.rows_before));
        columns.push(number("before", before));
    }
    columns.push(number("kept", |month| month.rows_kept.map(thousands)));
    columns.push(number("set aside", |month| month.rows_quarantined.map(thousands)));
    if wide {
        columns.push(text("reasons", |month| by_rule(&month.set_aside())));
        columns.push(text("flagged", |month| by_rule(&month.flags)));
    }
    if roomy {
        columns.push(number("seconds", |month| Some(format!("{:.1}", month.seconds))));
        columns.push(number("size", |month| month.bytes.map(bytes)));
    }
    columns
}

/// The warehouses that months went on to.
fn warehouses(months: &[MonthReport]) -> Vec<&str> {
    let mut warehouses: Vec<&str> = Vec::new();
    for load in months.iter().flat_map(|month| &month.loads) {
        if !warehouses.contains(&&*load.to) {
            warehouses.push(&load.to);
        }
    }
    warehouses
}

/// The rules of each month, one per line: for a narrow terminal.
fn rules_table(months: &[MonthReport], width: Option<u16>) -> Option<String> {
    let mut table =
        plain_table(["month", "rows", "are", "by the rule"].map(str::to_owned).into(), width);
    for month in months {
        for (what, rules) in [("set aside", &month.set_aside()), ("flagged", &month.flags)] {
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

fn plain_table(header: Vec<String>, width: Option<u16>) -> Table {
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
pub fn row_sum(months: &[MonthReport]) -> String {
    sum(months, "; ")
}

/// The same, with this between what was kept and what each warehouse has of it.
fn sum(months: &[MonthReport], between: &str) -> String {
    let all = |of: fn(&MonthReport) -> Option<u64>| thousands(months.iter().filter_map(of).sum());
    let mut sum = format!(
        "{} rows read = {} kept + {} set aside",
        all(|month| month.rows_read),
        all(|month| month.rows_kept),
        all(|month| month.rows_quarantined)
    );
    if months.iter().any(|month| month.rows_loaded.is_some()) {
        sum.push_str("; ");
        sum.push_str(&all(|month| month.rows_loaded));
        sum.push_str(" loaded");
    }
    let in_each = warehouses(months).into_iter().map(|warehouse| {
        let loads = months.iter().flat_map(|month| &month.loads);
        let loaded = loads.filter(|load| load.to == warehouse).filter_map(|load| load.rows_loaded);
        format!("{} in {warehouse}", thousands(loaded.sum()))
    });
    let in_each = in_each.collect::<Vec<_>>().join(", ");
    if !in_each.is_empty() {
        sum.push_str(between);
        sum.push_str(&in_each);
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
    HumanCount(number).to_string()
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
    use super::super::LoadReport;
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
            ..Counts::default()
        };
        let mut published = MonthReport::new(month(4), State::Published).counted(&counts);
        published.bytes = Some(613_411);
        published.seconds = 0.34;
        let mut failed = MonthReport::new(month(6), State::Failed);
        failed.error =
            Some("http://h/x.csv answers 410: the file was removed permanently".to_owned());
        let again = published.clone().replacing(Some(1_035_644), 35_612);
        assert_eq!(
            month_table(&[again], Some(100)).lines().nth(3).unwrap().trim(),
            "green 2020-04  published  35,644  1,035,644  35,612         32      0.3  613.4 kB"
        );
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
         green 2020-06: http://h/x.csv answers 410: the file was removed permanently
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
         green 2020-06: http://h/x.csv answers 410: the file was removed permanently
        ");
    }
    #[test]
    fn what_became_of_a_month_in_each_warehouse_fits_a_narrow_terminal() {
        let file = |n| TripFile::new(Colour::Yellow, crate::trip::Month::known(2019, n));
        let counts = |rows| Counts {
            rows_read: rows + 7,
            rows_kept: rows,
            rows_quarantined: 7,
            ..Counts::default()
        };
        let load = |to: &'static str, state, rows_loaded, error: Option<&str>| LoadReport {
            to: to.into(),
            place: to.to_owned(),
            state,
            rows_loaded,
            replaced: None,
            error: error.map(str::to_owned),
        };
        let whole = MonthReport::new(file(1), State::Published).counted(&counts(7_696_617));
        let whole = whole.with_loads(vec![
            load("postgres", State::Loaded, Some(7_696_617), None),
            load("bigquery", State::Unchanged, Some(7_696_617), None),
        ]);
        let half = MonthReport::new(file(2), State::Unchanged).counted(&counts(7_049_370));
        let half = half.with_loads(vec![
            load("postgres", State::Failed, None, Some("no connection to 127.0.0.1:5432")),
            load("bigquery", State::Loaded, Some(7_049_370), None),
        ]);
        assert_eq!((whole.state, half.state), (State::Published, State::Failed));
        let months = [whole, half, MonthReport::new(file(3), State::NotPublished)];
        insta::assert_snapshot!(month_table(&months, Some(80)), @r"
        ─────────────────────────────────────────────────────────────────────────
         month           state          postgres  bigquery        kept  set aside
        ═════════════════════════════════════════════════════════════════════════
         yellow 2019-01  published      loaded    unchanged  7,696,617          7
         yellow 2019-02  failed         failed    loaded     7,049,370          7
         yellow 2019-03  not published  -         -                  -          -
        ─────────────────────────────────────────────────────────────────────────
         14,746,001 rows read = 14,745,987 kept + 14 set aside
         7,696,617 in postgres, 14,745,987 in bigquery
         yellow 2019-02, postgres: no connection to 127.0.0.1:5432
        ");
    }
}
