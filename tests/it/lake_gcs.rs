//! Publishing to Google Cloud Storage.
//!
//! The server is fake-gcs-server behind our proxy, not Google: the proxy answers the XML
//! API's writes by our reading of Google's reference
//! (<https://cloud.google.com/storage/docs/xml-api/reference-methods>), and the tests hold
//! as far as that reading does.

use std::time::{Duration, Instant};

use nyc_taxi_etl::trip::Digest;

use crate::cloud::Cloud;
use crate::harness::running::{LARGE, OTHER_RULES, Running, SMALL, quarantine_of};
use crate::harness::taxi::{Taxi, month_args};
use taxi_test_support::gcs::GcsFault;
use taxi_test_support::web::Fault;

/// A part of the address of the trips, and of the rows set aside.
const TRIPS: &str = "_tripdata_20";
const QUARANTINE: &str = "trips/quarantine/";

#[tokio::test]
async fn a_small_month_is_put_in_one_request_as_it_would_be_in_a_folder() {
    let cloud = Cloud::with(&SMALL).await;
    assert_eq!(cloud.run(&[]).exits(0).state(), "published");
    cloud.assert_published(&[]).await;
    assert_eq!(cloud.proxy.count("PUT", SMALL.key), 1);
    assert_eq!(cloud.proxy.count("POST", ""), 0);
}

#[tokio::test]
async fn a_large_month_is_uploaded_in_parts_and_is_the_same_whole() {
    let cloud = Cloud::with(&LARGE).await;
    assert_eq!(cloud.run(&[]).exits(0).state(), "published");
    cloud.assert_published(&[]).await;
    assert_eq!(cloud.proxy.count("PUT", "partNumber="), 2);
}

#[tokio::test]
async fn a_rerun_writes_nothing() {
    let cloud = Cloud::with(&SMALL).await;
    cloud.run(&[]).exits(0);
    cloud.proxy.clear_log();
    assert_eq!(cloud.run(&[]).exits(0).state(), "unchanged");
    let looks = cloud.proxy.count("GET", "") + cloud.proxy.count("HEAD", "");
    assert_eq!(looks, cloud.proxy.requests().len());
    cloud.assert_published(&[]).await;
}

#[tokio::test]
async fn the_same_bytes_under_a_new_tag_are_fetched_once_by_any_machine() {
    let cloud = Cloud::with(&SMALL).await;
    cloud.run(&[]).exits(0);
    let path = SMALL.path();
    cloud.web.always(&path, Fault::NewTag(2));
    cloud.proxy.clear_log();
    assert_eq!(cloud.run(&[]).exits(0).state(), "unchanged");
    assert_eq!(cloud.proxy.count("PUT", ""), 1);
    assert_eq!(cloud.proxy.count("PUT", "trips/seen/green/green_tripdata_2020-01.json"), 1);
    cloud.web.clear_log();
    cloud.web.always(&path, Fault::CloseAfter(1));
    for taxi in [&cloud.taxi, &cloud.neighbour()] {
        assert_eq!(taxi.run(cloud.args(&[])).exits(0).state(), "unchanged");
    }
    let requests = cloud.web.requests();
    assert_eq!(requests.len(), 2);
    let known = |tag: &str| tag.starts_with("\"2-");
    assert!(requests.iter().all(|it| it.header("if-none-match").is_some_and(known)));
    let drop = ["drop", "--colour", "green", "--month", "2020-01", "--yes"];
    cloud.taxi.run(drop).exits(0);
    assert!(cloud.objects().await.is_empty());
}

#[tokio::test]
async fn other_rules_replace_the_month_and_its_quarantine() {
    let cloud = Cloud::with(&SMALL).await;
    cloud.run(&[]).exits(0);
    let before = quarantine_of(&cloud.objects().await[SMALL.key]).unwrap();
    assert_eq!(cloud.run(OTHER_RULES).exits(0).state(), "published");
    cloud.assert_published(OTHER_RULES).await;
    let objects = cloud.objects().await;
    let after = quarantine_of(&objects[SMALL.key]).unwrap();
    assert!(before != after && objects.contains_key(&after));
}

