//! A source that gives new tags to the same bytes.

use super::*;
use taxi_test_support::web::Fault;

const NO_BODIES: Fault = Fault::CloseAfter(1);
const SEEN: &str = "data/seen";

/// A month that is in the lake and has another tag since, which a run has seen.
async fn retagged() -> Served {
    let served = Served::new(Form::CsvGz).await;
    served.assert_published(served.run());
    let trips = std::fs::read(served.taxi.lake(TRIPS)).unwrap();
    served.web.always(FILE, Fault::NewTag(2));
    assert_eq!(served.run().exits(0).state(), "unchanged");
    assert!(std::fs::read(served.taxi.lake(TRIPS)).unwrap() == trips, "it was written again");
    served.web.clear_log();
    served
}

#[tokio::test]
async fn the_same_bytes_under_a_new_tag_are_fetched_once() {
    let served = retagged().await;
    served.web.always(FILE, NO_BODIES);
    let ran = served.run().exits(0);
    assert_eq!(ran.state(), "unchanged");
    assert_eq!(ran.first()["rows_kept"], served.made.rows_kept);
    assert!(
        matches!(served.asked("if-none-match").as_slice(), [Some(tag)] if tag.starts_with("\"2-"))
    );
    assert_eq!(served.taxi.files(SEEN), ["green/green_tripdata_2020-01.json"]);
    let status = ["status", "--colour", "green", "--check-source", "--output", "json"];
    let source = served.source();
    let status = served.taxi.run(status.iter().chain(&["--source", &source])).exits(0).json();
    assert_eq!(status["source"][0]["answer"], "unchanged");
    assert_eq!(status["mend"], serde_json::json!([]));
}

#[tokio::test]
async fn a_tag_that_comes_back_is_known_again_after_one_look() {
    let served = retagged().await;
    served.web.heal();
    assert_eq!(served.run().exits(0).state(), "unchanged");
    served.web.always(FILE, NO_BODIES);
    assert_eq!(served.run().exits(0).state(), "unchanged");
}

#[tokio::test]
async fn the_same_bytes_at_another_address_are_fetched_once() {
    let served = retagged().await;
    let mirror = served.web.url() + "/mirror/{colour}-{year}-{month}";
    served.web.put("/mirror/green-2020-01", served.bytes.clone());
    let run = || served.taxi.run(month_args("green", "2020-01", &mirror)).exits(0);
    assert_eq!(run().state(), "unchanged");
    served.web.always("/mirror/green-2020-01", NO_BODIES);
    assert_eq!(run().state(), "unchanged");
}

#[tokio::test]
async fn what_was_seen_of_other_bytes_is_not_believed() {
    let mut served = retagged().await;
    served.serve_edition(Form::CsvGz, 2);
    served.assert_published(served.run());
    served.web.clear_log();
    assert_eq!(served.run().exits(0).state(), "unchanged");
    assert_eq!(served.web.requests().len(), 1);
    std::fs::write(served.taxi.lake("seen/green/green_tripdata_2020-01.json"), "{").unwrap();
    assert_eq!(served.run().exits(0).state(), "unchanged");
}

#[tokio::test]
async fn what_was_seen_of_a_month_goes_with_it() {
    let served = retagged().await;
    served.taxi.run(["drop", "--colour", "green", "--month", "2020-01", "--yes"]).exits(0);
    assert_eq!(served.taxi.files("data"), [""; 0]);
    served.assert_published(served.run());
}

#[tokio::test]
async fn an_unchanged_answer_about_another_tag_is_not_believed() {
    let mut served = Served::new(Form::CsvGz).await;
    served.assert_published(served.run());
    let tag = Parquet::read(&served.taxi.lake(TRIPS)).provenance()["source"]["etag"].clone();
    served.serve_edition(Form::CsvGz, 2);
    served.web.clear_log();
    let headers = vec![("etag".to_owned(), "\"another\"".to_owned())];
    served.web.fault(FILE, Fault::Status { code: 304, headers, body: "".into() });
    served.assert_published(served.run());
    assert_eq!(served.asked("if-none-match"), [tag.as_str().map(str::to_owned), None]);
}

#[tokio::test]
async fn a_tag_that_means_any_edition_is_not_sent_back() {
    for tag in ["*", "\"\"", "W/\"\"", "\"a\", \"b\""] {
        let mut served = Served::new(Form::CsvGz).await;
        served.web.always(FILE, Fault::Header("etag", tag));
        // Never that of the file, which would be unchanged within the same second.
        served.web.always(FILE, Fault::Header("last-modified", "Sun, 06 Nov 2044 08:49:37 GMT"));
        served.assert_published(served.run());
        served.serve_edition(Form::CsvGz, 2);
        served.web.clear_log();
        served.assert_published(served.run());
        let asked = served.asked("if-none-match");
        assert!(!asked.is_empty() && asked.iter().all(Option::is_none), "{tag}: {asked:?}");
    }
}
