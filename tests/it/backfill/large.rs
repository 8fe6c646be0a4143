//! The memory and the disk that a backfill takes, however long it is.
//!
//! With `TAXI_SOAK` set it is one of 31 months of two colours.

use std::time::{Duration, Instant};

use super::*;
use crate::harness::running::Running;
use crate::memory::anonymous_memory;
use taxi_test_support::generate::Dirt;

/// The promise, in kB.
const MOST_MEMORY: u64 = 1 << 20;

/// How many bytes are in the files of a folder.
fn size(taxi: &Taxi, folder: &str) -> u64 {
    let files = taxi.files(folder);
    let sizes = files.iter().filter_map(|name| {
        std::fs::metadata(taxi.folder().join(folder).join(name)).ok().map(|meta| meta.len())
    });
    sizes.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_of_years_takes_bounded_memory_and_disk() {
    let soak = std::env::var_os("TAXI_SOAK").is_some();
    let (months, rows) = if soak { (31, 250_000) } else { (4, 150_000) };
    let (web, server) = (Web::start().await, PostgresServer::shared().await);
    let database = server.database().await;
    let folder = tempfile::tempdir().unwrap();
    web.folder(folder.path());
    web.put("/zones.csv", ZONES);
    let mut wanted = 0;
    let mut largest = 0;
    for colour in [Colour::Yellow, Colour::Green] {
        for number in 0..months {
            let (year, month) = (2019 + number / 12, (number % 12 + 1) as u8);
            let recipe = Recipe::new(colour, year, month).form(Form::CsvGz);
            let path = folder.path().join(format!("{colour}-{year}-{month:02}"));
            let made = recipe.rows(rows).dirt(Dirt::Unreadable, 9).write(&path);
            wanted += made.rows_kept;
            largest = largest.max(made.bytes);
        }
    }
    let last = format!("{}-{:02}", 2019 + (months - 1) / 12, (months - 1) % 12 + 1);
    let taxi = Taxi::new()
        .set("DATABASE_URL", database.url())
        .set("TAXI_SOURCE", web.url() + "/{colour}-{year}-{month}")
        .set("TAXI_ZONES", web.url() + "/zones.csv");
    let args = ["run", "etl-parent-flow", "--colour", "yellow,green", "--from", "2019-01"];
    let rest = ["--to", &last, "--to-warehouse", "postgres", "--output", "json"];
    let started = Instant::now();
    let mut run = Running::start(taxi.command(args.iter().chain(&rest)));
    let (mut memory, mut disk) = (0, 0);
    while !run.has_ended() {
        memory = memory.max(anonymous_memory(run.id()).unwrap_or_default());
        disk = disk.max(size(&taxi, "data/spool"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let took = started.elapsed();
    let ran = run.end().exits(0);
    let loads = each(&ran, |month| &month["loads"][0]["state"]);
    assert_eq!(loads, vec!["loaded"; usize::from(months) * 2]);
    let client = database.client().await;
    let rows: i64 =
        client.query_one("SELECT count(*) FROM nyc_taxi.trips", &[]).await.unwrap().get(0);
    assert_eq!(rows as u64, wanted);
    println!(
        "{} months: peak {} MB of memory, {} MB of spool, {:.1} s",
        months * 2,
        memory / 1024,
        disk / 1_000_000,
        took.as_secs_f64()
    );
    assert!(memory > 10 << 10, "{memory} kB is not what it took");
    assert!(memory < MOST_MEMORY, "{memory} kB is more than {MOST_MEMORY} kB");
    // Four months in flight: each a download, what it is cleaned to, and what is read of it.
    assert!(disk > 0 && disk < 4 * 3 * largest, "{disk} bytes of spool, months of {largest}");
    assert_eq!(taxi.files("data/spool"), [""; 0]);
}
