//! A month is removed everywhere, and only after confirmation.

use super::Stores;
use crate::postgres::until_locked;

const DROP: [&str; 5] = ["drop", "--colour", "green", "--month", "2020-01"];

#[tokio::test]
async fn a_dropped_month_is_gone_everywhere_and_dropping_it_again_is_no_failure() {
    let stores = Stores::with(&[1, 2]).await;
    // As ingest-data has it, with its rows set aside.
    let ingest = ["run", "ingest-data", "--colour", "green", "--year", "2020", "--months", "1"];
    stores.taxi.run(ingest.iter().chain(&["--force"])).exits(0);
    let keep = ["run", "etl-web-to-gcs", "--colour", "green", "--year", "2020", "--months", "1"];
    stores.taxi.run(keep.iter().chain(&["--keep-raw"])).exits(0);
    assert_eq!(stores.count("green_trips_quarantine").await, 5);

    let drop = || stores.taxi.run(DROP.iter().chain(&["--yes"])).exits(0);
    insta::assert_snapshot!(stores.plain(&drop().stdout), @r"
    green 2020-01, lake data: removed green/green_tripdata_2020-01.parquet,
      quarantine/green/green_tripdata_2020-01.DIGEST.parquet,
      raw/green/green_tripdata_2020-01.csv
    green 2020-01, postgres 127.0.0.1:PORT/DATABASE nyc_taxi: removed partition
      green_trips_2020_01, 5 rows of green_trips_quarantine, its row in loads
    ");
    let files = stores.taxi.files("data");
    let others = |name: &&String| name.contains("2020-02") || name.starts_with("zones/");
    assert_eq!(files.iter().filter(others).count(), files.len(), "{files:?}");
    assert_eq!(files.len(), 3);
    assert_eq!(stores.count("green_trips").await, 195);
    assert_eq!(stores.count("loads WHERE month IS NOT NULL").await, 1);
    assert_eq!(stores.count("green_trips_quarantine").await, 0);

    insta::assert_snapshot!(stores.plain(&drop().stdout), @r"
    green 2020-01, lake data: nothing was there
    green 2020-01, postgres 127.0.0.1:PORT/DATABASE nyc_taxi: nothing was there
    ");
    stores.bring(1, 1);
    assert_eq!(stores.count("green_trips").await, 390);
    assert_eq!(stores.status(&["--output", "json"], 0).json()["mend"], serde_json::json!([]));
}

#[tokio::test]
async fn a_month_can_be_dropped_from_one_store_alone() {
    let stores = Stores::with(&[1]).await;
    let from = |store| stores.taxi.run(DROP.iter().chain(&["--from-stores", store, "--yes"]));
    from("postgres").exits(0);
    assert_eq!(stores.count("loads WHERE month IS NOT NULL").await, 0);
    let state = |store: usize| {
        let json = stores.status(&["--output", "json"], 0).json();
        json["stores"][store]["months"][0]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!((state(0).as_str(), state(1).as_str()), ("in_lake", "in_lake"));
    stores.bring(1, 1);
    from("lake").exits(0);
    assert_eq!((state(0).as_str(), state(1).as_str()), ("not_in_lake", "loaded"));
}

#[tokio::test]
async fn nobody_is_taken_to_have_said_yes() {
    let stores = Stores::with(&[1]).await;
    let ran = stores.taxi.run(DROP).exits(2);
    insta::assert_snapshot!(ran.stderr, @r"
    error: cannot ask for confirmation (stdin is not a terminal); pass --yes to drop green 2020-01
    ");
    assert_eq!(stores.count("green_trips").await, 195);
}

#[tokio::test]
async fn a_month_that_is_being_read_is_dropped_once_the_readers_have_passed() {
    let stores = Stores::with(&[1]).await;
    let reader = stores.database.client().await;
    reader.batch_execute("BEGIN; SELECT count(*) FROM nyc_taxi.green_trips").await.unwrap();
    let mut dropping = stores.taxi.command(DROP.iter().chain(&["--yes"])).spawn().unwrap();
    until_locked(&stores.database.client().await).await;
    assert!(dropping.try_wait().unwrap().is_none());
    // The others are not kept waiting behind it.
    assert_eq!(stores.count("green_trips").await, 195);
    reader.batch_execute("COMMIT").await.unwrap();
    assert!(dropping.wait().unwrap().success());
    assert_eq!(stores.count("green_trips").await, 0);
}

#[tokio::test]
async fn a_table_that_was_detached_by_hand_is_not_dropped() {
    let stores = Stores::with(&[1, 2]).await;
    let detach = "ALTER TABLE nyc_taxi.green_trips DETACH PARTITION nyc_taxi.green_trips_2020_01";
    stores.execute(detach).await;
    let ran = stores.taxi.run(DROP.iter().chain(&["--from-stores", "postgres", "--yes"])).exits(1);
    let said = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("it is not a partition of green_trips"), "{said}");
    assert_eq!(stores.count("green_trips_2020_01").await, 195);
}

#[tokio::test]
async fn a_month_that_a_warehouse_keeps_stays_in_the_lake() {
    let stores = Stores::with(&[1]).await;
    stores.execute("CREATE VIEW public.v AS SELECT extra FROM nyc_taxi.green_trips_2020_01").await;
    let ran = stores.taxi.run(DROP.iter().chain(&["--yes"])).exits(1);
    let said = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("lake data: failed: not changed"), "{said}");
    assert!(said.contains("something depends on its partition"), "{said}");
    assert!(stores.taxi.lake("green/green_tripdata_2020-01.parquet").exists());
    assert_eq!(stores.count("green_trips").await, 195);
    assert_eq!(stores.count("loads WHERE month IS NOT NULL").await, 1);
    stores.execute("DROP VIEW public.v").await;
    stores.taxi.run(DROP.iter().chain(&["--yes"])).exits(0);
    assert!(!stores.taxi.lake("green/green_tripdata_2020-01.parquet").exists());
}

#[tokio::test]
async fn a_project_that_only_the_environment_names_is_dropped_from_too() {
    let stores = Stores::with(&[1]).await;
    let mut command = stores.taxi.command(DROP.iter().chain(&["--yes"]));
    // Nothing listens there.
    command.env("GOOGLE_CLOUD_PROJECT", "p").env("BIGQUERY_EMULATOR_HOST", "127.0.0.1:1");
    let ran: crate::harness::taxi::Ran = command.output().unwrap().into();
    let ran = ran.exits(1);
    assert!(ran.stdout.contains("bigquery"), "{}", ran.stdout);
    assert!(ran.stdout.contains("not changed"), "{}", ran.stdout);
    assert!(stores.taxi.lake("green/green_tripdata_2020-01.parquet").exists());
}

#[tokio::test]
async fn a_drop_waits_for_a_run_that_brings_the_month() {
    let stores = Stores::with(&[1]).await;
    let lake = std::fs::canonicalize(stores.taxi.folder().join("data")).unwrap();
    let key = nyc_taxi_etl::trip::Digest::of(lake.display().to_string().as_bytes());
    let place = format!("data/spool/green_tripdata_2020-01.{}", &key.short()[..8]);
    let place = stores.taxi.folder().join(place);
    std::fs::create_dir_all(&place).unwrap();
    let lock = std::fs::File::create(place.join("lock")).unwrap();
    lock.lock().unwrap();
    let mut dropping = stores.taxi.command(DROP.iter().chain(&["--yes"])).spawn().unwrap();
    let mut said = String::new();
    let mut stderr = std::io::BufReader::new(dropping.stderr.take().unwrap());
    while !said.contains("another run is processing it") {
        assert_ne!(std::io::BufRead::read_line(&mut stderr, &mut said).unwrap(), 0, "{said}");
    }
    assert_eq!(stores.count("green_trips").await, 195);
    assert!(stores.taxi.lake("green/green_tripdata_2020-01.parquet").exists());
    drop(lock);
    assert!(dropping.wait().unwrap().success());
    assert_eq!(stores.count("green_trips").await, 0);
    assert!(!stores.taxi.lake("green/green_tripdata_2020-01.parquet").exists());
}
