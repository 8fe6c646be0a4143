//! `taxi quarantine`: the rows of a month that were set aside, and why.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use crate::clean::{RULES, RuleError};
use crate::flow::thousands;
use crate::lake::{LakeError, Quarantine, RefusedEdition};
use crate::pipeline::Pipeline;
use crate::prefect::ServerBlocks;
use crate::settings::{Group, Options, Settings};
use crate::support::text::{printable, shortened};
use crate::trip::quarantine::QuarantinedRow;
use crate::trip::{Colour, Month, TripFile};

use super::exit::{Error, Exit, Failed};
use super::terminal::width;

#[derive(Debug, Args)]
#[command(mut_args = Group::only(&[Group::Lake, Group::Spool]))]
pub(super) struct QuarantineArgs {
    /// The colour
    #[arg(long, alias = "color", default_value = "green", env = "TAXI_COLOUR")]
    colour: Colour,
    /// The month: 2020-01
    #[arg(long, value_name = "YYYY-MM")]
    month: Month,
    /// Only rows that this rule rejected
    #[arg(long, value_name = "RULE")]
    reason: Option<String>,
    /// The maximum number of rows to show; 0 for all [default: 20 in the table, otherwise all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Show the last refused edition instead of the one in the lake
    #[arg(long)]
    refused: bool,
    /// What is printed
    #[arg(long, value_name = "FORM", default_value = "table", env = "TAXI_OUTPUT")]
    output: RowsForm,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RowsForm {
    /// Counts and rows for people
    Table,
    /// One JSON object
    Json,
    /// The rows with their line and reasons, as CSV
    Csv,
}

/// Shows the rows of a month that were set aside.
pub(super) async fn quarantine(args: QuarantineArgs) -> Result<Exit, Error> {
    if let Some(reason) = args.reason.as_deref().filter(|name| !is_rule(name)) {
        return Err(RuleError::Unknown(reason.to_owned()).into());
    }
    let file = TripFile::new(args.colour, args.month);
    file.colour.check(file.month, Month::current())?;
    let settings = Settings::resolve_to_look(&args.options, &ServerBlocks).await?;
    settings.lake.refuse_missing()?;
    let pipeline = Pipeline::to_look(settings)?;
    let failed = |error: LakeError| Failed(error.to_string());
    let mut refused = pipeline.refused(file).await.map_err(failed)?;
    let mut shown = None;
    let (mut found, note) = if args.refused {
        let (edition, rows) = refused.take().ok_or_else(|| {
            Failed(format!("no edition of {file} has been refused since it was last published"))
        })?;
        let note = format!("refused at {}: {}", edition.at, edition.why);
        shown = Some(edition);
        (rows, Some(note))
    } else {
        let note = refused.as_ref().map(|(edition, _)| {
            format!("an edition was refused at {}: see it with --refused", edition.at)
        });
        let found = pipeline.quarantine(file).await.map_err(failed)?;
        let found = found.ok_or_else(|| {
            let (lake, note) = (pipeline.lake().address(), note.clone());
            let bring = || "publish it with taxi run etl-web-to-gcs".to_owned();
            Failed(format!("{file} is not in the lake {lake}: {}", note.unwrap_or_else(bring)))
        })?;
        (found, note)
    };
    let limit = match (args.limit, args.output) {
        (Some(0), _) | (None, RowsForm::Json | RowsForm::Csv) => usize::MAX,
        (Some(limit), _) => limit,
        (None, RowsForm::Table) => 20,
    };
    let mut stdout = io::stdout().lock();
    match args.output {
        RowsForm::Table => {
            as_table(&mut stdout, file, &mut found, args.reason.as_deref(), limit)?;
            if let Some(note) = note {
                writeln!(stdout, "\n{file}: {note}")?;
            }
        }
        RowsForm::Json => {
            let reason = args.reason.as_deref();
            as_json(&mut stdout, file, shown.as_ref(), &mut found, reason, limit)?;
        }
        RowsForm::Csv => as_csv(&mut stdout, &mut found, args.reason.as_deref(), limit)?,
    }
    Ok(Exit::Done)
}

fn is_rule(name: &str) -> bool {
    RULES.iter().any(|rule| rule.name == name)
}

fn matching<'a>(
    found: &'a mut Quarantine,
    reason: Option<&'a str>,
) -> impl Iterator<Item = Result<QuarantinedRow, Error>> + 'a {
    found.rows().map(|row| row.map_err(Error::from)).filter(move |row| match (row, reason) {
        (Ok(row), Some(reason)) => row.reasons.iter().any(|given| given == reason),
        _ => true,
    })
}

