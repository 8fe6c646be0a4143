//! A month is replaced, never appended, and only when it has to be.

use taxi_test_support::generate::{Colour, Dirt, Recipe};

use super::{Warehouse, january};

#[tokio::test]
async fn the_same_month_five_times_is_there_once() {
    let warehouse = Warehouse::new().await;
    warehouse.january(2000);
    let states: Vec<String> = (0..5).map(|_| warehouse.load(&[]).exits(0).state()).collect();
    assert_eq!(states, ["loaded", "unchanged", "unchanged", "unchanged", "unchanged"]);
    let forced: Vec<String> =
        (0..5).map(|_| warehouse.load(&["--force"]).exits(0).state()).collect();
    assert_eq!(forced, ["loaded"; 5]);
    assert_eq!(warehouse.rows("green_trips").await, 2000);
    assert_eq!(warehouse.rows("loads").await, 1);
}

#[tokio::test]
async fn a_month_that_changed_in_the_lake_replaces_the_old_one() {
    let warehouse = Warehouse::new().await;
    warehouse.january(2000);
    warehouse.load(&[]).exits(0);
    warehouse.january(1900);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.rows("green_trips").await, 1900);
    assert_eq!(warehouse.value::<i64>("SELECT rows FROM nyc_taxi.loads").await, 1900);
}

#[tokio::test]
async fn a_month_cleaned_by_other_rules_is_loaded_again() {
    let warehouse = Warehouse::new().await;
    let recipe = january(1000).dirt(Dirt::DropoffBeforePickup, 10);
    warehouse.publish(&recipe);
    warehouse.load(&[]).exits(0);
    assert_eq!(warehouse.rows("green_trips").await, 990);
    let args = ["run", "etl-web-to-gcs", "--months", "1", "--source", "./files"];
    let rules = ["--flag", "dropoff_before_pickup", "--output", "json"];
    warehouse.taxi.run(args.iter().chain(&rules)).exits(0);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.rows("green_trips").await, 1000);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "unchanged");
}

#[tokio::test]
async fn a_partition_dropped_by_hand_is_loaded_again() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    warehouse.client.batch_execute("DROP TABLE nyc_taxi.green_trips_2020_01").await.unwrap();
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.rows("green_trips").await, 1000);
    warehouse.client.batch_execute("DROP TABLE nyc_taxi.green_trips CASCADE").await.unwrap();
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.rows("green_trips").await, 1000);
}

#[tokio::test]
async fn a_month_whose_ledger_row_is_gone_is_loaded_again() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    warehouse.client.batch_execute("DELETE FROM nyc_taxi.loads").await.unwrap();
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.rows("green_trips").await, 1000);
    assert_eq!(warehouse.rows("loads").await, 1);
    warehouse.client.batch_execute("DROP TABLE nyc_taxi.loads").await.unwrap();
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.rows("loads").await, 1);
}

#[tokio::test]
async fn a_column_that_the_table_lacks_is_added() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.publish(&Recipe::new(Colour::Green, 2020, 2));
    warehouse.run("green", "2020-01", "2020-02", &[]).exits(0);
    let drop = "ALTER TABLE nyc_taxi.green_trips DROP COLUMN tip_amount CASCADE";
    warehouse.client.batch_execute(drop).await.unwrap();
    warehouse.load(&["--force"]).exits(0);
    let tips = "SELECT count(tip_amount) FROM nyc_taxi.green_trips";
    assert_eq!(warehouse.value::<i64>(tips).await, 1000);
    assert_eq!(warehouse.rows("green_trips").await, 2000);
    warehouse.run("green", "2020-02", "2020-02", &["--force"]).exits(0);
    assert_eq!(warehouse.value::<i64>(tips).await, 2000);
}

#[tokio::test]
async fn an_empty_month_is_loaded_as_one() {
    let warehouse = Warehouse::new().await;
    let files = warehouse.taxi.folder().join("files");
    std::fs::create_dir_all(&files).unwrap();
    let header = "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime\n";
    std::fs::write(files.join("green_tripdata_2020-01.csv"), header).unwrap();
    warehouse.taxi.month("green", "2020-01", "./files").exits(0);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.rows("green_trips").await, 0);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "unchanged");
}

#[tokio::test]
async fn a_month_that_is_not_in_the_lake_names_the_flow_that_brings_it() {
    let warehouse = Warehouse::new().await;
    let error = warehouse.error(warehouse.load(&[]));
    insta::assert_snapshot!(error, @"green 2020-01 is not in the lake data: publish it with taxi run etl-web-to-gcs");
}

#[tokio::test]
async fn one_failing_month_does_not_stop_the_others() {
    let warehouse = Warehouse::new().await;
    warehouse.publish(&Recipe::new(Colour::Green, 2020, 1));
    warehouse.publish(&Recipe::new(Colour::Green, 2020, 3));
    let ran = warehouse.run("green", "2020-01", "2020-03", &["--jobs", "3"]).exits(1);
    let states: Vec<_> =
        ran.json()["months"].as_array().unwrap().iter().map(|m| m["state"].clone()).collect();
    assert_eq!(states, ["loaded", "failed", "loaded"]);
    assert_eq!(warehouse.rows("green_trips").await, 2000);
}

#[tokio::test]
async fn the_view_trips_is_over_both_colours_of_taxis() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.publish(&Recipe::new(Colour::Yellow, 2020, 1).rows(3000));
    warehouse.load(&[]).exits(0);
    let by_colour = "SELECT colour || ' ' || count(*) || ' ' || count(ehail_fee IS NULL)
                       FROM nyc_taxi.trips GROUP BY colour ORDER BY colour";
    assert_eq!(warehouse.lines(by_colour).await, "green 1000 1000\n");
    warehouse.run("yellow", "2020-01", "2020-01", &[]).exits(0);
    assert_eq!(warehouse.lines(by_colour).await, "green 1000 1000\nyellow 3000 3000\n");
    let sums = "SELECT (SELECT sum(total_amount::numeric) FROM nyc_taxi.trips)
                     = (SELECT sum(total_amount::numeric) FROM nyc_taxi.yellow_trips)
                     + (SELECT sum(total_amount::numeric) FROM nyc_taxi.green_trips)";
    assert!(warehouse.value::<bool>(sums).await);
}
