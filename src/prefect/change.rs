//! What is to be changed on a server, field by field.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::redact::{MASK, names_a_secret, public};

/// Something on the server, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// What it is: `flow`, `work pool`, `work queue`, `deployment`, `schedule`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub action: Action,
    /// The fields that change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// What becomes of something on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is made.
    Created,
    /// It is changed.
    Changed,
    /// It is removed.
    Removed,
    /// It is as it should be.
    Unchanged,
}

impl Action {
    /// Its name, in what was done or what would be.
    pub const fn as_str(self, dry_run: bool) -> &'static str {
        match (self, dry_run) {
            (Self::Created, false) => "created",
            (Self::Created, true) => "would be created",
            (Self::Changed, false) => "changed",
            (Self::Changed, true) => "would be changed",
            (Self::Removed, false) => "removed",
            (Self::Removed, true) => "would be removed",
            (Self::Unchanged, _) => "unchanged",
        }
    }
}

/// A field that changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The field, with dots: `job_variables.image`.
    pub field: String,
    /// What it was; null for nothing.
    pub before: Value,
    /// What it will be; null for nothing.
    pub after: Value,
}

impl Step {
    /// A step of what must change for `before` to be `after`, of the fields in `after`.
    pub(super) fn towards(kind: &'static str, name: String, before: &Value, after: &Value) -> Self {
        let mut changes = Vec::new();
        if let (Value::Object(before), Value::Object(after)) = (before, after) {
            for (field, after) in after {
                compare(field, before.get(field).unwrap_or(&Value::Null), after, &mut changes);
            }
        }
        let action = if changes.is_empty() { Action::Unchanged } else { Action::Changed };
        Self { kind, name, action, changes }
    }

    /// A step that makes something with these fields.
    pub(super) fn create(kind: &'static str, name: String, after: &Value) -> Self {
        let empty = Value::Object(Map::new());
        Self { action: Action::Created, ..Self::towards(kind, name, &empty, after) }
    }

    /// The fields at the top that change.
    pub(super) fn changed<'a>(&'a self, field: &'a str) -> bool {
        self.changes.iter().any(|change| {
            change
                .field
                .strip_prefix(field)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

/// Notes where two values differ: what is within an object by its name, a list whole.
fn compare(field: &str, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    if same(before, after) {
        return;
    }
    let empty = Map::new();
    let sides = match (before, after) {
        (Value::Object(before), Value::Object(after)) => Some((before, after)),
        (Value::Null, Value::Object(after)) if !after.is_empty() => Some((&empty, after)),
        (Value::Object(before), Value::Null) if !before.is_empty() => Some((before, &empty)),
        _ => None,
    };
    let Some((before, after)) = sides else {
        let (before, after) = (shown(field, before), shown(field, after));
        changes.push(Change { field: field.to_owned(), before, after });
        return;
    };
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    for name in after.keys().chain(gone) {
        let of = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or_default();
        compare(&format!("{field}.{name}"), &of(before), &of(after), changes);
    }
}

/// Numbers are the same however they are written, and nothing is nothing.
fn same(before: &Value, after: &Value) -> bool {
    let nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    match (before, after) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => one.keys().chain(other.keys()).all(|name| {
            let of = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or_default();
            same(&of(one), &of(other))
        }),
        _ => before == after || nothing(before) && nothing(after),
    }
}

/// A value as it may be shown: what a run finds in its environment and what is called a secret
/// are not, and other texts without the secrets that are in them.
fn shown(field: &str, value: &Value) -> Value {
    let is_secret = |part: &str| part.eq_ignore_ascii_case("env") || names_a_secret(part);
    let hidden = !value.is_null() && field.split('.').any(is_secret);
    if hidden { Value::from(MASK) } else { without_secrets(value) }
}

fn without_secrets(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(public(text)),
        Value::Array(list) => list.iter().map(without_secrets).collect(),
        Value::Object(fields) => {
            let shown = |(name, value): (&String, &Value)| (name.clone(), shown(name, value));
            Value::Object(fields.iter().map(shown).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_named_field_by_field_and_no_secret_is_shown() {
        let before = json!({
            "tags": ["a"], "interval": 60, "gone": { "x": 1 }, "server": "s", "empty": {},
            "job_variables": { "image": "a:1", "registry_credentials": { "password": "old" }, "env": { "DATABASE_URL": "postgres://u:old@h" } },
        });
        let after = json!({
            "tags": ["a", "b"], "interval": 60.0, "gone": {}, "empty": null,
            "job_variables": { "image": "a:2", "registry_credentials": { "password": "new" }, "env": { "DATABASE_URL": "postgres://u:new@h" } },
        });
        let step = Step::towards("deployment", "f/d".to_owned(), &before, &after);
        let said: Vec<String> = step
            .changes
            .iter()
            .map(|change| format!("{}: {} -> {}", change.field, change.before, change.after))
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
            gone.x: 1 -> null
            job_variables.env.DATABASE_URL: "********" -> "********"
            job_variables.image: "a:1" -> "a:2"
            job_variables.registry_credentials.password: "********" -> "********"
            tags: ["a"] -> ["a","b"]
            "#);
        assert!(step.changed("job_variables") && !step.changed("job"));
        let again = Step::towards("deployment", "f/d".to_owned(), &before, &before);
        assert_eq!(again.action, Action::Unchanged);
    }
}
