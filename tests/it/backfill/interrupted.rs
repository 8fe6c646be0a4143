//! An interrupted backfill: it ends soon, at a safe point, and the next run does the rest.

use std::time::{Duration, Instant};

use super::*;
use crate::harness::running::{Running, SOON};
use crate::postgres::until_locked;
use taxi_test_support::web::Fault;

/// Starts a backfill, tells it to stop when it has said something, and runs it to its end.
async fn stop_at(backfill: &Backfill, said: &str) -> Ran {
    let mut run = Running::start(backfill.taxi.command(backfill.args(&["--jobs", "2"])));
    run.until(said);
    let told = Instant::now();
    run.terminate();
    let ran = run.end();
    assert!(told.elapsed() < SOON, "{:?} after '{said}'", told.elapsed());
    let states = each(&ran, |month| &month["state"]);
    assert!(!states.iter().any(|state| state == "failed"), "{states:?}\n{}", ran.stderr);
    assert_eq!(ran.code, Some(130), "{states:?}\n{}", ran.stderr);
    assert_eq!(states.last().unwrap(), "not_begun");
    assert!(!ran.stderr.contains("ERROR"), "{}", ran.stderr);
    backfill.web.heal();
    backfill.run(&[]).exits(0);
    backfill.assert_whole().await;
    ran
}

#[tokio::test]
async fn in_the_midst_of_a_download() {
    let backfill = Backfill::of(5, 3000).await;
    backfill.web.always(&path(2), Fault::StallAfter(1000));
    let backfill = backfill.set("TAXI_STALL_TIMEOUT", "60s");
    let ran = stop_at(&backfill, "green 2020-02 fetch: started").await;
    assert_eq!(each(&ran, |month| &month["state"])[1], "interrupted");
}

#[tokio::test]
async fn before_the_host_answers() {
    let backfill = Backfill::of(5, 3000).await;
    backfill.web.always(&path(1), Fault::StallAfter(0));
    let backfill = backfill.set("TAXI_STALL_TIMEOUT", "60s");
    let ran = stop_at(&backfill, "green 2020-01 fetch: started").await;
    assert_eq!(each(&ran, |month| &month["state"])[0], "interrupted");
}

#[tokio::test]
async fn in_a_wait_before_the_next_try() {
    let backfill = Backfill::of(5, 3000).await;
    backfill.web.always(&path(1), Fault::too_many(600));
    stop_at(&backfill, "trying again").await;
}

#[tokio::test]
async fn while_a_month_is_cleaned() {
    let backfill = Backfill::of(5, 200_000).await;
    stop_at(&backfill, "clean: started").await;
}

#[tokio::test]
async fn while_a_month_is_published() {
    let backfill = Backfill::of(5, 100_000).await;
    stop_at(&backfill, "write-gcs: started").await;
}

#[tokio::test]
async fn while_a_month_is_loaded() {
    let backfill = Backfill::of(5, 100_000).await;
    stop_at(&backfill, "write-postgres: started").await;
}

#[tokio::test]
async fn while_a_load_waits_for_another() {
    let backfill = Backfill::of(5, 3000).await;
    let mut other = backfill.database.client().await;
    let lock = other.transaction().await.unwrap();
    let place = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    lock.execute(place, &[&r#""nyc_taxi"."green_trips_2020_01""#]).await.unwrap();
    let mut run = Running::start(backfill.taxi.command(backfill.args(&["--jobs", "1"])));
    run.until("green 2020-01 write-postgres: started");
    until_locked(&backfill.database.client().await).await;
    let told = Instant::now();
    run.terminate();
    let ran = run.end().exits(130);
    assert!(told.elapsed() < SOON);
    assert_eq!(each(&ran, |month| &month["loads"][0]["state"])[0], "interrupted");
    lock.rollback().await.unwrap();
    backfill.run(&[]).exits(0);
    backfill.assert_whole().await;
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let backfill = Backfill::of(2, 3000).await;
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    // A database that never answers.
    let silent = format!("postgres://u@{}/d", server.local_addr().unwrap());
    let backfill = backfill.set("DATABASE_URL", &silent);
    let mut run = Running::start(backfill.taxi.command(backfill.args(&[])));
    run.until("write-postgres: started");
    run.terminate();
    run.until("stopping");
    let told = Instant::now();
    run.terminate();
    assert_eq!(run.end().code, Some(130));
    // A first signal alone lets it reach a safe point for 8 s.
    assert!(told.elapsed() < Duration::from_secs(6), "{:?}", told.elapsed());
}
