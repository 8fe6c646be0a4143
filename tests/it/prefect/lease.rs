//! The place of a run among those of its deployment that may run at once.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::taxi::Taxi;
use crate::prefect::deployed::{Deployed, PATIENCE, path, record, until_logged};
use taxi_test_support::gate::Gate;
use taxi_test_support::prefect::{PrefectServer, Version};
use taxi_test_support::web::Fault;

fn january() -> Value {
    json!({ "year": 2020, "months": [1] })
}

/// Waits until so many runs hold a place.
async fn until_held(deployed: &Deployed, server: &PrefectServer, places: usize) {
    let began = Instant::now();
    while deployed.places_held(server).await != json!(places) {
        assert!(began.elapsed() < PATIENCE, "{}", deployed.places_held(server).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// The machine of a run that holds the only place dies: the place is free after its time, and
/// until then it is kept.
async fn a_dead_run_s_place_is_free_after_its_time(version: Version) {
    let server = PrefectServer::shared_version(version).await;
    let taxi = Taxi::new().set("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "1");
    let deployed = Deployed::flow(server, "etl-web-to-gcs", taxi).await;
    deployed.one_at_a_time(server).await;
    deployed.slow(1, 600);
    let [run, other] =
        [deployed.ask(server, january()).await, deployed.ask(server, january()).await];
    let gate = Gate::before(server.url().trim_end_matches("/api")).await;
    let access = vec![("PREFECT_API_URL".to_owned(), format!("{}/api", gate.url()))];
    let running = deployed.execute(&access, &run);
    until_logged(server, &run, "green 2020-01 fetch: started").await;
    // Said twice, so that it was the server's word too that it is kept.
    let began = Instant::now();
    while gate.count("POST", "/renew") < 2 {
        assert!(began.elapsed() < PATIENCE, "the place is not kept");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(deployed.places_held(server).await, 1);
    let refused = deployed.execute(&server.access(), &other).end().exits(0);
    assert!(refused.stderr.contains("AwaitingConcurrencySlot"), "{}", refused.stderr);
    let id = running.id().to_string();
    assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
    let lost = running.end();
    assert!(!lost.stderr.contains("lost its place"), "{}", lost.stderr);
    assert_eq!(record(server, &run).await.state().0, "Running");
    until_held(&deployed, server, 0).await;

    deployed.web.heal();
    let next = deployed.ask(server, january()).await;
    deployed.execute(&server.access(), &next).end().exits(0);
    assert_eq!(record(server, &next).await.state().0, "Completed");
    assert_eq!(deployed.places_held(server).await, 0);
}

#[tokio::test]
async fn a_dead_run_s_place_is_free_after_its_time_on_the_usual_server() {
    a_dead_run_s_place_is_free_after_its_time(Version::Usual).await;
}

#[tokio::test]
async fn a_dead_run_s_place_is_free_after_its_time_on_the_newest_server() {
    a_dead_run_s_place_is_free_after_its_time(Version::Newest).await;
}

#[tokio::test]
async fn a_run_that_is_tried_again_keeps_its_place_and_frees_it_once() {
    for version in Version::ALL {
        let server = PrefectServer::shared_version(version).await;
        let taxi = Taxi::new().set("TAXI_FLOW_RETRIES", "1").set("TAXI_FLOW_RETRY_DELAY", "3s");
        let deployed = Deployed::flow(server, "etl-web-to-gcs", taxi).await;
        deployed.one_at_a_time(server).await;
        deployed.web.fault(&path(1), Fault::status(410));
        let run = deployed.ask(server, january()).await;
        let mut running = deployed.execute(&server.access(), &run);
        running.until("is tried again at");
        assert_eq!(deployed.places_held(server).await, 1);
        let ran = running.end().exits(0);
        assert!(!ran.stderr.contains("lost its place"), "{}", ran.stderr);
        assert_eq!(record(server, &run).await.state().0, "Completed");
        assert_eq!(deployed.places_held(server).await, 0);
        // Its word is gone with it: else it would be taken from the next run.
        let log = server.log();
        assert!(!log.contains("Failed to release"), "{log}");
    }
}
