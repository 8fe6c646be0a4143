//! `taxi deploy`: the deployments of a file, on a Prefect server.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::flow::{Failure, Policy, Retry};
use crate::flows;
use crate::prefect::{
    Action, Api, DeployError, DeployOptions, Flows, Launch, Manifest, PoolKind, PrefectError, Step,
    deploy,
};
use crate::trip::Month;

use super::exit::{Error, Exit, Failed};
use super::output::{Output, OutputArgs};
use super::selection::quoted;
use super::terminal::print;
use crate::support::text::shortened;

#[derive(Debug, Args)]
pub(super) struct DeployArgs {
    /// The file of deployments
    #[arg(long, value_name = "FILE", default_value = "deployments.yaml", env = "TAXI_DEPLOYMENTS")]
    file: PathBuf,

    /// Only these of them: monthly, or etl-parent-flow/monthly; several with commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', env = "TAXI_DEPLOY_ONLY")]
    only: Vec<String>,

    /// What the workers of a new pool start, where the file does not say it of the pool
    #[arg(long, value_name = "TYPE", default_value = "process", env = "TAXI_POOL_TYPE")]
    pool_type: PoolKind,

    /// The program that workers of process pools start [default: this one]
    #[arg(long, value_name = "PATH", env = "TAXI_PROGRAM")]
    program: Option<PathBuf>,

    /// The folder that they start it in: taxi.toml and the lake are looked for there [default: the
    /// current one]
    #[arg(long, value_name = "FOLDER", env = "TAXI_WORKDIR")]
    workdir: Option<PathBuf>,

    /// Change nothing: show what would be changed, field by field
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    output: OutputArgs,
}

/// The flows of this program.
struct OurFlows;

impl Flows for OurFlows {
    fn schema(&self, flow: &str) -> Option<Value> {
        flows::named(flow).ok()?.schema().map(Value::from)
    }

    fn names(&self) -> Vec<&'static str> {
        flows::over_months().map(|flow| flow.name).collect()
    }

    fn check(&self, flow: &str, parameters: &Map<String, Value>) -> Result<(), String> {
        let given = parameters.clone().into();
        let call = flows::named(flow).and_then(|flow| flow.read(&given));
        let call = call.map_err(|error| error.to_string())?;
        call.months().files(Month::current()).map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// Brings the deployments of a file to the Prefect server that the environment names.
pub(super) async fn deploy_file(args: DeployArgs) -> Result<Exit, Error> {
    let manifest = Manifest::read(&args.file)?.only(&args.only)?;
    let program = match args.program {
        Some(program) => program,
        None => std::env::current_exe()?,
    };
    let folder = match args.workdir {
        Some(folder) => std::path::absolute(folder)?,
        None => std::env::current_dir()?,
    };
    let options = DeployOptions {
        pool_kind: args.pool_type,
        launch: Launch {
            program: quoted(&program.to_string_lossy()),
            folder: folder.to_string_lossy().into_owned(),
        },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        dry_run: args.dry_run,
    };
    // Someone waits for it.
    let soon = Duration::from_millis(250);
    let policy = Policy { retries: 3, first_delay: soon, longest_delay: Duration::from_secs(2) };
    let api = Api::find()?.patient(policy);
    let steps = deploy(&api, &manifest, &OurFlows, &options).await.map_err(failed)?;
    print(&match args.output.output {
        Output::Json => serde_json::to_string_pretty(&json!({
            "server": api.url(), "dry_run": args.dry_run, "steps": steps,
        }))?,
        Output::Table => table(&steps, args.dry_run),
    })?;
    Ok(Exit::Done)
}

fn failed(error: DeployError) -> Error {
    match error {
        DeployError::Prefect(trouble) => of_server(trouble),
        wrong => wrong.into(),
    }
}

/// What the server would not or could not do is no wrong usage.
pub(super) fn of_server(error: PrefectError) -> Error {
    if matches!(error, PrefectError::Refused { .. }) || error.retry() != Retry::Never {
        Failed(error.to_string()).into()
    } else {
        error.into()
    }
}

/// A line for each thing, and below it the fields that change.
fn table(steps: &[Step], dry_run: bool) -> String {
    let state = |step: &Step| step.action.as_str(dry_run);
    let widest = |of: &dyn Fn(&Step) -> usize| steps.iter().map(of).max().unwrap_or_default();
    let (first, second) = (widest(&|step| state(step).len()), widest(&|step| step.kind.len()));
    let mut text = String::new();
    for step in steps {
        let _ = writeln!(text, " {:first$}  {:second$}  {}", state(step), step.kind, step.name);
        let indent = first + second + 7;
        for change in step.changes.iter().filter(|_| step.action == Action::Changed) {
            let (before, after) = (short(&change.before), short(&change.after));
            let _ = writeln!(text, "{:indent$}{}: {before} -> {after}", "", change.field);
        }
    }
    let mut counts = Vec::new();
    for action in [Action::Created, Action::Changed, Action::Removed, Action::Unchanged] {
        let count = steps.iter().filter(|step| step.action == action).count();
        if count > 0 {
            counts.push(format!("{count} {}", action.as_str(dry_run)));
        }
    }
    text + " " + &counts.join(", ")
}

/// A value on one line.
fn short(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = if value.is_null() { "nothing".to_owned() } else { value.to_string() };
    shortened(&text, LONGEST).into_owned()
}
