//! The flows by name, each with its parameters: what the command line, a deployment and a
//! flow run of an orchestrator have in common.

use nyc_taxi_etl::config::{GivenError, Parameters, ParentParameters, Settings, read_given};
use nyc_taxi_etl::flow::{Run, RunReport};
use nyc_taxi_etl::inspect::Way;
use nyc_taxi_etl::pipeline::Pipeline;
use nyc_taxi_etl::trip::{Month, TripFile};
use nyc_taxi_etl::warehouse::WarehouseKind;
use schemars::{Schema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::terminal::Error;
use crate::{etl_gcs_to_bq, etl_gcs_to_postgres, etl_parent_flow, etl_web_to_gcs, ingest_data};

/// A flow over months, with what it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the flows are named so")]
pub(crate) enum Flow {
    EtlWebToGcs(Parameters),
    EtlGcsToBq(Parameters),
    EtlGcsToPostgres(Parameters),
    IngestData(Parameters),
    EtlParentFlow(ParentParameters),
}

/// A parameter of a flow that is not understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlowError {
    #[error("there is no flow '{name}': there are {}", Flow::NAMES.join(", "))]
    Unknown { name: String },
    #[error("the parameters of {flow} are not understood: {source}")]
    Parameters { flow: &'static str, source: GivenError },
}

impl Flow {
    /// The names of all flows over months.
    pub(crate) const NAMES: [&str; 5] = [
        etl_web_to_gcs::NAME,
        etl_gcs_to_bq::NAME,
        etl_gcs_to_postgres::NAME,
        ingest_data::NAME,
        etl_parent_flow::NAME,
    ];

    /// The flow of a name, with the parameters stored for it or given to it.
    pub(crate) fn named(name: &str, parameters: &Value) -> Result<Self, FlowError> {
        fn read<T: DeserializeOwned>(
            flow: &'static str,
            parameters: &Value,
        ) -> Result<T, FlowError> {
            let known = Flow::schema(flow).map(Value::from).unwrap_or_default();
            let known = known["properties"].as_object().into_iter().flat_map(Map::keys);
            let known: Vec<String> = known.cloned().collect();
            read_given(parameters, &known).map_err(|source| FlowError::Parameters { flow, source })
        }
        match name {
            etl_web_to_gcs::NAME => Ok(Self::EtlWebToGcs(read(etl_web_to_gcs::NAME, parameters)?)),
            etl_gcs_to_bq::NAME => Ok(Self::EtlGcsToBq(read(etl_gcs_to_bq::NAME, parameters)?)),
            etl_gcs_to_postgres::NAME => {
                Ok(Self::EtlGcsToPostgres(read(etl_gcs_to_postgres::NAME, parameters)?))
            }
            ingest_data::NAME => Ok(Self::IngestData(read(ingest_data::NAME, parameters)?)),
            etl_parent_flow::NAME => {
                Ok(Self::EtlParentFlow(read(etl_parent_flow::NAME, parameters)?))
            }
            _ => Err(FlowError::Unknown { name: name.to_owned() }),
        }
    }

    /// Its name.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::EtlWebToGcs(_) => etl_web_to_gcs::NAME,
            Self::EtlGcsToBq(_) => etl_gcs_to_bq::NAME,
            Self::EtlGcsToPostgres(_) => etl_gcs_to_postgres::NAME,
            Self::IngestData(_) => ingest_data::NAME,
            Self::EtlParentFlow(_) => etl_parent_flow::NAME,
        }
    }

    /// The JSON Schema of a flow's parameters; none where there is no such flow.
    pub(crate) fn schema(name: &str) -> Option<Schema> {
        match name {
            etl_parent_flow::NAME => Some(schema_for!(ParentParameters)),
            _ if Self::NAMES.contains(&name) => Some(schema_for!(Parameters)),
            _ => None,
        }
    }

    /// Which months it is asked for.
    pub(crate) const fn months(&self) -> &Parameters {
        match self {
            Self::EtlWebToGcs(months)
            | Self::EtlGcsToBq(months)
            | Self::EtlGcsToPostgres(months)
            | Self::IngestData(months) => months,
            Self::EtlParentFlow(parameters) => &parameters.months,
        }
    }

    /// The months it is asked for, once it is known that the source can be read for them.
    pub(crate) fn files(&self, settings: &Settings) -> Result<Vec<TripFile>, Error> {
        let files = self.months().files(Month::current())?;
        match self {
            Self::EtlWebToGcs(_) | Self::EtlParentFlow(_) => settings.check_source(&files, true)?,
            Self::IngestData(_) => settings.check_source(&files, false)?,
            // These read the lake.
            Self::EtlGcsToBq(_) | Self::EtlGcsToPostgres(_) => {}
        }
        Ok(files)
    }

    /// The way its months go, and the warehouses at its end.
    pub(crate) fn way(&self, settings: &Settings) -> (Way, Vec<WarehouseKind>) {
        match self {
            Self::EtlWebToGcs(_) => (Way::ByLake, Vec::new()),
            Self::EtlGcsToBq(_) => (Way::FromLake, vec![WarehouseKind::BigQuery]),
            Self::EtlGcsToPostgres(_) => (Way::FromLake, vec![WarehouseKind::Postgres]),
            Self::IngestData(_) => (Way::Straight, vec![WarehouseKind::Postgres]),
            Self::EtlParentFlow(parameters) => {
                (Way::ByLake, settings.warehouses(&parameters.to_warehouse).to_vec())
            }
        }
    }

    /// Runs it.
    pub(crate) async fn run(&self, run: &Run, pipeline: &Pipeline) -> Result<RunReport, Error> {
        let files = self.files(pipeline.settings())?;
        if let Self::EtlWebToGcs(_) | Self::EtlParentFlow(_) = self {
            pipeline.lake().prepare()?;
        }
        Ok(match self {
            Self::EtlWebToGcs(_) => etl_web_to_gcs::etl_web_to_gcs(run, pipeline, &files).await,
            Self::EtlGcsToBq(_) => etl_gcs_to_bq::etl_gcs_to_bq(run, pipeline, &files).await?,
            Self::EtlGcsToPostgres(_) => {
                etl_gcs_to_postgres::etl_gcs_to_postgres(run, pipeline, &files).await?
            }
            Self::IngestData(_) => ingest_data::ingest_data(run, pipeline, &files).await?,
            Self::EtlParentFlow(parameters) => {
                let to = pipeline.settings().warehouses(&parameters.to_warehouse);
                etl_parent_flow::etl_parent_flow(run, pipeline, &files, to).await?
            }
        })
    }
}
