//! Brings reports to the server, in order, until each has arrived.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::flow::{Failure, Policy, Retry};
use crate::trip::TripFile;

use super::super::{
    Api, Artifact, FlowRun, Id, LogLine, NewFlowRun, NewState, NewTaskRun, PrefectError,
    RetryPolicy, StateType,
};
use super::event_recorder::{EventRecorder, lock};
use super::home::Home;
use super::line::{Line, number};
use super::noted::{Far, Noted, Report};
use super::queue::{Batch, Queue};
use super::task::TaskReport;

/// The flow whose runs are the months.
const MONTH: &str = "month";

/// How long reports are gathered for one request.
const GATHER: Duration = Duration::from_millis(150);

/// How often a task's progress is shown anew.
const PROGRESS: Duration = Duration::from_secs(5);

/// How many task runs are held until they are found in the record.
const UNCONFIRMED: usize = 100;

/// How long the record is looked into at the end for what was sent: with what is done then, that
/// is less than a run that is told to stop has left.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(3);

/// The same of a server that is seen to write what is sent, and so is only busy.
const WRITTEN_WITHIN: Duration = Duration::from_secs(30);

/// The waits between two looks double from the first to the second.
const LOOKS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How often a refusal that may pass is met before the report is given up.
const REFUSALS: u32 = 20;

pub(super) struct Uploader {
    api: Api,
    run: Id,
    flow: Id,
    queue: Arc<Queue>,
    recorder: Arc<Mutex<EventRecorder>>,
    month_flow: Option<Id>,
    months: HashMap<TripFile, Id>,
    /// The states of task runs that were sent and not yet found in the record. The server
    /// accepts them before it writes them: one that dies in between has lost them.
    sent: HashMap<Id, Vec<TaskReport>>,
    /// Whether something that was sent was found in the record.
    writes: bool,
    shown: HashMap<Id, Shown>,
}

/// The artifact of a task's progress.
struct Shown {
    artifact: Option<Id>,
    at: Instant,
    later: Option<Far>,
}

/// What the record has of a task run.
#[derive(Deserialize)]
struct Recorded {
    id: Id,
    state_id: Option<Id>,
}

/// The same server, each call made once: who calls knows best what to do then.
pub(super) fn once(api: &Api) -> Api {
    api.clone().patient(Policy { retries: 0, ..Policy::default() })
}

/// Whether the server may do it at another time.
pub(super) fn may_pass(error: &PrefectError, tries: u32) -> bool {
    let unwell = match error {
        PrefectError::Unauthorized { .. } => true,
        PrefectError::Refused { status, .. } => *status >= 500,
        _ => false,
    };
    error.retry() != Retry::Never || unwell && tries < REFUSALS
}

/// How long until the next try.
pub(super) fn pause(error: &PrefectError, tries: u32) -> Duration {
    let growing = Duration::from_millis(250 << tries.min(5)).min(Duration::from_secs(5));
    match error.retry() {
        Retry::After(asked) => growing.max(asked.min(Duration::from_secs(60))),
        _ => growing,
    }
}

impl Uploader {
    pub(super) fn new(
        api: &Api,
        run: &FlowRun,
        queue: Arc<Queue>,
        recorder: Arc<Mutex<EventRecorder>>,
    ) -> Self {
        Self {
            api: once(api),
            run: run.id.clone(),
            flow: run.flow_id.clone(),
            queue,
            recorder,
            month_flow: None,
            months: HashMap::new(),
            sent: HashMap::new(),
            writes: false,
            shown: HashMap::new(),
        }
    }

    /// Goes on until it is let go of.
    pub(super) async fn run(mut self) {
        loop {
            self.queue.news().await;
            if !self.queue.hurries() {
                tokio::time::sleep(GATHER).await;
            }
            let due = lock(&self.recorder).due(Utc::now());
            self.queue.push(Noted { reports: due, ..Noted::default() });
            while let Some(batch) = self.queue.next() {
                self.deliver(&batch).await;
                self.queue.delivered(&batch);
            }
            self.show().await;
            if self.queue.hurries() {
                self.confirm_all().await;
                self.queue.settle();
            } else if self.sent.len() > UNCONFIRMED {
                let _ = self.confirm().await;
            }
        }
    }

