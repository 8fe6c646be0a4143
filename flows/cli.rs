//! The command line: what can be asked, and how the answer is given.

use std::sync::Arc;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use nyc_taxi_etl::config::{Options, Parameters, ParentParameters, Settings, Tools};
use nyc_taxi_etl::flow::{Listener, LogLines, Run, Terminal, month_table};

use crate::etl_zones::etl_zones;
use crate::flow::Flow;
use crate::show;
use crate::terminal::{Error, Exit, cancelled_by_signal, log, on_terminal, print, width};

/// Moves months of New York taxi trips from the web to a data lake and on to a warehouse, each
/// month whole and once.
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
        flow: FlowArgs,
    },
    /// Show the rows of a month that were set aside, and why
    Quarantine(show::QuarantineArgs),
    /// Show the canonical columns: types, months, meaning
    Schema(show::SchemaArgs),
}

#[derive(Debug, Subcommand)]
enum FlowArgs {
    /// Fetch months, clean them, publish them to the lake
    #[command(after_help = EXAMPLES)]
    EtlWebToGcs(MonthsArgs),
    /// Load months from the lake into Postgres
    EtlGcsToPostgres(MonthsArgs),
    /// Fetch months, clean them, load them into Postgres, without a lake
    IngestData(MonthsArgs),
    /// Bring months to the lake and on to the warehouses
    EtlParentFlow(ParentArgs),
    /// Fetch the lookup of the taxi zones, publish it to the lake
    EtlZones(ZonesArgs),
}

const EXAMPLES: &str = "Examples:
  taxi run etl-web-to-gcs --colour green --year 2020 --months 1-3
  taxi run etl-web-to-gcs --colour yellow,green --from 2019-01 --to 2021-07 --lake gs://my-bucket/trips
  taxi run etl-web-to-gcs --colour green --lag-months 2
  taxi run etl-web-to-gcs --source sample

Exit codes: 0 all done or nothing to do, 1 a month failed, 2 wrong usage, 130 interrupted";

impl FlowArgs {
    fn prefer_flags(&mut self, matches: &clap::ArgMatches) {
        match self {
            Self::EtlWebToGcs(args) | Self::EtlGcsToPostgres(args) | Self::IngestData(args) => {
                args.parameters.prefer_flags(matches);
            }
            Self::EtlParentFlow(args) => args.parameters.months.prefer_flags(matches),
            Self::EtlZones(_) => {}
        }
    }

    async fn run(self) -> Result<Exit, Error> {
        let (flow, printed, options) = match self {
            Self::EtlWebToGcs(args) => {
                (Flow::EtlWebToGcs(args.parameters), args.printed, args.options)
            }
            Self::EtlGcsToPostgres(args) => {
                (Flow::EtlGcsToPostgres(args.parameters), args.printed, args.options)
            }
            Self::IngestData(args) => {
                (Flow::IngestData(args.parameters), args.printed, args.options)
            }
            Self::EtlParentFlow(args) => {
                (Flow::EtlParentFlow(args.parameters), args.printed, args.options)
            }
            Self::EtlZones(args) => return zones(args).await,
        };
        let (run, tools) = start(&options)?;
        let report = flow.run(&run, &tools).await?;
        match printed.output {
            Output::Json => print(&serde_json::to_string_pretty(&report)?)?,
            Output::Table => print(&month_table(&report.months, width()))?,
        }
        Ok(ended(&run, report.ok))
    }
}

#[derive(Debug, Args)]
struct Printed {
    /// What is printed on stdout
    #[arg(
        long,
        display_order = 100,
        value_name = "FORM",
        default_value = "table",
        env = "TAXI_OUTPUT"
    )]
    output: Output,
}

#[derive(Debug, Args)]
struct MonthsArgs {
    #[command(flatten)]
    parameters: Parameters,
    #[command(flatten)]
    printed: Printed,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
struct ParentArgs {
    #[command(flatten)]
    parameters: ParentParameters,
    #[command(flatten)]
    printed: Printed,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
struct ZonesArgs {
    #[command(flatten)]
    printed: Printed,
    #[command(flatten)]
    options: Options,
}

impl Cli {
    /// Reads the command line; ends the program where it makes no sense.
    pub(crate) fn read() -> Self {
        let matches = Self::command().get_matches();
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let flow = matches.subcommand().and_then(|(_, run)| run.subcommand());
        if let (Command::Run { flow: chosen }, Some((_, matches))) = (&mut cli.command, flow) {
            chosen.prefer_flags(matches);
        }
        cli
    }

    /// Does what is asked.
    pub(crate) fn execute(self) -> Result<Exit, Error> {
        log(&self.log)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match self.command {
                Command::Run { flow } => flow.run().await,
                Command::Quarantine(args) => show::quarantine(args).await,
                Command::Schema(args) => show::schema(&args),
            }
        })
    }
}

async fn zones(args: ZonesArgs) -> Result<Exit, Error> {
    let (run, tools) = start(&args.options)?;
    let report = etl_zones(&run, &tools).await;
    match (args.printed.output, report.rows) {
        (Output::Json, _) => print(&serde_json::to_string_pretty(&report)?)?,
        (Output::Table, Some(rows)) => print(&format!("{rows} taxi zones are in {}", report.lake))?,
        (Output::Table, None) => print(&format!("taxi zones: {}", report.state.as_str()))?,
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
