//! A good month is not replaced by an almost empty one: what is refused, what stays, and how people
//! inspect it.

use nyc_taxi_etl::clean::RULES;
use nyc_taxi_etl::guard::FAULTS;
use serde_json::Value;

use crate::cloud::objects as cloud_objects;
use crate::harness::running::{Objects, Running, assert_same, objects};
use crate::harness::taxi::{Ran, Taxi, month_args};
use taxi_test_support::gcs::{GcsFault, GcsProxy};
use taxi_test_support::generate::{Colour, Form, Recipe};

const HEADER: &str =
    "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,trip_distance\n";
const TRIP: &str = "2,2020-01-05 10:00:00,2020-01-05 10:20:00,N,3.25\n";
const OF_FEBRUARY: &str = "2,2020-02-05 10:00:00,2020-02-05 10:20:00,N,3.25\n";
const OTHER_FORM: &str = "2,2020-01-05 10:00:00,2020-01-05 10:20:00,N,\"3,25\"\n";
const BACKWARDS: &str = "2,2020-01-05 10:00:00,2020-01-05 09:20:00,N,3.25\n";

/// A file of so many of each of these rows.
fn file(rows: &[(&str, usize)]) -> Vec<u8> {
    let rows = rows.iter().map(|(row, times)| row.repeat(*times));
    (HEADER.to_owned() + &rows.collect::<String>()).into_bytes()
}

fn good() -> Vec<u8> {
    file(&[(TRIP, 1000)])
}

/// A Parquet file of a month without a single row.
fn empty_parquet() -> Vec<u8> {
    Recipe::new(Colour::Green, 2020, 1).form(Form::Parquet).rows(0).bytes().0
}

/// What must not take the place of a thousand trips, and a part of why.
fn unfit() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    vec![
        (
            "another month's",
            file(&[(TRIP, 3), (OF_FEBRUARY, 1000)]),
            "1,000 of its 1,003 rows (99.7%) were set aside because of the file: \
             pickup_outside_month 1,000 (the limit is 5%); it has 3 trips, and the stored edition has 1,000 (99.7% fewer, the limit is 10%)",
        ),
        (
            "another form",
            file(&[(OTHER_FORM, 995), (&TRIP.replace("3.25", ""), 5)]),
            "it has 5 trips, and the stored edition has 1,000",
        ),
        (
            "a header alone",
            file(&[]),
            "its file has no rows; it has 0 trips, and the stored edition has 1,000",
        ),
        ("Parquet of no row", empty_parquet(), "its file has no rows"),
        (
            "half of it",
            file(&[(TRIP, 500)]),
            "0 of its 500 rows (0%) were set aside because of the file; it has 500 trips, and the stored edition has 1,000 (50% fewer, the limit is 10%)",
        ),
        (
            "a third unreadable",
            file(&[(TRIP, 1000), (OTHER_FORM, 500)]),
            "500 of its 1,500 rows (33.3%) were set aside because of the file",
        ),
        (
            "dropped off before",
            file(&[(TRIP, 400), (BACKWARDS, 600)]),
            "it has 400 trips, and the stored edition has 1,000",
        ),
        (
            "nothing of it",
            file(&[(OF_FEBRUARY, 1000)]),
            "none of the 1000 rows of green 2020-01 is a trip of that month",
        ),
    ]
}

/// A lake and the file that comes to it.
struct Month {
    taxi: Taxi,
}

impl Month {
    fn new() -> Self {
        Self::at(Taxi::new())
    }

    fn at(taxi: Taxi) -> Self {
        std::fs::create_dir(taxi.folder().join("in")).unwrap();
        Self { taxi }
    }

    /// With a thousand good trips in the lake.
    fn published() -> Self {
        let month = Self::new();
        month.bring(good(), &[]).exits(0);
        month
    }

    fn put(&self, bytes: Vec<u8>) {
        std::fs::write(self.taxi.folder().join("in/green_tripdata_2020-01.csv"), bytes).unwrap();
    }

    fn args(more: &[&str]) -> Vec<String> {
        let args = month_args("green", "2020-01", "in/").into_iter();
        args.chain(more.iter().map(ToString::to_string)).collect()
    }

    fn bring(&self, bytes: Vec<u8>, more: &[&str]) -> Ran {
        self.put(bytes);
        self.taxi.run(Self::args(more))
    }

