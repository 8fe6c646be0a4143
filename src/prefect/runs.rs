//! Flow runs, task runs, their states, logs and artifacts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::settings::own_before_added;

use super::{Api, Id, PrefectError};

/// The kinds of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names are Prefect's")]
pub enum StateType {
    Scheduled,
    Pending,
    Running,
    Paused,
    Completed,
    Failed,
    Crashed,
    Cancelling,
    Cancelled,
}

impl StateType {
    /// Whether a run in it is over.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Crashed | Self::Cancelled)
    }
}

/// A state as the server has it.
#[derive(Debug, Clone, Deserialize)]
pub struct State {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: StateType,
    /// Its name, such as `AwaitingRetry`.
    #[serde(default)]
    pub name: Option<String>,
    /// What was said with it.
    #[serde(default)]
    pub message: Option<String>,
    /// Since when it is so.
    #[serde(default)]
    pub timestamp: Option<DateTime<Utc>>,
    /// What belongs to it.
    #[serde(default)]
    pub state_details: StateDetails,
}

/// What belongs to a state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateDetails {
    /// Who asked for it: the server knows a call made again by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transition_id: Option<Id>,
    /// When a scheduled run is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_time: Option<DateTime<Utc>>,
    /// The subflow run that a task run stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_flow_run_id: Option<Id>,
    /// The place that the run holds among those of its deployment that may run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_concurrency_lease_id: Option<Id>,
}

/// A state that is asked for.
#[derive(Debug, Clone, Serialize)]
pub struct NewState {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: StateType,
    /// Its name, where that is not the kind's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is said with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What belongs to it.
    pub state_details: StateDetails,
}

impl NewState {
    /// A state with a transition id of its own.
    pub fn new(kind: StateType) -> Self {
        let state_details =
            StateDetails { transition_id: Some(Id::random()), ..StateDetails::default() };
        Self { kind, name: None, message: None, state_details }
    }

    /// With these words.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// With this name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// How the server takes a state that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// It is the state now.
    Accept,
    /// Another is.
    Reject,
    /// Not yet: ask again.
    Wait,
    /// Never.
    Abort,
}

/// What the server says to a state that is asked for.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// How it takes it.
    pub status: Verdict,
    /// The state the run is in now.
    #[serde(default)]
    pub state: Option<State>,
    /// Why, and for how long.
    #[serde(default)]
    pub details: AnswerDetails,
}

/// Why a state was not taken.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct AnswerDetails {
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// How many seconds to wait.
    #[serde(default)]
    pub delay_seconds: Option<f64>,
}

impl Answer {
    /// Whether the run is in the state that was asked for: taken now, or by an earlier try of
    /// the same call whose answer was lost.
    pub fn took(&self, asked: &NewState) -> bool {
        let asked = asked.state_details.transition_id.as_ref();
        let has = self.state.as_ref().and_then(|state| state.state_details.transition_id.as_ref());
        self.status == Verdict::Accept || asked.is_some() && asked == has
    }
}

/// How often the server lets a run be tried again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// How many times after the first.
    #[serde(default)]
    pub retries: Option<u32>,
    /// How many seconds between.
    #[serde(default)]
    pub retry_delay: Option<u32>,
}

/// A flow run.
#[derive(Debug, Clone, Deserialize)]
pub struct FlowRun {
    /// Its id.
    pub id: Id,
    /// Its name, such as `handsome-aardvark`.
    pub name: String,
    /// Its flow.
    pub flow_id: Id,
    /// Its deployment, where it has one.
    #[serde(default)]
    pub deployment_id: Option<Id>,
    /// What it is asked for.
    #[serde(default)]
    pub parameters: Value,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// How often it may be tried again.
    #[serde(default)]
    pub empirical_policy: RetryPolicy,
    /// How often it was started.
    #[serde(default)]
    pub run_count: u32,
    /// The state it is in.
    #[serde(default)]
    pub state: Option<State>,
}

/// A flow run to be made: of a subflow.
#[derive(Debug, Clone, Serialize)]
pub struct NewFlowRun {
    /// Its flow.
    pub flow_id: Id,
    /// Its name.
    pub name: String,
    /// What it is asked for.
    pub parameters: Value,
    /// The task run that stands for it in the run above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_task_run_id: Option<Id>,
    /// Made again with the same key, it is the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its first state.
    pub state: NewState,
}

/// A task run.
#[derive(Debug, Clone, Deserialize)]
pub struct TaskRun {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// The state it is in.
    #[serde(default)]
    pub state: Option<State>,
}

