//! `--dry-run`: what a run would do, and why.

use nyc_taxi_etl::flow::Run;
use nyc_taxi_etl::inspect::{Facts, Plan, Stores, Survey};
use nyc_taxi_etl::pipeline::Pipeline;
use serde_json::json;

use crate::cli::Output;
use crate::flow::Flow;
use crate::terminal::{Error, Exit, print, width};

/// Shows what a flow would do: lake and warehouses are asked, the source is not.
pub(crate) async fn dry_run(
    flow: &Flow,
    run: &Run,
    pipeline: &Pipeline,
    output: Output,
) -> Result<Exit, Error> {
    let files = flow.files(pipeline.settings())?;
    let (way, warehouses) = flow.way(pipeline.settings());
    let stores = Stores::open(pipeline, &warehouses);
    let mut colours: Vec<_> = files.iter().map(|file| file.colour).collect();
    colours.dedup();
    let interrupted = run.progress();
    let facts = tokio::select! {
        facts = Facts::gather(&stores, &colours) => facts,
        () = interrupted.cancelled() => return Ok(Exit::Interrupted),
    };
    let survey = Survey::judge(&stores, &facts, files, None);
    let mut plan = Plan::of(flow.name(), way, pipeline, &facts, &survey);
    let fits = tokio::select! {
        fits = plan.check(&stores, way) => fits,
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
