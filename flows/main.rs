//! `taxi`: the command line. Parse, make the tools, run the flow, report.

mod asked;
mod cli;
mod config;
mod connections;
mod create_runs;
mod deploy;
mod drop;
mod dry_run;
mod etl_gcs_to_bq;
mod etl_gcs_to_postgres;
mod etl_parent_flow;
mod etl_web_to_gcs;
mod etl_zones;
mod examples;
mod flow;
mod flow_run;
mod ingest_data;
mod progress;
mod runs;
mod show;
mod status;
mod terminal;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match cli::Cli::read().execute() {
        Ok(exit) => exit.into(),
        Err(error) => {
            if !terminal::is_broken_pipe(error.as_ref()) {
                let _ = writeln!(std::io::stderr(), "error: {error}");
            }
            terminal::Exit::of(error.as_ref()).into()
        }
    }
}
