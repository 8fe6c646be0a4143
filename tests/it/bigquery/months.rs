//! A month is replaced, never appended, and only when it has to be.

use taxi_test_support::generate::{Colour, Dirt, Recipe};

use super::{Warehouse, january, states};

#[tokio::test]
async fn the_same_month_again_and_again_is_there_once() {
    let warehouse = Warehouse::new().await;
    warehouse.january(2000);
    let states: Vec<String> = (0..3).map(|_| warehouse.load(&[]).exits(0).state()).collect();
    assert_eq!(states, ["loaded", "unchanged", "unchanged"]);
    assert_eq!(warehouse.jobs("green_trips").len(), 1);
    for _ in 0..2 {
        let ran = warehouse.load(&["--force"]).exits(0);
        assert_eq!(ran.state(), "loaded");
        assert_eq!(ran.first()["rows_loaded"], 2000);
    }
    assert_eq!(warehouse.partitions("green_trips"), "202001 2000\n");
    assert_eq!(warehouse.jobs("green_trips").len(), 3);
    // Each that replaces another says so before.
    assert_eq!((warehouse.count("loads_log"), warehouse.count("loads")), (5, 1));
}

#[tokio::test]
async fn an_unchanged_month_costs_no_job() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    warehouse.bigquery.clear_log();
    assert_eq!(warehouse.load(&[]).exits(0).state(), "unchanged");
    assert_eq!(warehouse.bigquery.loads(), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_month_that_changed_in_the_lake_replaces_the_old_one_and_no_other() {
    let warehouse = Warehouse::new().await;
    warehouse.january(2000);
    warehouse.green([2]);
    warehouse.run("green", "2020-01", "2020-02", &[]).exits(0);
    assert_eq!(warehouse.partitions("green_trips"), "202001 2000\n202002 1000\n");
    warehouse.january(1900);
    let ran = warehouse.run("green", "2020-01", "2020-02", &[]).exits(0);
    assert_eq!(states(&ran), ["loaded", "unchanged"]);
    assert_eq!(warehouse.partitions("green_trips"), "202001 1900\n202002 1000\n");
    let sql = "SELECT rows_loaded FROM {}.loads ORDER BY month";
    assert_eq!(warehouse.lines(sql), "1900\n1000\n");
}

#[tokio::test]
async fn a_month_cleaned_by_other_rules_is_loaded_again() {
    let warehouse = Warehouse::new().await;
    let recipe = january(1000).dirt(Dirt::DropoffBeforePickup, 10);
    warehouse.publish(&recipe);
    warehouse.load(&[]).exits(0);
    assert_eq!(warehouse.count("green_trips"), 990);
    warehouse.publish_by(&recipe, &["--flag", "dropoff_before_pickup"]);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.count("green_trips"), 1000);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "unchanged");
}

#[tokio::test]
async fn a_partition_deleted_by_hand_is_loaded_again() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    let delete =
        format!("client.delete_table('{}.green_trips$202001')\nanswer = None", warehouse.dataset);
    warehouse.server.read(&delete);
    assert_eq!(warehouse.count("green_trips"), 0);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
    warehouse.execute("DELETE FROM {}.green_trips WHERE pickup_datetime < '2020-01-15'");
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
    warehouse.execute("DROP TABLE {}.green_trips");
    assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded");
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
}

#[tokio::test]
async fn a_month_without_a_single_trip_is_there_and_agrees() {
    let warehouse = Warehouse::new().await;
    warehouse.january(0);
    let states = [warehouse.load(&[]), warehouse.load(&[])].map(|ran| ran.exits(0).state());
    assert_eq!(states, ["loaded", "unchanged"]);
    for (command, says) in [("status", "1 loaded"), ("verify", "1 agree")] {
        let more = ["--project", "local", "--dataset", &warehouse.dataset];
        let args = [command, "--colour", "green", "--to-warehouse", "bigquery"];
        let ran = warehouse.taxi.run(args.iter().chain(&more)).exits(0);
        assert!(ran.stdout.contains(says), "{}", ran.stdout);
    }
}

#[tokio::test]
async fn a_month_whose_ledger_is_gone_is_in_it_again_after_a_run() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.load(&[]).exits(0);
    warehouse.execute("DELETE FROM {}.loads_log WHERE true");
    warehouse.load(&[]).exits(0);
    assert_eq!(warehouse.lines("SELECT month, rows_loaded FROM {}.loads"), "2020-01-01 1000\n");
    warehouse.execute("DROP TABLE {}.loads_log");
    warehouse.load(&[]).exits(0);
    assert_eq!(warehouse.lines("SELECT month, rows_loaded FROM {}.loads"), "2020-01-01 1000\n");
    assert_eq!(warehouse.load(&[]).exits(0).state(), "unchanged");
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n");
}

#[tokio::test]
async fn twelve_months_are_loaded_in_parallel() {
    let warehouse = Warehouse::new().await;
    warehouse.green(1..=12);
    let ran = warehouse.run("green", "2020-01", "2020-12", &["--jobs", "12"]).exits(0);
    assert_eq!(states(&ran), ["loaded"; 12]);
    let partitions: Vec<_> = (1..=12).map(|month| format!("2020{month:02} 1000\n")).collect();
    assert_eq!(warehouse.partitions("green_trips"), partitions.concat());
    assert_eq!(warehouse.jobs("green_trips").len(), 12);
    assert_eq!((warehouse.count("loads_log"), warehouse.count("loads")), (12, 12));
    let ran = warehouse.run("green", "2020-01", "2020-12", &["--jobs", "12"]).exits(0);
    assert_eq!(states(&ran), ["unchanged"; 12]);
}

