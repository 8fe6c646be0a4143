//! `taxi flow-run execute`, started by Prefect's own worker: the record of the run.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::running::SOON;
use crate::harness::taxi::Taxi;
use crate::prefect::deployed::{Deployed, PATIENCE, graph, path, record, states, until_logged};
use taxi_test_support::gate::{Gate, GateFault};
use taxi_test_support::postgres::PostgresServer;
use taxi_test_support::prefect::PrefectServer;
use taxi_test_support::web::Fault;

const BOTH: &str = "2 months: 6,000 rows read = 5,820 kept + 180 set aside";

fn both() -> Value {
    json!({ "year": 2020, "months": [1, 2] })
}

/// What the record of a run of both months to the lake alone should say.
const OUTLINE: &str = r#"green 2020-01 Completed
  clean Completed after ["fetch"]
  fetch Completed after []
  write-gcs Completed after ["clean"]
green 2020-02 Completed
  clean Completed after ["fetch"]
  fetch Completed after []
  write-gcs Completed after ["clean"]"#;

/// The way to a server through a gate.
fn through(gate: &Gate) -> Vec<(String, String)> {
    vec![("PREFECT_API_URL".to_owned(), format!("{}/api", gate.url()))]
}

async fn gate(server: &PrefectServer) -> Gate {
    Gate::before(server.url().trim_end_matches("/api")).await
}