fn as_table(
    out: &mut impl Write,
    file: TripFile,
    found: &mut Quarantine,
    reason: Option<&str>,
    limit: usize,
) -> Result<(), Error> {
    let counts = found.month.provenance.counts.clone();
    writeln!(
        out,
        "{file}: {} of {} rows set aside, in {}",
        thousands(counts.rows_quarantined),
        thousands(counts.rows_read),
        found.address
    )?;
    for (rule, rows) in &counts.reasons {
        writeln!(out, "  {:>9}  {rule}", thousands(*rows))?;
    }
    for (column, rows) in &counts.unreadable {
        writeln!(out, "  {:>9}  unreadable: {}", thousands(*rows), shorten(column))?;
    }
    let mut shown = 0;
    let mut more = false;
    let mut table = rows_table();
    for row in matching(found, reason) {
        let row = row?;
        if shown == limit {
            more = true;
            break;
        }
        if shown > 0 && shown % ROWS_A_TABLE == 0 {
            print_table(out, &std::mem::replace(&mut table, rows_table()))?;
        }
        shown += 1;
        let fields = row.fields.iter().map(|field| shorten(field.as_deref().unwrap_or_default()));
        let fields = fields.collect::<Vec<_>>().join(",");
        let unreadable = row.unreadable.iter().map(|column| shorten(column));
        let unreadable = unreadable.collect::<Vec<_>>().join(" ");
        table.add_row([row.line.to_string(), row.reasons.join(" "), unreadable, fields]);
    }
    if shown > 0 {
        print_table(out, &table)?;
    }
    if more {
        writeln!(
            out,
            "\nThese are the first {shown}: --limit 0 shows all, --output csv is for a spreadsheet."
        )?;
    }
    Ok(())
}

/// How many rows are laid out together.
const ROWS_A_TABLE: usize = 1000;

fn rows_table() -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(["line", "reasons", "unreadable", "fields"]);
    if let Some(width) = width() {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

fn print_table(out: &mut impl Write, table: &Table) -> Result<(), Error> {
    writeln!(out)?;
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A field as it fits a table: the whole is in the other forms.
fn shorten(field: &str) -> String {
    const LONGEST: usize = 60;
    printable(&shortened(field, LONGEST))
}

/// One object, its rows one after the other: they may be more than memory holds.
fn as_json(
    out: &mut impl Write,
    file: TripFile,
    refused: Option<&RefusedEdition>,
    found: &mut Quarantine,
    reason: Option<&str>,
    limit: usize,
) -> Result<(), Error> {
    let counts = &found.month.provenance.counts;
    let mut head = serde_json::json!({
        "colour": file.colour,
        "month": file.month,
        "quarantine": found.address,
        "rows_read": counts.rows_read,
        "rows_quarantined": counts.rows_quarantined,
        "reasons": counts.reasons,
        "unreadable": counts.unreadable,
        "header": found.header,
    });
    if let Some(edition) = refused {
        head["refused"] = serde_json::json!({ "at": edition.at, "why": edition.why });
    }
    let head = serde_json::to_string_pretty(&head)?;
    write!(out, "{},\n  \"rows\": [", head.strip_suffix("\n}").unwrap_or(&head))?;
    for (number, row) in matching(found, reason).take(limit).enumerate() {
        let comma = if number == 0 { "" } else { "," };
        write!(out, "{comma}\n    {}", serde_json::to_string(&row?)?)?;
    }
    writeln!(out, "\n  ]\n}}")?;
    Ok(())
}

fn as_csv(
    out: &mut impl Write,
    found: &mut Quarantine,
    reason: Option<&str>,
    limit: usize,
) -> Result<(), Error> {
    let header = ["line", "reasons", "unreadable"]
        .into_iter()
        .chain(found.header.iter().map(String::as_str));
    writeln!(out, "{}", header.map(quoted).collect::<Vec<_>>().join(","))?;
    for row in matching(found, reason).take(limit) {
        let row = row?;
        let fields = row.fields.iter().map(|field| field.as_deref().unwrap_or_default());
        let line = row.line.to_string();
        let reasons = row.reasons.join(" ");
        let unreadable = row.unreadable.join(" ");
        let all = [line.as_str(), reasons.as_str(), unreadable.as_str()].into_iter().chain(fields);
        writeln!(out, "{}", all.map(quoted).collect::<Vec<_>>().join(","))?;
    }
    Ok(())
}

/// A field of CSV (RFC 4180).
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
