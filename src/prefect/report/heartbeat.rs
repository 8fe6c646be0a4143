//! Tells the server now and then that the flow run is alive: an automation takes a run that has
//! fallen silent, with its machine, for crashed.

use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::super::{Api, FlowRun, Id};
use super::uploader::once;

/// What a flow of Prefect's own says too; ends on drop.
pub(super) struct Heartbeat(AbortHandle);

impl Heartbeat {
    /// Says it at once and then so often.
    pub(super) fn start(api: &Api, run: &FlowRun, every: Duration) -> Self {
        let (api, resource, related) = (once(api), resource(run), related(run));
        let task = tokio::spawn(async move {
            loop {
                let event = json!({
                    "id": Id::random(),
                    "occurred": Utc::now(),
                    "event": "prefect.flow-run.heartbeat",
                    "resource": resource,
                    "related": related,
                    "payload": {},
                });
                // A server that is away misses it.
                if let Err(error) = api.post::<Value>("events", &[event]).await {
                    tracing::debug!("no heartbeat: {error}");
                }
                tokio::time::sleep(every).await;
            }
        });
        Self(task.abort_handle())
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn resource(run: &FlowRun) -> Value {
    json!({
        "prefect.resource.id": format!("prefect.flow-run.{}", run.id),
        "prefect.resource.name": run.name,
    })
}

fn related(run: &FlowRun) -> Vec<Value> {
    let one = |role: &str, id: String| json!({ "prefect.resource.role": role, "prefect.resource.id": id });
    let flow = one("flow", format!("prefect.flow.{}", run.flow_id));
    let deployment = run.deployment_id.as_ref();
    let deployment = deployment.map(|id| one("deployment", format!("prefect.deployment.{id}")));
    let tags = run.tags.iter().map(|tag| one("tag", format!("prefect.tag.{tag}")));
    [flow].into_iter().chain(deployment).chain(tags).collect()
}
