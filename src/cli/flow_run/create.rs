//! `taxi flow-run create`: a backfill of a deployment, split by month.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{ArgMatches, Args};
use serde_json::{Value, json};

use crate::flows;
use crate::prefect::{Api, Asking, MonthRun};
use crate::settings::ParentParameters;
use crate::trip::{Month, TripFile};

use crate::cli::deploy::of_server;
use crate::cli::exit::{Error, Exit};
use crate::cli::output::{Output, OutputArgs};
use crate::cli::terminal::{print, table, warn};

#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    /// The deployment, such as etl-parent-flow/green-backfill
    #[arg(value_name = "FLOW/DEPLOYMENT", value_parser = full_name)]
    deployment: String,

    #[command(flatten)]
    parameters: ParentParameters,

    /// The name of the backfill, a tag of its runs: another name asks for the months once more
    #[arg(long, value_name = "NAME", default_value = "backfill", env = "TAXI_TAG")]
    tag: String,

    /// Runs that have been Pending for so long are scheduled again: the worker that claimed them
    /// is gone
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration, env = "TAXI_STUCK_AFTER")]
    stuck_after: Duration,

    /// Ask for nothing: show what would be
    #[arg(long, display_order = 50)]
    dry_run: bool,

    #[command(flatten)]
    output: OutputArgs,
}

/// The states of runs that did not bring their month.
const BAD: [&str; 3] = ["Failed", "Crashed", "Cancelled"];

impl CreateArgs {
    /// Heeds what comes from the command line before what comes from the environment.
    pub(super) fn prefer_flags(&mut self, matches: &ArgMatches) {
        self.parameters.months.prefer_flags(matches);
    }

    /// What the run of a month is asked for.
    fn parameters(&self, file: TripFile) -> Value {
        let mut parameters = json!({ "colour": file.colour, "from": file.month, "to": file.month });
        if !self.parameters.to_warehouse.is_empty() {
            parameters["to_warehouse"] = json!(self.parameters.to_warehouse);
        }
        parameters
    }
}

/// Asks for a flow run of the deployment for each month.
pub(super) async fn create(args: CreateArgs) -> Result<Exit, Error> {
    let flow = args.deployment.split('/').next().unwrap_or_default();
    let mut months = Vec::new();
    for file in args.parameters.months.files(Month::current())? {
        let parameters = args.parameters(file);
        flows::named(flow)?.read(&parameters)?;
        months.push((file, parameters));
    }
    let api = Api::find()?;
    let deployment = api.deployment(&args.deployment).await.map_err(of_server)?;
    let Some(deployment) = deployment else {
        let (name, server) = (&args.deployment, api.url());
        return Err(format!(
            "there is no deployment '{name}' on {server}: 'taxi deploy' creates those in deployments.yaml"
        )
        .into());
    };
    let asking = Asking { tag: &args.tag, stuck_after: args.stuck_after, dry_run: args.dry_run };
    let runs = api.ask_for_months(&deployment, &months, asking).await.map_err(of_server)?;
    let created = runs.iter().filter(|run| run.created).count();
    print(&match args.output.output {
        Output::Json => serde_json::to_string_pretty(&json!({
            "server": api.url(),
            "deployment": args.deployment,
            "tag": args.tag,
            "dry_run": args.dry_run,
            "created": created,
            "there_already": runs.len() - created,
            "scheduled_again": runs.iter().filter(|run| run.scheduled_again).count(),
            "runs": runs,
        }))?,
        Output::Table => shown(&runs, created, args.dry_run),
    })?;
    let bad = runs.iter().filter(|run| BAD.iter().any(|bad| run.state.as_deref() == Some(bad)));
    let bad = bad.count();
    if bad > 0 {
        warn(&format!(
            "{bad} of these runs failed: 'prefect flow-run retry ID' retries one, another --tag creates new runs for all months"
        ));
    }
    Ok(Exit::Done)
}

/// A line for each run, and what they come to.
fn shown(runs: &[MonthRun], created: usize, dry_run: bool) -> String {
    let new = if dry_run { "would be created" } else { "created" };
    let again = if dry_run { "would be scheduled again" } else { "scheduled again" };
    let mut there = BTreeMap::<&str, usize>::new();
    for run in runs.iter().filter(|run| !run.created) {
        *there.entry(run.state.as_deref().unwrap_or("without a state")).or_default() += 1;
    }
    let rows = runs.iter().map(|run| {
        [
            run.month.clone(),
            match run {
                MonthRun { created: true, .. } => new,
                MonthRun { scheduled_again: true, .. } => again,
                _ => "there already",
            }
            .to_owned(),
            run.state.clone().unwrap_or_default(),
            run.flow_run.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]
    });
    let mut counts = vec![format!("{created} {new}")];
    if !there.is_empty() {
        let states: Vec<_> =
            there.iter().map(|(state, count)| format!("{count} {state}")).collect();
        counts.push(format!("{} there already ({})", runs.len() - created, states.join(", ")));
    }
    let stuck = runs.iter().filter(|run| run.scheduled_again).count();
    if stuck > 0 {
        counts.push(format!("{stuck} {again}"));
    }
    table(["month", "is", "state", "flow run"], rows) + "\n " + &counts.join(", ")
}

fn full_name(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((flow, name)) if !flow.is_empty() && !["", ".", ".."].contains(&name) => {
            Ok(text.to_owned())
        }
        _ => Err("write it as flow/name, such as etl-parent-flow/monthly".to_owned()),
    }
}
