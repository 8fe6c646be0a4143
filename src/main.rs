//! `taxi`, the program.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use nyc_taxi_etl::cli::Cli;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    Cli::read().execute().into()
}
