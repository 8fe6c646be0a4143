//! The bytes that are kept in the lake, whole or not at all.

use super::*;

const RAW: &str = "raw/green/green_tripdata_2020-01";

/// A month whose bytes are kept, and the file of them.
async fn kept(form: Form) -> (Served, std::path::PathBuf) {
    let served = Served::new(form).await;
    served.assert_published(served.run_with(&["--keep-raw"]));
    let path = served.taxi.lake(&format!("{RAW}.{form}"));
    (served, path)
}

fn again(served: &Served) -> Ran {
    let mut args = month_args("green", "2020-01", "raw");
    args.push("--force".to_owned());
    served.taxi.run(args)
}

#[tokio::test]
async fn kept_bytes_that_are_cut_or_changed_are_no_month() {
    for form in [Form::CsvGz, Form::Csv, Form::Parquet] {
        let (served, path) = kept(form).await;
        let trips = std::fs::read(served.taxi.lake(TRIPS)).unwrap();
        let line = served.bytes.iter().rposition(|byte| *byte == b'\n').unwrap();
        let line = served.bytes[..line].iter().rposition(|byte| *byte == b'\n').unwrap();
        let mut flipped = served.bytes.clone();
        flipped[served.half() as usize] ^= 1;
        for bytes in [&served.bytes[..=line], &served.bytes[..100], &flipped] {
            std::fs::write(&path, bytes).unwrap();
            let ran = again(&served).exits(1);
            let error = ran.first()["error"].as_str().unwrap().to_owned();
            let damaged = format!("is damaged: its {} bytes differ from those", bytes.len());
            assert!(error.contains(&damaged), "{error}");
            assert!(std::fs::read(served.taxi.lake(TRIPS)).unwrap() == trips);
        }
        std::fs::write(&path, &served.bytes).unwrap();
        served.assert_published(again(&served));
    }
}

#[tokio::test]
async fn bytes_that_are_kept_again_are_the_ones_that_count() {
    let (mut served, _) = kept(Form::CsvGz).await;
    for (edition, form) in [(2, Form::CsvGz), (3, Form::Parquet)] {
        served.serve_edition(form, edition);
        served.assert_published(served.run_with(&["--keep-raw"]));
        served.assert_published(again(&served));
    }
}

#[tokio::test]
async fn bytes_that_were_kept_before_their_digest_was_noted_are_read() {
    let (served, _) = kept(Form::Csv).await;
    std::fs::remove_dir_all(served.taxi.lake("seen")).unwrap();
    served.assert_published(again(&served));
    served.assert_published(served.run_with(&["--keep-raw", "--force"]));
    assert_eq!(served.taxi.files("data/seen"), ["green/green_tripdata_2020-01.raw.json"]);
}
