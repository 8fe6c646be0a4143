//! From the JSON Schema of a flow's parameters to the form that Prefect's UI draws and the
//! check that its server makes.

use serde_json::{Map, Value, json};

/// The order of the fields; what is not named here comes after, by name.
const ORDER: [&str; 7] = ["colour", "year", "months", "from", "to", "lag_months", "to_warehouse"];

/// Other spellings that are understood: Prefect refuses a parameter that the form lacks.
const ALIASES: [(&str, &str); 1] = [("color", "colour")];

/// The parameter schema of a deployment.
///
/// The UI draws a list of fixed words as a choice of several, and alternatives as a switch
/// between titled fields; it draws no reference within a list, and takes "or null" for an
/// alternative of its own. So references are written out, and a field left empty is simply not
/// required.
pub fn form(schema: &Value) -> Value {
    let root = schema;
    let empty = Map::new();
    let given = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let mut names: Vec<&String> = given.keys().collect();
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    names.sort_by_key(|name| (place(name).unwrap_or(ORDER.len()), *name));

    let mut properties = Map::new();
    for (position, name) in names.into_iter().enumerate() {
        let mut property = field(&given[name], root);
        property.insert("title".to_owned(), json!(name));
        property.insert("position".to_owned(), json!(position));
        properties.insert(name.clone(), property.into());
    }
    for (alias, name) in ALIASES {
        let Some(Value::Object(property)) = properties.get(name) else { continue };
        let mut property = property.clone();
        property.remove("default");
        property.insert("title".to_owned(), json!(alias));
        property.insert("description".to_owned(), json!(format!("The same as {name}")));
        property.insert("position".to_owned(), json!(properties.len()));
        properties.insert(alias.to_owned(), property.into());
    }
    json!({ "title": "Parameters", "type": "object", "properties": properties, "definitions": {} })
}

/// One field, on its own feet.
fn field(schema: &Value, root: &Value) -> Map<String, Value> {
    let mut field = resolved(schema, root);
    field.retain(|name, value| match name.as_str() {
        "default" => !value.is_null(),
        // How wide a number is in memory concerns nobody.
        "format" => !value.as_str().is_some_and(|width| width.starts_with("uint")),
        _ => true,
    });
    if let Some(Value::Array(types)) = field.get("type") {
        let mut types: Vec<Value> = types.iter().filter(|kind| *kind != "null").cloned().collect();
        if types.len() == 1 {
            field.insert("type".to_owned(), types.remove(0));
        }
    }
    if let Some(items) = field.get("items") {
        let mut items = self::field(items, root);
        // Said of the type.
        items.remove("description");
        field.insert("items".to_owned(), items.into());
    }
    if let Some(words) = words(&field) {
        field.remove("oneOf");
        field.insert("type".to_owned(), json!("string"));
        field.insert("enum".to_owned(), words);
    }
    if let Some(Value::Array(choices)) = field.remove("anyOf") {
        let null = json!("null");
        let choices = choices.iter().map(|choice| self::field(choice, root));
        let mut choices: Vec<_> =
            choices.filter(|choice| choice.get("type") != Some(&null)).collect();
        if choices.len() == 1 {
            // What is said of the field goes before what is said of its type.
            let mut only = choices.remove(0);
            only.extend(field);
            return only;
        }
        for choice in &mut choices {
            let many = choice.get("type").is_some_and(|kind| kind == "array");
            choice.remove("description");
            choice.insert("title".to_owned(), json!(if many { "several" } else { "one" }));
        }
        field.insert("anyOf".to_owned(), json!(choices));
    }
    field
}

