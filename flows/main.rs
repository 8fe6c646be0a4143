//! `taxi`: the command line. Parse, make the tools, run the flow, report.

mod cli;
mod etl_gcs_to_postgres;
mod etl_web_to_gcs;
mod etl_zones;
mod ingest_data;
mod show;
mod terminal;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.execute() {
        Ok(exit) => exit.into(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            let failed = error.is::<terminal::Failed>();
            let exit = if failed { terminal::Exit::Failed } else { terminal::Exit::Usage };
            exit.into()
        }
    }
}
