//! `kill -9` at any moment of a backfill, and at each step.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use super::{Backfill, Months, Undisturbed};
use crate::harness::running::Running;

/// The steps of a month, as the log names them.
const STEPS: [&str; 10] = [
    "fetch: started",
    "fetch: done",
    "clean: started",
    "clean: done",
    "write-gcs: started",
    "write-gcs: done",
    "write-postgres: started",
    "write-postgres: done",
    "write-bq: started",
    "write-bq: done",
];

/// Kills of each kind: `TAXI_SOAK_KILLS`, or a few.
fn kills(few: usize) -> usize {
    std::env::var("TAXI_SOAK_KILLS").map_or(few, |kills| kills.parse().unwrap())
}

#[tokio::test]
async fn a_backfill_killed_at_each_step_is_as_if_it_had_never_been() {
    let months = Months::serve(1, 2000).await;
    let wanted = Undisturbed::of(&months, &months.web.url()).await;
    for round in 0..kills(STEPS.len()) {
        let step = STEPS[round % STEPS.len()];
        let backfill = Backfill::new().await;
        let command = backfill.taxi.command(Backfill::args(&months, &months.web.url()));
        let mut run = Running::start(command);
        run.until(step);
        run.kill();
        backfill.run(&months, &months.web.url()).exits(0);
        backfill.assert_like(&wanted).await;
    }
}

#[tokio::test]
async fn a_backfill_killed_again_and_again_still_comes_to_its_end() {
    let months = Months::serve(3, 2000).await;
    let wanted = Undisturbed::of(&months, &months.web.url()).await;
    let backfill = Backfill::new().await;
    for _ in 0..kills(12) {
        let random = RandomState::new().build_hasher().finish();
        let command = backfill.taxi.command(Backfill::args(&months, &months.web.url()));
        let run = Running::start(command);
        std::thread::sleep(Duration::from_millis(5 + random % 700));
        run.kill();
    }
    backfill.run(&months, &months.web.url()).exits(0);
    backfill.assert_like(&wanted).await;
}

#[tokio::test]
async fn two_backfills_of_one_range_at_once_both_end_right() {
    let months = Months::serve(3, 2000).await;
    let wanted = Undisturbed::of(&months, &months.web.url()).await;
    let backfill = Backfill::new().await;
    let start =
        || Running::start(backfill.taxi.command(Backfill::args(&months, &months.web.url())));
    let (one, other) = (start(), start());
    one.end().exits(0);
    other.end().exits(0);
    backfill.assert_like(&wanted).await;
}
