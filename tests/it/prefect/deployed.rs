//! The program as a deployment that a worker of Prefect runs, and what the record says of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::harness::running::{Running, dirty};
use crate::harness::taxi::Taxi;
use taxi_test_support::generate::{Colour, Recipe};
use taxi_test_support::prefect::{PrefectServer, Worker};
use taxi_test_support::web::{Fault, Web};

/// No run here takes longer, on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// A deployment of a flow, in a pool of its own.
pub struct Deployed {
    pub web: Web,
    pub taxi: Taxi,
    pub pool: String,
    id: String,
}

/// What the record has of a flow run.
#[derive(Debug)]
pub struct Record {
    pub run: Value,
    /// The task runs by name, without those of the months.
    pub tasks: BTreeMap<String, Value>,
    /// The subflow runs with their tasks, by name and then in their order.
    pub months: Vec<(Value, BTreeMap<String, Value>)>,
    /// The lines of the log, of the months too.
    pub lines: Vec<Value>,
    /// The artifacts by key.
    pub artifacts: BTreeMap<String, Value>,
}

/// The bytes of a month of green trips of 2020.
pub fn green(month: u8) -> Bytes {
    dirty(Recipe::new(Colour::Green, 2020, month).rows(3000))
}

/// Where a month is on the web server.
pub fn path(month: u8) -> String {
    format!("/green-2020-{month:02}")
}

impl Deployed {
    /// Deploys a flow, for the months that the web server has: January and February.
    pub async fn flow(server: &PrefectServer, flow: &str, taxi: Taxi) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let pool = format!("pool-{}", MADE.fetch_add(1, Ordering::Relaxed));
        server.prefect(&["work-pool", "create", &pool, "--type", "process"]).went_well();
        let web = Web::start().await;
        for month in [1, 2] {
            web.put(&path(month), green(month));
        }
        web.put("/zones.csv", "LocationID,Borough,Zone,service_zone\n1,EWR,Newark Airport,EWR\n");
        let taxi = taxi
            .set("TAXI_SOURCE", web.url() + "/{colour}-{year}-{month}")
            .set("TAXI_ZONES", web.url() + "/zones.csv");
        let made = server.post("flows/", json!({ "name": flow })).await;
        let env: BTreeMap<_, _> = taxi.settings().iter().cloned().collect();
        let deployment = json!({
            "name": pool,
            "flow_id": made["id"],
            "work_pool_name": pool,
            "enforce_parameter_schema": false,
            "job_variables": {
                "command": format!("{} flow-run execute", env!("CARGO_BIN_EXE_taxi")),
                "env": env,
                "working_dir": taxi.folder(),
            },
        });
        let made = server.post("deployments/", deployment).await;
        let id = made["id"].as_str().unwrap().to_owned();
        Self { web, taxi, pool, id }
    }

    /// Lets one run at a time.
    pub async fn one_at_a_time(&self, server: &PrefectServer) {
        let limits = json!({
            "concurrency_limit": 1,
            "concurrency_options": { "collision_strategy": "ENQUEUE", "grace_period_seconds": 60 },
        });
        server.patch(&format!("deployments/{}", self.id), limits).await;
    }

    /// How many runs hold a place of the deployment.
    pub async fn places_held(&self, server: &PrefectServer) -> Value {
        let deployment = server.get(&format!("deployments/{}", self.id)).await;
        deployment["global_concurrency_limit"]["active_slots"].clone()
    }

    /// A worker of the deployment's pool.
    pub async fn worker(&self, server: &PrefectServer) -> Worker {
        server.worker(&self.pool, None).await
    }

    /// Starts the program for a run as a worker does, but straight.
    pub fn execute(&self, access: &[(String, String)], run: &str) -> Running {
        let mut command = self.taxi.command(["flow-run", "execute"]);
        command.envs(access.iter().cloned()).env("PREFECT__FLOW_RUN_ID", run);
        Running::start(command)
    }

    /// Makes a month's file come so slowly that it takes about so long.
    pub fn slow(&self, month: u8, seconds: u64) {
        let bytes_per_second = green(month).len() as u64 / seconds;
        self.web.always(&path(month), Fault::Slow { bytes_per_second });
    }

    /// Asks for a run: its id.
    pub async fn ask(&self, server: &PrefectServer, parameters: Value) -> String {
        let asked = json!({ "parameters": parameters, "state": { "type": "SCHEDULED" } });
        let run = server.post(&format!("deployments/{}/create_flow_run", self.id), asked).await;
        run["id"].as_str().unwrap().to_owned()
    }
}

