//! Events as JSON, one object per line, for `--progress json` and the journal.

use std::collections::BTreeMap;
use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::redact::redacted;
use crate::trip::Provenance;

use super::{Event, Listener, MonthReport, State, Task};

/// An event, as it is written.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Record<'a> {
    RunStarted {
        run: &'a str,
        flow: &'static str,
        program: &'static str,
        months: Vec<String>,
    },
    MonthStarted {
        item: String,
    },
    TaskStarted(TaskEntry),
    TaskProgress {
        #[serde(flatten)]
        task: TaskEntry,
        done: u64,
        total: Option<u64>,
    },
    TaskRetrying {
        #[serde(flatten)]
        task: TaskEntry,
        error: String,
        wait_seconds: f64,
    },
    TaskDone {
        #[serde(flatten)]
        task: TaskEntry,
        seconds: f64,
    },
    TaskFailed {
        #[serde(flatten)]
        task: TaskEntry,
        error: String,
    },
    TaskStopped(TaskEntry),
    TaskGivenUp(TaskEntry),
    Warning {
        item: String,
        text: &'a str,
    },
    MonthDone {
        item: String,
        #[serde(flatten)]
        month: &'a MonthReport,
    },
    RunDone {
        flow: &'static str,
        ok: bool,
        months: BTreeMap<State, usize>,
    },
}

#[derive(Debug, Serialize)]
struct TaskEntry {
    item: String,
    task: &'static str,
}

impl From<&Task> for TaskEntry {
    fn from(task: &Task) -> Self {
        Self { item: task.item.to_string(), task: task.name.as_str() }
    }
}

impl<'a> Record<'a> {
    fn of(event: &'a Event<'_>) -> Self {
        match event {
            Event::RunStarted { run, flow, files } => Self::RunStarted {
                run: run.as_str(),
                flow,
                program: Provenance::PROGRAM,
                months: files.iter().map(ToString::to_string).collect(),
            },
            Event::MonthStarted(file) => Self::MonthStarted { item: file.to_string() },
            Event::TaskStarted(task) => Self::TaskStarted(task.into()),
            Event::TaskProgress { task, done, total } => Self::TaskProgress {
                task: task.into(),
                done: *done,
                total: (*total > 0).then_some(*total),
            },
            Event::TaskRetrying { task, error, wait } => Self::TaskRetrying {
                task: task.into(),
                error: error.to_string(),
                wait_seconds: wait.as_secs_f64(),
            },
            Event::TaskDone { task, took } => {
                Self::TaskDone { task: task.into(), seconds: took.as_secs_f64() }
            }
            Event::TaskFailed { task, error } => {
                Self::TaskFailed { task: task.into(), error: error.to_string() }
            }
            Event::TaskStopped(task) => Self::TaskStopped(task.into()),
            Event::TaskGivenUp(task) => Self::TaskGivenUp(task.into()),
            Event::Warning { item, text } => Self::Warning { item: item.to_string(), text },
            Event::MonthDone(month) => Self::MonthDone { item: month.file().to_string(), month },
            Event::RunDone(report) => {
                let mut months = BTreeMap::new();
                for month in &report.months {
                    *months.entry(month.state).or_default() += 1;
                }
                Self::RunDone { flow: report.flow, ok: report.ok, months }
            }
        }
    }
}

/// An event that happens now, as a line of JSON with its end.
pub(super) fn line(event: &Event<'_>) -> String {
    line_at(Utc::now(), event)
}

fn line_at(at: DateTime<Utc>, event: &Event<'_>) -> String {
    #[derive(Serialize)]
    struct EventLine<'a> {
        at: String,
        #[serde(flatten)]
        record: Record<'a>,
    }
    // Texts and numbers under keys that are texts: always JSON.
    let mut line = serde_json::to_string(&EventLine { at: stamp(at), record: Record::of(event) })
        .unwrap_or_default();
    line.push('\n');
    redacted(&line).into_owned()
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Prints each event to stderr, as a line of JSON.
#[derive(Debug, Default)]
pub struct JsonLines;

impl JsonLines {
    /// A line of the log, as it stands among the events.
    pub fn log(level: &str, text: &str) -> String {
        let at = stamp(Utc::now());
        serde_json::json!({ "at": at, "event": "log", "level": level, "text": text }).to_string()
    }
}