    /// What the local lake has of the month.
    fn lake(&self) -> Objects {
        editions(objects(&self.taxi))
    }

    fn refused(&self) -> Vec<String> {
        self.taxi.files("data/refused/green")
    }

    fn quarantine(&self, more: &[&str]) -> Ran {
        let args = ["quarantine", "--colour", "green", "--month", "2020-01"];
        self.taxi.run(args.iter().chain(more))
    }
}

/// The objects of a lake without what is kept of refused editions and of what the source said.
fn editions(mut objects: Objects) -> Objects {
    let beside = ["refused/", "seen/", "spool/"];
    objects.retain(|key, _| !beside.iter().any(|folder| key.starts_with(folder)));
    objects
}

fn error(ran: Ran) -> String {
    let ran = ran.exits(1);
    assert_eq!(ran.state(), "failed");
    ran.first()["error"].as_str().unwrap().to_owned()
}

#[test]
fn the_rules_that_are_the_files_fault_are_those_that_nobody_can_change() {
    let fixed = RULES.iter().filter(|rule| rule.fixed).map(|rule| rule.name);
    assert_eq!(fixed.collect::<Vec<_>>(), FAULTS);
}

#[test]
fn a_good_month_is_not_replaced_by_next_to_nothing() {
    let month = Month::published();
    let before = month.lake();
    for (name, bytes, why) in unfit() {
        let said = error(month.bring(bytes, &[]));
        assert!(said.contains(why), "{name}: {said}");
        assert_same(&month.lake(), &before);
    }
    assert_eq!(month.bring(good(), &[]).exits(0).state(), "unchanged");
    assert_same(&month.lake(), &before);
    assert!(month.refused().is_empty() && month.taxi.files("data/spool").is_empty());
}

#[test]
fn a_bad_file_is_refused_even_if_nothing_is_there() {
    let files = [
        (file(&[(TRIP, 3), (OF_FEBRUARY, 1000)]), "1,000 of its 1,003 rows (99.7%)"),
        (file(&[(OTHER_FORM, 995), (TRIP, 5)]), "995 of its 1,000 rows (99.5%)"),
        (file(&[(OTHER_FORM, 300), (TRIP, 700)]), "300 of its 1,000 rows (30%)"),
        (file(&[(OF_FEBRUARY, 50)]), "none of the 50 rows"),
    ];
    for (bytes, why) in files {
        let month = Month::new();
        let said = error(month.bring(bytes, &[]));
        assert!(said.contains(why), "{said}");
        assert!(month.lake().is_empty());
    }
}

#[test]
fn what_a_small_file_has_set_aside_does_not_refuse_it() {
    let month = Month::new();
    let small = file(&[(TRIP, 1), (OF_FEBRUARY, 1), (OTHER_FORM, 1)]);
    assert_eq!(month.bring(small, &[]).exits(0).state(), "published");
    let ran = month.bring(file(&[(TRIP, 30), (OF_FEBRUARY, 10)]), &[]).exits(0);
    assert_eq!(ran.first()["replaced"], serde_json::json!({"rows_before": 1, "rows_after": 30}));
    let said = error(month.bring(file(&[(TRIP, 10), (OF_FEBRUARY, 30)]), &[]));
    assert!(said.contains("30 of its 40 rows (75%)"), "{said}");
}

#[test]
fn force_is_stronger_and_warns_with_both_numbers() {
    let (_, bytes, why) = unfit().remove(0);
    let month = Month::published();
    error(month.bring(bytes.clone(), &[]));
    let ran = month.bring(bytes, &["--force"]).exits(0);
    assert_eq!(ran.state(), "published");
    let warning = format!("green 2020-01: accepted because of --force, although {why}");
    assert!(ran.stderr.contains(&warning), "{}", ran.stderr);
    assert_eq!(ran.first()["replaced"], serde_json::json!({"rows_before": 1000, "rows_after": 3}));
    assert!(month.refused().is_empty());
    let ran = month.bring(file(&[]), &["--force"]).exits(0);
    assert_eq!(ran.first()["rows_kept"], 0);
}

