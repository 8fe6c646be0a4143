//! `taxi config`: the settings in effect, and where each comes from.

use clap::Args;
use serde_json::Value;

use crate::prefect::ServerBlocks;
use crate::settings::{Options, Settings};
use crate::warehouse::WarehouseKind;

use super::exit::{Error, Exit};
use super::output::{Output, OutputArgs};
use super::terminal::{print, table, warn};

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// The warehouses that etl-parent-flow loads into: postgres, bigquery
    #[arg(long, value_name = "WAREHOUSES", value_delimiter = ',', env = "TAXI_TO_WAREHOUSE")]
    to_warehouse: Option<Vec<WarehouseKind>>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    options: Options,
}

/// Shows the settings in force.
pub(super) async fn config(mut args: ConfigArgs) -> Result<Exit, Error> {
    args.options.warehouse.to_warehouse = args.to_warehouse;
    let settings = Settings::resolve_to_look(&args.options, &ServerBlocks).await?;
    if let Err(error) = settings.lake.refuse_missing() {
        warn(&error.to_string());
    }
    if let Some(why) = &settings.lake.open.closed {
        warn(why);
    }
    match args.output.output {
        Output::Json => print(&serde_json::to_string_pretty(settings.effective())?)?,
        Output::Table => {
            let rows = settings.effective().iter().map(|setting| {
                [setting.key.clone(), text(&setting.value), setting.from.to_string()]
            });
            print(&table(["setting", "value", "from"], rows))?;
        }
    }
    Ok(Exit::Done)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