    /// Tries until the server has taken it or refuses it for good.
    async fn deliver(&mut self, batch: &Batch) {
        let (mut tries, mut since) = (0, Instant::now());
        loop {
            match self.send(batch, tries > 0).await {
                Ok(()) => break,
                Err(error) if may_pass(&error, tries) => {
                    if tries == 0 {
                        since = Instant::now();
                    } else if tries == 2 {
                        tracing::warn!("{error} The run goes on, and its record waits");
                    }
                    tokio::time::sleep(pause(&error, tries)).await;
                    tries += 1;
                }
                Err(error) => {
                    tracing::warn!("a part of the record is missing: {error}");
                    break;
                }
            }
        }
        if tries > 2 {
            let (away, waiting) = (since.elapsed().as_secs(), self.queue.len());
            tracing::info!("the Prefect server is back after {away} s; {waiting} reports wait");
            // What it had accepted and not written is lost.
            let _ = self.confirm().await;
        }
    }

    /// `again` is told where an earlier try may have arrived.
    async fn send(&mut self, batch: &Batch, again: bool) -> Result<(), PrefectError> {
        match batch {
            Batch::One(Report::MonthStarted { file, attempt, task_run, running }) => {
                self.start_month(*file, *attempt, task_run, running).await
            }
            Batch::One(Report::MonthDone { file, state }) => match self.months.get(file) {
                Some(month) => self.set_state(month, state).await,
                None => Ok(()),
            },
            Batch::One(Report::Table { key, description, rows }) => {
                if again && self.has_table(key, rows).await? {
                    return Ok(());
                }
                let artifact = Artifact {
                    key: key.clone(),
                    kind: "table",
                    data: rows.clone(),
                    description: Some(description.clone()),
                    flow_run_id: self.run.clone(),
                    task_run_id: None,
                };
                self.api.create_artifact(&artifact).await.map(drop)
            }
            Batch::One(Report::Task(task)) => self.post_tasks(std::slice::from_ref(task)).await,
            Batch::Tasks(tasks) => self.post_tasks(tasks).await,
            Batch::Lines(lines) => {
                if again && self.has_line(&lines[0]).await? {
                    return Ok(());
                }
                let lines: Vec<LogLine> = lines.iter().map(|line| self.line(line)).collect();
                self.api.log(&lines).await
            }
        }
    }

    /// The flow run that something belongs to, as far as there is one.
    fn flow_run(&self, home: Home) -> Id {
        let month = match home {
            Home::Month(file) => self.months.get(&file),
            Home::Run => None,
        };
        month.unwrap_or(&self.run).clone()
    }

    async fn start_month(
        &mut self,
        file: TripFile,
        attempt: u32,
        task_run: &Id,
        running: &NewState,
    ) -> Result<(), PrefectError> {
        let flow = match &self.month_flow {
            Some(flow) => flow.clone(),
            None => self.month_flow.insert(self.api.flow(MONTH).await?).clone(),
        };
        let stands_for_it = NewTaskRun {
            id: Some(task_run.clone()),
            name: file.to_string(),
            flow_run_id: self.run.clone(),
            task_key: MONTH.to_owned(),
            dynamic_key: format!("{attempt}-{file}"),
            tags: Vec::new(),
            empirical_policy: RetryPolicy::default(),
            state: NewState::new(StateType::Pending),
        };
        // Where the process was started again, it may be another's.
        let parent = self.api.create_task_run(&stands_for_it).await?.id;
        let month = NewFlowRun {
            flow_id: flow,
            name: file.to_string(),
            parameters: json!({ "colour": file.colour, "month": file.month }),
            parent_task_run_id: Some(parent),
            idempotency_key: Some(format!("{}-{attempt}-{file}", self.run)),
            tags: Vec::new(),
            state: running.clone(),
        };
        let month = self.api.create_flow_run(&month).await?.id;
        self.months.insert(file, month);
        Ok(())
    }

