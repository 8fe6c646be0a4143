//! `taxi flow-run execute`: what a Prefect worker starts to run a flow run of a deployment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::flow::{Journal, Listener, Run, RunReport};
use crate::flow_definition::FlowCall;
use crate::flows;
use crate::pipeline::Pipeline;
use crate::prefect::report::{Execution, Outcome, Terms};
use crate::prefect::{Api, Id, PrefectError, ServerBlocks};
use crate::settings::{FlowRunOptions, Options, SecretNames, Settings};
use crate::trip::Month;

use crate::cli::exit::{Error, Exit, Failed};
use crate::cli::terminal::{cancelled_by_signal, warn};

#[derive(Debug, Args)]
pub(in crate::cli) struct ExecuteArgs {
    /// The id of the flow run. The server is given by PREFECT_API_URL, the credentials by
    /// PREFECT_API_KEY or PREFECT_API_AUTH_STRING
    #[arg(long, value_name = "ID", value_parser = run_id, env = "PREFECT__FLOW_RUN_ID")]
    id: String,

    #[command(flatten)]
    flow_run: FlowRunOptions,

    #[command(flatten)]
    options: Options,
}

/// How often the server is asked whether the run is to stop.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Runs a flow run, and tells its server how it ended.
pub(super) async fn execute(args: ExecuteArgs, listener: Arc<dyn Listener>) -> Result<Exit, Error> {
    let stop = cancelled_by_signal();
    let terms = Terms {
        retries: args.flow_run.flow_retries,
        retry_delay: args.flow_run.flow_retry_delay,
        deliver_for: args.flow_run.deliver_for,
        ask_every: ASK_EVERY,
        heartbeat: Duration::from_secs(args.flow_run.heartbeat),
    };
    let (api, id) = (Api::find()?, Id::from(args.id));
    let mut execution = tokio::select! {
        found = Execution::find(api, &id, terms) => found.map_err(|error| failed(&error))?,
        () = stop.cancelled() => return Ok(Exit::Interrupted),
    };
    let variables = SecretNames::all().flat_map(|names| names.variables);
    execution.hide(variables.filter_map(|name| std::env::var(name).ok()));
    let outcome = match prepare(&execution, &args.options).await {
        Ok((call, pipeline)) => {
            execution.hide(pipeline.settings().secrets());
            let settings = &pipeline.settings().run;
            let journal = Journal::new(&settings.runs, settings.keep_runs);
            run(&execution, &call, &pipeline, &[listener, Arc::new(journal)], &stop).await
        }
        Err(error) => {
            tracing::error!("{error}");
            execution.refuse(&error.to_string()).await
        }
    };
    let outcome = outcome.map_err(|error| failed(&error))?;
    // Whatever the flow came to: a worker takes another code for a crash.
    Ok(match outcome {
        Outcome::Recorded | Outcome::Lost { ok: true } => Exit::Done,
        Outcome::NotRun(why) => {
            tracing::warn!("{why}");
            Exit::Done
        }
        Outcome::Lost { ok: false } if stop.is_cancelled() => Exit::Interrupted,
        Outcome::Lost { ok: false } => Exit::Failed,
    })
}

/// The flow that is asked for, and the pipeline for it.
async fn prepare(execution: &Execution, options: &Options) -> Result<(FlowCall, Pipeline), Error> {
    let call = flows::named(execution.flow())?.read(execution.parameters())?;
    call.months().files(Month::current())?;
    let settings = Settings::resolve_with(options, &ServerBlocks).await?;
    call.input(&settings)?;
    let pipeline = Pipeline::new(settings)?;
    Ok((call, pipeline))
}

async fn run(
    execution: &Execution,
    call: &FlowCall,
    pipeline: &Pipeline,
    listeners: &[Arc<dyn Listener>],
    stop: &CancellationToken,
) -> Result<Outcome, PrefectError> {
    let settings = pipeline.settings();
    let work = async |run: &Run| {
        let started = Instant::now();
        let report = RunReport::from(call.run(run, pipeline).await?);
        // Who stops a run knows how it ended.
        if !run.is_cancelled()
            && let Err(error) = settings.tell(&report, started.elapsed()).await
        {
            warn(&error.to_string());
        }
        Ok(report)
    };
    Box::pin(execution.run(listeners, stop, settings.run.policy, settings.run.limits, work)).await
}

/// An id as the server writes it.
fn run_id(text: &str) -> Result<String, String> {
    match uuid::Uuid::parse_str(text.trim()) {
        Ok(id) => Ok(id.to_string()),
        Err(_) => {
            Err("the id of a flow run is a UUID, as 'prefect flow-run ls' shows it".to_owned())
        }
    }
}

fn failed(error: &PrefectError) -> Failed {
    Failed(error.to_string())
}
