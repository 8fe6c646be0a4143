//! `taxi verify`: every month counted again, and compared.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::flow::Listener;
use crate::inspect::{Stores, Survey, repairs, verified_table, verify as count};

use super::exit::{Error, Exit};
use super::output::Output;
use super::selection::MonthSelection;
use super::session::start_to_look;
use super::terminal::{print, style};

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    pub(super) selection: MonthSelection,
}

/// Counts months again in all stores and compares.
pub(super) async fn verify(args: VerifyArgs, listener: Arc<dyn Listener>) -> Result<Exit, Error> {
    let (run, pipeline) = start_to_look(&args.selection.options, listener).await?;
    pipeline.settings().lake.refuse_missing()?;
    let stores = Stores::open(&pipeline, args.selection.warehouses(pipeline.settings()));
    let interrupted = run.progress();
    let (facts, files) = tokio::select! {
        gathered = args.selection.gather(&stores) => gathered?,
        () = interrupted.cancelled() => return Ok(Exit::Interrupted),
    };
    let survey = Survey::judge(&stores, &facts, files, None);
    let verified = count(&run, &stores, &facts, &survey).await;
    if run.is_cancelled() {
        return Ok(Exit::Interrupted);
    }
    let repairs = repairs(&verified, &survey, &args.selection.settings);
    let ok = survey.is_whole() && verified.iter().all(|month| month.findings.is_empty());
    match args.selection.output.output {
        Output::Json => {
            let stores: Vec<_> = survey
                .stores
                .iter()
                .map(|it| json!({ "store": it.store, "place": it.place, "error": it.error }))
                .collect();
            let report = json!({ "ok": ok, "stores": stores, "months": verified, "mend": repairs });
            print(&serde_json::to_string_pretty(&report)?)?;
        }
        Output::Table => print(&verified_table(&verified, &survey, &repairs, style()))?,
    }
    Ok(if ok { Exit::Done } else { Exit::Failed })
}