    /// The server sets the state of the task run that stands for it by itself.
    async fn set_state(&self, month: &Id, state: &NewState) -> Result<(), PrefectError> {
        let answer = self.api.set_flow_run_state(month, state, false).await?;
        if !answer.took(state) {
            tracing::debug!("the subflow run {month} is not {:?}: {answer:?}", state.kind);
        }
        Ok(())
    }

    async fn post_tasks(&mut self, tasks: &[TaskReport]) -> Result<(), PrefectError> {
        let events: Vec<Value> = tasks.iter().map(|task| self.event(task)).collect();
        self.api.post::<Value>("events", &events).await?;
        for (task, event) in tasks.iter().zip(events) {
            // The month may be forgotten when it is sent again.
            let task = TaskReport { event, ..task.clone() };
            self.sent.entry(task.task_run.clone()).or_default().push(task);
        }
        Ok(())
    }

    fn event(&self, task: &TaskReport) -> Value {
        let mut event = task.event.clone();
        event["related"] = json!([
            {
                "prefect.resource.id": format!("prefect.flow-run.{}", self.flow_run(task.home)),
                "prefect.resource.role": "flow-run",
            },
            {
                "prefect.resource.id": format!("prefect.flow.{}", match task.home {
                    Home::Month(_) => self.month_flow.as_ref().unwrap_or(&self.flow),
                    Home::Run => &self.flow,
                }),
                "prefect.resource.role": "flow",
            },
        ]);
        event
    }

    /// Finds what was sent in the record, forgets it, and sends the rest again; false where
    /// something was missing.
    async fn confirm(&mut self) -> Result<bool, PrefectError> {
        let pending = self.sent.iter().filter(|(_, states)| !states.is_empty());
        let ids: Vec<Id> = pending.map(|(id, _)| id.clone()).collect();
        let mut complete = true;
        for ids in ids.chunks(UNCONFIRMED) {
            let asked = json!({ "task_runs": { "id": { "any_": ids } }, "limit": UNCONFIRMED });
            let found: Vec<Recorded> = self.api.post("task_runs/filter", &asked).await?;
            for Recorded { id, state_id } in found {
                let last = self.sent.get(&id).and_then(|states| states.last());
                let Some(last) = last.filter(|last| Some(&last.id) == state_id.as_ref()) else {
                    continue;
                };
                self.writes = true;
                if last.is_final {
                    self.sent.remove(&id);
                } else if let Some(states) = self.sent.get_mut(&id) {
                    states.clear();
                }
            }
            let missing = ids.iter().filter_map(|id| self.sent.get(id)).flatten();
            let missing: Vec<&Value> = missing.map(|task| &task.event).collect();
            if !missing.is_empty() {
                complete = false;
                self.api.post::<Value>("events", &missing).await?;
            }
        }
        Ok(complete)
    }

    /// Waits until the server has written all states of task runs. If it never does, as one
    /// without that service, they are set one by one: with the time of now, and in the record.
    async fn confirm_all(&mut self) {
        let began = Instant::now();
        let mut wait = LOOKS.0;
        loop {
            if matches!(self.confirm().await, Ok(true)) {
                return;
            }
            let within = if self.writes { WRITTEN_WITHIN } else { CONFIRMED_WITHIN };
            if began.elapsed() + wait > within.min(self.queue.patience()) {
                break;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LOOKS.1);
        }
        let missing = std::mem::take(&mut self.sent).into_values();
        for last in missing.filter_map(|states| states.into_iter().next_back()) {
            if let Err(error) = self.set_task_state(&last).await {
                tracing::warn!("a task run is missing in the record: {error}");
            }
        }
    }

