use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::warehouse::WarehouseKind;

use super::Parameters;

/// What the parent flow works on: months, and where they go after the lake.
///
/// As for [`Parameters`], the same on the command line, in a deployment and in a form.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args, Serialize, JsonSchema)]
pub struct ParentParameters {
    /// Which months of which colours.
    #[command(flatten)]
    #[serde(flatten)]
    pub months: Parameters,

    /// The warehouses to load into after the lake; none for the lake only.
    #[arg(long, help = to_warehouse(), value_name = "WAREHOUSES", value_delimiter = ',', env = "TAXI_TO_WAREHOUSE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, description = to_warehouse(), extend("uniqueItems" = true))]
    pub to_warehouse: Vec<WarehouseKind>,
}

fn to_warehouse() -> String {
    let names = WarehouseKind::names(", ");
    format!("The warehouses to load into after the lake: {names}; none for the lake only")
}

/// One warehouse or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    Many(Vec<WarehouseKind>),
    One(WarehouseKind),
}

// By hand: a derived reader with a flattened field cannot refuse unknown parameters.
impl<'de> Deserialize<'de> for ParentParameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut given = serde_json::Map::deserialize(deserializer)?;
        let to_warehouse = match given.remove("to_warehouse") {
            None | Some(serde_json::Value::Null) => Vec::new(),
            Some(value) => match serde_json::from_value(value).map_err(D::Error::custom)? {
                OneOrMore::Many(kinds) => kinds,
                OneOrMore::One(kind) => vec![kind],
            },
        };
        let months = serde_json::from_value(given.into()).map_err(D::Error::custom)?;
        Ok(Self { months, to_warehouse })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_flow_takes_the_months_of_the_others_and_warehouses() {
        let json =
            r#"{"colour": "yellow", "year": 2019, "months": [6, 7], "to_warehouse": ["postgres"]}"#;
        let parameters: ParentParameters = serde_json::from_str(json).unwrap();
        assert_eq!(parameters.to_warehouse, [WarehouseKind::Postgres]);
        assert_eq!(parameters.months.year, Some(2019));
        let one: ParentParameters =
            serde_json::from_str(r#"{"to_warehouse": "bigquery"}"#).unwrap();
        assert_eq!(one.to_warehouse, [WarehouseKind::BigQuery]);
        let unknown = serde_json::from_str::<ParentParameters>(r#"{"month": [6]}"#).unwrap_err();
        assert!(unknown.to_string().contains("unknown field `month`"), "{unknown}");
    }
}
