//! `taxi schema`: the canonical columns.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use crate::schema::{dictionary, page};
use crate::trip::Colour;

use super::exit::{Error, Exit};
use super::terminal::width;

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// The colour [default: all colours]
    colour: Option<Colour>,
    /// What is printed
    #[arg(long, value_name = "FORM", default_value = "table", env = "TAXI_OUTPUT")]
    output: SchemaForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaForm {
    /// A table for people
    Table,
    /// A JSON list
    Json,
    /// The page docs/schema.md, of every colour
    Markdown,
}

/// Shows the canonical schema.
pub(super) fn schema(args: &SchemaArgs) -> Result<Exit, Error> {
    let mut out = io::stdout().lock();
    let colours = args.colour.map_or(Colour::ALL.to_vec(), |colour| vec![colour]);
    match args.output {
        SchemaForm::Markdown => write!(out, "{}", page())?,
        SchemaForm::Json => {
            let entries: Vec<_> = colours.into_iter().flat_map(dictionary).collect();
            serde_json::to_writer_pretty(&mut out, &entries)?;
            writeln!(out)?;
        }
        SchemaForm::Table => {
            for colour in colours {
                let mut table = Table::new();
                table.load_preset(NOTHING).set_header([
                    colour.as_str(),
                    "type",
                    "in the files of",
                    "meaning",
                ]);
                if let Some(width) = width() {
                    table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
                }
                for entry in dictionary(colour) {
                    table.add_row([entry.column, entry.r#type, &entry.months, entry.about]);
                }
                for line in table.lines() {
                    writeln!(out, "{}", line.trim_end())?;
                }
                writeln!(out)?;
            }
        }
    }
    Ok(Exit::Done)
}
