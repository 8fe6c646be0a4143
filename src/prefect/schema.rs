//! Whether a value fits a JSON Schema, as far as the templates of pools and the forms of flows go:
//! what Prefect's server would refuse of a deployment is found before anything is sent.
//!
//! Keywords that are not here are passed over. No value is ever told: it may be a secret.

use serde_json::{Map, Value};

/// Where a value does not fit: its place below the whole, and what is expected there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The place, with dots; empty for the whole.
    pub(super) place: String,
    /// What is expected: `true or false`.
    pub(super) expected: String,
}

/// The first place where a value does not fit.
pub(super) fn misfit(value: &Value, schema: &Value, root: &Value) -> Option<Misfit> {
    let Value::Object(schema) = schema else {
        return (schema == false).then(|| expected("nothing".to_owned()));
    };
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        // A block of the server may stand here instead.
        if is_reference(value) || target.is_none() {
            return None;
        }
        if let Some(found) = target.and_then(|target| misfit(value, target, root)) {
            return Some(found);
        }
    }
    if let Some(one) = schema.get("const").filter(|one| *one != value) {
        return Some(expected(one.to_string()));
    }
    if let Some(Value::Array(words)) = schema.get("enum")
        && !words.contains(value)
    {
        let words: Vec<String> = words
            .iter()
            .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
            .collect();
        return Some(expected(format!("one of {}", words.join(", "))));
    }
    if let Some(kinds) = schema.get("type") {
        let kinds: Vec<&str> = match kinds {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect(),
        };
        if !kinds.iter().any(|kind| is_of(value, kind)) {
            let words: Vec<&str> = kinds.into_iter().map(in_words).collect();
            return Some(expected(words.join(" or ")));
        }
    }
    if let Some(Value::Array(all)) = schema.get("allOf")
        && let Some(found) = all.iter().find_map(|one| misfit(value, one, root))
    {
        return Some(found);
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(Value::Array(any)) = schema.get(keyword) else { continue };
        let found: Vec<Misfit> = any.iter().filter_map(|one| misfit(value, one, root)).collect();
        if found.len() < any.len() || found.is_empty() {
            continue;
        }
        // Of alternatives, the one whose outside fits says more.
        if let Some(at) = found.iter().position(|one| !one.place.is_empty()) {
            return found.into_iter().nth(at);
        }
        let mut words: Vec<String> = found.into_iter().map(|one| one.expected).collect();
        words.dedup();
        return Some(expected(words.join(", or ")));
    }
    match value {
        Value::Object(fields) => in_object(fields, schema, root),
        Value::Array(items) => in_list(items, schema, root),
        Value::Number(number) => {
            let number = number.as_f64()?;
            let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
            let low = bound("minimum").filter(|low| number < *low);
            let high = bound("maximum").filter(|high| number > *high);
            match (low, high) {
                (Some(low), _) => Some(expected(format!("at least {low}"))),
                (_, Some(high)) => Some(expected(format!("at most {high}"))),
                _ => None,
            }
        }
        _ => None,
    }
}

fn in_object(
    fields: &Map<String, Value>,
    schema: &Map<String, Value>,
    root: &Value,
) -> Option<Misfit> {
    let known = schema.get("properties").and_then(Value::as_object);
    fields.iter().find_map(|(name, value)| {
        let own = known.and_then(|known| known.get(name));
        let own = own.or_else(|| schema.get("additionalProperties"))?;
        // Prefect takes nothing in place of an optional value that has a default.
        if value.is_null() && own.get("default").is_some() {
            return None;
        }
        misfit(value, own, root).map(|found| found.below(name))
    })
}

fn in_list(items: &[Value], schema: &Map<String, Value>, root: &Value) -> Option<Misfit> {
    let count = |name: &str| schema.get(name).and_then(Value::as_u64);
    if count("minItems").is_some_and(|least| (items.len() as u64) < least) {
        return Some(expected("a list that is not empty".to_owned()));
    }
    if count("maxItems").is_some_and(|most| items.len() as u64 > most) {
        return Some(expected("a shorter list".to_owned()));
    }
    let twice = |at: usize| items[..at].contains(&items[at]);
    if schema.get("uniqueItems") == Some(&Value::Bool(true)) && (0..items.len()).any(twice) {
        return Some(expected("a list that has nothing twice".to_owned()));
    }
    let each = schema.get("items")?;
    let found = items.iter().enumerate();
    let mut found = found.filter_map(|(at, item)| Some((at, misfit(item, each, root)?)));
    found.next().map(|(at, found)| found.below(&(at + 1).to_string()))
}

const fn expected(expected: String) -> Misfit {
    Misfit { place: String::new(), expected }
}

impl Misfit {
    fn below(self, name: &str) -> Self {
        let place =
            if self.place.is_empty() { name.to_owned() } else { format!("{name}.{}", self.place) };
        Self { place, ..self }
    }
}

fn is_reference(value: &Value) -> bool {
    value.get("$ref").is_some()
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

fn in_words(kind: &str) -> &str {
    match kind {
        "string" => "a text in quotes",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "array" => "a list",
        "object" => "keys with values",
        "null" => "nothing",
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_told_by_its_place_and_without_its_value() {
        let schema = json!({
            "definitions": { "Login": { "type": "object", "properties": { "user": { "type": "string" } } } },
            "properties": {
                "env": { "type": "object", "additionalProperties": { "type": "string" } },
                "pull": { "enum": ["Always", "Never"], "type": "string" },
                "stream": { "type": "boolean", "default": true },
                "limit": { "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "null" }] },
                "networks": { "type": "array", "items": { "type": "string" }, "uniqueItems": true },
                "login": { "allOf": [{ "$ref": "#/definitions/Login" }] },
            },
        });
        let said = |value: Value| {
            misfit(&value, &schema, &schema)
                .map(|found| format!("{}: {}", found.place, found.expected))
        };
        for fine in [
            json!({ "env": { "A": "b" }, "pull": "Never", "stream": null, "limit": 3 }),
            json!({ "limit": null, "networks": ["a"], "login": { "$ref": "x" }, "other": 1 }),
        ] {
            assert_eq!(said(fine), None);
        }
        let wrong = [
            json!({ "env": { "PORT": 5432 } }),
            json!({ "env": ["A=b"] }),
            json!({ "pull": "Sometimes" }),
            json!({ "stream": "yes" }),
            json!({ "limit": "3" }),
            json!({ "limit": 0 }),
            json!({ "networks": ["a", 1] }),
            json!({ "networks": ["a", "a"] }),
            json!({ "login": { "user": 1 } }),
        ];
        let wrong: Vec<String> = wrong.into_iter().map(|value| said(value).unwrap()).collect();
        insta::assert_snapshot!(wrong.join("\n"), @"
        env.PORT: a text in quotes
        env: keys with values
        pull: one of Always, Never
        stream: true or false
        limit: a whole number, or nothing
        limit: at least 1, or nothing
        networks.2: a text in quotes
        networks: a list that has nothing twice
        login.user: a text in quotes
        ");
    }
}
