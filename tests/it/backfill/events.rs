//! The events of a run: concurrency, and the output for programs.

use super::*;
use taxi_test_support::web::Fault;

/// The events on stderr.
fn events(ran: &Ran) -> Vec<Value> {
    let lines = ran.stderr.lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// When the tasks of each name ran, by their place among the events.
fn spans(events: &[Value]) -> BTreeMap<String, Vec<(usize, usize)>> {
    let mut open = BTreeMap::new();
    let mut spans: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        let task = (event["item"].to_string(), event["task"].as_str().unwrap_or("").to_owned());
        match event["event"].as_str().unwrap() {
            "task_started" => {
                open.insert(task, at);
            }
            "task_done" => {
                let began = open.remove(&task).unwrap();
                spans.entry(task.1).or_default().push((began, at));
            }
            _ => {}
        }
    }
    spans
}

fn meet(one: &[(usize, usize)], other: &[(usize, usize)]) -> bool {
    one.iter().any(|a| other.iter().any(|b| a != b && a.0 < b.1 && b.0 < a.1))
}

#[tokio::test]
async fn one_month_is_fetched_while_another_is_cleaned_and_a_third_is_loaded() {
    let backfill = Backfill::of(6, 60_000).await;
    // A month comes in about the time that it takes to clean one.
    backfill.web.always("/green/*", Fault::Slow { bytes_per_second: 700_000 });
    // On a busy machine a try that stalls would be given up while the host still sends.
    let more = ["--progress", "json", "--stall-timeout", "60s"];
    let events = events(&backfill.run(&more).exits(0));
    let spans = spans(&events);
    let (fetch, clean, load) = (&spans["fetch"], &spans["clean"], &spans["write-postgres"]);
    assert!(meet(fetch, clean), "{spans:?}");
    assert!(meet(clean, load), "{spans:?}");
    assert!(meet(fetch, load), "{spans:?}");
    let months = |spans: &[(usize, usize)]| {
        let months = spans.iter().filter(|(at, _)| events[*at]["item"] != "zones");
        months.copied().collect::<Vec<_>>()
    };
    let clean = months(clean);
    assert_eq!(clean.len(), 6);
    assert!(!meet(&clean, &clean), "one month is cleaned at a time: {clean:?}");
    // Two for the months; the zones, one small file, wait for none of them.
    let most = backfill.web.most_at_once();
    assert!(most <= 3, "{most} connections to the host");
    backfill.assert_whole().await;
}

#[tokio::test]
async fn every_line_on_stderr_is_an_event_and_they_tell_the_whole_run() {
    let backfill = Backfill::of(2, 500).await;
    backfill.web.fault(&path(1), Fault::status(503));
    backfill.web.always(&path(2), Fault::status(410));
    let ran = backfill.run(&["--progress", "json", "--jobs", "1"]).exits(1);
    let events = events(&ran);
    let told = events.iter().filter(|event| event["item"] != "zones").map(|event| {
        let text = |key: &str| event[key].as_str().unwrap_or("").to_owned();
        [text("event"), text("item"), text("task"), text("state")].join(" ").trim().to_owned()
    });
    let told: Vec<_> = told.filter(|told| !told.starts_with("task_progress")).collect();
    insta::assert_snapshot!(told.join("\n").replace("  ", " "), @r"
        run_started
        month_started green 2020-01
        task_started green 2020-01 fetch
        task_retrying green 2020-01 fetch
        task_done green 2020-01 fetch
        task_started green 2020-01 clean
        task_done green 2020-01 clean
        task_started green 2020-01 write-gcs
        task_done green 2020-01 write-gcs
        task_started green 2020-01 write-postgres
        task_done green 2020-01 write-postgres
        month_done green 2020-01 published
        month_started green 2020-02
        task_started green 2020-02 fetch
        task_failed green 2020-02 fetch
        month_done green 2020-02 failed
        run_done
        ");
    let begun = &events[0];
    assert_eq!(begun["months"], serde_json::json!(["green 2020-01", "green 2020-02"]));
    assert_eq!(begun["flow"], "etl-parent-flow");
    let done = events.iter().find(|event| event["event"] == "month_done").unwrap();
    assert_eq!(done["rows_kept"].as_u64().unwrap(), backfill.made[&1].rows_kept);
    assert_eq!(done["loads"][0]["to"], "postgres");
    let ended = events.last().unwrap();
    assert_eq!(ended["months"], serde_json::json!({"failed": 1, "published": 1}));
}

#[tokio::test]
async fn secrets_are_in_no_event_and_not_in_the_journal() {
    let backfill = Backfill::of(1, 100).await;
    let source = backfill.web.url().replace("http://", "http://me:pa55word@");
    let source = source + "/{colour}/{year}-{month}?signature=5ignature";
    let database = backfill.database.url().replace("postgres@", "postgres:0pen@");
    let backfill = backfill.set("DATABASE_URL", &database);
    backfill.web.fault(&path(1), Fault::status(503));
    let ran = backfill.run(&["--progress", "json", "--log", "debug", "--source", &source]).exits(0);
    let journal = backfill.journal();
    for text in [&ran.stderr, &journal] {
        assert!(text.contains("task_retrying"));
        for secret in ["pa55word", "5ignature", "0pen"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