/// Waits until the record has a line with this in it.
pub async fn until_logged(server: &PrefectServer, run: &str, text: &str) {
    let began = Instant::now();
    while !record(server, run).await.says(text) {
        assert!(began.elapsed() < PATIENCE, "never logged: {text}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Reads what the official pages read.
pub async fn record(server: &PrefectServer, run: &str) -> Record {
    let found = server.get(&format!("flow_runs/{run}")).await;
    let mut all = tasks_of(server, run).await;
    let below = json!({ "flow_runs": { "parent_flow_run_id": { "any_": [run] } } });
    let mut below = list(server.post("flow_runs/filter", below).await);
    below.sort_by_key(|month| (month["name"].to_string(), month["created"].to_string()));
    let mut ids = vec![run.to_owned()];
    let mut months = Vec::new();
    for month in below {
        let id = month["id"].as_str().unwrap().to_owned();
        all.remove(month["parent_task_run_id"].as_str().unwrap());
        months.push((month, by_name(tasks_of(server, &id).await)));
        ids.push(id);
    }
    let asked = json!({ "logs": { "flow_run_id": { "any_": ids } }, "sort": "TIMESTAMP_ASC" });
    let lines = list(server.post("logs/filter", asked).await);
    let asked = json!({ "artifacts": { "flow_run_id": { "any_": ids } } });
    let artifacts = list(server.post("artifacts/filter", asked).await).into_iter();
    let artifacts =
        artifacts.map(|artifact| (artifact["key"].as_str().unwrap().to_owned(), artifact));
    Record { run: found, tasks: by_name(all), months, lines, artifacts: artifacts.collect() }
}

async fn tasks_of(server: &PrefectServer, run: &str) -> BTreeMap<String, Value> {
    let asked = json!({ "task_runs": { "flow_run_id": { "any_": [run] } } });
    let tasks = list(server.post("task_runs/filter", asked).await).into_iter();
    tasks.map(|task| (task["id"].as_str().unwrap().to_owned(), task)).collect()
}

fn by_name(tasks: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    tasks.into_values().map(|task| (task["name"].as_str().unwrap().to_owned(), task)).collect()
}

fn list(value: Value) -> Vec<Value> {
    serde_json::from_value(value).unwrap()
}

/// The nodes of a flow run's graph by name, each with those it comes after.
pub async fn graph(server: &PrefectServer, run: &Value) -> BTreeMap<String, Vec<String>> {
    let graph = server.get(&format!("flow_runs/{}/graph-v2", run.as_str().unwrap())).await;
    let nodes: Vec<(String, Value)> = serde_json::from_value(graph["nodes"].clone()).unwrap();
    let names: BTreeMap<_, _> =
        nodes.iter().map(|(id, node)| (id.as_str(), &node["label"])).collect();
    let text = |name: &Value| name.as_str().unwrap().to_owned();
    let parents = |node: &Value| {
        let parents = node["parents"].as_array().unwrap().iter();
        parents.map(|parent| text(names[parent["id"].as_str().unwrap()])).collect()
    };
    nodes.iter().map(|(_, node)| (text(&node["label"]), parents(node))).collect()
}

/// The states that a run went through, by name, but for those that a worker is in, and for `Late`:
/// the server says that of a run that does not begin within 15 s, as happens on a busy machine.
pub async fn states(server: &PrefectServer, kind: &str, id: &Value) -> Vec<String> {
    let id = id.as_str().unwrap();
    let states = list(server.get(&format!("{kind}_run_states/?{kind}_run_id={id}")).await);
    let mut states: Vec<(String, String)> = states
        .into_iter()
        .map(|state| {
            let text = |name: &str| state[name].as_str().unwrap().to_owned();
            (text("timestamp"), text("name"))
        })
        .collect();
    states.sort();
    states
        .into_iter()
        .map(|(_, name)| name)
        .filter(|name| !["Submitting", "Late"].contains(&name.as_str()))
        .collect()
}

impl Record {
    /// The run's state and what is said with it.
    pub fn state(&self) -> (&str, &str) {
        let state = &self.run["state"];
        (state["name"].as_str().unwrap(), state["message"].as_str().unwrap_or_default())
    }

    /// The months with the names of their states, and of their tasks with theirs.
    pub fn outline(&self) -> String {
        let state = |run: &Value| run["state_name"].as_str().unwrap().to_owned();
        let mut lines = Vec::new();
        for (month, tasks) in &self.months {
            lines.push(format!("{} {}", month["name"].as_str().unwrap(), state(month)));
            for (name, task) in tasks {
                let after: Vec<&str> =
                    task["task_inputs"].as_object().unwrap().keys().map(String::as_str).collect();
                lines.push(format!("  {name} {} after {after:?}", state(task)));
            }
        }
        lines.join("\n")
    }

    /// The rows of a table.
    pub fn table(&self, key: &str) -> Vec<Value> {
        let found = self.artifacts.get(key);
        let found = found.unwrap_or_else(|| panic!("no {key} in {:?}", self.artifacts.keys()));
        serde_json::from_str(found["data"].as_str().unwrap()).unwrap()
    }

    /// Whether the log has a line with this in it.
    pub fn says(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line["message"].as_str().unwrap().contains(text))
    }
}
