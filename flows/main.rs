//! `taxi`: the command line. Parse, make the pipeline, run the flow, report.

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
mod gcs_to_warehouse;
mod ingest_data;
mod progress;
mod runs;
mod show;
mod status;
mod terminal;
mod verify;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use mimalloc::MiMalloc;
use nyc_taxi_etl::redact::{redacted, remember, url_secrets};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The variables that hold a secret and nothing else.
const SECRETS: [&str; 3] = ["PGPASSWORD", "PREFECT_API_AUTH_STRING", "PREFECT_API_KEY"];

/// Those that hold a key, or the path of one.
const KEYS: [&str; 2] = ["GOOGLE_APPLICATION_CREDENTIALS", "TAXI_CREDENTIALS"];

/// Those that hold an address, which may have a secret in it.
const ADDRESSES: [&str; 3] = ["DATABASE_URL", "TAXI_SOURCE", "TAXI_ZONES"];

fn main() -> ExitCode {
    remember_environment();
    match cli::Cli::read().execute() {
        Ok(exit) => exit.into(),
        Err(error) => {
            if !terminal::is_broken_pipe(error.as_ref()) {
                let text = error.to_string();
                let _ = writeln!(std::io::stderr(), "error: {}", redacted(&text));
            }
            terminal::Exit::of(error.as_ref()).into()
        }
    }
}

/// Takes what the environment has of secrets out of all that is shown, before anything is.
fn remember_environment() {
    let value = |name: &&str| std::env::var(name).ok();
    SECRETS.iter().filter_map(value).for_each(|secret| remember(&secret));
    let keys = KEYS.iter().filter_map(value);
    keys.filter(|key| !Path::new(key).exists()).for_each(|key| remember(&key));
    for address in ADDRESSES.iter().filter_map(value) {
        for secret in url_secrets(&address) {
            remember(&secret);
        }
    }
}
