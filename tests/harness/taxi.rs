//! Runs the program under test in a folder of its own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder with a lake and a spool, and the program run in it.
pub struct Taxi {
    folder: tempfile::TempDir,
    settings: Vec<(String, String)>,
}

/// How a run ended and what it said.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Taxi {
    /// A new folder. Tries again soon and not for long, so that tests do not wait.
    pub fn new() -> Self {
        let settings = [
            ("TAXI_RETRY_DELAY", "20ms"),
            ("TAXI_RETRIES", "4"),
            ("TAXI_STALL_TIMEOUT", "2s"),
            // Beside the lake: what is in that is counted.
            ("TAXI_RUNS", "runs"),
            ("NO_COLOR", "1"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { folder: tempfile::tempdir().unwrap(), settings }
    }

    /// A new folder where nothing is set.
    pub fn bare() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), settings: Vec::new() }
    }

    /// Sets a variable of the environment for all runs: `set("TAXI_LAKE", "gs://b/p")`.
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// The variables that are set for all runs.
    pub fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    /// The folder the program runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the local lake, `data/` in the folder.
    pub fn lake(&self, key: &str) -> PathBuf {
        self.folder().join("data").join(key)
    }

    /// Every file below a folder of the folder, as paths with forward slashes, in order.
    pub fn files(&self, below: &str) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, root, found);
                } else {
                    found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        let mut found = Vec::new();
        let root = self.folder().join(below);
        walk(&root, &root, &mut found);
        found.sort();
        found
    }

    /// The command, not yet started: for tests that kill it.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taxi"));
        command
            .args(args)
            .current_dir(self.folder())
            .env_clear()
            .envs(
                ["PATH", "HOME", "TMPDIR"]
                    .into_iter()
                    .filter_map(|n| Some((n, std::env::var(n).ok()?))),
            )
            .envs(self.settings.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        self.command(args).output().unwrap().into()
    }

    /// Runs `etl-web-to-gcs` for one month from a source, with JSON on stdout.
    pub fn month(&self, colour: &str, month: &str, source: &str) -> Ran {
        self.run(month_args(colour, month, source))
    }
}

/// The arguments of a run of `etl-web-to-gcs` for one month.
pub fn month_args(colour: &str, month: &str, source: &str) -> Vec<String> {
    let args = ["run", "etl-web-to-gcs", "--colour", colour, "--from", month, "--to", month];
    let rest = ["--source", source, "--output", "json"];
    args.iter().chain(&rest).map(|&arg| arg.to_owned()).collect()
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// The JSON on stdout.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("no JSON ({e}): {}\n{}", self.stdout, self.stderr))
    }

    /// The first month of the report.
    pub fn first(&self) -> Value {
        self.json()["months"][0].clone()
    }

    /// The state of the first month.
    pub fn state(&self) -> String {
        self.first()["state"].as_str().unwrap_or_else(|| panic!("{}", self.stderr)).to_owned()
    }

    /// Rows by rule, from `reasons` or `flags` of the first month.
    pub fn rules(&self, of: &str) -> BTreeMap<String, u64> {
        serde_json::from_value(self.first()[of].clone()).unwrap()
    }

    /// The run itself, after checking its exit code.
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}