#[tokio::test]
async fn a_busy_store_is_asked_again() {
    for month in [&*SMALL, &*LARGE] {
        let cloud = Cloud::with(month).await;
        cloud.proxy.fault("GET", TRIPS, GcsFault::status(503));
        for call in ["PUT", "POST"] {
            cloud.proxy.fault(call, TRIPS, GcsFault::status(503));
            cloud.proxy.fault(call, TRIPS, GcsFault::too_many(0));
            cloud.proxy.fault(call, TRIPS, GcsFault::status(500));
        }
        assert_eq!(cloud.run(&[]).exits(0).state(), "published");
        cloud.assert_published(&[]).await;
        assert!(cloud.proxy.count("PUT", TRIPS) >= 5);
    }
}

#[tokio::test]
async fn a_store_that_stays_busy_fails_the_month_and_leaves_nothing_there() {
    let cloud = Cloud::with(&LARGE).await;
    let busy = GcsFault::status(503);
    cloud.proxy.always("PUT", "partNumber=2", busy);
    let ran = cloud.run(&["--retries", "0"]).exits(1);
    assert!(ran.first()["error"].to_string().contains("503"));
    assert!(cloud.proxy.uploads().is_empty());
    assert!(cloud.objects().await.is_empty());
    cloud.proxy.heal();
    assert_eq!(cloud.run(&[]).exits(0).state(), "published");
    cloud.assert_published(&[]).await;
}