#[tokio::test]
async fn two_programs_that_load_the_same_months_at_once_share_their_jobs() {
    let warehouse = Warehouse::new().await;
    warehouse.green(1..=3);
    let args = warehouse.args("green", "2020-01", "2020-03", &["--jobs", "3"]);
    let start = || crate::harness::running::Running::start(warehouse.taxi.command(args.clone()));
    for ran in [start(), start()].map(crate::harness::running::Running::end) {
        let states = states(&ran.exits(0));
        let done = states.iter().filter(|state| ["loaded", "unchanged"].contains(&state.as_str()));
        assert_eq!(done.count(), 3, "{states:?}");
    }
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n202002 1000\n202003 1000\n");
    assert_eq!(warehouse.jobs("green_trips").len(), 3);
    assert_eq!(warehouse.count("loads"), 3);
}

#[tokio::test]
async fn a_column_that_the_table_lacks_is_added() {
    let warehouse = Warehouse::new().await;
    warehouse.green([1, 2]);
    warehouse.run("green", "2020-01", "2020-02", &[]).exits(0);
    warehouse.execute("DROP VIEW {}.trips");
    warehouse.execute("ALTER TABLE {}.green_trips DROP COLUMN tip_amount");
    assert_eq!(warehouse.load(&["--force"]).exits(0).state(), "loaded");
    let tips = "SELECT count(tip_amount) FROM {}.green_trips";
    assert_eq!(warehouse.value(tips), 1000);
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n202002 1000\n");
    warehouse.run("green", "2020-02", "2020-02", &["--force"]).exits(0);
    assert_eq!(warehouse.value(tips), 2000);
}

#[tokio::test]
async fn columns_that_a_user_added_stay() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    warehouse.execute("ALTER TABLE {}.green_trips ADD COLUMN note STRING");
    assert_eq!(warehouse.load(&["--force"]).exits(0).state(), "loaded");
    assert_eq!(warehouse.value("SELECT count(*) - count(note) FROM {}.green_trips"), 100);
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
    assert_eq!(warehouse.count("green_trips"), 0);
    assert_eq!(warehouse.load(&[]).exits(0).state(), "unchanged");
}

#[tokio::test]
async fn a_month_that_is_not_in_the_lake_names_the_flow_that_brings_it() {
    let warehouse = Warehouse::new().await;
    let error = warehouse.error(warehouse.load(&[]));
    insta::assert_snapshot!(error, @"green 2020-01 is not in the lake gs://BUCKET/trips: publish it with taxi run etl-web-to-gcs");
}

#[tokio::test]
async fn one_failing_month_does_not_stop_the_others() {
    let warehouse = Warehouse::new().await;
    warehouse.green([1, 3]);
    let ran = warehouse.run("green", "2020-01", "2020-03", &["--jobs", "3"]).exits(1);
    assert_eq!(states(&ran), ["loaded", "failed", "loaded"]);
    assert_eq!(warehouse.partitions("green_trips"), "202001 1000\n202003 1000\n");
}

#[tokio::test]
async fn the_view_trips_is_over_both_colours_of_taxis() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.publish(&Recipe::new(Colour::Yellow, 2020, 1).rows(3000));
    warehouse.load(&[]).exits(0);
    let by_colour = "SELECT colour, count(*), countif(ehail_fee IS NULL)
                       FROM {}.trips GROUP BY colour ORDER BY colour";
    assert_eq!(warehouse.lines(by_colour), "green 1000 1000\n");
    warehouse.run("yellow", "2020-01", "2020-01", &[]).exits(0);
    assert_eq!(warehouse.lines(by_colour), "green 1000 1000\nyellow 3000 3000\n");
    let sums = "SELECT abs((SELECT sum(total_amount) FROM {}.trips)
                         - (SELECT sum(total_amount) FROM {}.yellow_trips)
                         - (SELECT sum(total_amount) FROM {}.green_trips)) < 0.001";
    assert_eq!(warehouse.value(sums), true);
}

#[tokio::test]
async fn the_zones_are_beside_the_months() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    let zones = "LocationID,Borough,Zone,service_zone\n\
                 1,EWR,Newark Airport,EWR\n264,Unknown,N/A,N/A\n";
    std::fs::write(warehouse.taxi.folder().join("zones.csv"), zones).unwrap();
    warehouse.taxi.run(["run", "etl-zones", "--zones", "./zones.csv"]).exits(0);
    warehouse.load(&[]).exits(0);
    insta::assert_snapshot!(warehouse.lines("SELECT * FROM {}.zones ORDER BY location_id"), @r"
    1 EWR Newark Airport EWR
    264 Unknown N/A N/A
    ");
    warehouse.bigquery.clear_log();
    warehouse.load(&[]).exits(0);
    assert_eq!(warehouse.bigquery.loads().len(), 0);
    assert_eq!(warehouse.jobs("zones").len(), 1);
}
