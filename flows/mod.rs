//! The flows: one recipe each, and the table of flows.
//!
//! The command line and its help, deployments and flow runs all use the table. A recipe is also a
//! function that your own program can call.

mod etl_gcs_to_bq;
mod etl_gcs_to_postgres;
mod etl_parent_flow;
mod etl_web_to_gcs;
mod etl_zones;
mod gcs_to_warehouse;
mod ingest_data;

pub use etl_gcs_to_bq::etl_gcs_to_bq;
pub use etl_gcs_to_postgres::etl_gcs_to_postgres;
pub use etl_parent_flow::etl_parent_flow;
pub use etl_web_to_gcs::etl_web_to_gcs;
pub use etl_zones::etl_zones;
pub use ingest_data::ingest_data;

use crate::flow_definition::{FlowDefinition, FlowError};
use crate::inspect::Route;
use crate::settings::Group::{self, Cleaning, Lake, Run, Source, Warehouse};
use crate::settings::ParameterSet::{Months, MonthsAndWarehouses, Nothing};
use crate::warehouse::WarehouseKind::{BigQuery, Postgres};

/// The flows.
pub static FLOWS: [FlowDefinition; 6] = [
    FlowDefinition {
        name: etl_web_to_gcs::NAME,
        about: "Fetch months, clean them and publish them to the lake",
        examples: &[
            "taxi run etl-web-to-gcs --colour green --year 2020 --months 1-3",
            "taxi run etl-web-to-gcs --colour yellow,green --from 2019-01 --to 2021-07 --lake prod",
            "taxi run etl-web-to-gcs --colour green --lag-months 2 --lake gs://my-bucket/trips",
            "taxi run etl-web-to-gcs --source sample",
        ],
        parameters: Months,
        reads: &[Source, Lake, Cleaning, Run],
        route: Route::ByLake,
        loads_into: &[],
        run: |run, pipeline, input| {
            Box::pin(async move { Ok(etl_web_to_gcs(run, pipeline, &input.files).await.into()) })
        },
    },
    FlowDefinition {
        name: etl_gcs_to_bq::NAME,
        about: "Load months from the lake into BigQuery",
        examples: &[
            "taxi run etl-gcs-to-bq --colour yellow --year 2021 --months 1 --lake gs://my-bucket/trips",
            "taxi run etl-gcs-to-bq --from 2019-01 --to 2021-07 --lake prod --bigquery cloud",
            "taxi run etl-gcs-to-bq --project my-project --dataset nyc_taxi --location EU",
        ],
        parameters: Months,
        reads: &[Lake, Cleaning, Run, Warehouse(BigQuery)],
        route: Route::FromLake,
        loads_into: &[BigQuery],
        run: |run, pipeline, input| {
            Box::pin(async move { Ok(etl_gcs_to_bq(run, pipeline, &input.files).await?.into()) })
        },
    },
    FlowDefinition {
        name: etl_gcs_to_postgres::NAME,
        about: "Load months from the lake into Postgres",
        examples: &[
            "taxi run etl-gcs-to-postgres --colour yellow --year 2021 --months 1",
            "taxi run etl-gcs-to-postgres --from 2019-01 --to 2021-07 --lake prod --postgres local",
            "DATABASE_URL=postgres://me:secret@host/db taxi run etl-gcs-to-postgres",
        ],
        parameters: Months,
        reads: &[Lake, Cleaning, Run, Warehouse(Postgres)],
        route: Route::FromLake,
        loads_into: &[Postgres],
        run: |run, pipeline, input| {
            Box::pin(
                async move { Ok(etl_gcs_to_postgres(run, pipeline, &input.files).await?.into()) },
            )
        },
    },
    FlowDefinition {
        name: ingest_data::NAME,
        about: "Fetch months, clean them and load them into Postgres, without a lake",
        examples: &[
            "taxi run ingest-data --colour yellow --from 2021-01 --to 2021-01",
            "taxi run ingest-data --colour yellow --year 2021 --months 1 --table yellow_taxi_data",
            "taxi run ingest-data --postgres local --schema staging",
        ],
        parameters: Months,
        reads: &[Source, Lake, Cleaning, Run, Warehouse(Postgres)],
        route: Route::Straight,
        loads_into: &[Postgres],
        run: |run, pipeline, input| {
            Box::pin(async move { Ok(ingest_data(run, pipeline, &input.files).await?.into()) })
        },
    },
    FlowDefinition {
        name: etl_parent_flow::NAME,
        about: "Publish months to the lake and load them into the warehouses",
        examples: &[
            "taxi run etl-parent-flow --colour yellow,green --from 2019-01 --to 2021-07 --to-warehouse postgres",
            "taxi run etl-parent-flow --colour green --lag-months 2 --profile cloud",
            "taxi run etl-parent-flow --year 2020 --jobs 8      months of green, to the lake alone",
        ],
        parameters: MonthsAndWarehouses,
        reads: &Group::ALL,
        route: Route::ByLake,
        loads_into: &[],
        run: |run, pipeline, input| {
            Box::pin(async move {
                let to = &input.warehouses;
                Ok(etl_parent_flow(run, pipeline, &input.files, to).await?.into())
            })
        },
    },
    FlowDefinition {
        name: etl_zones::NAME,
        about: "Fetch the lookup table of the taxi zones and publish it to the lake",
        examples: &[
            "taxi run etl-zones",
            "taxi run etl-zones --lake gs://my-bucket/trips",
            "taxi run etl-zones --zones ./taxi_zone_lookup.csv",
        ],
        parameters: Nothing,
        reads: &[Source, Lake, Run],
        route: Route::ByLake,
        loads_into: &[],
        run: |run, pipeline, _| Box::pin(async move { Ok(etl_zones(run, pipeline).await.into()) }),
    },
];

/// The flows that work on months: those that can be deployed.
pub fn over_months() -> impl Iterator<Item = &'static FlowDefinition> {
    FLOWS.iter().filter(|flow| flow.takes_months())
}

/// The flow over months of this name.
pub fn named(name: &str) -> Result<&'static FlowDefinition, FlowError> {
    over_months().find(|flow| flow.name == name).ok_or_else(|| FlowError::Unknown {
        name: name.to_owned(),
        known: over_months().map(|flow| flow.name).collect(),
    })
}
