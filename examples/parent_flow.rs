//! Runs the parent flow from a program of one's own: two months of the samples, to a lake.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use nyc_taxi_etl::flow::{CancellationToken, Run, RunReport, Terminal};
use nyc_taxi_etl::flows::etl_parent_flow;
use nyc_taxi_etl::pipeline::Pipeline;
use nyc_taxi_etl::settings::{Options, Parameters, Settings};
use nyc_taxi_etl::trip::Month;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let report = bring_months(Path::new("data")).await?;
    if report.ok { Ok(()) } else { Err("a month failed".into()) }
}

/// Brings January and February 2020 of green taxis to a lake in this folder.
pub async fn bring_months(folder: &Path) -> Result<RunReport, Box<dyn Error>> {
    // What is left out comes from taxi.toml, or is the default.
    let mut options = Options::default();
    options.source.source = Some("sample".into());
    options.lake.address = Some(folder.display().to_string().parse()?);
    options.run.spool = Some(folder.join("spool"));
    let settings = Settings::resolve(&options)?;

    let parameters = Parameters {
        colour: Some("green".parse()?),
        from: Some("2020-01".parse()?),
        to: Some("2020-02".parse()?),
        ..Parameters::default()
    };
    let files = parameters.files(Month::current())?;

    // Listeners hear each event of the run. Cancelling the token stops it at a safe point.
    let cancelled = CancellationToken::new();
    let listener = Arc::new(Terminal::default());
    let run = Run::new(vec![listener], cancelled, settings.run.policy, settings.run.limits);
    let pipeline = Pipeline::new(settings)?;

    // A failed month does not stop the others: the report says what became of each. Add
    // WarehouseKind::Postgres or WarehouseKind::BigQuery to load the months too.
    let to_warehouse = [];
    Ok(etl_parent_flow(&run, &pipeline, &files, &to_warehouse).await?)
}
