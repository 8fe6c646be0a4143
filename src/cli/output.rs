//! What is printed on stdout.

use clap::{Args, ValueEnum};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// A table for people.
    Table,
    /// One JSON object for programs.
    Json,
}

#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// What is printed on stdout
    #[arg(
        long,
        display_order = 100,
        value_name = "FORM",
        default_value = "table",
        env = "TAXI_OUTPUT"
    )]
    pub(super) output: Output,
}
