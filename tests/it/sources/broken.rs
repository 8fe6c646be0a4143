//! Connections that break, and hosts that get lengths and ranges wrong.

use super::*;
use taxi_test_support::web::Fault;

const FORMS: [Form; 3] = [Form::CsvGz, Form::Csv, Form::Parquet];

/// The second request asks for the rest of the file that the first one began.
fn assert_resumed(served: &Served) {
    let requests = served.web.requests();
    let rest = format!("bytes={}-", served.half());
    assert_eq!(requests[1].header("range"), Some(rest.as_str()));
    assert!(requests[1].header("if-range").unwrap().starts_with('"'));
}

#[tokio::test]
async fn a_broken_connection_is_tried_again() {
    for form in FORMS {
        let served = Served::new(form).await;
        for fault in [Fault::ResetAfter, Fault::CloseAfter] {
            served.web.clear_log();
            served.web.fault(FILE, fault(served.half()));
            served.assert_published(served.run_with(&["--force"]));
            assert_eq!(served.web.requests().len(), 2);
        }
    }
}

#[tokio::test]
async fn a_file_is_gone_on_with_where_it_was_cut() {
    for form in FORMS {
        let served = Served::new(form).await;
        served.web.fault(FILE, Fault::CloseAfter(served.half()));
        served.assert_published(served.run());
        assert_resumed(&served);
    }
}

