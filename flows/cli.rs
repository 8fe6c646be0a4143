//! The command line: what can be asked, and how the answer is given.

use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use nyc_taxi_etl::config::{Options, Parameters, ParentParameters, Settings, Tools};
use nyc_taxi_etl::flow::{Journal, Listener, Run, month_table};
use nyc_taxi_etl::lake::unwrapped;
use nyc_taxi_etl::prefect::ServerBlocks;
use nyc_taxi_etl::redact::{Secrets, is_plain, redacted};

use crate::config::{ConfigArgs, config};
use crate::connections::Connections;
use crate::deploy::{DeployArgs, deploy_file};
use crate::etl_zones::etl_zones;
use crate::flow::Flow;
use crate::flow_run::FlowRunArgs;
use crate::progress::{ProgressForm, Told, told};
use crate::runs::{RunsArgs, runs};
use crate::terminal::{Error, Exit, cancelled_by_signal, print, warn, width};
use crate::{drop, dry_run, examples, show, status, verify};

/// The version, and the commit it is built from. What a month says of itself has the version
/// alone: two builds of one version make the same bytes.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("TAXI_COMMIT"), ")");

/// Moves months of New York taxi trips from the web to a data lake and on to a warehouse, each
/// month whole and once.
#[derive(Debug, Parser)]
#[command(name = "taxi", version = VERSION, max_term_width = 100, after_help = examples::TAXI)]
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
pub(crate) enum Output {
    /// A table for people.
    Table,
    /// One JSON object for programs.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a flow
    #[command(after_help = examples::RUN)]
    Run {
        #[command(subcommand)]
        flow: FlowArgs,
    },
    /// Show the runs that the journal tells of
    #[command(after_help = examples::RUNS)]
    Runs(RunsArgs),
    /// Show what is there: a matrix of months for the lake and each warehouse
    #[command(after_help = examples::STATUS)]
    Status(status::StatusArgs),
    /// Count months afresh in the lake and the warehouses, and compare
    #[command(after_help = examples::VERIFY)]
    Verify(verify::VerifyArgs),
    /// Take a month out of the lake and the warehouses
    #[command(after_help = examples::DROP)]
    Drop(drop::DropArgs),
    /// Show the rows of a month that were set aside, and why
    #[command(after_help = examples::QUARANTINE)]
    Quarantine(show::QuarantineArgs),
    /// Show the canonical columns: types, months, meaning
    #[command(after_help = examples::SCHEMA)]
    Schema(show::SchemaArgs),
    /// Show the settings in force, and where each comes from
    #[command(after_help = examples::CONFIG)]
    Config(ConfigArgs),
    /// Show and test the connections that taxi.toml names
    #[command(after_help = examples::CONNECTIONS)]
    Connections {
        #[command(subcommand)]
        what: Connections,
    },
    /// Print what completes this command line in a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Bring the deployments of a file to a Prefect server
    #[command(after_help = examples::DEPLOY)]
    Deploy(DeployArgs),
    /// Flow runs of a Prefect server: ask for them month by month, run one
    #[command(after_help = examples::FLOW_RUN)]
    FlowRun {
        #[command(subcommand)]
        what: FlowRunArgs,
    },
}

#[derive(Debug, Subcommand)]
enum FlowArgs {
    /// Fetch months, clean them, publish them to the lake
    #[command(after_help = examples::ETL_WEB_TO_GCS)]
    EtlWebToGcs(MonthsArgs<Parameters>),
    /// Load months from the lake into BigQuery
    #[command(after_help = examples::ETL_GCS_TO_BQ)]
    EtlGcsToBq(MonthsArgs<Parameters>),
    /// Load months from the lake into Postgres
    #[command(after_help = examples::ETL_GCS_TO_POSTGRES)]
    EtlGcsToPostgres(MonthsArgs<Parameters>),
    /// Fetch months, clean them, load them into Postgres, without a lake
    #[command(after_help = examples::INGEST_DATA)]
    IngestData(MonthsArgs<Parameters>),
    /// Bring months to the lake and on to the warehouses
    #[command(after_help = examples::ETL_PARENT_FLOW)]
    EtlParentFlow(MonthsArgs<ParentParameters>),
    /// Fetch the lookup of the taxi zones, publish it to the lake
    #[command(after_help = examples::ETL_ZONES)]
    EtlZones(ZonesArgs),
}

