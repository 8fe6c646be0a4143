//! What a process that died in the midst of a flow run has left open in its record.

use serde::Deserialize;
use serde_json::json;

use super::super::{Api, Id, NewState, PrefectError, StateType};

/// The states of what goes on.
const OPEN: [StateType; 3] = [StateType::Scheduled, StateType::Pending, StateType::Running];

#[derive(Deserialize)]
struct Left {
    id: Id,
    #[serde(default)]
    parent_task_run_id: Option<Id>,
}

/// Calls crashed the months and tasks of a flow run that are open in its record: asked before
/// this process has any of its own.
pub(super) async fn close(api: &Api, run: &Id) -> Result<(), PrefectError> {
    let open = json!({ "type": { "any_": OPEN } });
    let months = json!({ "flow_runs": { "parent_flow_run_id": { "any_": [run] }, "state": open } });
    let months: Vec<Left> = api.post("flow_runs/filter", &months).await?;
    let homes: Vec<&Id> = months.iter().map(|month| &month.id).chain([run]).collect();
    let tasks = json!({ "task_runs": { "flow_run_id": { "any_": homes }, "state": open } });
    let tasks: Vec<Left> = api.post("task_runs/filter", &tasks).await?;
    let crashed = || NewState::new(StateType::Crashed).saying("the process that ran it is gone");
    for task in tasks {
        // The server sets the state of a task run that stands for a month by itself.
        let stands = |month: &Left| month.parent_task_run_id.as_ref() == Some(&task.id);
        if !months.iter().any(stands) {
            api.set_task_run_state(&task.id, &crashed(), true).await?;
        }
    }
    for month in &months {
        api.set_flow_run_state(&month.id, &crashed(), true).await?;
    }
    Ok(())
}
