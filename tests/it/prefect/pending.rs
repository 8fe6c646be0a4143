//! Runs that a worker has claimed and never begun, and what a run that ends leaves open.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::taxi::Taxi;
use crate::prefect::deploy::{deploy, file, taxi};
use crate::prefect::deployed::{Deployed, PATIENCE, record, until_logged};
use taxi_test_support::prefect::{PrefectServer, Version};

/// Claims a run as a worker does that dies then.
async fn claim(server: &PrefectServer, run: &str) {
    let pending = json!({ "state": { "type": "PENDING" }, "force": false });
    let answer = server.post(&format!("flow_runs/{run}/set_state"), pending).await;
    assert_eq!(answer["status"], "ACCEPT", "{answer}");
}

async fn state(server: &PrefectServer, run: &str) -> Value {
    server.get(&format!("flow_runs/{run}")).await["state_name"].clone()
}

#[tokio::test]
async fn a_run_whose_worker_died_before_it_began_is_given_to_the_next() {
    for version in Version::ALL {
        let server = PrefectServer::shared_version(version).await;
        let taxi = taxi(server);
        let yaml = "  - {name: stuck, flow: ingest-data, concurrency_limit: 1, \
                    work_pool: {name: stuck}}\n";
        deploy(&taxi, &file(&taxi, yaml), &[]).exits(0);
        let create = |more: &[&str]| {
            let args = ["flow-run", "create", "ingest-data/stuck", "--output", "json"];
            taxi.run([&args[..], more].concat()).exits(0)
        };
        let run = create(&[]).json()["runs"][0]["flow_run"].as_str().unwrap().to_owned();
        claim(server, &run).await;

        // It may well begin soon.
        let soon = create(&[]).json();
        assert_eq!(
            (&soon["scheduled_again"], &soon["runs"][0]["state"]),
            (&json!(0), &json!("Pending"))
        );
        let dry = create(&["--stuck-after", "0s", "--dry-run"]).json();
        assert_eq!(dry["scheduled_again"], json!(1));
        assert_eq!(state(server, &run).await, "Pending");

        let again = create(&["--stuck-after", "0s"]).json();
        assert_eq!((&again["scheduled_again"], &again["created"]), (&json!(1), &json!(0)));
        assert_eq!(again["runs"][0]["state"], json!("Scheduled"));
        assert_eq!(state(server, &run).await, "Scheduled");
        let deployment = server.deployment("ingest-data/stuck").await;
        assert_eq!(deployment["global_concurrency_limit"]["active_slots"], json!(0));
        // The next worker takes it, and a process may begin it.
        claim(server, &run).await;
        let asked = json!({ "state": { "type": "RUNNING" } });
        let begun = server.post(&format!("flow_runs/{run}/set_state"), asked).await;
        assert_eq!(begun["status"], "ACCEPT", "{begun}");
    }
}

#[tokio::test]
async fn a_run_that_nobody_begins_is_called_crashed_by_the_automation_of_the_docs() {
    let server = PrefectServer::shared().await;
    let taxi = taxi(server);
    let yaml =
        "  - {name: unbegun, flow: ingest-data, tags: [unbegun], work_pool: {name: unbegun}}\n";
    deploy(&taxi, &file(&taxi, yaml), &[]).exits(0);
    let docs = include_str!("../../../docs/schedules.md");
    let yaml = docs.split("```yaml\n# unbegun.yaml").nth(1).unwrap().split("```").next().unwrap();
    let yaml = yaml.split_once('\n').unwrap().1.replace("within: 900", "within: 10");
    let deployment = server.deployment("ingest-data/unbegun").await["id"].clone();
    // For the runs of this test alone.
    let related = format!(
        "  match_related: {{ prefect.resource.id: prefect.deployment.{} }}\n  for_each:",
        deployment.as_str().unwrap()
    );
    let yaml = yaml.replace("  for_each:", &related);
    let path = taxi.folder().join("unbegun.yaml");
    std::fs::write(&path, yaml).unwrap();
    let path = path.to_str().unwrap();
    server.prefect(&["automation", "create", "--from-file", path]).went_well();
    let create = ["flow-run", "create", "ingest-data/unbegun", "--months", "1", "--output", "json"];
    let run = taxi.run(create).exits(0).json()["runs"][0]["flow_run"].as_str().unwrap().to_owned();
    claim(server, &run).await;
    let began = Instant::now();
    while state(server, &run).await != "Crashed" {
        assert!(began.elapsed() < PATIENCE, "{}", state(server, &run).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    server.prefect(&["flow-run", "retry", &run]).went_well();
    assert_eq!(state(server, &run).await, "Scheduled");
}

#[tokio::test]
async fn a_cancelled_run_leaves_no_task_running_though_the_server_writes_no_event() {
    let off = ("PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED", "false");
    let server = PrefectServer::start(&[off]).await;
    let deployed = Deployed::flow(&server, "etl-web-to-gcs", Taxi::new()).await;
    deployed.slow(1, 600);
    deployed.slow(2, 600);
    let run = deployed.ask(&server, json!({ "year": 2020, "months": [1, 2] })).await;
    let running = deployed.execute(&server.access(), &run);
    until_logged(&server, &run, "green 2020-02 fetch: started").await;
    let cancelling = json!({ "state": { "type": "CANCELLING" }, "force": false });
    server.post(&format!("flow_runs/{run}/set_state"), cancelling).await;
    let ran = running.end().exits(0);
    assert!(!ran.stderr.contains("the record has gaps"), "{}", ran.stderr);
    let record = record(&server, &run).await;
    assert_eq!(record.state().0, "Cancelled");
    insta::assert_snapshot!(record.outline(), @r#"
    green 2020-01 Cancelled
      fetch Cancelled after []
    green 2020-02 Cancelled
      fetch Cancelled after []
    "#);
}

#[test]
fn the_id_of_a_run_is_checked_before_the_server_is_asked() {
    let taxi = Taxi::new().set("PREFECT_API_URL", "http://127.0.0.1:9/api");
    for id in ["../flows", "a#b", "1234"] {
        let ran = taxi.run(["flow-run", "execute", "--id", id]).exits(2);
        assert!(ran.stderr.contains("the id of a flow run is a UUID"), "{}", ran.stderr);
    }
}
