//! A backfill of a deployment, split by month: a flow run for each, for as many workers as there
//! are.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::trip::TripFile;

use super::{Api, Id, PrefectError};

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
}

impl Api {
    /// The deployment of a name such as `etl-parent-flow/monthly`; none where there is none.
    pub async fn deployment(&self, name: &str) -> Result<Option<Deployed>, PrefectError> {
        self.find_one(&format!("deployments/name/{name}")).await
    }

    /// Asks for a flow run of a deployment for each month with its parameters, unless there is
    /// one of this tag, whatever became of it. With `dry_run` nothing is asked for.
    pub async fn ask_for_months(
        &self,
        deployment: &Deployed,
        months: &[(TripFile, Value)],
        tag: &str,
        dry_run: bool,
    ) -> Result<Vec<MonthRun>, PrefectError> {
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
            let (flow_run, state) = told.map(|run| (run.id, run.state_name)).unzip();
            runs.push(MonthRun { month, flow_run, created, state: state.flatten() });
        }
        Ok(runs)
    }
}
