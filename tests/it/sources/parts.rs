//! Files that come in parts: what was promised first holds for every part.

use super::*;
use taxi_test_support::web::Fault;

const FORMS: [Form; 3] = [Form::CsvGz, Form::Csv, Form::Parquet];

/// A month whose first download is cut in the middle.
async fn cut(form: Form) -> Served {
    let served = Served::new(form).await;
    served.web.fault(FILE, Fault::CloseAfter(served.half()));
    served
}

impl Served {
    /// The request for the rest of a file of which half has come.
    fn rest(&self) -> Option<String> {
        Some(format!("bytes={}-", self.half()))
    }

    /// Checks that what came in answer to the request for the rest was not joined with the half
    /// before it.
    fn assert_begun_again(&self, what: &str) {
        self.assert_published(self.run());
        assert_eq!(self.asked("range"), [None, self.rest(), None], "{what}");
    }
}

#[tokio::test]
async fn a_rest_that_comes_in_slices_is_asked_for_to_its_end() {
    for form in FORMS {
        for slices in [2, 7] {
            let served = cut(form).await;
            let (length, half) = (served.bytes.len() as u64, served.half());
            let slice = (length - half).div_ceil(slices);
            served.web.always(FILE, Fault::Slices(slice));
            served.assert_published(served.run());
            let wanted = (0..slices).map(|n| Some(format!("bytes={}-", half + n * slice)));
            let wanted: Vec<_> = std::iter::once(None).chain(wanted).collect();
            assert_eq!(served.asked("range"), wanted);
            assert!(served.asked("if-range")[1..].iter().all(Option::is_some));
        }
    }
}

#[tokio::test]
async fn slices_go_on_where_one_of_them_was_cut_and_where_a_run_ended() {
    let served = cut(Form::Csv).await;
    served.web.always(FILE, Fault::Slices(30_000));
    served.web.fault(FILE, Fault::CloseAfter(10_000));
    served.failure(served.run_with(&["--retries", "1"]));
    served.assert_published(served.run());
    let starts = [0, 10_000, 40_000].map(|more| Some(format!("bytes={}-", served.half() + more)));
    assert_eq!(served.asked("range")[1..4], starts);
}

#[tokio::test]
async fn slices_of_a_file_that_changes_between_them_are_not_joined() {
    for form in FORMS {
        let mut served = cut(form).await;
        served.web.fault(FILE, Fault::Slices(1000));
        served.web.fault(FILE, Fault::CloseAfter(500));
        served.failure(served.run_with(&["--retries", "0"]));
        served.failure(served.run_with(&["--retries", "0"]));
        served.serve_edition(form, 2);
        served.web.always(FILE, Fault::IgnoreIfRange);
        served.assert_published(served.run());
    }
}

#[tokio::test]
async fn a_rest_that_does_not_fit_what_was_promised_is_not_joined() {
    for named in [
        "bytes {first}-{last}/{total+50}",
        "bytes {first}-{last}/{total-1}",
        "bytes {first+1}-{last}/{total}",
        "bytes {first-1}-{last}/{total}",
        "bytes {first}-{last+1}/{total}",
        "bytes {first}-{last-1}/{total}",
        "bytes {first}-{last+1}/*",
        "bytes 0-{last}/{total}",
        "bytes -{first}-{last}/{total}",
        "bytes {first}-{last}/-{total}",
        "bytes {last}-{first}/{total}",
        "bytes {first}-18446744073709551615/{total}",
        "bytes {first}-99999999999999999999/{total}",
        "bytes {first}-{last}/99999999999999999999",
        "bytes {first}-{last}",
        "bytes */{total}",
        "octets {first}-{last}/{total}",
        "{first}-{last}/{total}",
        "rubbish",
        "",
    ] {
        let served = cut(Form::Csv).await;
        served.web.always(FILE, Fault::ContentRange(named));
        served.assert_begun_again(named);
    }
}

