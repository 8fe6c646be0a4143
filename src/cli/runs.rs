//! `taxi runs`: the runs in the journal.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::flow::{PastRun, month_table, run_table};
use crate::settings::{FileOptions, Options, Settings};

use super::examples;
use super::exit::{Error, Exit};
use super::output::Output;
use super::terminal::{print, width};

#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    #[command(subcommand)]
    command: Option<RunsCommand>,

    /// What is printed
    #[arg(long, global = true, value_name = "FORM", default_value = "table", env = "TAXI_OUTPUT")]
    output: Output,

    /// The folder of the journal [default: data/runs]
    #[arg(long, global = true, value_name = "FOLDER", env = "TAXI_RUNS")]
    runs: Option<PathBuf>,

    /// The settings file [default: taxi.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE", env = "TAXI_CONFIG")]
    config: Option<PathBuf>,

    /// The profile of taxi.toml whose settings override the others in the file
    #[arg(long, global = true, value_name = "NAME", env = "TAXI_PROFILE")]
    profile: Option<String>,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// Show one run: its months and what went wrong
    #[command(after_help = examples::RUNS_SHOW)]
    Show {
        /// The run's name or the beginning of it, or last for the newest run
        run: String,
    },
}

/// Shows the runs, or one.
pub(super) fn runs(args: RunsArgs) -> Result<Exit, Error> {
    let mut options = Options::default();
    options.run.runs = args.runs;
    options.file = FileOptions { profile: args.profile, config: args.config };
    // The folder alone: a lake that cannot be reached does not matter here.
    let folder = Settings::runs_folder(&options)?;
    match (args.command, args.output) {
        (None, Output::Json) => print(&serde_json::to_string_pretty(&PastRun::all(&folder)?)?)?,
        (None, Output::Table) => match &PastRun::all(&folder)?[..] {
            [] => print(&format!("there are no runs in {}", folder.display()))?,
            runs => print(&run_table(runs, width()))?,
        },
        (Some(RunsCommand::Show { run }), Output::Json) => {
            print(&serde_json::to_string_pretty(&PastRun::named(&folder, &run)?)?)?;
        }
        (Some(RunsCommand::Show { run }), Output::Table) => {
            let run = PastRun::named(&folder, &run)?;
            print(&run_table(std::slice::from_ref(&run), width()))?;
            if !run.months.is_empty() {
                print(&month_table(&run.months, width()))?;
            }
            for warning in &run.warnings {
                print(&format!(" {warning}"))?;
            }
        }
    }
    Ok(Exit::Done)
}
