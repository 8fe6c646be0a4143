//! The oldest Rust that the program builds with, as `Cargo.toml` names it. That our own code needs
//! no newer one is checked by clippy (`incompatible_msrv`).

use std::process::Command;

use serde_json::Value;

/// `1.95` and `1.95.0` as numbers to compare.
fn version(text: &str) -> Vec<u32> {
    let mut parts: Vec<u32> = text.split('.').map(|part| part.parse().unwrap()).collect();
    parts.resize(3, 0);
    parts
}

#[test]
fn no_dependency_needs_a_newer_rust_than_cargo_toml_names() {
    let own = env!("CARGO_PKG_RUST_VERSION");
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked", "--offline"]);
    command.args(["--filter-platform", &host, "--manifest-path"]);
    let output = command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = found["packages"].as_array().unwrap();
    let text = |package: &Value, field: &str| package[field].as_str().map(str::to_owned);
    let newer: Vec<_> = packages
        .iter()
        .filter_map(|package| Some((text(package, "name")?, text(package, "rust_version")?)))
        .filter(|(_, needed)| version(needed) > version(own))
        .collect();
    assert!(packages.len() > 100, "only {} packages", packages.len());
    assert!(newer.is_empty(), "rust-version is {own}, and these need a newer one: {newer:?}");
}
