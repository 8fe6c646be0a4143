use schemars::{Schema, schema_for};
use serde_json::{Map, Value};

use super::{NamedParameterError, Parameters, ParentParameters, read_named};

/// What a flow is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterSet {
    /// Nothing: it is not about months.
    Nothing,
    /// Months.
    Months,
    /// Months, and the warehouses that they go on to.
    MonthsAndWarehouses,
}

impl ParameterSet {
    /// The JSON Schema of the parameters; `None` if there are none.
    pub fn schema(self) -> Option<Schema> {
        match self {
            Self::Nothing => None,
            Self::Months => Some(schema_for!(Parameters)),
            Self::MonthsAndWarehouses => Some(schema_for!(ParentParameters)),
        }
    }

    /// Reads parameters given by name.
    pub fn read(self, given: &Value) -> Result<ParentParameters, NamedParameterError> {
        let schema = self.schema().map(Value::from).unwrap_or_default();
        let names = schema["properties"].as_object().into_iter().flat_map(Map::keys);
        let known: Vec<String> = names.cloned().collect();
        match self {
            Self::MonthsAndWarehouses => read_named(given, &known),
            Self::Nothing | Self::Months => read_named::<Parameters>(given, &known).map(Into::into),
        }
    }
}

impl From<Parameters> for ParentParameters {
    fn from(months: Parameters) -> Self {
        Self { months, to_warehouse: Vec::new() }
    }
}
