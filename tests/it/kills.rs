//! `kill -9` at any moment, a local lake, and the same month in the end.
//!
//! `TAXI_SOAK_KILLS` says how many kills there are, 24 if nothing else is said: a third of
//! them while a month is fetched, cleaned and published.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::running::{
    OTHER_RULES, Running, SMALL, Trips, assert_same, dirty, objects, quarantine_of, read,
};
use crate::harness::taxi::Taxi;
use taxi_test_support::generate::{Colour, Recipe};
use taxi_test_support::web::{Fault, Web};

/// A month that takes some time to clean.
static LONG: LazyLock<Trips> = LazyLock::new(|| Trips {
    colour: "yellow",
    month: "2019-03",
    bytes: dirty(Recipe::new(Colour::Yellow, 2019, 3).rows(400_000)),
    key: "yellow/yellow_tripdata_2019-03.parquet",
});

/// Kills for each of these tests.
fn kills() -> u64 {
    let all = std::env::var("TAXI_SOAK_KILLS").map_or(24, |kills| kills.parse().unwrap());
    all / 3
}

/// Some time in a range of microseconds.
fn some(range: Range<u64>) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    Duration::from_micros(range.start + random % (range.end - range.start))
}

/// Kills runs of a month some time after they have said something, and has each done again
/// from what is left. Every second one is to replace an older version of the month.
fn kill_and_run_again(web: &Web, said: &str, after: Range<u64>) {
    LONG.serve(web);
    let wanted = LONG.undisturbed(web, &[]);
    for round in 0..kills() {
        let taxi = Taxi::new();
        if round % 2 == 1 {
            taxi.run(LONG.args(web, OTHER_RULES)).exits(0);
        }
        if said.contains("fetch") {
            let bytes_per_second = LONG.bytes.len() as u64 * 2;
            web.always(&LONG.path(), Fault::Slow { bytes_per_second });
        }
        let mut run = Running::start(taxi.command(LONG.args(web, &[])));
        run.until(said);
        let wait = some(after.clone());
        std::thread::sleep(wait);
        run.kill();
        web.heal();
        println!("killed {wait:?} after '{said}', leaving {:?}", taxi.files("data"));
        taxi.run(LONG.args(web, &[])).exits(0);
        assert_same(&objects(&taxi), &wanted);
    }
}

#[tokio::test]
async fn a_run_killed_while_it_downloads_is_as_if_it_had_never_been() {
    let web = Web::start().await;
    kill_and_run_again(&web, "fetch: started", 20_000..400_000);
    let resumed = web.requests();
    assert!(resumed.iter().any(|call| call.header("range").is_some()));
}

#[tokio::test]
async fn a_run_killed_while_it_cleans_is_as_if_it_had_never_been() {
    let web = Web::start().await;
    kill_and_run_again(&web, "clean: started", 20_000..400_000);
}

#[tokio::test]
async fn a_run_killed_while_it_publishes_is_as_if_it_had_never_been() {
    let web = Web::start().await;
    kill_and_run_again(&web, "write-gcs: started", 0..20_000);
}

#[tokio::test]
async fn a_reader_finds_a_whole_month_whoever_is_killed_in_replacing_it() {
    let web = Web::start().await;
    SMALL.serve(&web);
    let taxi = Taxi::new();
    taxi.run(SMALL.args(&web, &[])).exits(0);
    let done = AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                look(&taxi);
                looks += 1;
            }
            looks
        });
        for round in 0..kills() * 8 {
            let rules = if round % 2 == 0 { OTHER_RULES } else { &[] };
            let run = Running::start(taxi.command(SMALL.args(&web, rules)));
            std::thread::sleep(some(0..60_000));
            run.kill();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(looks > kills());
    taxi.run(SMALL.args(&web, &[])).exits(0);
    assert_same(&objects(&taxi), &SMALL.undisturbed(&web, &[]));
}

/// Reads a month's footer, and looks for the quarantine it names.
fn look(taxi: &Taxi) {
    let trips = read(taxi, SMALL.key);
    let named = quarantine_of(&trips).expect("rows were set aside");
    if !taxi.lake(&named).exists() {
        assert!(read(taxi, SMALL.key) != trips, "{named} is missing");
    }
}
