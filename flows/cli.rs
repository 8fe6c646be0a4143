//! The command line: what can be asked, and how the answer is given.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};
use nyc_taxi_etl::config::{Options, Parameters, Settings, Tools};
use nyc_taxi_etl::flow::{Listener, LogLines, Run, RunReport, Terminal, month_table};
use nyc_taxi_etl::trip::Month;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::etl_gcs_to_postgres::etl_gcs_to_postgres;
use crate::etl_web_to_gcs::etl_web_to_gcs;
use crate::etl_zones::etl_zones;
use crate::ingest_data::ingest_data;
use crate::show;

/// Moves months of New York taxi trips from the web to a data lake, each month whole and once.
#[derive(Debug, Parser)]
#[command(name = "taxi", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,

    /// What is logged on stderr: error, warn, info, debug, or a filter such as taxi=debug
    #[arg(
        long,
        global = true,
        display_order = 100,
        value_name = "LEVEL",
        default_value = "info",
        env = "TAXI_LOG"
    )]
    log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table for people.
    Table,
    /// One JSON object for programs.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a flow
    Run {
        #[command(subcommand)]
        flow: Flow,
    },
    /// Show the rows of a month that were set aside, and why
    Quarantine(show::QuarantineArgs),
    /// Show the canonical columns: types, months, meaning
    Schema(show::SchemaArgs),
}

#[derive(Debug, Subcommand)]
enum Flow {
    /// Fetch months, clean them, publish them to the lake
    #[command(after_help = EXAMPLES)]
    EtlWebToGcs(MonthsArgs),
    /// Load months from the lake into Postgres
    EtlGcsToPostgres(MonthsArgs),
    /// Fetch months, clean them, load them into Postgres, without a lake
    IngestData(MonthsArgs),
    /// Fetch the lookup of the taxi zones, publish it to the lake
    EtlZones(ZonesArgs),
}

const EXAMPLES: &str = "Examples:
  taxi run etl-web-to-gcs --colour green --year 2020 --months 1-3
  taxi run etl-web-to-gcs --colour yellow,green --from 2019-01 --to 2021-07 --lake gs://my-bucket/trips
  taxi run etl-web-to-gcs --colour green --lag-months 2
  taxi run etl-web-to-gcs --source sample

Exit codes: 0 all done or nothing to do, 1 a month failed, 2 wrong usage, 130 interrupted";

#[derive(Debug, Args)]
struct MonthsArgs {
    #[command(flatten)]
    parameters: Parameters,
    /// What is printed on stdout
    #[arg(
        long,
        display_order = 100,
        value_name = "FORM",
        default_value = "table",
        env = "TAXI_OUTPUT"
    )]
    output: Output,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
struct ZonesArgs {
    /// What is printed on stdout
    #[arg(
        long,
        display_order = 100,
        value_name = "FORM",
        default_value = "table",
        env = "TAXI_OUTPUT"
    )]
    output: Output,
    #[command(flatten)]
    options: Options,
}

/// How the program ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Exit {
    /// All done, or nothing to do.
    Done = 0,
    /// Some month failed.
    Failed = 1,
    /// What was asked makes no sense.
    Usage = 2,
    /// Told to stop.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Anything that makes what is asked impossible, as a sentence.
pub(crate) type Error = Box<dyn std::error::Error>;

impl Cli {
    /// Does what is asked.
    pub(crate) fn execute(self) -> Result<Exit, Error> {
        log(&self.log)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match self.command {
                Command::Run { flow: Flow::EtlWebToGcs(args) } => months(args).await,
                Command::Run { flow: Flow::EtlGcsToPostgres(args) } => {
                    months_to_postgres(args).await
                }
                Command::Run { flow: Flow::IngestData(args) } => months_ingested(args).await,
                Command::Run { flow: Flow::EtlZones(args) } => zones(args).await,
                Command::Quarantine(args) => show::quarantine(args).await,
                Command::Schema(args) => show::schema(&args),
            }
        })
    }
}

async fn months(args: MonthsArgs) -> Result<Exit, Error> {
    let files = args.parameters.files(Month::current())?;
    let (run, tools) = start(&args.options)?;
    let report = etl_web_to_gcs(&run, &tools, &files).await;
    show_months(&run, &report, args.output)
}

async fn months_to_postgres(args: MonthsArgs) -> Result<Exit, Error> {
    let files = args.parameters.files(Month::current())?;
    let (run, tools) = start(&args.options)?;
    let report = etl_gcs_to_postgres(&run, &tools, &files).await?;
    show_months(&run, &report, args.output)
}

async fn months_ingested(args: MonthsArgs) -> Result<Exit, Error> {
    let files = args.parameters.files(Month::current())?;
    let (run, tools) = start(&args.options)?;
    let report = ingest_data(&run, &tools, &files).await?;
    show_months(&run, &report, args.output)
}

fn show_months(run: &Run, report: &RunReport, output: Output) -> Result<Exit, Error> {
    match output {
        Output::Json => print(&serde_json::to_string_pretty(report)?),
        Output::Table => print(&month_table(&report.months, width())),
    }
    Ok(ended(run, report.ok))
}

async fn zones(args: ZonesArgs) -> Result<Exit, Error> {
    let (run, tools) = start(&args.options)?;
    let report = etl_zones(&run, &tools).await;
    match (args.output, report.rows) {
        (Output::Json, _) => print(&serde_json::to_string_pretty(&report)?),
        (Output::Table, Some(rows)) => print(&format!("{rows} taxi zones are in {}", report.lake)),
        (Output::Table, None) => print(&format!("taxi zones: {}", report.state.as_str())),
    }
    Ok(ended(&run, report.ok))
}

/// A run and its tools, as the settings say.
fn start(options: &Options) -> Result<(Run, Tools), Error> {
    let settings = Settings::resolve(options)?;
    let listener: Arc<dyn Listener> =
        if on_terminal() { Arc::new(Terminal::default()) } else { Arc::new(LogLines) };
    let run = Run::new(vec![listener], cancelled_by_signal(), settings.policy);
    Ok((run, Tools::new(settings)?))
}

fn ended(run: &Run, ok: bool) -> Exit {
    match (run.is_cancelled(), ok) {
        (_, true) => Exit::Done,
        (true, false) => Exit::Interrupted,
        (false, false) => Exit::Failed,
    }
}

/// Whether people watch what is said on stderr.
fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Logs to stderr; on a terminal, where bars are shown, only what is wrong.
fn log(level: &str) -> Result<(), Error> {
    let quiet = on_terminal() && level == "info";
    let filter = match (quiet, level) {
        (true, _) => "error".to_owned(),
        (false, "error" | "warn" | "info" | "debug" | "trace") => {
            format!("warn,nyc_taxi_etl={level},taxi={level}")
        }
        (false, filter) => filter.to_owned(),
    };
    let colour = on_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .init();
    Ok(())
}

/// The first SIGINT or SIGTERM lets the running task reach a safe point; the second ends the
/// program at once.
fn cancelled_by_signal() -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};
    let cancelled = CancellationToken::new();
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return cancelled;
    };
    let token = cancelled.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if token.is_cancelled() {
                std::process::exit(Exit::Interrupted as i32);
            }
            tracing::warn!("stopping: waiting for a safe point; once more ends at once");
            token.cancel();
        }
    });
    cancelled
}

#[allow(clippy::print_stdout)]
fn print(text: &str) {
    println!("{text}");
}

/// The width of the terminal on stdout; none where it is none.
pub(crate) fn width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}
