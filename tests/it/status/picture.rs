//! Each state is shown correctly, and a run repairs problems.

use crate::harness::taxi::Taxi;
use taxi_test_support::gcs::GcsProxy;

use super::Stores;
use taxi_test_support::generate::{Colour, Recipe};

/// Cuts a file off after so many bytes.
fn cut(path: &std::path::Path, keep: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(keep).unwrap();
}

#[tokio::test]
async fn each_trouble_is_shown_as_what_it_is_and_runs_mend_all() {
    let stores = Stores::with(&[1, 2, 3, 4, 5, 6, 9]).await;
    let lake =
        |month: u8| stores.taxi.lake(&format!("green/green_tripdata_2020-{month:02}.parquet"));
    // Republished, and brought to the lake alone.
    stores.file(2, 250);
    let args = ["run", "etl-web-to-gcs", "--colour", "green", "--year", "2020", "--months", "2"];
    stores.taxi.run(args).exits(0);
    stores.execute("DROP TABLE nyc_taxi.green_trips_2020_03").await;
    cut(&lake(4), 5000);
    std::fs::remove_file(lake(5)).unwrap();
    stores.execute("DELETE FROM nyc_taxi.loads WHERE month = '2020-06-01'").await;
    // In the lake alone.
    stores.file(7, 200);
    stores.file(8, 200);
    let args = ["run", "etl-web-to-gcs", "--colour", "green", "--year", "2020", "--months", "7"];
    stores.taxi.run(args).exits(0);
    let quarantines = stores.taxi.files("data/quarantine/green");
    let ninth = quarantines.iter().find(|name| name.contains("2020-09")).unwrap();
    std::fs::remove_file(stores.taxi.lake("quarantine/green").join(ninth)).unwrap();

    let shown = stores.plain(&stores.status(&[], 0).stdout);
    let digest = ninth.split('.').nth(1).unwrap();
    insta::assert_snapshot!(shown.replace(digest, "DIGEST"), @"
    green trips, lake data
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   o    o    o    !    .    o    o    .    !
      9 months: 5 in the lake, 2 disagreeing, 2 not in the lake
      2020-04 disagreeing: the object cannot be read: it is truncated, or not a
        Parquet file
      2020-09 disagreeing: the rows set aside are missing:
        data/quarantine/green/green_tripdata_2020-09.DIGEST.parquet was
        not found

    green trips, postgres 127.0.0.1:PORT/DATABASE nyc_taxi
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   #    !    !    #    #    !    o    .    #
      9 months: 4 loaded, 1 in the lake, 3 disagreeing, 1 not in the lake
      2020-02 disagreeing: the lake has another edition of the month
      2020-03 disagreeing: the month is in the ledger, but its partition is missing
      2020-06 disagreeing: the partition exists, but is not in the ledger

    # loaded   o in the lake   ! disagreeing   . not in the lake

    To repair:
      taxi run etl-web-to-gcs --colour green --from 2020-04 --to 2020-05
      taxi run etl-web-to-gcs --colour green --from 2020-09 --to 2020-09 --force
      taxi run etl-parent-flow --colour green --from 2020-08 --to 2020-08 --to-warehouse postgres
      taxi run etl-gcs-to-postgres --colour green --from 2020-02 --to 2020-07
    ");
    stores.mend(&stores.status(&["--output", "json"], 0));
    let shown = stores.status(&[], 0);
    insta::assert_snapshot!(stores.plain(&shown.stdout), @r"
    green trips, lake data
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   o    o    o    o    o    o    o    o    o
      9 months: 9 in the lake

    green trips, postgres 127.0.0.1:PORT/DATABASE nyc_taxi
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   #    #    #    #    #    #    #    #    #
      9 months: 9 loaded

    # loaded   o in the lake
    ");
    assert_eq!(stores.status(&["--output", "json"], 0).json()["mend"], serde_json::json!([]));
    stores.verify(&[], 0);
}

#[tokio::test]
async fn months_cleaned_by_older_rules_are_stale_until_they_are_brought_by_those_in_force() {
    let stores = Stores::with(&[1, 2]).await;
    let rules = ["--reject", "negative_fare"];
    insta::assert_snapshot!(stores.plain(&stores.status(&rules, 0).stdout), @r"
    green trips, lake data
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   ~    ~
      2 months: 2 stale
      2020-01 to 2020-02 stale: it was cleaned with another schema or other rules

    green trips, postgres 127.0.0.1:PORT/DATABASE nyc_taxi
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   ~    ~
      2 months: 2 stale
      2020-01 to 2020-02 stale: it was cleaned with another schema or other rules

    ~ stale

    To repair:
      taxi run etl-parent-flow --colour green --from 2020-01 --to 2020-02 --to-warehouse postgres --reject negative_fare
    ");
    stores.mend(&stores.status(&[&rules[..], &["--output", "json"]].concat(), 0));
    let after = stores.status(&[&rules[..], &["--output", "json"]].concat(), 0).json();
    assert_eq!(after["mend"], serde_json::json!([]));
    assert_eq!(after["stores"][1]["months"][1]["rows"], 188);
    let before = stores.status(&["--output", "json"], 0).json();
    assert_eq!(before["stores"][1]["months"][0]["state"], "stale");
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_spoils_no_other() {
    let stores = Stores::with(&[1]).await;
    let taxi = stores.taxi.set("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    let ran = taxi.run(["status", "--colour", "green"]).exits(1);
    insta::assert_snapshot!(ran.stdout, @r"
    green trips, lake data
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   o
      1 month: 1 in the lake

    green trips, postgres 127.0.0.1:1/none nyc_taxi
      cannot be asked: cannot connect to Postgres at 127.0.0.1:1/none: Connection
      refused (os error 111)

    o in the lake
    ");
    let json = taxi.run(["status", "--output", "json"]).exits(1).json();
    assert_eq!(json["ok"], false);
    assert_eq!(json["stores"][0]["months"][0]["state"], "in_lake");
    assert_eq!(json["stores"][1]["months"], serde_json::json!([]));
    assert!(json["stores"][1]["error"].as_str().unwrap().contains("127.0.0.1:1/none"));
}

#[tokio::test]
async fn where_nothing_is_there_nothing_is_made_either() {
    let stores = Stores::new().await;
    insta::assert_snapshot!(stores.plain(&stores.status(&[], 0).stdout), @r"
    lake data: no months
    postgres 127.0.0.1:PORT/DATABASE nyc_taxi: no months
    Publish some with taxi run etl-web-to-gcs
    ");
    let json = stores.status(&["--year", "2020", "--months", "1-2", "--output", "json"], 0).json();
    assert_eq!(json["stores"][1]["months"][0]["state"], "not_in_lake");
    let sql = "SELECT FROM pg_namespace WHERE nspname = 'nyc_taxi'";
    assert!(stores.client.query_opt(sql, &[]).await.unwrap().is_none());
}

#[tokio::test]
async fn a_table_of_others_is_refused_and_said_to_be_so() {
    let stores = Stores::with(&[1]).await;
    stores
        .execute(
            "DROP TABLE nyc_taxi.green_trips CASCADE; CREATE TABLE nyc_taxi.green_trips (x int)",
        )
        .await;
    let error = stores.status(&["--output", "json"], 1).json()["stores"][1]["error"].clone();
    assert!(error.as_str().unwrap().contains("was not created by this program"), "{error}");

    // The table of another colour is another table.
    let yellow = Recipe::new(Colour::Yellow, 2020, 1);
    yellow.write(&stores.taxi.folder().join("files/yellow_tripdata_2020-01.csv"));
    let args = ["run", "etl-parent-flow", "--colour", "yellow", "--year", "2020", "--months", "1"];
    stores.taxi.run(args).exits(0);
    let asked = ["--colour", "green,yellow"];
    let shown = stores.taxi.run(["status"].iter().chain(&asked)).exits(1).stdout;
    insta::assert_snapshot!(stores.plain(&shown), @r"
    yellow trips, lake data
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   o
      1 month: 1 in the lake

    yellow trips, postgres 127.0.0.1:PORT/DATABASE nyc_taxi
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   #
      1 month: 1 loaded

    green trips, lake data
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   o
      1 month: 1 in the lake

    green trips, postgres 127.0.0.1:PORT/DATABASE nyc_taxi
      cannot be asked: nyc_taxi.green_trips already exists and was not created by
      this program (it is a plain table, not partitioned by month): it was not
      changed. Load into another place with --schema or --table, or rename it

    # loaded   o in the lake
    ");
    let counted = stores.taxi.run(["verify"].iter().chain(&asked)).exits(1).stdout;
    for line in ["yellow 2020-01         1,000         1,000  agrees", "postgres cannot be asked:"]
    {
        assert!(counted.contains(line), "{counted}");
    }
}

#[test]
fn months_that_no_source_can_have_are_beyond_it() {
    let taxi = Taxi::new().set("TAXI_SOURCE", "datatalks");
    let shown = taxi.run(["status", "--colour", "green", "--from", "2021-06", "--to", "2021-09"]);
    insta::assert_snapshot!(shown.exits(0).stdout, @r"
    green trips, lake data
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2021                            .    .    -    -
      4 months: 2 not in the lake, 2 beyond the source

    . not in the lake   - beyond the source

    To repair:
      taxi run etl-web-to-gcs --colour green --from 2021-06 --to 2021-07
    ");
}

#[tokio::test]
async fn the_months_of_a_bucket_are_shown_like_those_of_a_folder() {
    let stores = Stores::with(&[1, 2]).await;
    let proxy = GcsProxy::start().await;
    proxy.make_bucket("lake").await;
    let taxi = Taxi::new()
        .set("TAXI_LAKE", "gs://lake/deep/trips")
        .set("TAXI_SOURCE", stores.taxi.folder().join("files").to_str().unwrap())
        .set("STORAGE_EMULATOR_HOST", proxy.url());
    let args =
        ["run", "etl-web-to-gcs", "--colour", "green", "--from", "2020-01", "--to", "2020-02"];
    taxi.run(args).exits(0);
    insta::assert_snapshot!(taxi.run(["status"]).exits(0).stdout, @r"
    green trips, lake gs://lake/deep/trips
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   o    o
      2 months: 2 in the lake

    o in the lake
    ");
    insta::assert_snapshot!(taxi.run(["verify"]).exits(0).stdout, @r"
    month                   lake
    green 2020-01            195  agrees
    green 2020-02            195  agrees

    2 months counted: 2 agree
    ");
    let drop =
        ["drop", "--colour", "green", "--month", "2020-01", "--from-stores", "lake", "--yes"];
    taxi.run(drop).exits(0);
    let months = taxi.run(["status", "--output", "json"]).exits(0).json();
    let months = months["stores"][0]["months"].as_array().unwrap();
    assert_eq!(months.len(), 1);
    assert_eq!(months[0]["month"], "2020-02");
    assert_eq!(taxi.files("data/spool"), Vec::<String>::new());
}