#[test]
fn the_limits_are_settings() {
    let month = Month::published();
    let fewer = || file(&[(TRIP, 930), (OTHER_FORM, 140)]);
    assert!(error(month.bring(fewer(), &[])).contains("(the limit is 5%)"));
    let ran = month.bring(fewer(), &["--max-set-aside", "15%"]).exits(0);
    assert_eq!(ran.first()["rows_kept"], 930);
    let half = || file(&[(TRIP, 500)]);
    assert!(error(month.bring(half(), &[])).contains("(46.2% fewer, the limit is 10%)"));
    std::fs::write(month.taxi.folder().join("taxi.toml"), "max_shrink = \"50%\"\n").unwrap();
    assert_eq!(month.bring(half(), &[]).exits(0).first()["rows_kept"], 500);
    for wrong in ["5", "200%"] {
        let said = month.bring(half(), &["--max-shrink", wrong]).exits(2).stderr;
        assert!(said.contains("write it as 5% or 2.5%"), "{said}");
    }
}

#[test]
fn rules_that_people_change_do_not_refuse_a_month() {
    let month = Month::new();
    let refunds = TRIP.replace("3.25", "0");
    let bytes = file(&[(TRIP, 100), (&refunds, 900)]);
    let bytes = String::from_utf8(bytes).unwrap().replace("trip_distance", "fare_amount");
    let bytes = bytes.replace(",0\n", ",-1\n").into_bytes();
    month.bring(bytes.clone(), &[]).exits(0);
    let ran = month.bring(bytes, &["--reject", "negative_fare"]).exits(0);
    assert_eq!(
        ran.first()["replaced"],
        serde_json::json!({"rows_before": 1000, "rows_after": 100})
    );
}

#[test]
fn a_refused_edition_can_be_looked_at_until_the_month_is_right_again() {
    let month = Month::published();
    let said = error(month.bring(file(&[(TRIP, 3), (OF_FEBRUARY, 1000)]), &[]));
    let rows = month.refused().into_iter().find(|name| name.ends_with(".parquet")).unwrap();
    let see = format!(
        "The rows set aside are in data/refused/green/{rows}: see them with taxi quarantine \
         --colour green --month 2020-01 --refused"
    );
    assert!(said.ends_with(&see), "{said}");

    let shown = month.quarantine(&["--refused", "--limit", "1"]).exits(0).stdout;
    assert!(shown.starts_with("green 2020-01: 1,000 of 1,003 rows set aside, in data/refused/"));
    for words in ["      1,000  pickup_outside_month", "2,2020-02-05 10:00:00"] {
        assert!(shown.contains(words), "{shown}");
    }
    assert!(shown.contains("green 2020-01 is refused, the stored edition stays"), "{shown}");
    let json = month.quarantine(&["--refused", "--output", "json"]).exits(0).json();
    assert_eq!(json["rows"].as_array().unwrap().len(), 1000);
    assert_eq!(json["rows_read"], 1003);
    let why = json["refused"]["why"].as_str().unwrap();
    assert!(why.contains("pickup_outside_month 1,000"), "{why}");
    let shown = month.quarantine(&[]).exits(0).stdout;
    assert!(shown.starts_with("green 2020-01: 0 of 1,000 rows set aside"), "{shown}");
    assert!(shown.contains("see it with --refused"), "{shown}");

    // The next takes its place.
    error(month.bring(file(&[(TRIP, 5), (OTHER_FORM, 995)]), &[]));
    assert_eq!(month.refused().len(), 2);
    let csv = month.quarantine(&["--refused", "--output", "csv"]).exits(0).stdout;
    assert_eq!(csv.lines().count(), 996);
    // One that has no row set aside too.
    error(month.bring(file(&[]), &[]));
    assert_eq!(month.refused(), ["green_tripdata_2020-01.json"]);
    let shown = month.quarantine(&["--refused"]).exits(0).stdout;
    assert!(shown.contains("no rows"), "{shown}");

    month.bring(file(&[(TRIP, 1100)]), &[]).exits(0);
    assert!(month.refused().is_empty());
    let said = month.quarantine(&["--refused"]).exits(1).stderr;
    assert!(said.contains("no edition of green 2020-01 has been refused"), "{said}");
}

#[test]
fn a_month_that_was_never_published_names_the_edition_that_was_refused() {
    let month = Month::new();
    error(month.bring(file(&[(OF_FEBRUARY, 50)]), &[]));
    let said = month.quarantine(&[]).exits(1).stderr;
    assert!(said.contains("is not in the lake data") && said.contains("--refused"), "{said}");
    let csv = month.quarantine(&["--refused", "--output", "csv"]).exits(0).stdout;
    assert_eq!(csv.lines().count(), 51);
    let drop =
        ["drop", "--colour", "green", "--month", "2020-01", "--from-stores", "lake", "--yes"];
    month.taxi.run(drop).exits(0);
    assert!(month.refused().is_empty());
}