#[tokio::test]
async fn a_connection_may_break_many_times() {
    let served = Served::new(Form::CsvGz).await;
    for part in 1..5 {
        served.web.fault(FILE, Fault::CloseAfter(part * 1000));
    }
    served.assert_published(served.run());
    let ranges = ["bytes=1000-", "bytes=3000-", "bytes=6000-", "bytes=10000-"];
    let ranges = ranges.map(|range| Some(range.to_owned()));
    assert_eq!(served.asked("range")[1..], ranges);
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_first_byte_is_tried_again() {
    let served = Served::new(Form::CsvGz).await;
    served.web.fault(FILE, Fault::ResetAfter(0));
    served.web.fault(FILE, Fault::CloseAfter(0));
    served.assert_published(served.run());
    assert_eq!(served.asked("range"), [None, None, None]);
}

#[tokio::test]
async fn a_connection_that_always_breaks_fails_after_every_try() {
    let served = Served::new(Form::CsvGz).await;
    served.web.always(FILE, Fault::CloseAfter(100));
    let error = served.failure(served.run());
    insta::assert_snapshot!(error, @"
    http://host/green/2020-01: the connection broke (end of file before message length reached)
    ");
    assert_eq!(served.web.requests().len(), 5);
}

#[tokio::test]
async fn a_file_without_a_tag_is_begun_anew() {
    for form in FORMS {
        let served = Served::new(form).await;
        served.web.always(FILE, Fault::NoEtag);
        served.web.fault(FILE, Fault::CloseAfter(served.half()));
        served.assert_published(served.run());
        assert_eq!(served.asked("range"), [None, None]);
    }
}

#[tokio::test]
async fn a_host_that_knows_no_ranges_begins_anew() {
    for form in FORMS {
        let served = Served::new(form).await;
        served.web.always(FILE, Fault::IgnoreRange);
        served.web.fault(FILE, Fault::CloseAfter(served.half()));
        served.assert_published(served.run());
        assert!(served.asked("range")[1].is_some());
    }
}

#[tokio::test]
async fn a_file_that_changes_between_two_tries_is_not_joined_with_what_it_was() {
    for form in FORMS {
        let mut served = Served::new(form).await;
        served.web.fault(FILE, Fault::CloseAfter(served.half()));
        served.failure(served.run_with(&["--retries", "0"]));
        served.serve_edition(form, 2);
        served.assert_published(served.run());
        assert!(served.asked("if-range")[1].is_some());
        assert_eq!(served.web.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_host_that_joins_two_files_is_not_believed() {
    for form in FORMS {
        let mut served = Served::new(form).await;
        served.web.fault(FILE, Fault::CloseAfter(served.half()));
        served.failure(served.run_with(&["--retries", "0"]));
        served.serve_edition(form, 2);
        served.web.always(FILE, Fault::IgnoreIfRange);
        served.assert_published(served.run());
        assert!(served.asked("if-range")[1].is_some());
    }
}

#[tokio::test]
async fn chunks_are_as_good_as_a_length() {
    for form in FORMS {
        let served = Served::new(form).await;
        served.web.always(FILE, Fault::Chunked);
        served.web.fault(FILE, Fault::CloseAfter(served.half()));
        served.assert_published(served.run());
        assert_resumed(&served);
    }
}

#[tokio::test]
async fn a_parquet_file_without_a_length_is_proven_by_its_own_end() {
    let served = Served::new(Form::Parquet).await;
    served.web.always(FILE, Fault::NoEtag);
    served.web.fault(FILE, Fault::NoLength);
    served.assert_published(served.run());
    assert_eq!(served.web.requests().len(), 1);
}

#[tokio::test]
async fn a_text_without_a_length_is_proven_by_asking_for_what_follows() {
    for form in [Form::CsvGz, Form::Csv] {
        let served = Served::new(form).await;
        served.web.always(FILE, Fault::NoLength);
        served.assert_published(served.run());
        let rest = format!("bytes={}-", served.bytes.len());
        assert_eq!(served.asked("range"), [None, Some(rest)]);
        assert!(served.asked("if-range")[1].is_some());
    }
}

#[tokio::test]
async fn a_text_without_a_length_that_was_cut_is_gone_on_with() {
    for form in [Form::CsvGz, Form::Csv] {
        let served = Served::new(form).await;
        served.web.fault(FILE, Fault::NoLengthCloseAfter(served.half()));
        served.assert_published(served.run());
        assert_resumed(&served);
    }
}

#[tokio::test]
async fn a_gzip_file_cut_between_two_members_is_never_taken_as_whole() {
    for members in [2, 3, 5] {
        let (served, ends) = Served::in_members(members).await;
        for end in &ends[..ends.len() - 1] {
            // The host can be asked for the rest.
            served.web.fault(FILE, Fault::NoLengthCloseAfter(*end));
            served.assert_published(served.run_with(&["--force"]));
        }
        for (end, nothing_to_ask_by) in ends.iter().zip([
            Fault::NoEtag,
            Fault::WeakTag,
            Fault::IgnoreRange,
            Fault::NoEtag,
            Fault::WeakTag,
        ]) {
            let (served, _) = Served::in_members(members).await;
            served.web.always(FILE, nothing_to_ask_by);
            served.web.always(FILE, Fault::NoLengthCloseAfter(*end));
            assert!(served.failure(served.run()).contains("cannot be told from the end"));
        }
    }
}

#[tokio::test]
async fn a_gzip_file_in_members_that_says_its_length_is_read_to_its_end() {
    for framing in [Fault::Chunked, Fault::NoLength] {
        let (served, ends) = Served::in_members(4).await;
        served.web.always(FILE, framing);
        served.assert_published(served.run());
        served.web.fault(FILE, Fault::ChunkedCloseAfter(ends[1]));
        served.assert_published(served.run_with(&["--force"]));
    }
}

#[tokio::test]
async fn a_text_without_a_length_whose_end_the_host_cannot_prove_is_no_month() {
    let mut errors = Vec::new();
    for form in [Form::CsvGz, Form::Csv] {
        for nothing_to_ask_by in [Fault::NoEtag, Fault::WeakTag, Fault::IgnoreRange] {
            let served = Served::new(form).await;
            served.web.always(FILE, nothing_to_ask_by);
            served.web.fault(FILE, Fault::NoLength);
            errors.push(served.failure(served.run()));
        }
    }
    errors.dedup();
    insta::assert_snapshot!(errors.join("\n"), @"
    http://host/green/2020-01 sends the file without its length, not in chunks, and cannot be asked for the rest of it, so a broken connection cannot be told from the end of the file: it was not used. Download it by other means and name its folder with --source
    ");
}

#[tokio::test]
async fn a_file_that_changes_while_its_end_is_asked_for_is_fetched_again() {
    for form in [Form::CsvGz, Form::Csv] {
        let served = Served::new(form).await;
        served.web.fault(FILE, Fault::NoLength);
        served.web.fault(FILE, Fault::NewTag(2));
        served.assert_published(served.run());
        assert!(served.web.requests().len() > 2);
    }
}

#[tokio::test]
async fn a_file_that_is_cut_at_its_source_is_no_month() {
    let mut errors = Vec::new();
    for form in [Form::CsvGz, Form::Parquet] {
        let served = Served::new(form).await;
        let half = served.bytes[..served.half() as usize].to_vec();
        served.web.put(FILE, half);
        errors.push(served.failure(served.run()));
        served.web.put(FILE, served.bytes.clone());
        served.assert_published(served.run());
    }
    insta::assert_snapshot!(errors.join("\n"), @"
    the gzip file of green 2020-01 is damaged (incomplete deflate stream): nothing of it was used. Run again to fetch it again
    the Parquet file of green 2020-01 is damaged (it is truncated: there is no footer at its end): nothing of it was used. Run again to fetch it again
    ");
}

#[tokio::test]
async fn a_length_that_is_too_large_is_tried_again() {
    for form in FORMS {
        let served = Served::new(form).await;
        let more = served.bytes.len() as u64 + 10;
        served.web.fault(FILE, Fault::WrongLength(more));
        served.assert_published(served.run());
        // There is no more of it to go on with: it is begun anew.
        let rest = format!("bytes={}-", served.bytes.len());
        assert_eq!(served.asked("range"), [None, Some(rest), None]);
    }
}

#[tokio::test]
async fn a_length_that_is_always_too_large_is_no_month() {
    let served = Served::new(Form::Csv).await;
    let more = served.bytes.len() as u64 + 10;
    served.web.always(FILE, Fault::WrongLength(more));
    let error = served.failure(served.run());
    insta::assert_snapshot!(error, @"
    http://host/green/2020-01: the connection broke (end of file before message length reached)
    ");
    assert_eq!(served.web.requests().len(), 5);
}

#[tokio::test]
async fn a_length_that_is_too_small_is_no_month() {
    let mut errors = Vec::new();
    for form in [Form::CsvGz, Form::Parquet] {
        let served = Served::new(form).await;
        served.web.fault(FILE, Fault::WrongLength(served.half()));
        errors.push(served.failure(served.run()));
        served.assert_published(served.run());
    }
    insta::assert_snapshot!(errors.join("\n"), @"
    the gzip file of green 2020-01 is damaged (incomplete deflate stream): nothing of it was used. Run again to fetch it again
    the Parquet file of green 2020-01 is damaged (it is truncated: there is no footer at its end): nothing of it was used. Run again to fetch it again
    ");
}

#[tokio::test]
async fn a_host_that_falls_silent_is_asked_for_the_rest() {
    let served = Served::new(Form::CsvGz).await;
    let served = served.set("TAXI_STALL_TIMEOUT", "1s");
    served.web.fault(FILE, Fault::StallAfter(served.half()));
    served.assert_published(served.run());
    assert_resumed(&served);
}

#[tokio::test]
async fn a_host_that_stays_silent_fails_with_its_address() {
    let served = Served::new(Form::CsvGz).await;
    let served = served.set("TAXI_STALL_TIMEOUT", "500ms");
    served.web.always(FILE, Fault::StallAfter(0));
    let error = served.failure(served.run_with(&["--retries", "1"]));
    insta::assert_snapshot!(error, @"
    http://host/green/2020-01: no answer within the time limit (operation timed out)
    ");
    assert_eq!(served.web.requests().len(), 2);
}

#[tokio::test]
async fn a_slow_host_is_not_a_silent_one() {
    let served = Served::new(Form::CsvGz).await;
    // Longer than a busy machine keeps still, and shorter than the file takes.
    let served = served.set("TAXI_STALL_TIMEOUT", "3s");
    let bytes_per_second = served.bytes.len() as u64 / 5;
    served.web.always(FILE, Fault::Slow { bytes_per_second });
    served.assert_published(served.run());
    assert_eq!(served.web.requests().len(), 1);
}
