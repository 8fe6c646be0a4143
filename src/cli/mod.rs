//! The command line: one file per command, with its arguments and what it prints.
//!
//! It is part of the library so that its unit tests are, and hidden because its interface is the
//! program.

mod completions;
mod config;
mod connections;
mod deploy;
mod drop;
mod dry_run;
mod examples;
mod exit;
mod flow_run;
mod output;
mod progress_args;
mod quarantine;
mod refusal;
mod run;
mod runs;
mod schema;
mod secrets;
mod selection;
mod session;
mod status;
mod terminal;
mod verify;

use std::io::Write;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::redact::redacted;

pub use exit::Exit;

use config::ConfigArgs;
use connections::ConnectionsArgs;
use deploy::DeployArgs;
use drop::DropArgs;
use exit::{Error, is_broken_pipe};
use flow_run::FlowRunArgs;
use quarantine::QuarantineArgs;
use run::RunArgs;
use runs::RunsArgs;
use schema::SchemaArgs;
use status::StatusArgs;
use verify::VerifyArgs;

/// The version, and the commit it is built from. What a month says of itself has the version
/// alone: two builds of one version make the same bytes.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("TAXI_COMMIT"), ")");

/// How long the end of the program waits for threads that nobody waits for.
const LEFT_BEHIND: Duration = Duration::from_millis(500);

/// Moves months of New York taxi trips from the web to a data lake and on to a warehouse, each
/// month complete and exactly once.
#[derive(Debug, Parser)]
#[command(name = "taxi", version = VERSION, max_term_width = 100, after_help = examples::TAXI)]
pub struct Cli {
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

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a flow
    #[command(after_help = examples::RUN)]
    Run {
        #[command(subcommand)]
        flow: Box<RunArgs>,
    },
    /// Show the runs in the journal
    #[command(after_help = examples::RUNS)]
    Runs(RunsArgs),
    /// Show what is stored where: a table of months for the lake and each warehouse
    #[command(after_help = examples::STATUS)]
    Status(StatusArgs),
    /// Count the rows of months in the lake and the warehouses, and compare
    #[command(after_help = examples::VERIFY)]
    Verify(VerifyArgs),
    /// Remove a month from the lake and the warehouses
    #[command(after_help = examples::DROP)]
    Drop(DropArgs),
    /// Show the rows of a month that were set aside, and why
    #[command(after_help = examples::QUARANTINE)]
    Quarantine(QuarantineArgs),
    /// Show the canonical columns: types, months, meaning
    #[command(after_help = examples::SCHEMA)]
    Schema(SchemaArgs),
    /// Show the settings in effect, and where each comes from
    #[command(after_help = examples::CONFIG)]
    Config(ConfigArgs),
    /// Show and test connections
    #[command(after_help = examples::CONNECTIONS)]
    Connections {
        #[command(subcommand)]
        what: ConnectionsArgs,
    },
    /// Generate shell completions
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Deploy the deployments of a file to a Prefect server
    #[command(after_help = examples::DEPLOY)]
    Deploy(DeployArgs),
    /// Create flow runs on a Prefect server, or execute one
    #[command(after_help = examples::FLOW_RUN)]
    FlowRun {
        #[command(subcommand)]
        what: FlowRunArgs,
    },
}

impl Cli {
    /// Reads the command line; ends the program if it makes no sense.
    pub fn read() -> Self {
        secrets::remember_environment();
        let read = || {
            let matches = Self::command().try_get_matches()?;
            refuse_unread(&mut Self::command(), &matches)?;
            Ok((Self::from_arg_matches(&matches)?, matches))
        };
        let (mut cli, matches) =
            read().unwrap_or_else(|error| refusal::exit(&error, &Self::command()));
        let Some((_, matches)) = matches.subcommand() else {
            return cli;
        };
        match (&mut cli.command, matches.subcommand()) {
            (Command::Status(args), _) => args.selection.prefer_flags(matches),
            (Command::Verify(args), _) => args.selection.prefer_flags(matches),
            (Command::FlowRun { what }, Some((_, matches))) => what.prefer_flags(matches),
            _ => {}
        }
        cli
    }

    /// Does what is asked, and says on stderr why if that is impossible.
    pub fn execute(self) -> Exit {
        self.try_execute().unwrap_or_else(|error| {
            if !is_broken_pipe(error.as_ref()) {
                let text = error.to_string();
                let _ = writeln!(std::io::stderr(), "error: {}", redacted(&text));
            }
            Exit::of(error.as_ref())
        })
    }

    fn try_execute(self) -> Result<Exit, Error> {
        let form = match &self.command {
            Command::Run { flow } => flow.progress(),
            _ => None,
        };
        let listener = progress_args::listen(&self.log, form)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let exit = runtime.block_on(async {
            match self.command {
                Command::Run { flow } => Box::pin(flow.execute(listener)).await,
                Command::Runs(args) => runs::runs(args),
                Command::Status(args) => status::status(args).await,
                Command::Verify(args) => verify::verify(args, listener).await,
                Command::Drop(args) => Box::pin(drop::drop(args, listener)).await,
                Command::Quarantine(args) => quarantine::quarantine(args).await,
                Command::Schema(args) => schema::schema(&args),
                Command::Config(args) => config::config(args).await,
                Command::Connections { what } => what.execute().await,
                Command::Completions { shell } => completions::completions(shell, Self::command()),
                Command::Deploy(args) => deploy::deploy_file(args).await,
                Command::FlowRun { what } => what.execute(listener).await,
            }
        });
        // What a stopped run has let go of may not end by itself.
        runtime.shutdown_timeout(LEFT_BEHIND);
        exit
    }
}

/// Refuses the flags of settings that a command does not read, which its help does not show. A run
/// takes them all: what `status` and `verify` say is to be run has the flags that they were given,
/// whichever flow it takes.
fn refuse_unread(command: &mut clap::Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((name, matches)) = matches.subcommand().filter(|(name, _)| *name != "run") else {
        return Ok(());
    };
    command.build();
    let Some(command) = command.find_subcommand_mut(name) else { return Ok(()) };
    let given = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        arg.is_hide_set() && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let unread = command.get_arguments().find(given).and_then(Arg::get_long).map(str::to_owned);
    if let Some(flag) = unread {
        let what = format!("unexpected argument '--{flag}' found: '{name}' does not use it");
        return Err(command.error(ErrorKind::UnknownArgument, what));
    }
    refuse_unread(command, matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> Option<String> {
        let mut command = Cli::command();
        let matches = command.try_get_matches_from_mut(line.split(' ')).unwrap();
        let refused = refuse_unread(&mut Cli::command(), &matches).err()?;
        Some(refused.to_string().lines().next().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_command_takes_the_flags_of_the_settings_that_it_reads() {
        for line in [
            "taxi status --jobs 2 --schema s",
            "taxi run etl-web-to-gcs --schema s",
            "taxi quarantine --month 2020-01 --lake l --spool s",
            "taxi connections list --project p --credentials k",
            "taxi connections test --config c",
        ] {
            assert_eq!(refused(line), None, "{line}");
        }
        let said = [
            "taxi quarantine --month 2020-01 --jobs 2",
            "taxi connections list --jobs 2",
            "taxi drop --colour green --month 2020-01 --source tlc",
        ];
        insta::assert_snapshot!(said.map(|line| refused(line).unwrap_or_default()).join("\n"), @"
        error: unexpected argument '--jobs' found: 'quarantine' does not use it
        error: unexpected argument '--jobs' found: 'list' does not use it
        error: unexpected argument '--source' found: 'drop' does not use it
        ");
    }
}