/// A task run to be made. Of the same flow run, task key and dynamic key there is only one.
#[derive(Debug, Clone, Serialize)]
pub struct NewTaskRun {
    /// Its id, where it is chosen here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Its name.
    pub name: String,
    /// The flow run it belongs to.
    pub flow_run_id: Id,
    /// The task.
    pub task_key: String,
    /// Which run of the task in this flow run.
    pub dynamic_key: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// How often it may be tried again.
    pub empirical_policy: RetryPolicy,
    /// Its first state.
    pub state: NewState,
}

/// A line of a log.
#[derive(Debug, Clone, Serialize)]
pub struct LogLine {
    /// Who says it.
    pub name: String,
    /// How serious it is, as Python counts: 10 debug, 20 info, 30 warning, 40 error.
    pub level: u8,
    /// What is said.
    pub message: String,
    /// When.
    pub timestamp: DateTime<Utc>,
    /// The flow run it belongs to.
    pub flow_run_id: Id,
    /// The task run it belongs to, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_run_id: Option<Id>,
}

/// An artifact: what a run shows.
#[derive(Debug, Clone, Serialize)]
pub struct Artifact {
    /// Its name: lower case with dashes.
    pub key: String,
    /// `markdown`, `table` (data: JSON of rows as a text), `progress` (data: a number), `link`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What is shown.
    pub data: Value,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The flow run it belongs to.
    pub flow_run_id: Id,
    /// The task run it belongs to, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_run_id: Option<Id>,
}

/// The id of what was made.
#[derive(Debug, Deserialize)]
pub(super) struct Made {
    pub(super) id: Id,
}

impl Api {
    /// The id of the flow of this name, which is made where there is none.
    pub async fn flow(&self, name: &str) -> Result<Id, PrefectError> {
        let made: Made = self.post("flows/", &json!({ "name": name })).await?;
        Ok(made.id)
    }

    /// A flow run.
    pub async fn flow_run(&self, id: &Id) -> Result<FlowRun, PrefectError> {
        self.get(&format!("flow_runs/{id}")).await
    }

    /// What a flow run is asked for. The server adds the parameters of its deployment, which may
    /// name the months another way than the run does: those give way.
    pub async fn asked_for(&self, run: &FlowRun) -> Result<Value, PrefectError> {
        let deployment: Option<Value> = match &run.deployment_id {
            Some(id) => self.find_one(&format!("deployments/{id}")).await?,
            None => None,
        };
        match (&run.parameters, deployment.as_ref().map(|deployment| &deployment["parameters"])) {
            (Value::Object(asked), Some(Value::Object(added))) => {
                Ok(own_before_added(asked.clone(), added).into())
            }
            _ => Ok(run.parameters.clone()),
        }
    }

    /// Makes a flow run.
    pub async fn create_flow_run(&self, run: &NewFlowRun) -> Result<FlowRun, PrefectError> {
        self.post("flow_runs/", run).await
    }

    /// Changes fields of a flow run, such as `infrastructure_pid` or `empirical_policy`.
    pub async fn update_flow_run(&self, id: &Id, fields: &Value) -> Result<(), PrefectError> {
        self.patch(&format!("flow_runs/{id}"), fields).await
    }

    /// Asks for a state of a flow run; `force` asks no rules.
    pub async fn set_flow_run_state(
        &self,
        id: &Id,
        state: &NewState,
        force: bool,
    ) -> Result<Answer, PrefectError> {
        let body = json!({ "state": state, "force": force });
        self.post(&format!("flow_runs/{id}/set_state"), &body).await
    }

    /// Makes a task run, or finds it.
    pub async fn create_task_run(&self, run: &NewTaskRun) -> Result<TaskRun, PrefectError> {
        self.post("task_runs/", run).await
    }

    /// Asks for a state of a task run; `force` asks no rules.
    pub async fn set_task_run_state(
        &self,
        id: &Id,
        state: &NewState,
        force: bool,
    ) -> Result<Answer, PrefectError> {
        let body = json!({ "state": state, "force": force });
        self.post(&format!("task_runs/{id}/set_state"), &body).await
    }

    /// Adds lines to logs.
    pub async fn log(&self, lines: &[LogLine]) -> Result<(), PrefectError> {
        self.post::<Value>("logs/", &lines).await.map(drop)
    }

    /// Makes an artifact; a later one of the same key is its next version.
    pub async fn create_artifact(&self, artifact: &Artifact) -> Result<Id, PrefectError> {
        let made: Made = self.post("artifacts/", artifact).await?;
        Ok(made.id)
    }

    /// Changes what an artifact shows.
    pub async fn update_artifact(&self, id: &Id, data: &Value) -> Result<(), PrefectError> {
        self.patch(&format!("artifacts/{id}"), &json!({ "data": data })).await
    }
}