impl FlowArgs {
    fn prefer_flags(&mut self, matches: &clap::ArgMatches) {
        match self {
            Self::EtlWebToGcs(args)
            | Self::EtlGcsToBq(args)
            | Self::EtlGcsToPostgres(args)
            | Self::IngestData(args) => {
                args.parameters.prefer_flags(matches);
            }
            Self::EtlParentFlow(args) => args.parameters.months.prefer_flags(matches),
            Self::EtlZones(_) => {}
        }
    }

    const fn progress(&self) -> Option<ProgressForm> {
        match self {
            Self::EtlWebToGcs(args)
            | Self::EtlGcsToPostgres(args)
            | Self::EtlGcsToBq(args)
            | Self::IngestData(args) => args.progress.progress,
            Self::EtlParentFlow(args) => args.progress.progress,
            Self::EtlZones(args) => args.progress.progress,
        }
    }

    const fn dry_run(&self) -> bool {
        match self {
            Self::EtlWebToGcs(args)
            | Self::EtlGcsToPostgres(args)
            | Self::EtlGcsToBq(args)
            | Self::IngestData(args) => args.dry_run,
            Self::EtlParentFlow(args) => args.dry_run,
            Self::EtlZones(_) => false,
        }
    }

    async fn run(self, listener: Arc<dyn Listener>) -> Result<Exit, Error> {
        let dry = self.dry_run();
        let (flow, printed, options) = match self {
            Self::EtlWebToGcs(args) => {
                (Flow::EtlWebToGcs(args.parameters), args.printed, args.options)
            }
            Self::EtlGcsToBq(args) => {
                (Flow::EtlGcsToBq(args.parameters), args.printed, args.options)
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
            Self::EtlZones(args) => return zones(args, listener).await,
        };
        if dry {
            let (run, tools) = start_to_look(&options, listener).await?;
            return dry_run::dry_run(&flow, &run, &tools, printed.output).await;
        }
        let (run, tools) = start(&options, listener).await?;
        let started = Instant::now();
        let report = flow.run(&run, &tools).await?;
        match printed.output {
            Output::Json => print(&serde_json::to_string_pretty(&report)?)?,
            Output::Table => print(&month_table(&report.months, width()))?,
        }
        // Who stops a run knows how it ended.
        if !run.is_cancelled()
            && let Err(error) = tools.settings().notify(&report, started.elapsed()).await
        {
            warn(&error.to_string());
        }
        Ok(ended(&run, report.ok))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Printed {
    /// What is printed on stdout
    #[arg(
        long,
        display_order = 100,
        value_name = "FORM",
        default_value = "table",
        env = "TAXI_OUTPUT"
    )]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
struct MonthsArgs<P: Args> {
    #[command(flatten)]
    parameters: P,
    /// Say what would be done and why, and do nothing: lake and warehouses are asked, the source
    /// is not
    #[arg(long, display_order = 50)]
    dry_run: bool,
    #[command(flatten)]
    printed: Printed,
    #[command(flatten)]
    progress: Told,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
struct ZonesArgs {
    #[command(flatten)]
    printed: Printed,
    #[command(flatten)]
    progress: Told,
    #[command(flatten)]
    options: Options,
}

impl Cli {
    /// Reads the command line; ends the program where it makes no sense.
    pub(crate) fn read() -> Self {
        let matches = Self::command().try_get_matches().unwrap_or_else(|error| refused(&error));
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| refused(&error));
        let Some((_, matches)) = matches.subcommand() else {
            return cli;
        };
        match (&mut cli.command, matches.subcommand()) {
            (Command::Run { flow }, Some((_, matches))) => flow.prefer_flags(matches),
            (Command::Status(args), _) => args.asked.prefer_flags(matches),
            (Command::Verify(args), _) => args.asked.prefer_flags(matches),
            (Command::FlowRun { what }, Some((_, matches))) => what.prefer_flags(matches),
            _ => {}
        }
        cli
    }

    /// Does what is asked.
    pub(crate) fn execute(self) -> Result<Exit, Error> {
        let progress = match &self.command {
            Command::Run { flow } => flow.progress(),
            _ => None,
        };
        let listener = told(&self.log, progress)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let exit = runtime.block_on(async {
            match self.command {
                Command::Run { flow } => Box::pin(flow.run(listener)).await,
                Command::Runs(args) => runs(args),
                Command::Status(args) => status::status(args).await,
                Command::Verify(args) => verify::verify(args, listener).await,
                Command::Drop(args) => Box::pin(drop::drop(args, listener)).await,
                Command::Quarantine(args) => show::quarantine(args).await,
                Command::Schema(args) => show::schema(&args),
                Command::Config(args) => config(args).await,
                Command::Connections { what } => what.execute().await,
                Command::Completions { shell } => completions(shell),
                Command::Deploy(args) => deploy_file(args).await,
                Command::FlowRun { what } => what.run(listener).await,
            }
        });
        // What a stopped run has let go of may not end by itself.
        runtime.shutdown_timeout(LEFT_BEHIND);
        exit
    }
}

/// Ends the program with what is wrong with the command line, without a word of it that may be a
/// secret.
fn refused(error: &clap::Error) -> ! {
    let mut words: Vec<String> = Vec::new();
    let mut follows_secret = false;
    for word in std::env::args().skip(1) {
        let (flag, value) = word.split_once('=').unwrap_or((&word, ""));
        if follows_secret || !is_plain(&word) || unwrapped(&word).is_some() {
            words.push(word.clone());
        }
        let secret = SECRET_FLAGS.contains(&flag) || !is_plain(value);
        if flag.starts_with("--") && (secret || unwrapped(value).is_some()) {
            words.push(value.to_owned());
        }
        follows_secret = SECRET_FLAGS.contains(&word.as_str());
    }
    for variable in Cli::command().get_subcommands().flat_map(variables) {
        let value = std::env::var(variable).unwrap_or_default();
        if !is_plain(&value) {
            words.push(value);
        }
    }
    let words = words.into_iter().collect::<Secrets>().without_short();
    let said = error.render().to_string();
    if !error.use_stderr() || !words.are_in(&said) {
        error.exit();
    }
    // Nobody hears it if stderr is gone.
    let _ = write!(std::io::stderr(), "{}", redacted(&words.masked(&said)));
    std::process::exit(error.exit_code());
}

/// The flags whose values are secrets.
const SECRET_FLAGS: [&str; 4] = ["--credentials", "--database-url", "--source", "--zones"];

/// The variables that the flags of a command and of those below it are taken from.
fn variables(command: &clap::Command) -> Vec<OsString> {
    let own = command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_owned()));
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "taxi", &mut script);
    print(String::from_utf8(script)?.trim_end())?;
    Ok(Exit::Done)
}

