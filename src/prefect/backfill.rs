//! A backfill of a deployment, split by month: a flow run for each, for as many workers as there
//! are.

use std::collections::HashMap;
use std::time::Duration;

use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::http::percent_encoded;
use crate::trip::TripFile;

use super::{Api, Id, NewState, PrefectError, State, StateType};

/// The server tells of no more runs in one answer.
const PAGE: usize = 200;

/// A flow run of a month.
#[derive(Debug, Clone, Serialize)]
pub struct MonthRun {
    /// The month: `green 2020-01`.
    pub month: String,
    /// Its id; none where it would only be created.
    pub flow_run: Option<Id>,
    /// Whether it is new.
    pub created: bool,
    /// Whether the worker that claimed it is gone and it is scheduled again.
    pub scheduled_again: bool,
    /// The name of the state it is in.
    pub state: Option<String>,
}

/// A deployment on a server.
#[derive(Debug, Clone, Deserialize)]
pub struct Deployed {
    id: Id,
}

/// A flow run as the server tells of it.
#[derive(Deserialize)]
struct Told {
    id: Id,
    idempotency_key: Option<String>,
    state_name: Option<String>,
    #[serde(default)]
    state: Option<State>,
}

/// How runs of a backfill are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The name of the backfill.
    pub tag: &'a str,
    /// A run that has been pending for so long has lost the worker that claimed it.
    pub stuck_after: Duration,
    /// Nothing is changed.
    pub dry_run: bool,
}

impl Told {
    /// Whether it was claimed so long ago that nobody will begin it any more. The server offers
    /// such a run to no other worker.
    fn is_stuck(&self, after: Duration) -> bool {
        self.state.as_ref().is_some_and(|state| {
            let since = state.timestamp.map(|at| Utc::now() - at);
            let since = since.and_then(|since| since.to_std().ok());
            state.kind == StateType::Pending && since.is_some_and(|since| since >= after)
        })
    }
}

impl Api {
    /// The deployment of a name such as `etl-parent-flow/monthly`; none where there is none.
    pub async fn deployment(&self, name: &str) -> Result<Option<Deployed>, PrefectError> {
        let (flow, name) = name.split_once('/').unwrap_or((name, ""));
        let (flow, name) = (percent_encoded(flow), percent_encoded(name));
        self.find_one(&format!("deployments/name/{flow}/{name}")).await
    }

    /// Schedules a run again that its worker has claimed and never begun.
    async fn schedule_again(&self, run: &Id) -> Result<bool, PrefectError> {
        let why = "the worker that claimed it is gone: scheduled again";
        let scheduled = NewState::new(StateType::Scheduled).saying(why);
        // By the server's rules, so that the run's place is freed too.
        let answer = self.set_flow_run_state(run, &scheduled, false).await?;
        Ok(answer.took(&scheduled))
    }

    /// Asks for a flow run of a deployment for each month with its parameters, unless there is
    /// one of this tag, whatever became of it: but one that is stuck is scheduled again.
    pub async fn ask_for_months(
        &self,
        deployment: &Deployed,
        months: &[(TripFile, Value)],
        asking: Asking<'_>,
    ) -> Result<Vec<MonthRun>, PrefectError> {
        let Asking { tag, stuck_after, dry_run } = asking;
        let key = |parameters: &Value| format!("taxi {} {tag} {parameters}", deployment.id);
        let keys: Vec<String> = months.iter().map(|(_, parameters)| key(parameters)).collect();
        let mut there = HashMap::new();
        for keys in keys.chunks(PAGE) {
            let asked = json!({ "flow_runs": { "idempotency_key": { "any_": keys } } });
            for run in self.post::<Vec<Told>>("flow_runs/filter", &asked).await? {
                there.insert(run.idempotency_key.clone(), run);
            }
        }
        let mut runs = Vec::new();
        for ((file, parameters), key) in months.iter().zip(keys) {
            let key = Some(key);
            let month = file.to_string();
            let told = there.remove(&key);
            let created = told.is_none();
            let told = match told {
                None if !dry_run => {
                    let run = json!({
                        "name": month,
                        "parameters": parameters,
                        "tags": [tag],
                        "idempotency_key": key,
                        "state": { "type": "SCHEDULED" },
                    });
                    let path = format!("deployments/{}/create_flow_run", deployment.id);
                    Some(self.post::<Told>(&path, &run).await?)
                }
                told => told,
            };
            let stuck = told.as_ref().filter(|run| !created && run.is_stuck(stuck_after));
            let scheduled_again = match stuck {
                Some(run) if !dry_run => self.schedule_again(&run.id).await?,
                stuck => stuck.is_some(),
            };
            let (flow_run, state) = told.map(|run| (run.id, run.state_name)).unzip();
            let state = if scheduled_again && !dry_run {
                Some("Scheduled".to_owned())
            } else {
                state.flatten()
            };
            runs.push(MonthRun { month, flow_run, created, scheduled_again, state });
        }
        Ok(runs)
    }
}
