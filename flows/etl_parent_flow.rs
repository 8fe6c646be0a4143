//! `etl-parent-flow`: every month to the lake, and from there on to the warehouses.

use futures_util::future::join_all;

use crate::flow::{LoadReport, Run, RunReport};
use crate::settings::{TaskError, Tools};
use crate::trip::TripFile;
use crate::warehouse::{WarehouseKind, bigquery, postgres};

use super::{etl_gcs_to_bq, etl_gcs_to_postgres, etl_web_to_gcs, etl_zones};

/// The name of the flow.
pub(crate) const NAME: &str = "etl-parent-flow";

/// Brings months to the lake and on to the warehouses, several in flight at once. A month that
/// fails stops no other, and neither does a warehouse.
pub async fn etl_parent_flow(
    run: &Run,
    tools: &Tools,
    files: &[TripFile],
    to_warehouse: &[WarehouseKind],
) -> Result<RunReport, TaskError> {
    let warehouses = Warehouse::all(tools, to_warehouse)?;
    let months = run.months(files, async |file| {
        let report = etl_web_to_gcs::month(run, tools, file).await?;
        if report.lake.is_none() {
            return Ok::<_, TaskError>(report);
        }
        let loads = warehouses.iter().map(|warehouse| warehouse.load(run, tools, file));
        Ok(report.with_loads(join_all(loads).await))
    });
    let aside = run.aside();
    let zones = async |look: &Run| {
        etl_zones::zones_if_missing(&aside, look, tools).await;
        join_all(warehouses.iter().map(|warehouse| warehouse.zones(&aside, tools))).await;
    };
    Ok(run.flow(NAME, files, aside.beside(months, zones)).await)
}

/// A warehouse that months go on to.
#[expect(clippy::large_enum_variant, reason = "a run has two of them at most")]
enum Warehouse {
    Postgres(postgres::Warehouse),
    BigQuery(bigquery::Warehouse),
}

impl Warehouse {
    /// Those of these kinds, each once.
    fn all(tools: &Tools, kinds: &[WarehouseKind]) -> Result<Vec<Self>, TaskError> {
        let mut all = Vec::new();
        if kinds.contains(&WarehouseKind::Postgres) {
            all.push(Self::Postgres(tools.postgres()?));
        }
        if kinds.contains(&WarehouseKind::BigQuery) {
            all.push(Self::BigQuery(tools.bigquery()?));
        }
        Ok(all)
    }

    async fn load(&self, run: &Run, tools: &Tools, file: TripFile) -> LoadReport {
        match self {
            Self::Postgres(warehouse) => {
                let loaded = etl_gcs_to_postgres::month(run, tools, warehouse, file).await;
                let to = WarehouseKind::Postgres.as_str();
                LoadReport::new(to, warehouse.place(file), loaded)
            }
            Self::BigQuery(warehouse) => {
                let loaded = etl_gcs_to_bq::month(run, tools, warehouse, file).await;
                let to = WarehouseKind::BigQuery.as_str();
                LoadReport::new(to, warehouse.place(file), loaded)
            }
        }
    }

    async fn zones(&self, run: &Run, tools: &Tools) {
        match self {
            Self::Postgres(warehouse) => etl_gcs_to_postgres::zones(run, tools, warehouse).await,
            Self::BigQuery(warehouse) => etl_gcs_to_bq::zones(run, tools, warehouse).await,
        }
    }
}
