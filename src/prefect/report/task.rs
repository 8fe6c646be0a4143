//! A task run and its states, as events of the API: they carry the time at which a state came to
//! be and the server takes each once, so that they may be late and be sent again.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::flow::TaskName;

use super::super::{Id, StateType};
use super::home::Home;

/// A task run.
#[derive(Debug, Clone)]
pub(super) struct TaskRun {
    pub(super) id: Id,
    name: String,
    key: TaskName,
    dynamic_key: String,
    home: Home,
    /// What it works on is what this one made.
    after: Option<(TaskName, Id)>,
    retries: usize,
    run_count: u32,
    attempt: u32,
    started: Option<DateTime<Utc>>,
    running_since: Option<DateTime<Utc>>,
    ran: TimeDelta,
    due: Option<DateTime<Utc>>,
    last: Option<(Id, StateType, String, DateTime<Utc>)>,
}

/// A state that a task run entered.
#[derive(Debug, Clone)]
pub(super) struct TaskReport {
    pub(super) task_run: Id,
    pub(super) home: Home,
    /// The id of the event and of the state.
    pub(super) id: Id,
    /// The event but for the flow run it belongs to.
    pub(super) event: Value,
    pub(super) is_final: bool,
}

/// What a task run is made from.
pub(super) struct NewTask {
    pub(super) name: String,
    pub(super) key: TaskName,
    pub(super) dynamic_key: String,
    pub(super) home: Home,
    pub(super) after: Option<(TaskName, Id)>,
    pub(super) retries: usize,
    /// Which try of the flow run it belongs to, from 1.
    pub(super) attempt: u32,
}

impl TaskRun {
    pub(super) fn new(task: NewTask) -> Self {
        Self {
            id: Id::random(),
            name: task.name,
            key: task.key,
            dynamic_key: task.dynamic_key,
            home: task.home,
            after: task.after,
            retries: task.retries,
            run_count: 0,
            attempt: task.attempt,
            started: None,
            running_since: None,
            ran: TimeDelta::zero(),
            due: None,
            last: None,
        }
    }

    pub(super) const fn home(&self) -> Home {
        self.home
    }

    /// When it first ran.
    pub(super) const fn started(&self) -> Option<DateTime<Utc>> {
        self.started
    }

    /// It runs, for the first time or again.
    pub(super) fn runs(&mut self, at: DateTime<Utc>) -> TaskReport {
        let name = if self.run_count == 0 { "Running" } else { "Retrying" };
        self.run_count += 1;
        self.started.get_or_insert(at);
        self.due = None;
        self.enter(StateType::Running, name, None, at)
    }

    /// It failed and waits.
    pub(super) fn waits(&mut self, why: &str, wait: Duration, at: DateTime<Utc>) -> TaskReport {
        self.due = Some(at + TimeDelta::from_std(wait).unwrap_or(TimeDelta::zero()));
        self.enter(StateType::Scheduled, "AwaitingRetry", Some(why), at)
    }

    /// It runs again, where its wait is over.
    pub(super) fn resumes(&mut self, now: DateTime<Utc>) -> Option<TaskReport> {
        let due = self.due.filter(|due| *due <= now)?;
        Some(self.runs(due))
    }

    /// It is over.
    pub(super) fn ends(
        &mut self,
        kind: StateType,
        message: Option<&str>,
        at: DateTime<Utc>,
    ) -> TaskReport {
        let name = match kind {
            StateType::Failed => "Failed",
            StateType::Cancelled => "Cancelled",
            _ => "Completed",
        };
        self.enter(kind, name, message, at)
    }

    fn enter(
        &mut self,
        kind: StateType,
        name: &str,
        message: Option<&str>,
        at: DateTime<Utc>,
    ) -> TaskReport {
        // The server keeps the later of two states.
        let earliest = self.last.as_ref().map(|(.., at)| *at + TimeDelta::microseconds(1));
        let at = earliest.map_or(at, |earliest| at.max(earliest));
        if let Some(since) = self.running_since.take() {
            self.ran += at - since;
        }
        if kind == StateType::Running {
            self.running_since = Some(at);
        }
        let id = Id::random();
        let before = self.last.replace((id.clone(), kind, name.to_owned(), at));
        TaskReport {
            task_run: self.id.clone(),
            home: self.home,
            event: self.event(&id, before.as_ref(), kind, name, message, at),
            id,
            is_final: kind.is_final(),
        }
    }

