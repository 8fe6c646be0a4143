//! Runs: retries, concurrency, and the folders that a run writes to.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Deserialize;

use crate::flow::{Limits, Policy, TaskName};

use super::error::SettingsError;
use super::layers::Picker;
use super::settings_group::SettingsGroup;
use super::values::{at_least_one, count, duration, some_duration, some_time, time};

const HEADING: &str = "Run settings";

/// The heading of the spool, which commands use that run nothing.
pub(super) const SPOOL: &str = "Spool settings";

/// The headings of its flags.
pub(super) const HEADINGS: &[&str] = &[HEADING, SPOOL];

/// The concurrency limits of tasks. Cleaning takes all cores and most of the memory that a run
/// may have, so one month is cleaned while others are fetched and loaded.
const AT_ONCE: [(TaskName, usize); 2] = [(TaskName::Clean, 1), (TaskName::Ingest, 1)];

/// The options for runs.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
#[command(next_help_heading = HEADING)]
pub struct RunOptions {
    /// Process a month even if nothing has changed, and even if it would be refused
    #[serde(skip)]
    #[arg(long, env = "TAXI_FORCE", value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub force: Option<bool>,

    /// How many months are processed at once [default: 4]
    #[arg(long, value_name = "N", value_parser = at_least_one, env = "TAXI_JOBS")]
    #[serde(deserialize_with = "count")]
    pub jobs: Option<usize>,

    /// How often a task is retried after a transient error [default: 5]
    #[arg(long, value_name = "N", env = "TAXI_RETRIES")]
    pub retries: Option<usize>,

    /// The delay before the first retry; doubled for each further retry [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = time, env = "TAXI_RETRY_DELAY")]
    #[serde(deserialize_with = "duration")]
    pub retry_delay: Option<Duration>,

    /// How long each attempt of a task may take [default: 2h]
    #[arg(long, value_name = "TIME", value_parser = some_time, env = "TAXI_TASK_TIMEOUT")]
    #[serde(deserialize_with = "some_duration")]
    pub task_timeout: Option<Duration>,

    /// The folder of the journal, which taxi runs shows [default: data/runs]
    #[arg(long, value_name = "FOLDER", env = "TAXI_RUNS")]
    pub runs: Option<PathBuf>,

    /// How many runs the journal keeps; 0 for none [default: 100]
    #[arg(long, value_name = "N", env = "TAXI_KEEP_RUNS")]
    pub keep_runs: Option<usize>,

    /// The folder for downloads and other temporary files [default: data/spool]
    #[arg(long, help_heading = SPOOL, value_name = "FOLDER", env = "TAXI_SPOOL")]
    pub spool: Option<PathBuf>,
}

/// How runs go.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// The folder for temporary files.
    pub spool: PathBuf,
    /// The folder for the journal.
    pub runs: PathBuf,
    /// How many runs it keeps.
    pub keep_runs: usize,
    /// Whether a month is done again even if nothing has changed.
    pub force: bool,
    /// How many things at once, and for how long.
    pub limits: Limits,
    /// How tasks are retried.
    pub policy: Policy,
}

impl RunSettings {
    /// The folder of the journal.
    pub(super) fn journal(from: &mut Picker<'_>) -> PathBuf {
        from.pick("runs", |o: &RunOptions| &o.runs, "data/runs".into())
    }
}

impl SettingsGroup for RunSettings {
    fn resolve(from: &mut Picker<'_>) -> Result<Self, SettingsError> {
        let (policy, limits) = (Policy::default(), Limits::default());
        Ok(Self {
            spool: from.pick("spool", |o: &RunOptions| &o.spool, "data/spool".into()),
            runs: Self::journal(from),
            keep_runs: from.pick("keep_runs", |o: &RunOptions| &o.keep_runs, 100),
            force: from.pick("force", |o: &RunOptions| &o.force, false),
            limits: Limits {
                time: from.pick("task_timeout", |o: &RunOptions| &o.task_timeout, limits.time),
                jobs: from.pick("jobs", |o: &RunOptions| &o.jobs, limits.jobs),
                at_once: &AT_ONCE,
            },
            policy: Policy {
                retries: from.pick("retries", |o: &RunOptions| &o.retries, policy.retries),
                first_delay: from.pick(
                    "retry_delay",
                    |o: &RunOptions| &o.retry_delay,
                    policy.first_delay,
                ),
                ..policy
            },
        })
    }
}
