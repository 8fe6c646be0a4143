//! A month that comes in parts is whole, or fails; and one that has a new tag is not fetched twice.

use super::*;

/// Checks that a month whose download is cut in the middle is loaded as it was made, under this
/// trouble with the rest of it.
async fn assert_whole(fault: Fault, form: Form) {
    let ingest = Ingest::new().await;
    let (bytes, made) = dirty(20_000).form(form).bytes();
    let half = bytes.len() as u64 / 2;
    ingest.web.put(FILE, bytes);
    ingest.web.always(FILE, fault);
    ingest.web.fault(FILE, Fault::CloseAfter(half));
    let ran = ingest.run(&[]).exits(0);
    assert_eq!(ran.state(), "loaded");
    assert_eq!(ran.first()["rows_loaded"], made.rows_kept);
    check(&ingest.warehouse, "green_trips", &made).await;
    let from = ingest.web.requests().iter().find_map(|request| {
        let range = request.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse::<u64>().ok()
    });
    // A connection that is cut may lose what was on its way.
    assert!(from.is_some_and(|from| (1..=half).contains(&from)), "{from:?} of {half}");
    assert_eq!(ingest.run(&[]).exits(0).state(), "unchanged");
}

#[tokio::test]
async fn a_rest_that_comes_in_slices_is_loaded_whole() {
    for form in [Form::Csv, Form::CsvGz] {
        assert_whole(Fault::Slices(100_000), form).await;
    }
}

#[tokio::test]
async fn a_rest_that_does_not_fit_is_never_joined_with_what_is_loaded_already() {
    for fault in [
        Fault::ContentRange("bytes {first}-{last}/{total+50}"),
        Fault::ContentRange("bytes {first+1}-{last}/{total}"),
        Fault::Multipart,
    ] {
        assert_whole(fault, Form::Csv).await;
    }
}

#[tokio::test]
async fn a_file_replaced_between_two_slices_is_loaded_as_it_is_then() {
    let ingest = Ingest::new().await;
    let (bytes, _) = dirty(60_000).form(Form::Csv).bytes();
    let half = bytes.len() as u64 / 2;
    ingest.web.put(FILE, bytes);
    ingest.web.fault(FILE, Fault::CloseAfter(half));
    ingest.web.fault(FILE, Fault::Slices(1_000_000));
    // The second slice is of another file.
    ingest.web.fault(FILE, Fault::Header("etag", "\"another\""));
    let made = {
        let ran = ingest.run(&["--retries", "5"]).exits(0);
        assert_eq!(ran.state(), "loaded");
        dirty(60_000).form(Form::Csv).bytes().1
    };
    check(&ingest.warehouse, "green_trips", &made).await;
    let ranges = ingest.web.requests();
    let ranges: Vec<_> = ranges.iter().map(|it| it.header("range").is_some()).collect();
    assert_eq!(ranges, [false, true, true, false]);
}

#[tokio::test]
async fn the_same_bytes_under_a_new_tag_are_fetched_once_by_the_ledger() {
    let ingest = Ingest::new().await;
    let made = ingest.serve(dirty(1000));
    ingest.run(&[]).exits(0);
    let loaded_at = "SELECT loaded_at::text FROM nyc_taxi.loads";
    let before = ingest.warehouse.value::<String>(loaded_at).await;
    ingest.web.always(FILE, Fault::NewTag(2));
    assert_eq!(ingest.run(&[]).exits(0).state(), "unchanged");
    ingest.web.clear_log();
    ingest.web.always(FILE, Fault::CloseAfter(1));
    let ran = ingest.run(&[]).exits(0);
    assert_eq!(
        (ran.state().as_str(), &ran.first()["rows_loaded"]),
        ("unchanged", &made.rows_kept.into())
    );
    let requests = ingest.web.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].header("if-none-match").unwrap().starts_with("\"2-"));
    assert_eq!(ingest.warehouse.value::<String>(loaded_at).await, before);
    let etag: String = ingest.warehouse.value("SELECT etag FROM nyc_taxi.loads").await;
    assert!(etag.starts_with("\"2-"), "{etag}");
    check(&ingest.warehouse, "green_trips", &made).await;
}
