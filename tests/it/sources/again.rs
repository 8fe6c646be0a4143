//! What a second run does.

use super::*;
use taxi_test_support::web::Fault;

/// A fault that spoils every answer with a body: only 304 gets through.
const NO_BODIES: Fault = Fault::CloseAfter(1);

/// What the lake has: trips, quarantine and what else there is.
fn lake(served: &Served) -> Vec<String> {
    served.taxi.files("data")
}

#[tokio::test]
async fn an_unchanged_month_costs_one_request() {
    for form in [Form::CsvGz, Form::Csv, Form::Parquet] {
        let served = Served::new(form).await;
        served.assert_published(served.run());
        let (before, rows) = (lake(&served), served.made.rows_kept);
        served.web.clear_log();
        served.web.always(FILE, NO_BODIES);
        let ran = served.run().exits(0);
        assert_eq!((ran.state().as_str(), lake(&served)), ("unchanged", before));
        assert_eq!(ran.first()["rows_kept"], rows);
        let tags = served.asked("if-none-match");
        assert!(matches!(tags.as_slice(), [Some(tag)] if tag.starts_with('"')));
    }
}

#[tokio::test]
async fn an_unchanged_month_without_a_tag_is_told_by_its_date() {
    let served = Served::new(Form::CsvGz).await;
    served.web.always(FILE, Fault::NoEtag);
    served.assert_published(served.run());
    served.web.clear_log();
    served.web.always(FILE, NO_BODIES);
    let ran = served.run().exits(0);
    assert_eq!(ran.state(), "unchanged");
    assert_eq!(served.asked("if-none-match"), [None]);
    assert!(matches!(served.asked("if-modified-since").as_slice(), [Some(_)]));
}

#[tokio::test]
async fn a_changed_month_takes_the_place_of_the_old_one() {
    let mut served = Served::new(Form::CsvGz).await;
    served.assert_published(served.run());
    let before = served.taxi.files("data/quarantine");
    served.serve_edition(Form::CsvGz, 2);
    served.assert_published(served.run());
    assert_ne!(served.taxi.files("data/quarantine"), before);
    assert_eq!(lake(&served).len(), 2);
}

#[tokio::test]
async fn a_month_keeps_what_it_has_while_its_new_edition_fails() {
    let served = Served::new(Form::CsvGz).await;
    served.assert_published(served.run());
    let old = std::fs::read(served.taxi.lake(TRIPS)).unwrap();
    let before = served.taxi.files("data/quarantine");
    served.web.put(FILE, january(Form::CsvGz, 2).0[..9000].to_vec());
    assert_eq!(served.run().exits(1).state(), "failed");
    assert_eq!(std::fs::read(served.taxi.lake(TRIPS)).unwrap(), old);
    assert_eq!(served.taxi.files("data/quarantine"), before);
}

#[tokio::test]
async fn the_same_bytes_under_another_tag_are_the_same_month() {
    let served = Served::new(Form::CsvGz).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("green")).unwrap();
    let path = folder.path().join("green/2020-01");
    std::fs::write(&path, &served.bytes).unwrap();
    served.web.remove(FILE);
    served.web.folder(folder.path());
    served.assert_published(served.run());
    let old = served.asked("if-none-match");

    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let ran = served.run().exits(0);
    assert_eq!(ran.state(), "unchanged");
    assert_ne!(served.asked("if-none-match")[1..], old);
    assert_eq!(served.taxi.files("data/spool"), [""; 0]);
}

#[tokio::test]
async fn force_does_an_unchanged_month_again() {
    let served = Served::new(Form::CsvGz).await;
    served.assert_published(served.run());
    served.assert_published(served.run_with(&["--force"]));
    assert_eq!(served.asked("if-none-match"), [None, None]);
}

#[tokio::test]
async fn a_changed_rule_does_a_month_again() {
    let served = Served::new(Form::CsvGz).await;
    served.assert_published(served.run());
    let more = &["--reject", "negative_fare"];
    let ran = served.run_with(more).exits(0);
    assert_eq!(ran.state(), "published");
    assert_eq!(ran.rules("reasons")["negative_fare"], 7);
    assert!(ran.rules("flags").is_empty());
    assert_eq!(served.run_with(more).exits(0).state(), "unchanged");
    served.assert_published(served.run());
}

