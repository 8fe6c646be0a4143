//! What taxi.toml, the environment and flags make of a run.

mod commands;
mod connections;
mod notify;
mod page;

use crate::harness::taxi::Taxi;

/// A folder with this `taxi.toml`, without the tests' own settings.
fn with(toml: &str) -> Taxi {
    let taxi = Taxi::bare();
    std::fs::write(taxi.folder().join("taxi.toml"), toml).unwrap();
    taxi
}
