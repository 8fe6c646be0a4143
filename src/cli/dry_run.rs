//! `--dry-run`: what a run would do, and why.

use serde_json::json;

use crate::flow::Run;
use crate::flow_definition::{FlowCall, FlowDefinition, FlowInput};
use crate::inspect::{Facts, Plan, Stores, Survey};
use crate::pipeline::Pipeline;

use super::exit::{Error, Exit};
use super::output::Output;
use super::terminal::{print, width};

/// Shows what a flow would do: lake and warehouses are asked, the source is not.
pub(super) async fn dry_run(
    call: &FlowCall,
    run: &Run,
    pipeline: &Pipeline,
    output: Output,
) -> Result<Exit, Error> {
    let FlowInput { files, warehouses } = call.input(pipeline.settings())?;
    let FlowDefinition { name, route, .. } = *call.flow();
    let stores = Stores::open(pipeline, &warehouses);
    let mut colours: Vec<_> = files.iter().map(|file| file.colour).collect();
    colours.dedup();
    let interrupted = run.progress();
    let facts = tokio::select! {
        facts = Facts::gather(&stores, &colours) => facts,
        () = interrupted.cancelled() => return Ok(Exit::Interrupted),
    };
    let survey = Survey::judge(&stores, &facts, files, None);
    let mut plan = Plan::of(name, route, pipeline, &facts, &survey);
    let fits = tokio::select! {
        fits = plan.check(&stores, route) => fits,
        () = interrupted.cancelled() => return Ok(Exit::Interrupted),
    };
    match output {
        Output::Json => {
            let plan = json!({ "dry_run": true, "flow": plan.flow, "months": plan.months });
            print(&serde_json::to_string_pretty(&plan)?)?;
        }
        Output::Table => print(&plan.table(width()))?,
    }
    Ok(if survey.is_whole() && fits { Exit::Done } else { Exit::Failed })
}