#[tokio::test]
async fn a_rest_of_another_length_is_known_after_a_kill_and_without_a_tag() {
    for form in FORMS {
        let served = cut(form).await;
        served.failure(served.run_with(&["--retries", "0"]));
        served.web.fault(FILE, Fault::ContentRange("bytes {first}-{last}/{total+50}"));
        served.assert_begun_again("after a run that failed");
    }
    let mut served = cut(Form::Csv).await;
    served.failure(served.run_with(&["--retries", "0"]));
    let old = served.rest();
    served.serve_edition(Form::Csv, 2);
    served.web.always(FILE, Fault::IgnoreIfRange);
    served.web.fault(FILE, Fault::Header("etag", ""));
    served.assert_published(served.run());
    assert_eq!(served.asked("range"), [None, old, None]);
}

#[tokio::test]
async fn a_rest_is_joined_however_its_place_is_spelled() {
    for named in [
        "Bytes {first}-{last}/{total}",
        "BYTES {first}-{last}/{total}",
        "bytes   {first} - {last} / {total}",
        "bytes={first}-{last}/{total}",
        "bytes {first}-{last}/*",
    ] {
        let served = cut(Form::Csv).await;
        served.web.always(FILE, Fault::ContentRange(named));
        served.web.always(FILE, Fault::Header("accept-ranges", "Bytes"));
        served.assert_published(served.run());
        assert_eq!(served.asked("range"), [None, served.rest()], "{named}");
    }
}

#[tokio::test]
async fn a_rest_of_a_file_of_which_nobody_says_the_length_is_not_joined() {
    let served = cut(Form::Csv).await;
    served.web.always(FILE, Fault::Chunked);
    served.web.always(FILE, Fault::ContentRange("bytes {first}-{last}/*"));
    served.assert_begun_again("no length");
}

#[tokio::test]
async fn a_length_that_the_rest_is_the_first_to_name_holds_from_then_on() {
    let served = cut(Form::Csv).await;
    served.web.always(FILE, Fault::Chunked);
    served.web.always(FILE, Fault::Slices(served.half() / 2 + 1));
    served.assert_published(served.run());
    assert_eq!(served.asked("range").len(), 3);
}

#[tokio::test]
async fn a_rest_of_a_file_that_was_changed_is_not_joined() {
    for (name, value) in [
        ("etag", "\"another\""),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("content-encoding", "gzip"),
        ("content-encoding", "br"),
        ("content-length", "10"),
    ] {
        let served = cut(Form::Csv).await;
        served.web.fault(FILE, Fault::CloseAfter(served.half()));
        served.failure(served.run_with(&["--retries", "0"]));
        served.web.heal();
        served.web.clear_log();
        served.web.fault(FILE, Fault::Header(name, value));
        served.assert_published(served.run());
        assert_eq!(served.asked("range"), [served.rest(), None], "{name}");
    }
}

#[tokio::test]
async fn two_places_for_one_rest_are_none() {
    let served = cut(Form::Csv).await;
    served.web.always(FILE, Fault::HeaderBesides("content-range", "bytes 0-9/10"));
    let error = served.failure(served.run_with(&["--retries", "1"]));
    insta::assert_snapshot!(error, @"http://host/green/2020-01 answers 206 with a part that was not requested: it states several ranges");
    served.web.heal();
    served.assert_published(served.run());
}

#[tokio::test]
async fn parts_in_one_body_are_not_joined() {
    for form in FORMS {
        let served = cut(form).await;
        served.web.always(FILE, Fault::Multipart);
        served.assert_begun_again("multipart");
    }
}

#[tokio::test]
async fn a_rest_that_is_longer_than_it_says_is_not_joined() {
    for form in FORMS {
        let served = cut(form).await;
        served.web.always(FILE, Fault::Chunked);
        served.web.fault(FILE, Fault::Longer(10));
        served.assert_begun_again("longer");
    }
}

#[tokio::test]
async fn a_rest_that_is_shorter_than_it_says_is_asked_on_for() {
    for form in FORMS {
        let served = cut(form).await;
        served.web.fault(FILE, Fault::NoLengthCloseAfter(1000));
        served.assert_published(served.run());
        let next = Some(format!("bytes={}-", served.half() + 1000));
        assert_eq!(served.asked("range"), [None, served.rest(), next]);
    }
}

#[tokio::test]
async fn chunks_that_end_early_are_gone_on_with() {
    for form in FORMS {
        let served = Served::new(form).await;
        served.web.fault(FILE, Fault::ChunkedCloseAfter(served.half()));
        served.assert_published(served.run());
        assert_eq!(served.asked("range"), [None, served.rest()]);
    }
}

