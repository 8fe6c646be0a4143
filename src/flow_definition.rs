//! A flow as a row of a table: what the command line, deployments and flow runs know of it.

use futures_util::future::LocalBoxFuture;
use schemars::Schema;
use serde::Serialize;
use serde_json::Value;

use crate::flow::{Run, RunReport, ZonesReport};
use crate::inspect::Route;
use crate::lake::LakeError;
use crate::pipeline::{Pipeline, TaskError};
use crate::settings::{
    Group, NamedParameterError, ParameterError, ParameterSet, Parameters, ParentParameters,
    Settings, SourceConflict,
};
use crate::trip::{Month, TripFile};
use crate::warehouse::WarehouseKind;

/// A flow: its name, what it is asked for, its recipe.
#[derive(Debug)]
pub struct FlowDefinition {
    /// Its name, as people write it.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// Command lines that run it, for its help.
    pub examples: &'static [&'static str],
    /// What it is asked for.
    pub parameters: ParameterSet,
    /// The settings that it reads, which its help shows.
    pub(crate) reads: &'static [Group],
    /// The route that its months take.
    pub(crate) route: Route,
    /// The warehouses that it loads into, unless its parameters or the settings name them.
    pub(crate) loads_into: &'static [WarehouseKind],
    /// Its recipe.
    pub(crate) run: for<'a> fn(&'a Run, &'a Pipeline, &'a FlowInput) -> Running<'a>,
}

/// A flow that runs.
pub(crate) type Running<'a> = LocalBoxFuture<'a, Result<FlowReport, TaskError>>;

/// What a flow works on.
#[derive(Debug)]
pub struct FlowInput {
    /// The months.
    pub files: Vec<TripFile>,
    /// The warehouses at their end.
    pub warehouses: Vec<WarehouseKind>,
}

/// What a flow did.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum FlowReport {
    /// To months.
    Months(RunReport),
    /// To the taxi zones.
    Zones(ZonesReport),
}

/// Why a flow cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// There is no such flow.
    #[error("unknown flow '{name}'; expected one of {}", known.join(", "))]
    Unknown {
        /// The name given.
        name: String,
        /// The flows that there are.
        known: Vec<&'static str>,
    },
    /// Parameters given by name are not understood.
    #[error("the parameters of {flow} are not understood: {source}")]
    Parameters {
        /// The flow.
        flow: &'static str,
        /// Why.
        source: NamedParameterError,
    },
    /// The months make no sense.
    #[error(transparent)]
    Months(#[from] ParameterError),
    /// The source cannot be read for these months.
    #[error(transparent)]
    Source(#[from] SourceConflict),
    /// The lake cannot be prepared.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The flow cannot begin.
    #[error(transparent)]
    Task(#[from] TaskError),
}

impl FlowDefinition {
    /// Whether it works on months.
    pub fn takes_months(&self) -> bool {
        self.parameters != ParameterSet::Nothing
    }

    /// The JSON Schema of its parameters; `None` if it has none.
    pub fn schema(&self) -> Option<Schema> {
        self.parameters.schema()
    }

    /// The flow with parameters given by name, as a deployment or a flow run has them.
    pub fn read(&'static self, given: &Value) -> Result<FlowCall, FlowError> {
        let read = self.parameters.read(given);
        let read = read.map_err(|source| FlowError::Parameters { flow: self.name, source })?;
        Ok(FlowCall::new(self, read))
    }
}

/// A flow, and what it is asked for.
#[derive(Debug, Clone)]
pub struct FlowCall {
    flow: &'static FlowDefinition,
    parameters: ParentParameters,
}

impl FlowCall {
    /// A flow with these parameters.
    pub const fn new(flow: &'static FlowDefinition, parameters: ParentParameters) -> Self {
        Self { flow, parameters }
    }

    /// The flow.
    pub const fn flow(&self) -> &'static FlowDefinition {
        self.flow
    }

    /// Which months it is asked for.
    pub const fn months(&self) -> &Parameters {
        &self.parameters.months
    }

    /// What it works on, once it is known that the source can be read for it.
    pub fn input(&self, settings: &Settings) -> Result<FlowInput, FlowError> {
        if !self.flow.takes_months() {
            return Ok(FlowInput { files: Vec::new(), warehouses: Vec::new() });
        }
        let files = self.months().files(Month::current())?;
        match self.flow.route {
            Route::ByLake => settings.check_source(&files, true)?,
            Route::Straight => settings.check_source(&files, false)?,
            Route::FromLake => {}
        }
        let warehouses = match self.flow.parameters {
            ParameterSet::MonthsAndWarehouses => settings.warehouses(&self.parameters.to_warehouse),
            ParameterSet::Nothing | ParameterSet::Months => self.flow.loads_into,
        };
        Ok(FlowInput { files, warehouses: warehouses.to_vec() })
    }

    /// Runs it.
    pub async fn run(&self, run: &Run, pipeline: &Pipeline) -> Result<FlowReport, FlowError> {
        let input = self.input(pipeline.settings())?;
        if self.flow.route == Route::ByLake {
            pipeline.lake().prepare()?;
        }
        Ok((self.flow.run)(run, pipeline, &input).await?)
    }
}

impl FlowReport {
    /// Whether all is well.
    pub const fn is_ok(&self) -> bool {
        match self {
            Self::Months(report) => report.ok,
            Self::Zones(report) => report.ok,
        }
    }
}

impl From<RunReport> for FlowReport {
    fn from(report: RunReport) -> Self {
        Self::Months(report)
    }
}

impl From<ZonesReport> for FlowReport {
    fn from(report: ZonesReport) -> Self {
        Self::Zones(report)
    }
}

impl From<FlowReport> for RunReport {
    fn from(report: FlowReport) -> Self {
        match report {
            FlowReport::Months(report) => report,
            FlowReport::Zones(ZonesReport { flow, ok, .. }) => {
                Self { flow, ok, months: Vec::new() }
            }
        }
    }
}