#[test]
fn raw_bytes_of_a_refused_edition_do_not_replace_those_that_are_kept() {
    let month = Month::new();
    month.bring(good(), &["--keep-raw"]).exits(0);
    let before = month.lake();
    error(month.bring(file(&[(TRIP, 3)]), &["--keep-raw"]));
    assert_same(&month.lake(), &before);
}

#[test]
fn the_report_of_a_month_says_what_it_replaces() {
    let month = Month::published();
    let ran = month.bring(file(&[(TRIP, 990)]), &[]).exits(0);
    let replaced = serde_json::json!({"rows_before": 1000, "rows_after": 990});
    assert_eq!(ran.first()["replaced"], replaced);
    assert!(ran.stderr.contains("990 kept + 0 quarantined, 1,000 before"), "{}", ran.stderr);
    month.put(file(&[(TRIP, 1005)]));
    let args = ["run", "etl-web-to-gcs", "--months", "1", "--source", "in/"];
    let table = month.taxi.run(args).exits(0).stdout;
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(cells(table.lines().nth(1).unwrap())[2..5], ["read", "before", "kept"]);
    assert_eq!(cells(table.lines().nth(3).unwrap())[3..6], ["1,005", "990", "1,005"]);
    assert_eq!(month.bring(file(&[(TRIP, 1005)]), &[]).exits(0).first()["replaced"], Value::Null);
}

/// A bucket with a good month in it, and all that the bucket holds.
async fn published_to_a_bucket() -> (GcsProxy, Month, Objects) {
    let proxy = GcsProxy::start().await;
    proxy.make_bucket("lake").await;
    let taxi =
        Taxi::new().set("TAXI_LAKE", "gs://lake/trips").set("STORAGE_EMULATOR_HOST", proxy.url());
    let month = Month::at(taxi);
    month.bring(good(), &[]).exits(0);
    let before = cloud_objects(&proxy, "lake").await;
    (proxy, month, before)
}

#[tokio::test]
async fn a_bucket_keeps_its_month_too_and_the_refused_edition_beside_it() {
    let (proxy, month, before) = published_to_a_bucket().await;
    for (name, bytes, why) in unfit() {
        let said = error(month.bring(bytes, &[]));
        assert!(said.contains(why), "{name}: {said}");
        let after = cloud_objects(&proxy, "lake").await;
        assert!(after.keys().filter(|key| key.starts_with("refused/")).count() <= 2, "{name}");
        assert_same(&editions(after), &before);
    }
    let csv = month.quarantine(&["--refused", "--output", "csv"]).exits(0).stdout;
    assert_eq!(csv.lines().count(), 1001);
    month.bring(file(&[(TRIP, 1001)]), &[]).exits(0);
    let left: Vec<_> = cloud_objects(&proxy, "lake").await.into_keys().collect();
    assert_eq!(left, ["green/green_tripdata_2020-01.parquet"]);
}

#[tokio::test]
async fn a_run_killed_while_it_keeps_a_refused_edition_leaves_nothing_wrong() {
    let (proxy, month, before) = published_to_a_bucket().await;
    proxy.always("PUT", "parquet", GcsFault::Delay(std::time::Duration::from_secs(60)));
    month.put(file(&[(TRIP, 3), (OF_FEBRUARY, 1000)]));
    let run = Running::start(month.taxi.command(Month::args(&[])));
    crate::harness::running::until("the rows set aside", || proxy.count("PUT", "parquet") > 1);
    run.kill();
    proxy.heal();
    assert_same(&editions(cloud_objects(&proxy, "lake").await), &before);
    error(month.taxi.run(Month::args(&[])));
    let csv = month.quarantine(&["--refused", "--output", "csv"]).exits(0).stdout;
    assert_eq!(csv.lines().count(), 1001);
    month.bring(good(), &[]).exits(0);
    let after = cloud_objects(&proxy, "lake").await;
    assert!(!after.keys().any(|key| key.starts_with("refused/")));
    assert_same(&editions(after), &before);
}