async fn zones(args: ZonesArgs, listener: Arc<dyn Listener>) -> Result<Exit, Error> {
    let (run, tools) = start(&args.options, listener).await?;
    tools.lake().prepare()?;
    let report = etl_zones(&run, &tools).await;
    match (args.printed.output, report.rows) {
        (Output::Json, _) => print(&serde_json::to_string_pretty(&report)?)?,
        (Output::Table, Some(rows)) => print(&format!("{rows} taxi zones are in {}", report.lake))?,
        (Output::Table, None) => print(&format!("taxi zones: {}", report.state.as_str()))?,
    }
    Ok(ended(&run, report.ok))
}

/// How long the end of the program waits for threads that nobody waits for.
const LEFT_BEHIND: Duration = Duration::from_millis(500);

/// A run and its tools, as the settings say.
pub(crate) async fn start(
    options: &Options,
    listener: Arc<dyn Listener>,
) -> Result<(Run, Tools), Error> {
    let settings = Settings::resolve_with(options, &ServerBlocks).await?;
    Ok((run_of(&settings, listener), Tools::new(settings)?))
}

/// The same for who only looks: a store that cannot be opened says so when it is asked.
pub(crate) async fn start_to_look(
    options: &Options,
    listener: Arc<dyn Listener>,
) -> Result<(Run, Tools), Error> {
    let settings = Settings::resolve_to_look(options, &ServerBlocks).await?;
    Ok((run_of(&settings, listener), Tools::to_look(settings)?))
}

fn run_of(settings: &Settings, listener: Arc<dyn Listener>) -> Run {
    let journal = Arc::new(Journal::new(&settings.runs, settings.keep_runs));
    Run::new(vec![listener, journal], cancelled_by_signal(), settings.policy, settings.limits)
}

pub(crate) fn ended(run: &Run, ok: bool) -> Exit {
    match (run.is_cancelled(), ok) {
        (_, true) => Exit::Done,
        (true, false) => Exit::Interrupted,
        (false, false) => Exit::Failed,
    }
}