    async fn set_task_state(&self, task: &TaskReport) -> Result<(), PrefectError> {
        let (run, state) =
            (&task.event["payload"]["task_run"], &task.event["payload"]["validated_state"]);
        let flow_run = task.event["related"][0]["prefect.resource.id"].as_str();
        let made = json!({
            "id": task.task_run,
            "name": run["name"],
            "flow_run_id": flow_run.and_then(|id| id.strip_prefix("prefect.flow-run.")),
            "task_key": run["task_key"],
            "dynamic_key": run["dynamic_key"],
            "task_inputs": run["task_inputs"],
        });
        self.api.post::<Value>("task_runs/", &made).await?;
        let state =
            json!({ "type": state["type"], "name": state["name"], "message": state["message"] });
        let path = format!("task_runs/{}/set_state", task.task_run);
        self.api.post::<Value>(&path, &json!({ "state": state, "force": true })).await.map(drop)
    }

    fn line(&self, line: &Line) -> LogLine {
        LogLine {
            name: "taxi".to_owned(),
            level: number(line.level),
            message: line.text.clone(),
            timestamp: line.at,
            flow_run_id: self.flow_run(line.home),
            task_run_id: line.task_run.clone(),
        }
    }

    /// Whether the record has this line, and so all that were sent with it.
    async fn has_line(&self, line: &Line) -> Result<bool, PrefectError> {
        let line = self.line(line);
        let asked = json!({
            "logs": {
                "flow_run_id": { "any_": [line.flow_run_id] },
                "timestamp": { "after_": line.timestamp, "before_": line.timestamp },
            },
        });
        let found: Vec<Value> = self.api.post("logs/filter", &asked).await?;
        Ok(found.iter().any(|found| found["message"] == line.message.as_str()))
    }

    /// Whether the record has this table.
    async fn has_table(&self, key: &str, rows: &Value) -> Result<bool, PrefectError> {
        let asked = json!({
            "artifacts": { "flow_run_id": { "any_": [self.run] }, "key": { "any_": [key] } },
        });
        let found: Vec<Value> = self.api.post("artifacts/filter", &asked).await?;
        Ok(found.iter().any(|found| found["data"] == *rows))
    }

    /// Shows how far the long tasks are. What does not arrive is stale soon: it is not sent again.
    async fn show(&mut self) {
        for far in self.queue.far() {
            let id = far.task_run.clone();
            let new = || Shown { artifact: None, at: Instant::now(), later: None };
            let known = self.shown.contains_key(&id);
            let shown = self.shown.entry(id.clone()).or_insert_with(new);
            if known && !far.last && shown.at.elapsed() < PROGRESS {
                shown.later = Some(far);
                continue;
            }
            shown.at = Instant::now();
            let last = far.last;
            self.show_one(far).await;
            if last {
                self.shown.remove(&id);
            }
        }
        let later: Vec<Far> = self
            .shown
            .values_mut()
            .filter(|shown| shown.at.elapsed() >= PROGRESS)
            .filter_map(|shown| {
                shown.at = Instant::now();
                shown.later.take()
            })
            .collect();
        for far in later {
            self.show_one(far).await;
        }
    }

    async fn show_one(&mut self, far: Far) {
        let artifact = self.shown.get(&far.task_run).and_then(|shown| shown.artifact.clone());
        let done = match artifact {
            Some(id) => self.api.update_artifact(&id, &far.percent.into()).await.map(|()| id),
            None if far.last => return,
            None => {
                let made = Artifact {
                    key: far.key,
                    kind: "progress",
                    data: far.percent.into(),
                    description: Some(far.description),
                    flow_run_id: self.flow_run(far.home),
                    task_run_id: Some(far.task_run.clone()),
                };
                self.api.create_artifact(&made).await
            }
        };
        match (done, self.shown.get_mut(&far.task_run)) {
            (Ok(id), Some(shown)) => shown.artifact = Some(id),
            (Err(error), _) => tracing::debug!("progress is not shown: {error}"),
            (Ok(_), None) => {}
        }
    }
}
