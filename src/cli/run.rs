//! `taxi run`: a subcommand for each row of the table of flows.

use std::sync::Arc;
use std::time::Instant;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, FromArgMatches, Subcommand};

use crate::flow::{Listener, month_table};
use crate::flow_definition::{FlowCall, FlowDefinition, FlowReport};
use crate::flows::FLOWS;
use crate::settings::{Group, Options, ParameterSet, Parameters, ParentParameters};

use super::dry_run::dry_run;
use super::examples;
use super::exit::{Error, Exit};
use super::output::{Output, OutputArgs};
use super::progress_args::{ProgressArgs, ProgressForm};
use super::session::{ended, start, start_to_look};
use super::terminal::{print, warn, width};

/// A flow, and what it is asked for.
#[derive(Debug)]
pub(super) struct RunArgs {
    call: FlowCall,
    dry_run: bool,
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct MonthsArgs<P: Args> {
    #[command(flatten)]
    parameters: P,
    /// Show what would be done and why, without doing it; queries the lake and the warehouses, but
    /// not the source
    #[arg(long, display_order = 50)]
    dry_run: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct CommonArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    progress: ProgressArgs,
    #[command(flatten)]
    options: Options,
}

/// The subcommand of a flow.
fn subcommand(flow: &FlowDefinition) -> clap::Command {
    let command = clap::Command::new(flow.name);
    let command = match flow.parameters {
        ParameterSet::Nothing => CommonArgs::augment_args(command),
        ParameterSet::Months => MonthsArgs::<Parameters>::augment_args(command),
        ParameterSet::MonthsAndWarehouses => MonthsArgs::<ParentParameters>::augment_args(command),
    };
    let command = command.mut_args(Group::only(flow.reads));
    command.about(flow.about).long_about(None).after_help(examples::of_flow(flow))
}

impl Subcommand for RunArgs {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        FLOWS.iter().fold(command, |command, flow| command.subcommand(subcommand(flow)))
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        FLOWS.iter().any(|flow| flow.name == name)
    }
}

impl FromArgMatches for RunArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let flow = FLOWS.iter().find(|flow| flow.name == name).ok_or_else(missing)?;
        match flow.parameters {
            ParameterSet::Nothing => Ok(Self {
                call: FlowCall::new(flow, ParentParameters::default()),
                dry_run: false,
                common: CommonArgs::from_arg_matches(matches)?,
            }),
            ParameterSet::Months => Self::over_months::<Parameters>(flow, matches),
            ParameterSet::MonthsAndWarehouses => {
                Self::over_months::<ParentParameters>(flow, matches)
            }
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl RunArgs {
    fn over_months<P: Args + Into<ParentParameters>>(
        flow: &'static FlowDefinition,
        matches: &ArgMatches,
    ) -> Result<Self, clap::Error> {
        let MonthsArgs { parameters, dry_run, common } =
            MonthsArgs::<P>::from_arg_matches(matches)?;
        let mut parameters: ParentParameters = parameters.into();
        parameters.months.prefer_flags(matches);
        Ok(Self { call: FlowCall::new(flow, parameters), dry_run, common })
    }

    /// How its progress is to be told.
    pub(super) const fn progress(&self) -> Option<ProgressForm> {
        self.common.progress.progress
    }

    /// Runs the flow, or says what it would do.
    pub(super) async fn execute(self, listener: Arc<dyn Listener>) -> Result<Exit, Error> {
        let Self { call, dry_run: dry, common } = self;
        let output = common.output.output;
        if dry {
            let (run, pipeline) = start_to_look(&common.options, listener).await?;
            return dry_run(&call, &run, &pipeline, output).await;
        }
        let (run, pipeline) = start(&common.options, listener).await?;
        let started = Instant::now();
        let report = call.run(&run, &pipeline).await?;
        match (output, &report) {
            (Output::Json, report) => print(&serde_json::to_string_pretty(report)?)?,
            (Output::Table, FlowReport::Months(report)) => {
                print(&month_table(&report.months, width()))?;
            }
            (Output::Table, FlowReport::Zones(report)) => match report.rows {
                Some(rows) => print(&format!("{rows} taxi zones are in {}", report.lake))?,
                None => print(&format!("taxi zones: {}", report.state.as_str()))?,
            },
        }
        if let FlowReport::Months(report) = &report
            // Who stops a run knows how it ended.
            && !run.is_cancelled()
            && let Err(error) = pipeline.settings().tell(report, started.elapsed()).await
        {
            warn(&error.to_string());
        }
        Ok(ended(&run, report.is_ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flow_of_the_table_can_be_run_and_has_examples() {
        for flow in &FLOWS {
            let command = RunArgs::augment_subcommands(clap::Command::new("run"));
            let matches = command.try_get_matches_from(["run", flow.name]).unwrap();
            let args = RunArgs::from_arg_matches(&matches).unwrap();
            assert_eq!(args.call.flow().name, flow.name);
            let named = format!("taxi run {}", flow.name);
            assert!(flow.examples.iter().any(|example| example.contains(&named)), "{named}");
        }
    }
}
