//! The place of a flow run among those of its deployment that may run at once.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::super::{Api, Id, PrefectError};
use super::uploader::{may_pass, once};

/// How long the server keeps a place by one word of ours: at least and at most.
const KEPT: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(300));

/// Tells the server now and then that the place is still needed. A process that dies says nothing
/// more, and the server gives the place to another run. Ends on drop: the server frees the place
/// by itself when the flow run is over.
///
/// It goes on while a failed flow waits for its next try: the run keeps its place meanwhile.
pub(super) struct Lease {
    id: Id,
    task: AbortHandle,
}

impl Lease {
    /// Keeps a place by words that hold for three times `alive`.
    pub(super) fn keep(api: &Api, id: Id, alive: Duration) -> Self {
        let (api, lease) = (once(api), id.clone());
        let kept = (alive * 3).clamp(KEPT.0, KEPT.1);
        let task = tokio::spawn(async move { renew(&api, &lease, kept).await });
        Self { id, task: task.abort_handle() }
    }

    /// Which place it is.
    pub(super) const fn id(&self) -> &Id {
        &self.id
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn renew(api: &Api, lease: &Id, kept: Duration) {
    let path = format!("v2/concurrency_limits/leases/{lease}/renew");
    let asked = json!({ "lease_duration": kept.as_secs() });
    loop {
        let wait = match api.post::<Value>(&path, &asked).await {
            Ok(_) => kept / 3,
            Err(error) if may_pass(&error, 0) => kept / 30,
            Err(error) => {
                lost(&error);
                return;
            }
        };
        tokio::time::sleep(wait).await;
    }
}

fn lost(error: &PrefectError) {
    tracing::warn!(
        "the flow run has lost its place, and another of its deployment may run beside it: {error}"
    );
}
