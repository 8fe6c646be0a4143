//! `taxi status`: what is stored, month by month and store by store.

use clap::Args;
use serde_json::json;

use crate::flow::Run;
use crate::inspect::{Stores, Survey, ask_source};
use crate::pipeline::Pipeline;
use crate::prefect::ServerBlocks;
use crate::settings::Settings;

use super::exit::{Error, Exit};
use super::output::Output;
use super::selection::MonthSelection;
use super::terminal::{cancelled_by_signal, print, style};

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) selection: MonthSelection,

    /// Also ask the source for each month: is it published, has it changed
    #[arg(long, display_order = 50)]
    check_source: bool,
}

/// Shows what the stores have.
pub(super) async fn status(args: StatusArgs) -> Result<Exit, Error> {
    let settings = Settings::resolve_to_look(&args.selection.options, &ServerBlocks).await?;
    settings.lake.refuse_missing()?;
    // Nobody listens: what could not be asked is part of the picture.
    let run = Run::new(Vec::new(), cancelled_by_signal(), settings.run.policy, settings.run.limits);
    let pipeline = Pipeline::to_look(settings)?;
    let stores = Stores::open(&pipeline, args.selection.warehouses(pipeline.settings()));
    let interrupted = run.progress();
    let survey = async {
        let (facts, files) = args.selection.gather(&stores).await?;
        let source = if args.check_source {
            Some(ask_source(&run, &stores, &facts, &files).await)
        } else {
            None
        };
        Ok::<_, Error>(Survey::judge(&stores, &facts, files, source))
    };
    let survey = tokio::select! {
        survey = survey => survey?,
        () = interrupted.cancelled() => return Ok(Exit::Interrupted),
    };
    let repairs = survey.repairs(&args.selection.settings);
    match args.selection.output.output {
        Output::Json => {
            let mut picture = json!({ "ok": survey.is_whole(), "mend": repairs });
            if let (Some(picture), serde_json::Value::Object(survey)) =
                (picture.as_object_mut(), serde_json::to_value(&survey)?)
            {
                picture.extend(survey);
            }
            print(&serde_json::to_string_pretty(&picture)?)?;
        }
        Output::Table => print(&survey.picture(&repairs, style()))?,
    }
    Ok(if survey.is_whole() { Exit::Done } else { Exit::Failed })
}
