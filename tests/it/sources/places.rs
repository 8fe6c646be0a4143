//! Folders as sources, and several months in one run.

use super::*;
use taxi_test_support::web::Fault;

/// A program and a folder beside it with a file of this name, and what was made.
fn beside(name: &str, form: Form) -> (Taxi, Made) {
    let taxi = Taxi::new();
    let (bytes, made) = january(form, 1);
    let path = taxi.folder().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
    (taxi, made)
}

fn assert_found(name: &str, form: Form, source: &str) {
    let (taxi, made) = beside(name, form);
    let source = source.replace("HERE", taxi.folder().to_str().unwrap());
    let ran = taxi.month("green", "2020-01", &source).exits(0);
    assert_eq!(ran.state(), "published");
    assert_holds(&taxi, &ran, &made);
    let ran = taxi.month("green", "2020-01", &source).exits(0);
    assert_eq!(ran.state(), "unchanged");
    assert!(taxi.folder().join(name).exists());
}

#[test]
fn a_folder_is_a_source() {
    let name = "trips/green_tripdata_2020-01";
    assert_found(&format!("{name}.csv.gz"), Form::CsvGz, "trips/");
    assert_found(&format!("{name}.csv"), Form::Csv, "./trips");
    assert_found(&format!("{name}.parquet"), Form::Parquet, "HERE/trips");
}

#[test]
fn a_folder_of_each_colour_is_a_source() {
    let name = "trips/green/green_tripdata_2020-01.csv.gz";
    assert_found(name, Form::CsvGz, "trips/");
}

#[test]
fn a_file_address_is_a_source() {
    let name = "my trips/green_tripdata_2020-01.csv";
    assert_found(name, Form::Csv, "file://HERE/my%20trips");
    let template = "file://HERE/in/{year}/{colour}-{month}";
    assert_found("in/2020/green-01", Form::Parquet, template);
}

#[test]
fn a_template_is_filled_in_without_an_address() {
    assert_found("2020-01.csv", Form::Csv, "{year}-{month}.csv");
}

#[test]
fn a_missing_folder_is_an_error() {
    let ran = Taxi::new().month("green", "2020-01", "trips/").exits(1);
    assert_eq!(ran.state(), "failed");
    insta::assert_snapshot!(ran.first()["error"].as_str().unwrap(), @"cannot read trips: No such file or directory (os error 2)");
}

#[test]
fn a_month_missing_in_a_folder_is_not_published_yet() {
    let (taxi, _) = beside("trips/green_tripdata_2020-01.csv", Form::Csv);
    let ran = taxi.month("green", "2020-02", "./trips").exits(0);
    assert_eq!(ran.state(), "not_published");
    assert!(!taxi.lake("green").exists());
}

#[tokio::test]
async fn a_month_that_fails_does_not_stop_the_others() {
    let web = Web::start().await;
    for month in 1..=3 {
        let recipe = Recipe::new(Colour::Green, 2020, month).rows(500);
        web.put(&format!("/2020-0{month}"), recipe.bytes().0);
    }
    web.always("/2020-02", Fault::status(410));
    let taxi = Taxi::new();
    let source = web.url() + "/{year}-{month}";
    let args = ["run", "etl-web-to-gcs", "--year", "2020", "--months", "1-3"];
    let ran = taxi.run(args.iter().chain(&["--source", &source, "--output", "json"]));
    let report = ran.exits(1).json();
    let months = report["months"].as_array().unwrap();
    let states: Vec<_> = months.iter().map(|month| &month["state"]).collect();
    assert_eq!(states, ["published", "failed", "published"]);
    assert_eq!(report["ok"], false);
    let names = ["green_tripdata_2020-01.parquet", "green_tripdata_2020-03.parquet"];
    assert_eq!(taxi.files("data/green"), names);
}