#[tokio::test]
async fn what_does_not_say_where_it_comes_from_is_replaced() {
    let served = Served::new(Form::CsvGz).await;
    std::fs::create_dir_all(served.taxi.lake("green")).unwrap();
    let foreign = january(Form::Parquet, 3).0;
    for bytes in [Vec::new(), b"PAR1 and rubbish".to_vec(), foreign] {
        std::fs::write(served.taxi.lake(TRIPS), bytes).unwrap();
        let ran = served.run();
        assert!(ran.stderr.contains("has no provenance"));
        served.assert_published(ran);
    }
}

#[tokio::test]
async fn a_file_whose_cleaning_failed_is_not_fetched_again() {
    let mut served = Served::new(Form::Csv).await;
    let text = String::from_utf8(served.bytes.clone()).unwrap();
    let text = text.replace("\r\n", ",full\r\n");
    served.bytes = text.replacen(",full", ",moon_phase", 1).into_bytes();
    served.web.put(FILE, served.bytes.clone());
    served.failure(served.run_with(&["--on-new-column", "fail"]));
    served.web.clear_log();
    let ran = served.run().exits(0);
    assert_eq!(ran.state(), "published");
    assert!(matches!(served.asked("if-none-match").as_slice(), [Some(_)]));
}

#[tokio::test]
async fn a_fetched_file_that_was_tampered_with_is_fetched_again() {
    let served = Served::new(Form::CsvGz).await;
    let file = served.taxi.lake("quarantine");
    std::fs::create_dir_all(served.taxi.lake("")).unwrap();
    std::fs::write(&file, "in the way").unwrap();
    assert_eq!(served.run().exits(1).state(), "failed");
    std::fs::remove_file(&file).unwrap();
    let spool = served.taxi.files("data/spool");
    let download = spool.iter().find(|it| it.ends_with("/download")).unwrap();
    let path = served.taxi.lake("spool").join(download);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    served.assert_published(served.run());
}

#[tokio::test]
async fn kept_bytes_are_cleaned_anew_without_the_web() {
    for form in [Form::CsvGz, Form::Csv, Form::Parquet] {
        let served = Served::new(form).await;
        served.run_with(&["--keep-raw"]).exits(0);
        let kept = served.taxi.lake(&format!("raw/green/green_tripdata_2020-01.{form}"));
        assert!(std::fs::read(kept).unwrap() == served.bytes);
        let Served { web, taxi, made, .. } = served;
        drop(web);

        let args = month_args("green", "2020-01", "raw");
        assert_eq!(taxi.run(&args).exits(0).state(), "unchanged");
        let flags = ["--off", "negative_fare"].map(str::to_owned);
        let ran = taxi.run(args.iter().chain(&flags)).exits(0);
        assert_eq!(ran.state(), "published");
        assert!(ran.rules("flags").is_empty());
        let ran = taxi.run(&args).exits(0);
        assert_eq!(ran.state(), "published");
        assert_holds(&taxi, &ran, &made);
    }
}

#[tokio::test]
async fn the_bytes_kept_are_the_last_whatever_their_format() {
    let mut served = Served::new(Form::CsvGz).await;
    served.run_with(&["--keep-raw"]).exits(0);
    served.serve_edition(Form::Parquet, 2);
    served.run_with(&["--keep-raw"]).exits(0);
    let kept = served.taxi.files("data/raw");
    assert_eq!(kept, ["green/green_tripdata_2020-01.parquet"]);
    let mut args = month_args("green", "2020-01", "raw");
    args.push("--force".to_owned());
    served.assert_published(served.taxi.run(args));
}

#[tokio::test]
async fn a_month_that_was_never_kept_is_not_there_to_be_cleaned() {
    let ran = Taxi::new().month("green", "2020-01", "raw").exits(0);
    assert_eq!(ran.state(), "not_published");
}
