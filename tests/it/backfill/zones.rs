//! The zones never delay a run.

use super::*;
use taxi_test_support::web::Fault;

/// Longer than any test takes: a run that ends did not wait for it.
const NEVER: &str = "600s";

/// The zones are at a host of their own, which has this trouble with every request.
async fn troubled(months: u8, fault: Fault) -> (Backfill, Web) {
    let zones = Web::start().await;
    let rows = (1..=265).map(|id| format!("{id},Queens,Zone {id},Boro Zone\n"));
    let header = "LocationID,Borough,Zone,service_zone\n".to_owned();
    zones.put("/zones.csv", header + &rows.collect::<Vec<_>>().concat());
    zones.always("/zones.csv", fault);
    let backfill = Backfill::of(months, 500).await;
    let backfill =
        backfill.set("TAXI_ZONES", &(zones.url() + "/zones.csv")).set("TAXI_STALL_TIMEOUT", NEVER);
    (backfill, zones)
}

/// The lines of the log that are about the zones and more than news.
fn complaints(ran: &Ran) -> Vec<String> {
    let lines = ran.stderr.lines().filter(|line| line.contains("zones"));
    let lines = lines.filter(|line| line.contains("WARN") || line.contains("ERROR"));
    lines.map(str::to_owned).collect()
}

/// Checks that a run is whole, and that one warning says what is missing.
fn assert_not_held_up(backfill: &Backfill, more: &[&str], state: &str) -> String {
    let ran = backfill.run(more).exits(0);
    assert_eq!(each(&ran, |month| &month["state"]), vec![state; backfill.made.len()]);
    let complaints = complaints(&ran);
    assert_eq!(complaints.len(), 1, "{}", ran.stderr);
    assert!(complaints[0].contains("WARN"), "{}", complaints[0]);
    assert!(complaints[0].contains("the lake has no taxi zones"), "{}", complaints[0]);
    assert!(complaints[0].contains("taxi run etl-zones"), "{}", complaints[0]);
    complaints[0].clone()
}

#[tokio::test]
async fn zones_whose_host_never_answers_are_not_waited_for() {
    let (backfill, zones) = troubled(3, Fault::StallAfter(0)).await;
    for state in ["published", "unchanged"] {
        let said = assert_not_held_up(&backfill, &[], state);
        assert!(said.contains("the months were done before they came"), "{said}");
    }
    assert_eq!(zones.count("", ""), 2, "once in each run");
    zones.heal();
    let ran = backfill.run(&["--force"]).exits(0);
    assert_eq!(complaints(&ran), [""; 0]);
    assert!(backfill.taxi.lake("zones/taxi_zone_lookup.parquet").exists());
    backfill.assert_whole().await;
}

#[tokio::test]
async fn zones_that_are_refused_are_asked_for_once() {
    for (fault, why) in [
        (Fault::status(503), "answers 503"),
        (Fault::too_many(600), "answers 429"),
        (Fault::CloseAfter(0), "the connection broke"),
        (Fault::status(404), "was not found"),
        (Fault::html(), "an HTML page"),
    ] {
        let (backfill, zones) = troubled(1, fault).await;
        let said = assert_not_held_up(&backfill, &["--retries", "5"], "published");
        assert!(said.contains(why), "{said}");
        assert_eq!(zones.count("", ""), 1, "{why}");
    }
}

#[tokio::test]
async fn zones_that_nobody_serves_are_warned_of() {
    // Bound, so that nobody else takes the port, and never listening.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = format!("http://{}/zones.csv", nobody.local_addr().unwrap());
    let backfill = Backfill::of(2, 500).await.set("TAXI_ZONES", &address);
    let said = assert_not_held_up(&backfill, &[], "published");
    assert!(said.contains("no connection"), "{said}");
}

#[tokio::test]
async fn zones_at_the_host_of_the_months_take_no_turn_of_theirs() {
    let backfill = Backfill::of(3, 500).await.set("TAXI_STALL_TIMEOUT", NEVER);
    backfill.web.always("/zones.csv", Fault::StallAfter(0));
    assert_not_held_up(&backfill, &["--connections-per-host", "1"], "published");
    assert_eq!(backfill.web.count("", "/zones.csv"), 1);
}

#[tokio::test]
async fn zones_that_are_damaged_are_warned_of() {
    let backfill = Backfill::of(1, 500).await;
    backfill.web.put("/zones.csv", "a,b\n1,2\n");
    assert_not_held_up(&backfill, &[], "published");
}

#[tokio::test]
async fn zones_that_the_lake_has_are_not_asked_for() {
    let (backfill, zones) = troubled(2, Fault::StallAfter(0)).await;
    std::fs::write(backfill.taxi.folder().join("zones.csv"), ZONES).unwrap();
    backfill.taxi.run(["run", "etl-zones", "--zones", "./zones.csv"]).exits(0);
    let ran = backfill.run(&[]).exits(0);
    assert_eq!(complaints(&ran), [""; 0]);
    assert_eq!(zones.count("", ""), 0);
}
