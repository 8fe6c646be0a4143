//! Parameters given by name, in a deployment or a flow run. Errors use the names and values as they
//! were written.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::support::text::shortened;
use crate::warehouse::WarehouseKind;

use super::keys::closest;
use super::parameters::SPELLINGS;

/// What each parameter may be.
fn forms() -> [(&'static str, String); 7] {
    let warehouses = WarehouseKind::names(" or ");
    [
        ("colour", "yellow, green, fhv or fhvhv, or a list of them".to_owned()),
        ("year", "a year such as 2020".to_owned()),
        ("months", "a list of months of the year such as [6, 7]".to_owned()),
        ("from", "a month such as 2019-01".to_owned()),
        ("to", "a month such as 2021-07".to_owned()),
        ("lag_months", "a whole number of months such as 2".to_owned()),
        ("to_warehouse", format!("{warehouses}, or a list of them")),
    ]
}

/// What is shown of a value, at most.
const LONGEST: usize = 60;

/// Why parameters given by name are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamedParameterError {
    /// They are something else than names with values.
    #[error("parameters are names with values, such as {{\"year\": 2020}}")]
    Form,
    /// A name that there is not.
    #[error("there is no parameter '{name}'; {}", meant(closest.as_deref(), known))]
    Unknown {
        /// The name.
        name: String,
        /// The parameter that was probably meant.
        closest: Option<String>,
        /// The parameters that there are.
        known: Vec<String>,
    },
    /// One parameter in two spellings.
    #[error("'{one}' and '{other}' are the same parameter: give only one of them")]
    Twice {
        /// A spelling.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A value that the parameter cannot have.
    #[error("the parameter '{name}' cannot be {value}: expected {expected}")]
    Value {
        /// The parameter.
        name: String,
        /// What is given, as JSON.
        value: String,
        /// What it may be.
        expected: String,
    },
}

fn meant(closest: Option<&str>, known: &[String]) -> String {
    match closest {
        Some(name) => format!("did you mean '{name}'?"),
        None => format!("expected one of {}", known.join(", ")),
    }
}

/// Reads the parameters of a flow that has these.
pub fn read_named<T: DeserializeOwned>(
    given: &Value,
    known: &[String],
) -> Result<T, NamedParameterError> {
    let empty = Map::new();
    let fields = match given {
        Value::Object(fields) => fields,
        Value::Null => &empty,
        _ => return Err(NamedParameterError::Form),
    };
    for (name, value) in fields {
        let spelled = SPELLINGS.iter().find(|(other, _)| other == name);
        let own = spelled.map_or(name.as_str(), |(_, own)| *own);
        if !known.iter().any(|known| known == own) {
            let closest = closest(name, known.iter().map(String::as_str)).map(str::to_owned);
            return Err(NamedParameterError::Unknown {
                name: name.clone(),
                closest,
                known: known.to_vec(),
            });
        }
        if let Some((one, other)) = spelled
            && fields.contains_key(*other)
        {
            return Err(NamedParameterError::Twice { one: other, other: one });
        }
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        if serde_json::from_value::<T>(alone.into()).is_err() {
            return Err(wrong(name, own, value));
        }
    }
    // Each alone is fine, and so are they together.
    serde_json::from_value(fields.clone().into()).map_err(|_| NamedParameterError::Form)
}

fn wrong(name: &str, own: &str, value: &Value) -> NamedParameterError {
    let value = shortened(&value.to_string(), LONGEST).into_owned();
    let form = forms().into_iter().find(|(known, _)| *known == own);
    let expected = form.map_or_else(|| "another value".to_owned(), |(_, form)| form);
    NamedParameterError::Value { name: name.to_owned(), value, expected }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::{Parameters, ParentParameters};

    #[test]
    fn what_is_wrong_is_told_by_the_name_of_the_parameter() {
        let known = forms().map(|(name, _)| name.to_owned());
        let said = |given: Value| {
            let read = read_named::<ParentParameters>(&given, &known);
            read.map_or_else(|error| error.to_string(), |read| format!("{read:?}"))
        };
        let wrong = [
            json!([6]),
            json!({ "month": [6] }),
            json!({ "xyz": 1 }),
            json!({ "color": "green", "colour": "yellow" }),
            json!({ "color": "blue" }),
            json!({ "colour": [] }),
            json!({ "year": "soon" }),
            json!({ "months": { "a": 1 } }),
            json!({ "from": "2019" }),
            json!({ "lag_months": -1 }),
            json!({ "to_warehouse": ["oracle"] }),
        ];
        insta::assert_snapshot!(wrong.map(said).join("\n"), @r#"
        parameters are names with values, such as {"year": 2020}
        there is no parameter 'month'; did you mean 'months'?
        there is no parameter 'xyz'; expected one of colour, year, months, from, to, lag_months, to_warehouse
        'colour' and 'color' are the same parameter: give only one of them
        the parameter 'color' cannot be "blue": expected yellow, green, fhv or fhvhv, or a list of them
        the parameter 'colour' cannot be []: expected yellow, green, fhv or fhvhv, or a list of them
        the parameter 'year' cannot be "soon": expected a year such as 2020
        the parameter 'months' cannot be {"a":1}: expected a list of months of the year such as [6, 7]
        the parameter 'from' cannot be "2019": expected a month such as 2019-01
        the parameter 'lag_months' cannot be -1: expected a whole number of months such as 2
        the parameter 'to_warehouse' cannot be ["oracle"]: expected postgres or bigquery, or a list of them
        "#);
        let fine = json!({ "color": "green", "months": "1-3", "year": 2020 });
        let read: Parameters = read_named(&fine, &known).unwrap();
        assert_eq!(read.year, Some(2020));
    }
}
