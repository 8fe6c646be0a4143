//! Runs that are stopped in the middle, and secrets that stay where they are.

use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::*;
use taxi_test_support::web::Fault;

/// A month whose download stops in the middle, and the program that waits for the rest, once
/// some of it is in the spool.
async fn waiting() -> (Served, Child) {
    let mut served = Served::new(Form::Csv).await;
    let recipe = Recipe::new(Colour::Green, 2020, 1).rows(40_000);
    (served.bytes, served.made) = recipe.dirt(Dirt::NoPickup, 5).bytes();
    served.web.put(FILE, served.bytes.clone());
    let served = served.set("TAXI_STALL_TIMEOUT", "60s");
    served.web.fault(FILE, Fault::StallAfter(served.half()));
    let child = served.taxi.command(served.args(&[])).spawn().unwrap();
    let started = Instant::now();
    while downloaded(&served) == 0 {
        assert!(started.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(10));
    }
    (served, child)
}

/// How much of a download is in the spool.
fn downloaded(served: &Served) -> u64 {
    let spool = served.taxi.files("data/spool");
    let Some(name) = spool.iter().find(|name| name.ends_with("/download")) else {
        return 0;
    };
    let path = served.taxi.lake("spool").join(name);
    path.metadata().map_or(0, |it| it.len())
}

/// Tells a program to stop.
fn terminate(child: &Child) {
    let kill = format!("kill -TERM {}", child.id());
    let killed = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(killed.success());
}

/// The next run goes on where the last one was stopped.
fn assert_goes_on(served: &Served) {
    let from = downloaded(served);
    assert!(from > 0);
    served.assert_published(served.run());
    let ranges = served.asked("range");
    assert_eq!(ranges, [None, Some(format!("bytes={from}-"))]);
}

#[tokio::test]
async fn a_run_told_to_stop_keeps_what_it_has_and_the_next_goes_on() {
    let (served, child) = waiting().await;
    terminate(&child);
    let ran = Ran::from(child.wait_with_output().unwrap()).exits(130);
    assert_eq!(ran.state(), "interrupted");
    assert!(!served.taxi.lake("green").exists());
    assert_goes_on(&served);
}

#[tokio::test]
async fn a_run_that_is_killed_is_gone_on_with_by_the_next() {
    let (served, mut child) = waiting().await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!served.taxi.lake("green").exists());
    assert_goes_on(&served);
}

#[tokio::test]
async fn a_run_told_to_stop_does_not_sit_out_a_wait() {
    let served = Served::new(Form::CsvGz).await;
    served.web.always(FILE, Fault::too_many(600));
    let child = served.taxi.command(served.args(&[])).spawn().unwrap();
    while served.web.requests().is_empty() {
        sleep(Duration::from_millis(10));
    }
    let started = Instant::now();
    terminate(&child);
    let ran = Ran::from(child.wait_with_output().unwrap()).exits(130);
    assert_eq!(ran.state(), "interrupted");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn two_runs_of_a_month_take_turns() {
    let served = Served::new(Form::CsvGz).await;
    // The second begins while the first waits.
    let served = served.set("TAXI_STALL_TIMEOUT", "5s");
    served.web.fault(FILE, Fault::StallAfter(served.half()));
    let first = served.taxi.command(served.args(&[])).spawn().unwrap();
    while served.web.requests().is_empty() {
        sleep(Duration::from_millis(10));
    }
    let second = served.run().exits(0);
    assert_eq!(second.state(), "unchanged");
    assert!(second.stderr.contains("another run is processing it"));
    served.assert_published(first.wait_with_output().unwrap().into());
    assert_eq!(served.web.requests().len(), 3);
}

#[tokio::test]
async fn a_secret_in_an_address_is_used_and_never_told() {
    let served = Served::new(Form::CsvGz).await;
    let source = served.web.url().replace("http://", "http://me:pa55word@");
    let source = source + "/{colour}/{year}-{month}?X-Goog-Signature=5ignature";
    let mut args = month_args("green", "2020-01", &source);
    args.extend(["--log", "debug", "--retries", "1"].map(str::to_owned));
    let assert_untold = |text: &str| {
        for secret in ["pa55word", "5ignature"] {
            assert!(!text.contains(secret), "{text}");
        }
    };
    let failures = [
        Fault::status(401),
        Fault::status(429),
        Fault::html(),
        Fault::CloseAfter(99),
        Fault::NoLengthCloseAfter(99),
    ];
    for fault in failures {
        served.web.always(FILE, fault);
        let ran = served.taxi.run(&args).exits(1);
        assert_untold(&(ran.stdout + &ran.stderr));
        for name in served.taxi.files("data/spool") {
            let bytes = std::fs::read(served.taxi.lake("spool").join(name)).unwrap();
            assert_untold(&String::from_utf8_lossy(&bytes));
        }
        served.web.heal();
    }
    let ran = served.taxi.run(&args);
    assert_untold(&(ran.stdout.clone() + &ran.stderr));
    served.assert_published(ran);
    assert_untold(&Parquet::read(&served.taxi.lake(TRIPS)).provenance().to_string());
    let asked = served.web.requests().pop().unwrap();
    assert_eq!(asked.query, "X-Goog-Signature=5ignature");
    assert_eq!(asked.header("authorization"), Some("Basic bWU6cGE1NXdvcmQ="));

    let help = Taxi::new().set("TAXI_SOURCE", source);
    assert_untold(&help.run(["run", "etl-web-to-gcs", "--help"]).stdout);
}
