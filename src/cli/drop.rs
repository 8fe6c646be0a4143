//! `taxi drop`: removes a month from the lake and the warehouses, after confirmation.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::flow::{Listener, thousands};
use crate::inspect::{Facts, Store, Stores, Survey, drop_month};
use crate::pipeline::Pipeline;
use crate::prefect::ServerBlocks;
use crate::settings::{Group, Options, Settings};
use crate::trip::{Colour, Month, TripFile};
use crate::warehouse::WarehouseKind;

use super::exit::{Error, Exit};
use super::output::{Output, OutputArgs};
use super::session::{ended, start};
use super::terminal::{print, style};

#[derive(Debug, Args)]
#[command(mut_args = Group::only(&[Group::Lake, Group::Run, Group::Warehouses]))]
pub(super) struct DropArgs {
    /// The colour
    #[arg(long, alias = "color")]
    colour: Colour,
    /// The month: 2020-01
    #[arg(long, value_name = "YYYY-MM")]
    month: Month,
    /// The stores to take it out of.
    #[arg(long, help = from_stores(), value_name = "STORES", value_delimiter = ',')]
    from_stores: Vec<Store>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    options: Options,
}

fn from_stores() -> String {
    let warehouses = WarehouseKind::names(", ");
    format!(
        "The stores to remove it from: lake, {warehouses} [default: the lake, and every warehouse \
         that a run would load into]"
    )
}

/// Nobody is there to be asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask for confirmation (stdin is not a terminal); pass --yes to drop {0}")]
struct NobodyToAsk(TripFile);

impl DropArgs {
    fn stores<'a>(&self, pipeline: &'a Pipeline) -> Stores<'a> {
        if self.from_stores.is_empty() {
            return Stores::loaded_into(pipeline);
        }
        let kinds = self.from_stores.iter().filter_map(|store| match store {
            Store::Lake => None,
            Store::Warehouse(kind) => Some(*kind),
        });
        Stores::open(pipeline, &kinds.collect::<Vec<_>>())
    }

    fn with_lake(&self) -> bool {
        self.from_stores.is_empty() || self.from_stores.contains(&Store::Lake)
    }
}

/// Takes a month out of the stores.
pub(super) async fn drop(args: DropArgs, listener: Arc<dyn Listener>) -> Result<Exit, Error> {
    let file = TripFile::new(args.colour, args.month);
    file.colour.check(file.month, Month::current())?;
    // Before the signals are minded: who is asked may break off at once.
    if !args.yes && !ask(&args, file).await? {
        print(&format!("{file} was not changed"))?;
        return Ok(Exit::Done);
    }
    let (run, pipeline) = start(&args.options, listener).await?;
    let stores = args.stores(&pipeline);
    let dropped = drop_month(&run, &stores, args.with_lake(), file).await;
    let ok = dropped.iter().all(|store| store.error.is_none());
    match args.output.output {
        Output::Json => {
            let report = json!({
                "ok": ok, "colour": file.colour, "month": file.month, "stores": dropped,
            });
            print(&serde_json::to_string_pretty(&report)?)?;
        }
        Output::Table => {
            for store in &dropped {
                let place = store.place.as_deref().unwrap_or_default();
                let what = match &store.error {
                    Some(error) => format!("failed: {error}"),
                    None if store.removed.is_empty() => "nothing was there".to_owned(),
                    None => format!("removed {}", store.removed.join(", ")),
                };
                let line = format!("{file}, {} {place}: {what}", store.store);
                print(style().lines(&line, "", "  ").trim_end())?;
            }
        }
    }
    Ok(ended(&run, ok))
}

/// Shows what is there and asks whether it is to go.
async fn ask(args: &DropArgs, file: TripFile) -> Result<bool, Error> {
    if !io::stdin().is_terminal() {
        return Err(NobodyToAsk(file).into());
    }
    let pipeline = Pipeline::new(Settings::resolve_with(&args.options, &ServerBlocks).await?)?;
    let stores = args.stores(&pipeline);
    let facts = Facts::gather(&stores, &[file.colour]).await;
    let survey = Survey::judge(&stores, &facts, vec![file], None);
    let mut stderr = io::stderr().lock();
    writeln!(stderr, "{file} is")?;
    for store in survey.stores.iter().filter(|it| it.store != Store::Lake || args.with_lake()) {
        let state = match (&store.error, store.months.get(&file)) {
            (Some(error), _) => format!("unknown: {error}"),
            (None, Some(cell)) => match cell.rows {
                Some(rows) => format!("{}, {} rows", cell.state.as_str(), thousands(rows)),
                None => cell.state.as_str().to_owned(),
            },
            (None, None) => "unknown".to_owned(),
        };
        let place = store.place.as_deref().unwrap_or_default();
        writeln!(stderr, "  {} {place}: {state}", store.store)?;
    }
    write!(stderr, "Remove it from these permanently? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
