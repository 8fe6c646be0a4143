//! docs/settings.md is true.

use std::collections::BTreeSet;

use super::with;

const PAGE: &str = include_str!("../../../docs/settings.md");

/// The keys in the first column of the tables under a heading.
fn keys(heading: &str) -> BTreeSet<String> {
    let part = PAGE.split("\n## ").find(|part| part.starts_with(heading)).expect(heading);
    let rows = part.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
}

/// The keys that the program knows in a table: those it names where one is wrong.
fn known(table: &str) -> BTreeSet<String> {
    let said = with(&format!("{table}\nqqqqqq = 1")).run(["config"]).exits(2).stderr;
    let (_, names) = said.trim_end().split_once(": there are ").expect(&said);
    names.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_page_has_every_key_and_no_other() {
    for (heading, table) in [
        ("Settings", ""),
        ("Lakes", "[lakes.a]"),
        ("Postgres", "[postgres.a]"),
        ("BigQuery", "[bigquery.a]"),
        ("Notifications", "[notify]"),
    ] {
        assert_eq!(keys(heading), known(table), "{heading}");
    }
    let mut profile = keys("Settings");
    for table in ["lakes", "notify", "profiles"] {
        assert!(profile.remove(table), "{table}");
    }
    assert_eq!(profile, known("[profiles.a]"));
}

#[test]
fn the_page_has_the_variable_and_the_default_of_every_key() {
    let shown = with("").run(["config", "--output", "json"]).exits(0).json();
    let row = |key: &str| {
        PAGE.lines().find(|line| line.starts_with(&format!("| `{key}`"))).expect(key).to_owned()
    };
    let help = with("").run(["run", "etl-parent-flow", "--help"]).exits(0).stdout;
    let mut compared = 0;
    for setting in shown.as_array().unwrap() {
        let key = setting["key"].as_str().unwrap();
        if key.contains('.') || key == "force" {
            continue;
        }
        let default = match &setting["value"] {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(_) | serde_json::Value::Null => String::new(),
            other => other.to_string(),
        };
        let cells: Vec<String> = row(key).split('|').map(|cell| cell.trim().to_owned()).collect();
        if !default.is_empty() {
            assert_eq!(cells[3], format!("`{default}`"), "{key}");
        }
        let variable = cells[2].trim_matches('`');
        let known = help.contains(&format!("[env: {variable}"));
        assert!(known || key == "to_warehouse", "{key}: {variable}");
        compared += 1;
    }
    assert!(compared > 15, "{compared}");
}

#[test]
fn the_examples_of_the_page_are_understood() {
    let examples = PAGE.split("```toml\n").skip(1);
    let mut whole = 0;
    for example in examples {
        let toml = example.split("```").next().unwrap();
        with(toml).run(["config"]).exits(0);
        whole += 1;
    }
    assert!(whole >= 2);
}
