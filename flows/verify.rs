//! `taxi verify`: every month counted afresh, and compared.

use std::sync::Arc;

use clap::Args;
use nyc_taxi_etl::flow::Listener;
use nyc_taxi_etl::inspect::{Stores, Survey, mends, verified_table, verify as count};
use serde_json::json;

use crate::asked::Asked;
use crate::cli::{Output, start_to_look};
use crate::terminal::{Error, Exit, print, style};

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// Counts months afresh in all stores and compares.
pub(crate) async fn verify(args: VerifyArgs, listener: Arc<dyn Listener>) -> Result<Exit, Error> {
    let (run, pipeline) = start_to_look(&args.asked.options, listener).await?;
    pipeline.settings().refuse_missing_lake()?;
    let stores = Stores::open(&pipeline, args.asked.warehouses(pipeline.settings()));
    let (facts, files) = args.asked.gather(&stores).await?;
    let survey = Survey::judge(&stores, &facts, files, None);
    let verified = count(&run, &stores, &facts, &survey).await;
    if run.is_cancelled() {
        return Ok(Exit::Interrupted);
    }
    let mends = mends(&verified, &survey, &args.asked.settings);
    let ok = survey.is_whole() && verified.iter().all(|month| month.findings.is_empty());
    match args.asked.printed.output {
        Output::Json => {
            let stores: Vec<_> = survey
                .stores
                .iter()
                .map(|it| json!({ "store": it.store, "place": it.place, "error": it.error }))
                .collect();
            let report = json!({ "ok": ok, "stores": stores, "months": verified, "mend": mends });
            print(&serde_json::to_string_pretty(&report)?)?;
        }
        Output::Table => print(&verified_table(&verified, &survey, &mends, style()))?,
    }
    Ok(if ok { Exit::Done } else { Exit::Failed })
}