#[tokio::test]
async fn a_weak_tag_joins_nothing_and_tells_an_unchanged_file() {
    let served = cut(Form::CsvGz).await;
    served.web.always(FILE, Fault::WeakTag);
    served.assert_published(served.run());
    assert_eq!(served.asked("range"), [None, None]);
    served.web.clear_log();
    assert_eq!(served.run().exits(0).state(), "unchanged");
    assert!(served.asked("if-none-match")[0].as_ref().unwrap().starts_with("W/\""));
    assert_eq!(served.asked("if-range"), [None]);
}

#[tokio::test]
async fn the_tag_of_the_first_answer_is_the_tag_of_the_file() {
    let served = cut(Form::CsvGz).await;
    served.web.always(FILE, Fault::Header("x-cache", "hit"));
    served.failure(served.run_with(&["--retries", "0"]));
    // What goes on with a file need not say again what it is.
    served.web.fault(FILE, Fault::Header("etag", ""));
    served.assert_published(served.run());
    assert_eq!(served.asked("range"), [None, served.rest()]);
    served.web.clear_log();
    assert_eq!(served.run().exits(0).state(), "unchanged");
    assert!(
        matches!(served.asked("if-none-match").as_slice(), [Some(tag)] if tag.starts_with('"'))
    );
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_is_no_month() {
    let mut errors = Vec::new();
    for fault in [
        Fault::PartUnasked(1000),
        Fault::Code(206),
        Fault::Header("content-range", "bytes 0-99/200"),
        Fault::Header("content-range", "bytes 100-199/200"),
    ] {
        let served = Served::new(Form::Csv).await;
        served.web.always(FILE, fault);
        errors.push(served.failure(served.run()));
        assert_eq!(served.web.requests().len(), 1);
    }
    insta::assert_snapshot!(errors.join("\n"), @r"
    http://host/green/2020-01 answers 206 with a part of the file, although the whole file was requested: it is not the whole. The fault is in the server or in a proxy in front of it
    http://host/green/2020-01 answers 206 with a part of the file, although the whole file was requested: it does not state its range. The fault is in the server or in a proxy in front of it
    http://host/green/2020-01 answers 200 with a part of the file, although the whole file was requested: its status says that it is the whole file. The fault is in the server or in a proxy in front of it
    http://host/green/2020-01 answers 200 with a part of the file, although the whole file was requested: its status says that it is the whole file. The fault is in the server or in a proxy in front of it
    ");
}

#[tokio::test]
async fn a_part_that_is_the_whole_is_as_good_as_the_whole() {
    for form in FORMS {
        let served = Served::new(form).await;
        served.web.always(FILE, Fault::PartUnasked(u64::MAX));
        served.assert_published(served.run());
        assert_eq!(served.web.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_rest_under_the_status_of_a_whole_is_not_taken_for_one() {
    for form in FORMS {
        let served = cut(form).await;
        served.web.fault(FILE, Fault::Code(200));
        served.assert_begun_again("200");
    }
}

#[tokio::test]
async fn a_file_whose_last_byte_came_before_the_kill_is_not_fetched_again() {
    let served = Served::new(Form::Csv).await;
    let in_the_way = served.taxi.lake("quarantine");
    std::fs::create_dir_all(served.taxi.lake("")).unwrap();
    std::fs::write(&in_the_way, "in the way").unwrap();
    assert_eq!(served.run().exits(1).state(), "failed");
    std::fs::remove_file(&in_the_way).unwrap();
    let spool = served.taxi.files("data/spool");
    let note = spool.iter().find(|it| it.ends_with("/download.json")).unwrap();
    let note = served.taxi.lake("spool").join(note);
    let mut said: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&note).unwrap()).unwrap();
    assert_eq!(said["length"], served.bytes.len());
    said["sha256"] = serde_json::Value::Null;
    std::fs::write(&note, said.to_string()).unwrap();
    served.web.clear_log();
    served.assert_published(served.run());
    assert_eq!(served.asked("range"), [None]);
    assert!(served.asked("if-none-match")[0].is_some());
}
