//! Runs that end in the middle of publishing to Google Cloud Storage; the server is the fake
//! one of `lake_gcs`.

use std::time::{Duration, Instant};

use crate::cloud::Cloud;
use crate::harness::running::{LARGE, OTHER_RULES, SMALL, SOON};
use taxi_test_support::gcs::GcsFault;

#[tokio::test]
async fn a_run_killed_while_it_uploads_is_cleared_up_by_the_next() {
    for fault in [GcsFault::Stall, GcsFault::Delay(Duration::from_secs(30))] {
        let cloud = Cloud::with(&LARGE).await;
        cloud.proxy.fault("PUT", "partNumber=2", fault);
        let run = cloud.start(&[]);
        cloud.until_called("PUT", "partNumber=2");
        run.kill();
        assert_eq!(cloud.proxy.uploads().len(), 1);
        assert!(!cloud.objects().await.contains_key(LARGE.key));
        assert_eq!(cloud.run(&[]).exits(0).state(), "published");
        cloud.assert_published(&[]).await;
    }
}

#[tokio::test]
async fn a_run_killed_before_it_completes_leaves_the_old_month_whole() {
    let cloud = Cloud::with(&LARGE).await;
    cloud.run(&[]).exits(0);
    cloud.proxy.fault("POST", "uploadId=", GcsFault::Stall);
    let run = cloud.start(OTHER_RULES);
    cloud.until_called("PUT", "partNumber=2");
    cloud.until_called("POST", "uploadId=upload-00001");
    run.kill();
    let wanted = LARGE.undisturbed(&cloud.web, &[]);
    let objects = cloud.objects().await;
    for (key, bytes) in &wanted {
        assert!(objects[key] == bytes, "{key}");
    }
    // Back to the rules it was made by: nothing to do but to clear up.
    assert_eq!(cloud.run(&[]).exits(0).state(), "unchanged");
    cloud.assert_published(&[]).await;
}

#[tokio::test]
async fn a_quarantine_that_no_trips_came_to_name_is_removed_by_the_next_run() {
    let cloud = Cloud::with(&SMALL).await;
    cloud.proxy.fault("PUT", "trips/green/", GcsFault::Stall);
    let run = cloud.start(&[]);
    cloud.until_called("PUT", "trips/green/");
    run.kill();
    let objects = cloud.objects().await;
    let orphans: Vec<_> = objects.keys().collect();
    assert!(orphans.len() == 1 && orphans[0].starts_with("quarantine/"));
    assert_eq!(cloud.run(OTHER_RULES).exits(0).state(), "published");
    cloud.assert_published(OTHER_RULES).await;
}

#[tokio::test]
async fn a_replaced_quarantine_is_removed_though_its_run_was_killed() {
    let cloud = Cloud::with(&SMALL).await;
    cloud.run(&[]).exits(0);
    let old = "trips/quarantine/";
    cloud.proxy.fault("DELETE", old, GcsFault::Stall);
    let run = cloud.start(OTHER_RULES);
    cloud.until_called("DELETE", old);
    run.kill();
    assert_eq!(cloud.objects().await.len(), 3);
    assert_eq!(cloud.run(OTHER_RULES).exits(0).state(), "unchanged");
    cloud.assert_published(OTHER_RULES).await;
}

#[tokio::test]
async fn leftovers_are_cleared_though_the_source_has_lost_the_month() {
    let cloud = Cloud::with(&LARGE).await;
    cloud.proxy.fault("PUT", "partNumber=2", GcsFault::Stall);
    let run = cloud.start(&[]);
    cloud.until_called("PUT", "partNumber=2");
    run.kill();
    cloud.web.remove(&LARGE.path());
    assert_eq!(cloud.run(&[]).exits(0).state(), "not_published");
    assert!(cloud.proxy.uploads().is_empty());
    assert!(cloud.objects().await.is_empty());
    assert_eq!(cloud.taxi.files("data"), Vec::<String>::new());
}

#[tokio::test]
async fn a_run_told_to_stop_aborts_its_upload() {
    for (method, call) in [("PUT", "partNumber=2"), ("POST", "uploadId=")] {
        let cloud = Cloud::with(&LARGE).await;
        cloud.proxy.fault(method, call, GcsFault::Stall);
        let run = cloud.start(&[]);
        cloud.until_called(method, call);
        let asked = Instant::now();
        run.terminate();
        run.end().exits(130);
        assert!(asked.elapsed() < SOON);
        assert!(cloud.proxy.uploads().is_empty());
        assert!(!cloud.objects().await.contains_key(LARGE.key));
        assert_eq!(cloud.run(&[]).exits(0).state(), "published");
        cloud.assert_published(&[]).await;
    }
}

#[tokio::test]
async fn a_run_told_to_stop_leaves_an_upload_it_cannot_abort_to_the_next() {
    let cloud = Cloud::with(&LARGE).await;
    cloud.proxy.fault("PUT", "partNumber=2", GcsFault::Stall);
    cloud.proxy.fault("DELETE", "uploadId=", GcsFault::Stall);
    let run = cloud.start(&[]);
    cloud.until_called("PUT", "partNumber=2");
    let asked = Instant::now();
    run.terminate();
    run.end().exits(130);
    assert!(asked.elapsed() < SOON);
    assert_eq!(cloud.proxy.uploads().len(), 1);
    assert_eq!(cloud.run(&[]).exits(0).state(), "published");
    cloud.assert_published(&[]).await;
}