    fn event(
        &self,
        id: &Id,
        before: Option<&(Id, StateType, String, DateTime<Utc>)>,
        kind: StateType,
        name: &str,
        message: Option<&str>,
        at: DateTime<Utc>,
    ) -> Value {
        let inputs = match &self.after {
            Some((name, id)) => {
                json!({ (name.as_str()): [{ "input_type": "task_run", "id": id }] })
            }
            None => json!({}),
        };
        let mut task_run = json!({
            "name": self.name,
            "task_key": self.key.as_str(),
            "dynamic_key": self.dynamic_key,
            "task_inputs": inputs,
            "tags": [],
            "empirical_policy": { "retries": self.retries },
            "run_count": self.run_count,
            "flow_run_run_count": self.attempt,
            "expected_start_time": self.started.map(time),
            "start_time": self.started.map(time),
            "total_run_time": self.ran.num_microseconds().unwrap_or(0) as f64 / 1e6,
        });
        if kind.is_final() {
            task_run["end_time"] = time(at).into();
        }
        let mut details = json!({});
        if let (StateType::Scheduled, Some(due)) = (kind, self.due) {
            details["scheduled_time"] = time(due).into();
            task_run["next_scheduled_start_time"] = time(due).into();
        }
        let from = before.map(|(_, kind, name, _)| json!({ "type": kind, "name": name }));
        let mut event = json!({
            "id": id,
            "occurred": time(at),
            "event": format!("prefect.task-run.{name}"),
            "resource": {
                "prefect.resource.id": format!("prefect.task-run.{}", self.id),
                "prefect.resource.name": self.name,
                "prefect.run-count": self.run_count.to_string(),
                "prefect.state-message": message.unwrap_or_default(),
                "prefect.state-name": name,
                "prefect.state-timestamp": time(at),
                "prefect.state-type": kind,
                // Without it the server takes the state for one of its own, and drops it.
                "prefect.orchestration": "client",
            },
            "payload": {
                "intended": { "from": before.map(|(_, kind, ..)| *kind), "to": kind },
                "initial_state": from,
                "validated_state": {
                    "type": kind,
                    "name": name,
                    "message": message,
                    "state_details": details,
                    "data": null,
                },
                "task_run": task_run,
            },
        });
        if let Some((before, ..)) = before {
            event["follows"] = before.as_str().into();
        }
        event
    }
}

/// A time as the API writes it.
fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_517_112 + at, 0).unwrap()
    }

    fn task() -> TaskRun {
        TaskRun::new(NewTask {
            name: "clean".to_owned(),
            key: TaskName::Clean,
            dynamic_key: "1".to_owned(),
            home: Home::Run,
            after: Some((TaskName::Fetch, Id::random())),
            retries: 5,
            attempt: 1,
        })
    }

    #[test]
    fn a_task_that_is_tried_again_has_run_twice_and_only_while_it_ran() {
        let mut task = task();
        task.runs(second(0));
        let waiting = task.waits("503", Duration::from_secs(10), second(2));
        assert_eq!(waiting.event["event"], "prefect.task-run.AwaitingRetry");
        let details = &waiting.event["payload"]["validated_state"]["state_details"];
        assert_eq!(details["scheduled_time"], "2026-11-24T10:45:24.000000Z");
        assert!(task.resumes(second(11)).is_none());
        let again = task.resumes(second(20)).unwrap();
        assert_eq!(again.event["occurred"], "2026-11-24T10:45:24.000000Z");
        assert_eq!(again.event["payload"]["validated_state"]["name"], "Retrying");
        assert!(task.resumes(second(20)).is_none());
        let done = task.ends(StateType::Completed, None, second(15));
        let run = &done.event["payload"]["task_run"];
        assert_eq!(run["run_count"], 2);
        assert_eq!(run["total_run_time"], 5.0);
        assert_eq!(run["start_time"], "2026-11-24T10:45:12.000000Z");
        assert_eq!(run["end_time"], "2026-11-24T10:45:27.000000Z");
        assert!(done.is_final && !again.is_final);
    }

    #[test]
    fn each_state_follows_the_one_before_and_is_later() {
        let mut task = task();
        let first = task.runs(second(0));
        let second = task.ends(StateType::Failed, Some("no"), second(0));
        assert_eq!(second.event["follows"], first.id.as_str());
        assert_eq!(second.event["payload"]["intended"], json!({"from": "RUNNING", "to": "FAILED"}));
        assert!(second.event["occurred"].as_str() > first.event["occurred"].as_str());
        assert_eq!(second.event["resource"]["prefect.orchestration"], "client");
    }
}
