//! The journal: what it shows about past runs, however they ended.

use super::*;
use crate::harness::running::Running;
use taxi_test_support::web::Fault;

/// Text with what differs from run to run replaced.
fn plain(text: &str) -> String {
    let words = |line: &str| {
        let words = line.split_whitespace().map(|word| {
            let digits = word.bytes().filter(u8::is_ascii_digit).count();
            if word.len() == 20 && digits > 13 {
                "RUN"
            } else if word.len() == 10 && digits == 8 {
                "DATE"
            } else if word.len() == 5 && word.contains(':') {
                "TIME"
            } else if word.ends_with('s') && word.len() < 4 && digits > 0 {
                "TOOK"
            } else {
                word
            }
        });
        words.collect::<Vec<_>>().join(" ")
    };
    text.lines()
        .map(words)
        .filter(|line| !line.starts_with(['─', '═']))
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn runs_are_listed_and_shown() {
    let backfill = Backfill::of(2, 500).await;
    backfill.web.always(&path(2), Fault::status(410));
    backfill.run(&[]).exits(1);
    backfill.web.heal();
    backfill.run(&[]).exits(0);
    let listed = backfill.taxi.run(["runs"]).exits(0).stdout;
    insta::assert_snapshot!(plain(&listed), @r"
        run flow began took ended months failed
        RUN etl-parent-flow DATE TIME TOOK done 2 of 2 0
        RUN etl-parent-flow DATE TIME TOOK failed 1 of 2 1
        ");
    let runs = backfill.taxi.run(["runs", "--output", "json"]).exits(0).json();
    let first = runs[1]["run"].as_str().unwrap();
    assert_eq!(runs[1]["ending"], "failed");
    let shown = backfill.taxi.run(["runs", "show", first]).exits(0).stdout;
    let shown = shown.replace(&backfill.web.url(), "http://host");
    let shown: Vec<_> = shown.lines().filter(|line| !line.contains("rows read")).collect();
    assert!(
        shown.iter().any(|line| line.contains("http://host/green/2020-02 answers 410")),
        "{shown:#?}"
    );
    let last = backfill.taxi.run(["runs", "show", "last", "--output", "json"]).exits(0).json();
    assert_eq!(last["run"], runs[0]["run"]);
    assert_eq!(last["ending"], "done");
    assert_eq!(last["months"][0]["state"], "unchanged");

    let unknown = backfill.taxi.run(["runs", "show", "1999"]).exits(2);
    insta::assert_snapshot!(unknown.stderr, @r"
        error: there is no run '1999' in runs: taxi runs lists all runs
        ");
    let ambiguous = backfill.taxi.run(["runs", "show", "20"]).exits(2);
    assert!(ambiguous.stderr.contains("give more of the name"), "{}", ambiguous.stderr);
}

#[tokio::test]
async fn the_journal_of_a_killed_run_tells_how_far_it_came() {
    let backfill = Backfill::of(3, 500).await;
    backfill.web.always(&path(2), Fault::StallAfter(100));
    let backfill = backfill.set("TAXI_STALL_TIMEOUT", "60s");
    let mut run = Running::start(backfill.taxi.command(backfill.args(&["--jobs", "1"])));
    run.until("green 2020-02 fetch: started");
    let running = backfill.taxi.run(["runs", "--output", "json"]).json();
    assert_eq!(running[0]["ending"], "running");
    run.kill();
    // The disk was full within a letter; another run was killed as it began.
    let runs = backfill.taxi.folder().join("runs");
    let journal = runs.join(&backfill.taxi.files("runs")[0]);
    let told = [std::fs::read(&journal).unwrap(), b"{\"at\":\"\xc3".to_vec()].concat();
    std::fs::write(&journal, told).unwrap();
    std::fs::write(runs.join("99991231T235959-0000.jsonl"), "").unwrap();
    let killed = backfill.taxi.run(["runs", "show", "last", "--output", "json"]).json();
    assert_eq!(killed["ending"], "killed");
    let month = |at: usize, key: &str| killed["months"][at][key].clone();
    assert_eq!((month(0, "state"), month(1, "state")), ("published".into(), "interrupted".into()));
    assert_eq!(month(1, "error"), "cut off in fetch");
    assert_eq!(month(2, "state"), "not_begun");
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_fails_no_run() {
    let backfill = Backfill::of(1, 100).await;
    std::fs::write(backfill.taxi.folder().join("runs"), "").unwrap();
    let ran = backfill.run(&[]).exits(0);
    assert!(ran.stderr.contains("the journal in runs cannot be written"), "{}", ran.stderr);
    backfill.assert_whole().await;
}

#[tokio::test]
async fn only_the_newest_runs_are_kept() {
    let backfill = Backfill::of(1, 100).await;
    for _ in 0..4 {
        backfill.run(&["--keep-runs", "2"]).exits(0);
    }
    assert_eq!(backfill.taxi.files("runs").len(), 2);
    backfill.run(&["--keep-runs", "0"]).exits(0);
    assert_eq!(backfill.taxi.files("runs").len(), 2, "none is kept of that run, and none goes");
}