#[tokio::test]
async fn a_run_that_a_worker_starts_is_in_the_record_month_by_month() {
    let server = PrefectServer::shared().await;
    let database = PostgresServer::shared().await.database().await;
    let taxi = Taxi::new().set("DATABASE_URL", database.url());
    let deployed = Deployed::flow(server, "etl-parent-flow", taxi).await;
    let worker = deployed.worker(server).await;
    let parameters = json!({ "year": 2020, "months": [1, 2], "to_warehouse": ["postgres"] });
    let run = deployed.ask(server, parameters).await;
    let state = server.ended(&run, PATIENCE).await;
    assert_eq!(state["type"], "COMPLETED", "{state}\n{}", worker.log());

    let record = record(server, &run).await;
    assert_eq!(record.state().1, format!("{BOTH}; 5,820 in postgres"));
    insta::assert_snapshot!(record.outline(), @r#"
    green 2020-01 Completed
      clean Completed after ["fetch"]
      fetch Completed after []
      write-gcs Completed after ["clean"]
      write-postgres Completed after ["write-gcs"]
    green 2020-02 Completed
      clean Completed after ["fetch"]
      fetch Completed after []
      write-gcs Completed after ["clean"]
      write-postgres Completed after ["write-gcs"]
    "#);
    let zones: Vec<_> = record.tasks.keys().collect();
    assert_eq!(zones, ["zones clean", "zones fetch", "zones write-gcs", "zones write-postgres"]);
    let went = states(server, "flow", &record.run["id"]).await;
    assert_eq!(went, ["Scheduled", "Pending", "Running", "Completed"]);

    // The task run that stands for a month has its states from the server, each once.
    let (month, tasks) = &record.months[0];
    let went = states(server, "task", &month["parent_task_run_id"]).await;
    assert_eq!(went, ["Pending", "Running", "Completed"]);
    assert_eq!(month["parameters"], json!({ "colour": "green", "month": "2020-01" }));
    let fetch = &tasks["fetch"];
    assert_eq!((&fetch["run_count"], &fetch["flow_run_run_count"]), (&json!(1), &json!(1)));
    assert_eq!(states(server, "task", &fetch["id"]).await, ["Running", "Completed"]);
    assert!(tasks["clean"]["start_time"].as_str() >= fetch["end_time"].as_str());

    // The graph that the page shows.
    let graph = graph(server, &record.run["id"]).await;
    assert_eq!(graph["month / green 2020-01"], Vec::<String>::new());
    let graph = self::graph(server, &month["id"]).await;
    assert_eq!(graph["write-postgres"], ["write-gcs"]);

    // Each line belongs to the task that it is about.
    let line = record.lines.iter().find(|line| line["message"] == "green 2020-01 fetch: started");
    let line = line.unwrap_or_else(|| panic!("{:#?}", record.lines));
    assert_eq!((&line["flow_run_id"], &line["task_run_id"]), (&month["id"], &fetch["id"]));
    assert_eq!(line["level"], 20);

    let months = record.table("etl-parent-flow-months");
    assert_eq!(months[1]["month"], "green 2020-02");
    assert_eq!((&months[1]["read"], &months[1]["set aside"]), (&json!(3000), &json!(90)));
    let rules = record.table("etl-parent-flow-quarantine");
    let unreadable = json!({
        "month": "green 2020-01",
        "rule": "unreadable",
        "the rows are": "set aside",
        "rows": 30,
        "kept in": months[0]["lake"].as_str().map(|_| rules[0]["kept in"].clone()),
    });
    assert!(rules.contains(&unreadable), "{rules:#?}");

    // What the official client reads of it.
    let said = server.prefect(&["flow-run", "inspect", &run]).went_well();
    assert!(said.contains("5,820 in postgres"), "{said}");
}

#[tokio::test]
async fn a_failing_month_fails_the_run_by_its_name_and_no_other_month() {
    let server = PrefectServer::shared().await;
    let deployed = Deployed::flow(server, "etl-web-to-gcs", Taxi::new()).await;
    deployed.web.fault(&path(1), Fault::status(503));
    deployed.web.always(&path(2), Fault::status(410));
    let worker = deployed.worker(server).await;
    let run = deployed.ask(server, both()).await;
    let state = server.ended(&run, PATIENCE).await;
    assert_eq!(state["type"], "FAILED", "{state}\n{}", worker.log());

    let record = record(server, &run).await;
    let (name, message) = record.state();
    assert_eq!(name, "Failed");
    assert!(message.starts_with("1 of 2 months failed: green 2020-02 (http"), "{message}");
    insta::assert_snapshot!(record.outline(), @r#"
    green 2020-01 Completed
      clean Completed after ["fetch"]
      fetch Completed after []
      write-gcs Completed after ["clean"]
    green 2020-02 Failed
      fetch Failed after []
    "#);
    // The first try of January met a 503.
    let fetch = &record.months[0].1["fetch"];
    let went = states(server, "task", &fetch["id"]).await;
    assert_eq!(went, ["Running", "AwaitingRetry", "Retrying", "Completed"]);
    assert_eq!(fetch["run_count"], 2);
    let failed = &record.months[1].1["fetch"]["state"]["message"];
    assert!(failed.as_str().unwrap().contains("410"), "{failed}");
    // The worker has nothing to add.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let went = states(server, "flow", &record.run["id"]).await;
    assert_eq!(went, ["Scheduled", "Pending", "Running", "Failed"], "{}", worker.log());
}

#[tokio::test]
async fn a_wrong_parameter_fails_the_run_with_the_sentence() {
    let server = PrefectServer::shared().await;
    let taxi = Taxi::new().set("TAXI_FLOW_RETRIES", "3");
    let deployed = Deployed::flow(server, "etl-web-to-gcs", taxi).await;
    let wrong = [
        (json!({ "months": [13] }), "there is no month 13: months go from 1 to 12"),
        (json!({ "month": 1 }), "there is no parameter 'month'; did you mean 'months'?"),
        (json!({ "year": 2012, "months": [5] }), "green records begin in 2013-08"),
    ];
    for (parameters, sentence) in wrong {
        let run = deployed.ask(server, parameters).await;
        deployed.execute(&server.access(), &run).end().exits(0);
        let record = record(server, &run).await;
        assert_eq!(record.state().0, "Failed");
        assert!(record.state().1.contains(sentence), "{}", record.state().1);
        assert_eq!(record.run["run_count"], 0, "it never ran");
    }
}

#[tokio::test]
async fn a_flow_that_failed_is_tried_again_as_often_as_the_run_says() {
    let server = PrefectServer::shared().await;
    let taxi = Taxi::new().set("TAXI_FLOW_RETRIES", "1").set("TAXI_FLOW_RETRY_DELAY", "1s");
    let deployed = Deployed::flow(server, "etl-web-to-gcs", taxi).await;
    let run = deployed.ask(server, both()).await;
    deployed.web.fault(&path(2), Fault::status(410));
    // The answer to the first end is lost on the way: asked for once more, the run would fail.
    let gate = gate(server).await;
    deployed.slow(1, 3);
    let running = deployed.execute(&through(&gate), &run);
    until_logged(server, &run, "fetch: started").await;
    gate.fault("POST", &format!("flow_runs/{run}/set_state"), GateFault::LoseAnswer);
    running.end().exits(0);

    let record = record(server, &run).await;
    assert_eq!(record.state(), ("Completed", BOTH));
    assert_eq!(record.run["run_count"], 2);
    let went = states(server, "flow", &record.run["id"]).await;
    let wanted = ["Scheduled", "Pending", "Running", "AwaitingRetry", "Running", "Completed"];
    assert_eq!(went, wanted);
    let months: Vec<_> = record.months.iter().map(|(month, _)| &month["state_name"]).collect();
    assert_eq!(months, ["Completed", "Completed", "Failed", "Completed"]);
}

#[tokio::test]
async fn a_cancelled_run_stops_at_a_safe_point() {
    let server = PrefectServer::shared().await;
    let deployed = Deployed::flow(server, "etl-web-to-gcs", Taxi::new()).await;
    deployed.slow(2, 600);
    let worker = deployed.worker(server).await;
    let run = deployed.ask(server, both()).await;
    until_logged(server, &run, "green 2020-02 fetch: started").await;
    server.prefect(&["flow-run", "cancel", &run]).went_well();
    let state = server.ended(&run, PATIENCE).await;
    assert_eq!(state["type"], "CANCELLED", "{state}\n{}", worker.log());
    let record = record(server, &run).await;
    insta::assert_snapshot!(record.outline(), @r#"
    green 2020-01 Completed
      clean Completed after ["fetch"]
      fetch Completed after []
      write-gcs Completed after ["clean"]
    green 2020-02 Cancelled
      fetch Cancelled after []
    "#);
    assert!(!worker.log().contains("crashed"), "{}", worker.log());
}

#[tokio::test]
async fn a_signal_stops_a_run_that_nobody_cancelled_and_it_is_no_success() {
    let server = PrefectServer::shared().await;
    let deployed = Deployed::flow(server, "etl-web-to-gcs", Taxi::new()).await;
    deployed.slow(1, 600);
    deployed.slow(2, 600);
    let run = deployed.ask(server, both()).await;
    let running = deployed.execute(&server.access(), &run);
    until_logged(server, &run, "green 2020-02 fetch: started").await;
    let told = Instant::now();
    running.terminate();
    running.end().exits(0);
    assert!(told.elapsed() < SOON, "{:?}", told.elapsed());
    let record = record(server, &run).await;
    let stopped = "stopped at a safe point: 0 of 2 months done, 2 open";
    assert_eq!(record.state(), ("Crashed", stopped));
    insta::assert_snapshot!(record.outline(), @r#"
    green 2020-01 Cancelled
      fetch Cancelled after []
    green 2020-02 Cancelled
      fetch Cancelled after []
    "#);

    // What is over is not run again.
    let again = deployed.execute(&server.access(), &run).end().exits(0);
    assert!(again.stderr.contains("the flow run is Crashed already"), "{}", again.stderr);
}

#[tokio::test]
async fn a_run_keeps_its_place_among_those_that_may_run_at_once() {
    let server = PrefectServer::shared().await;
    let deployed = Deployed::flow(server, "etl-web-to-gcs", Taxi::new()).await;
    deployed.one_at_a_time(server).await;
    deployed.slow(1, 6);
    let [run, other] = [deployed.ask(server, both()).await, deployed.ask(server, both()).await];
    let gate = gate(server).await;
    let running = deployed.execute(&through(&gate), &run);
    until_logged(server, &run, "green 2020-01 fetch: started").await;
    assert_eq!(deployed.places_held(server).await, 1);
    assert_eq!(gate.count("POST", "/renew"), 1);

    let refused = deployed.execute(&server.access(), &other).end().exits(0);
    let why = "AwaitingConcurrencySlot: Deployment concurrency limit reached";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);

    running.end().exits(0);
    assert_eq!(deployed.places_held(server).await, 0);
    let calls = gate.count("", "");
    assert!(calls <= 80, "two months cost the server {calls} calls");
    let second = record(server, &other).await;
    assert_eq!(
        (second.state().0, &second.run["run_count"]),
        ("AwaitingConcurrencySlot", &json!(0))
    );
}

#[tokio::test]
async fn a_run_cancelled_while_no_worker_watches_stops_by_itself() {
    let server = PrefectServer::shared().await;
    let deployed = Deployed::flow(server, "etl-web-to-gcs", Taxi::new()).await;
    deployed.slow(1, 600);
    let run = deployed.ask(server, both()).await;
    let running = deployed.execute(&server.access(), &run);
    until_logged(server, &run, "green 2020-01 fetch: started").await;
    server.prefect(&["flow-run", "cancel", &run]).went_well();
    running.end().exits(0);
    let record = record(server, &run).await;
    assert_eq!(record.state().0, "Cancelled");
    // It was long enough under way to show how far it is.
    let shown = &record.artifacts["fetch-green-2020-01"];
    assert_eq!(shown["task_run_id"], record.months[0].1["fetch"]["id"]);
    assert!((0.1..50.0).contains(&shown["data"].as_f64().unwrap()), "{shown}");
}

#[tokio::test]
async fn a_server_killed_in_the_midst_of_a_run_has_the_whole_record_afterwards() {
    let asked = ("PREFECT_SERVER_API_AUTH_STRING", "admin:s3cret");
    let mut server = PrefectServer::start(&[asked]).await;
    let deployed = Deployed::flow(&server, "etl-web-to-gcs", Taxi::new()).await;
    deployed.slow(1, 4);
    deployed.slow(2, 12);
    let run = deployed.ask(&server, both()).await;
    let mut running = deployed.execute(&server.access(), &run);
    until_logged(&server, &run, "green 2020-01 fetch: started").await;
    server.kill();
    running.until("green 2020-01: 3,000 rows read");
    let back = chrono::Utc::now().to_rfc3339();
    server.start_again().await;
    running.end().exits(0);

    let record = record(&server, &run).await;
    assert_eq!(record.state(), ("Completed", BOTH));
    assert_eq!(record.outline(), OUTLINE);
    // States that the server was away for have the time at which they came to be.
    let written = record.months[0].1["write-gcs"]["end_time"].as_str().unwrap();
    assert!(*written < *back, "{written} {back}");
    let fetch = &record.months[0].1["fetch"];
    assert!(fetch["total_run_time"].as_f64().unwrap() > 3.0, "{fetch}");
    assert!(record.says("green 2020-01 write-gcs: done"), "{:#?}", record.lines);
    assert!(!format!("{record:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_cut_lost_answers_and_a_busy_server_leave_no_gap_and_nothing_twice() {
    let server = PrefectServer::shared().await;
    let deployed = Deployed::flow(server, "etl-web-to-gcs", Taxi::new()).await;
    deployed.slow(1, 3);
    deployed.slow(2, 8);
    let run = deployed.ask(server, both()).await;
    let gate = gate(server).await;
    let lost = ["set_state", "/task_runs/", "/flow_runs/", "/events", "/logs/", "/artifacts/"];
    for part in lost {
        gate.fault("POST", part, GateFault::LoseAnswer);
        gate.fault("POST", part, GateFault::Status(503));
    }
    let mut running = deployed.execute(&through(&gate), &run);
    running.until("green 2020-02 fetch: started");
    gate.always("", "", GateFault::Reset);
    tokio::time::sleep(Duration::from_secs(6)).await;
    gate.heal();
    gate.fault("POST", "/logs/", GateFault::LoseAnswer);
    gate.fault("POST", "/artifacts/", GateFault::LoseAnswer);
    let ran = running.end().exits(0);

    let record = record(server, &run).await;
    assert_eq!(record.state(), ("Completed", BOTH), "{}", ran.stderr);
    assert_eq!(record.outline(), OUTLINE);
    assert_eq!(record.run["run_count"], 1);
    let lines: HashSet<String> =
        record.lines.iter().map(|line| line["message"].to_string()).collect();
    assert_eq!(lines.len(), record.lines.len(), "{:#?}", record.lines);
    assert!(record.says("green 2020-02 write-gcs: done"));
    let all =
        json!({ "artifacts": { "flow_run_id": { "any_": [run] }, "type": { "any_": ["table"] } } });
    assert_eq!(server.post("artifacts/count", all).await, json!(2));
}

#[tokio::test]
async fn a_server_that_never_comes_back_costs_the_run_its_record_and_no_month() {
    let server = PrefectServer::shared().await;
    let taxi = Taxi::new().set("TAXI_DELIVER_FOR", "2s");
    let deployed = Deployed::flow(server, "etl-web-to-gcs", taxi).await;
    deployed.slow(1, 3);
    let run = deployed.ask(server, both()).await;
    let gate = gate(server).await;
    let running = deployed.execute(&through(&gate), &run);
    until_logged(server, &run, "green 2020-01 fetch: started").await;
    gate.always("", "", GateFault::Reset);
    let ran = running.end().exits(0);
    assert!(ran.stderr.contains("the record has gaps: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("the end of the flow run is not recorded"), "{}", ran.stderr);
    assert!(deployed.taxi.lake("green/green_tripdata_2020-02.parquet").exists());
    assert_eq!(record(server, &run).await.state().0, "Running");
}

#[tokio::test]
async fn a_server_that_drops_the_events_of_tasks_has_them_in_the_record_all_the_same() {
    let off = ("PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED", "false");
    let server = PrefectServer::start(&[off]).await;
    let deployed = Deployed::flow(&server, "etl-web-to-gcs", Taxi::new()).await;
    let run = deployed.ask(&server, both()).await;
    deployed.execute(&server.access(), &run).end().exits(0);
    let record = record(&server, &run).await;
    assert_eq!(record.state(), ("Completed", BOTH));
    assert_eq!(record.outline(), OUTLINE);
}