impl Listener for JsonLines {
    fn hear(&self, event: &Event<'_>) {
        // Whoever listened may be gone: the run goes on.
        let _ = std::io::stderr().lock().write_all(line(event).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::flow::{LoadReport, RunId, RunReport, Stop, TaskName};
    use crate::trip::{Colour, Counts, Item, Month, TripFile};

    #[test]
    fn every_event_has_its_shape() {
        let file = TripFile::new(Colour::Green, Month::known(2020, 1));
        let task = Task { name: TaskName::Fetch, item: file.into() };
        let run = RunId::at(DateTime::UNIX_EPOCH, 42);
        let counts = Counts {
            rows_read: 3,
            rows_kept: 2,
            rows_quarantined: 1,
            reasons: [("no_pickup".to_owned(), 1)].into(),
            flags: BTreeMap::new(),
            ..Counts::default()
        };
        let loaded = MonthReport { rows_loaded: Some(2), ..MonthReport::new(file, State::Loaded) };
        let load = LoadReport::new(
            "postgres",
            "h:5432/d nyc_taxi.green_trips".into(),
            Ok::<_, Stop>(loaded),
        );
        let month =
            MonthReport::new(file, State::Published).counted(&counts).with_loads(vec![load]);
        let late = Stop::TimedOut { limit: Duration::from_secs(60) };
        let not_begun = MonthReport::new(file, State::NotBegun);
        let report = RunReport::new("etl-parent-flow", vec![month.clone(), not_begun]);
        let zones = Task { name: TaskName::Clean, item: Item::Zones };
        let wait = Duration::from_millis(1500);
        let events = [
            Event::RunStarted { run: &run, flow: "etl-parent-flow", files: &[file] },
            Event::MonthStarted(file),
            Event::TaskStarted(task),
            Event::TaskProgress { task, done: 5, total: 10 },
            Event::TaskProgress { task, done: 5, total: 0 },
            Event::TaskRetrying { task, error: &late, wait },
            Event::TaskDone { task, took: wait },
            Event::TaskFailed { task: zones, error: &late },
            Event::TaskStopped(task),
            Event::TaskGivenUp(zones),
            Event::Warning { item: file.into(), text: "the month has no trips" },
            Event::MonthDone(&month),
            Event::RunDone(&report),
        ];
        let lines = events.iter().map(|event| line_at(DateTime::UNIX_EPOCH, event));
        let lines = lines.collect::<String>();
        assert!(lines.lines().all(|line| line.starts_with(r#"{"at":"1970-01-01T00:00:00.000Z","#)));
        insta::assert_snapshot!(lines.replace(r#""at":"1970-01-01T00:00:00.000Z","#, ""), @r#"
        {"event":"run_started","run":"19700101T000000-002a","flow":"etl-parent-flow","program":"taxi 0.1.0","months":["green 2020-01"]}
        {"event":"month_started","item":"green 2020-01"}
        {"event":"task_started","item":"green 2020-01","task":"fetch"}
        {"event":"task_progress","item":"green 2020-01","task":"fetch","done":5,"total":10}
        {"event":"task_progress","item":"green 2020-01","task":"fetch","done":5,"total":null}
        {"event":"task_retrying","item":"green 2020-01","task":"fetch","error":"not done within its time limit of 1m: set a longer one with --task-timeout","wait_seconds":1.5}
        {"event":"task_done","item":"green 2020-01","task":"fetch","seconds":1.5}
        {"event":"task_failed","item":"zones","task":"clean","error":"not done within its time limit of 1m: set a longer one with --task-timeout"}
        {"event":"task_stopped","item":"green 2020-01","task":"fetch"}
        {"event":"task_given_up","item":"zones","task":"clean"}
        {"event":"warning","item":"green 2020-01","text":"the month has no trips"}
        {"event":"month_done","item":"green 2020-01","colour":"green","month":"2020-01","state":"published","rows_read":3,"rows_kept":2,"rows_quarantined":1,"reasons":{"no_pickup":1},"unreadable":{},"flags":{},"source":null,"lake":null,"quarantine":null,"loads":[{"to":"postgres","place":"h:5432/d nyc_taxi.green_trips","state":"loaded","rows_loaded":2,"error":null}],"bytes":null,"seconds":0.0,"error":null}
        {"event":"run_done","flow":"etl-parent-flow","ok":false,"months":{"published":1,"not_begun":1}}
        "#);
    }
}