#[tokio::test]
async fn a_broken_connection_costs_a_part_and_not_the_month() {
    for (month, call) in [(&SMALL, "trips/green/"), (&LARGE, "partNumber=1")] {
        let cloud = Cloud::with(month).await;
        cloud.proxy.fault("PUT", call, GcsFault::Reset);
        cloud.proxy.fault("PUT", QUARANTINE, GcsFault::Reset);
        assert_eq!(cloud.run(&[]).exits(0).state(), "published");
        cloud.assert_published(&[]).await;
        assert_eq!(cloud.proxy.count("PUT", call), 2);
        assert_eq!(cloud.proxy.count("PUT", QUARANTINE), 2);
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_write_makes_no_second_month() {
    for (method, call) in [("PUT", "partNumber=2"), ("PUT", QUARANTINE), ("POST", "uploadId=")] {
        let cloud = Cloud::with(&LARGE).await;
        cloud.proxy.fault(method, call, GcsFault::DropAnswer);
        assert_eq!(cloud.run(&[]).exits(0).state(), "published");
        cloud.assert_published(&[]).await;
        assert!(cloud.proxy.count(method, call) >= 2);
    }
    let cloud = Cloud::with(&SMALL).await;
    let trips = "trips/green/";
    cloud.proxy.fault("PUT", trips, GcsFault::DropAnswer);
    assert_eq!(cloud.run(&[]).exits(0).state(), "published");
    cloud.assert_published(&[]).await;
}

#[tokio::test]
async fn a_lost_answer_does_not_hide_the_quarantine_that_is_replaced() {
    let cloud = Cloud::with(&LARGE).await;
    cloud.run(&[]).exits(0);
    let complete = "uploadId=";
    cloud.proxy.fault("POST", complete, GcsFault::DropAnswer);
    assert_eq!(cloud.run(OTHER_RULES).exits(0).state(), "published");
    cloud.assert_published(OTHER_RULES).await;
}

#[tokio::test]
async fn an_upload_whose_id_was_lost_does_not_stop_the_month() {
    let cloud = Cloud::with(&LARGE).await;
    cloud.proxy.fault("POST", "uploads", GcsFault::DropAnswer);
    assert_eq!(cloud.run(&[]).exits(0).state(), "published");
    let wanted = LARGE.undisturbed(&cloud.web, &[]);
    assert!(cloud.objects().await == wanted);
    // Nobody can abort what has no name: that takes a lifecycle rule of the bucket.
    assert_eq!(cloud.proxy.uploads().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_said_at_once_with_the_role_and_the_flag() {
    for method in ["", "PUT", "POST"] {
        let cloud = Cloud::with(&LARGE).await;
        cloud.proxy.always(method, "", GcsFault::status(403));
        let ran = cloud.run(&[]).exits(1);
        for words in ["Storage Object Admin", "--credentials", "403"] {
            assert!(ran.first()["error"].to_string().contains(words));
            assert!(ran.stderr.contains(words), "{}", ran.stderr);
        }
        assert!(!ran.stderr.contains("trying again"), "{}", ran.stderr);
        cloud.proxy.heal();
        assert!(cloud.objects().await.is_empty());
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_said_to_be_missing() {
    for month in [&*SMALL, &*LARGE] {
        let cloud = Cloud::with(month).await;
        let ran = cloud.run(&["--lake", "gs://no-such-lake/trips"]).exits(1);
        let words = "does the bucket exist, and is its name right?";
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        assert!(!ran.stderr.contains("trying again"), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn two_runs_of_a_month_take_turns_in_one_spool_and_agree_over_two() {
    let cloud = Cloud::with(&LARGE).await;
    let slow = GcsFault::Delay(Duration::from_millis(100));
    cloud.proxy.always("", TRIPS, slow);
    let neighbour = cloud.neighbour();
    let other = Running::start(neighbour.command(cloud.args(&[])));
    let both = [cloud.start(&[]), cloud.start(&[])].map(|run| run.end().exits(0).state());
    other.end().exits(0);
    assert!(both.contains(&"unchanged".to_owned()), "{both:?}");
    assert_eq!(neighbour.files("data"), Vec::<String>::new());
    cloud.assert_published(&[]).await;
}

#[tokio::test]
async fn two_runs_with_other_rules_never_part_trips_from_their_quarantine() {
    let cloud = Cloud::with(&SMALL).await;
    let neighbour = cloud.neighbour();
    for _ in 0..6 {
        let other = Running::start(neighbour.command(cloud.args(OTHER_RULES)));
        cloud.run(&[]).exits(0);
        other.end().exits(0);
        let objects = cloud.objects().await;
        let named = quarantine_of(&objects[SMALL.key]).unwrap();
        let digest = Digest::of(&objects[&named]);
        assert!(named.contains(digest.short()), "{named}");
    }
}

#[tokio::test]
async fn the_bytes_as_fetched_can_be_kept_and_cleaned_again() {
    let cloud = Cloud::with(&LARGE).await;
    cloud.run(&["--keep-raw"]).exits(0);
    let raw = "raw/yellow/yellow_tripdata_2010-01.csv.gz";
    assert!(cloud.objects().await[raw] == LARGE.bytes);
    cloud.web.clear_log();
    let mut args = month_args("yellow", "2010-01", "raw");
    args.extend(OTHER_RULES.iter().map(|&arg| arg.to_owned()));
    let ran = cloud.taxi.run(args).exits(0);
    assert_eq!(ran.state(), "published");
    assert_eq!(ran.rules("reasons")["negative_fare"], 40);
    assert!(cloud.web.requests().is_empty());
    let objects = cloud.objects().await;
    // The digest of what is kept is beside it.
    assert_eq!(objects.len(), 4);
    assert!(objects.contains_key("seen/yellow/yellow_tripdata_2010-01.raw.json"));
    assert!(objects.contains_key(&quarantine_of(&objects[LARGE.key]).unwrap()));
}

#[tokio::test]
async fn credentials_that_are_none_are_named_and_never_shown() {
    let cloud = Cloud::with(&SMALL).await;
    let rubbish = [
        "\"SECRET\"",
        "SECRET",
        "",
        r#"["SECRET"]"#,
        r#"{"type": "SECRET"}"#,
        r#"{"type": "service_account", "private_key": "SECRET", "private_key_id": "SECRET", "client_email": "SECRET"}"#,
    ];
    for how in ["TAXI_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"] {
        for text in rubbish {
            let taxi = Taxi::new().set("TAXI_LAKE", "gs://lake/trips").set(how, "key.json");
            let missing = taxi.run(cloud.args(&[])).exits(2).stderr;
            assert!(missing.contains("No such file"), "{missing}");
            std::fs::write(taxi.folder().join("key.json"), text).unwrap();
            let said = taxi.run(cloud.args(&[])).exits(2).stderr;
            for words in ["cannot be used: the", "--credentials"] {
                assert!(said.contains(words) && missing.contains("--credentials"));
            }
            assert!(!said.contains("SECRET"), "{said}");
        }
    }
}

#[tokio::test]
async fn an_emulator_is_given_no_credentials() {
    let cloud = Cloud::with(&SMALL).await;
    let taxi = cloud.neighbour().set("GOOGLE_APPLICATION_CREDENTIALS", "nothing.json");
    let started = Instant::now();
    taxi.run(cloud.args(&[])).exits(0);
    // Without an emulator it would wait for the metadata server of a machine of Google's.
    assert!(started.elapsed() < Duration::from_secs(60));
    cloud.assert_published(&[]).await;
}