/// The schema a reference leads to, else itself.
fn resolved(schema: &Value, root: &Value) -> Map<String, Value> {
    let mut own = schema.as_object().cloned().unwrap_or_default();
    let Some(Value::String(reference)) = own.remove("$ref") else { return own };
    let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
    let mut found = target.map(|target| resolved(target, root)).unwrap_or_default();
    // A type's name is no title of a field.
    found.remove("title");
    found.extend(own);
    match found.remove("anyOf") {
        // A reference to alternatives: those without null are flat.
        Some(Value::Array(choices)) => {
            let flat = choices.into_iter().flat_map(|choice| {
                let choice = Value::Object(resolved(&choice, root));
                match choice.get("anyOf") {
                    Some(Value::Array(inner)) => inner.clone(),
                    _ => vec![choice],
                }
            });
            found.insert("anyOf".to_owned(), flat.collect());
            found
        }
        _ => found,
    }
}

/// The fixed words of a choice that is written as one constant each.
fn words(field: &Map<String, Value>) -> Option<Value> {
    let choices = field.get("oneOf")?.as_array()?;
    choices.iter().map(|choice| choice.get("const").cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ParentParameters;

    fn parent() -> Value {
        form(schemars::schema_for!(ParentParameters).as_value())
    }

    #[test]
    fn the_form_has_a_field_for_each_parameter() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&parent()).unwrap(), @r#"
            {
              "definitions": {},
              "properties": {
                "color": {
                  "anyOf": [
                    {
                      "enum": [
                        "yellow",
                        "green",
                        "fhv",
                        "fhvhv"
                      ],
                      "title": "one",
                      "type": "string"
                    },
                    {
                      "items": {
                        "enum": [
                          "yellow",
                          "green",
                          "fhv",
                          "fhvhv"
                        ],
                        "type": "string"
                      },
                      "minItems": 1,
                      "title": "several",
                      "type": "array",
                      "uniqueItems": true
                    }
                  ],
                  "description": "The same as colour",
                  "position": 7,
                  "title": "color"
                },
                "colour": {
                  "anyOf": [
                    {
                      "enum": [
                        "yellow",
                        "green",
                        "fhv",
                        "fhvhv"
                      ],
                      "title": "one",
                      "type": "string"
                    },
                    {
                      "items": {
                        "enum": [
                          "yellow",
                          "green",
                          "fhv",
                          "fhvhv"
                        ],
                        "type": "string"
                      },
                      "minItems": 1,
                      "title": "several",
                      "type": "array",
                      "uniqueItems": true
                    }
                  ],
                  "default": "green",
                  "description": "Whose trips: one colour or several",
                  "position": 0,
                  "title": "colour"
                },
                "from": {
                  "description": "The first month, instead of year and months: 2019-01",
                  "pattern": "^\\d{4}-\\d{2}$",
                  "position": 3,
                  "title": "from",
                  "type": "string"
                },
                "lag_months": {
                  "description": "The month N months before the current one: 2 is the newest that the TLC has",
                  "maximum": 240,
                  "minimum": 0,
                  "position": 5,
                  "title": "lag_months",
                  "type": "integer"
                },
                "months": {
                  "description": "Months of the year: 6, 7 [default: all, or 1 and 2 without a year]",
                  "items": {
                    "maximum": 12,
                    "minimum": 1,
                    "type": "integer"
                  },
                  "minItems": 1,
                  "position": 2,
                  "title": "months",
                  "type": "array"
                },
                "to": {
                  "description": "The last month, together with from: 2021-07",
                  "pattern": "^\\d{4}-\\d{2}$",
                  "position": 4,
                  "title": "to",
                  "type": "string"
                },
                "to_warehouse": {
                  "description": "The warehouses to load into after the lake: postgres, bigquery; none for the lake only",
                  "items": {
                    "enum": [
                      "postgres",
                      "bigquery"
                    ],
                    "type": "string"
                  },
                  "position": 6,
                  "title": "to_warehouse",
                  "type": "array",
                  "uniqueItems": true
                },
                "year": {
                  "description": "The year, with or without months [default: 2020]",
                  "minimum": 2009,
                  "position": 1,
                  "title": "year",
                  "type": "integer"
                }
              },
              "title": "Parameters",
              "type": "object"
            }
            "#);
    }

    #[test]
    fn no_reference_and_no_null_is_left() {
        let text = parent().to_string();
        for gone in ["$ref", "$defs", "null", "uint", "--"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
    }
}
