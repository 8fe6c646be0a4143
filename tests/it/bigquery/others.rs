//! What others made in the dataset is left as it is.

use taxi_test_support::generate::{Colour, Recipe};

use super::Warehouse;

/// A warehouse with one month in its lake, and a dataset that is there.
async fn with_dataset() -> Warehouse {
    let warehouse = Warehouse::new().await;
    warehouse.make_dataset("US");
    warehouse.january(100);
    warehouse
}

#[tokio::test]
async fn a_table_of_the_python_flow_is_refused_and_left_as_it_is() {
    let warehouse = with_dataset().await;
    warehouse.execute(
        "CREATE TABLE {}.green_trips (VendorID INT64, lpep_pickup_datetime TIMESTAMP,
                lpep_dropoff_datetime TIMESTAMP, PULocationID INT64, total_amount FLOAT64)",
    );
    warehouse.execute("INSERT INTO {}.green_trips (VendorID) VALUES (1)");
    let error = warehouse.error(warehouse.load(&[]));
    insta::assert_snapshot!(error, @"local.DATASET.green_trips already exists and was not created by this program (it has the columns of the raw files: VendorID, lpep_pickup_datetime, lpep_dropoff_datetime): it was not changed. Load into another place with --table or --dataset, or rename it");
    assert_eq!(warehouse.count("green_trips"), 1);
    warehouse.load(&["--table", "green_months"]).exits(0);
    assert_eq!(warehouse.count("green_months"), 100);
}

#[tokio::test]
async fn tables_of_another_make_are_refused() {
    let warehouse = with_dataset().await;
    for statement in [
        "CREATE TABLE {}.plain (pickup_datetime DATETIME, pickup_location_id INT64)",
        "CREATE VIEW {}.looks AS SELECT 1 AS one",
    ] {
        warehouse.execute(statement);
    }
    let partitioned = [
        ("daily", "DAY", "pickup_datetime", ""),
        ("other_time", "MONTH", "dropoff_datetime", ""),
        ("texts", "MONTH", "pickup_datetime", "colour"),
    ];
    for (name, by, field, label) in partitioned {
        warehouse.server.read(&format!(
            "fields = [bigquery.SchemaField('pickup_datetime', 'DATETIME'), bigquery.SchemaField('dropoff_datetime', 'DATETIME'), bigquery.SchemaField('vendor_id', 'STRING')]\n\
             table = bigquery.Table('local.{}.{name}', schema=fields)\n\
             table.time_partitioning = bigquery.TimePartitioning(type_='{by}', field='{field}')\n\
             table.labels = {{'colour': 'green'}} if '{label}' else {{}}\n\
             client.create_table(table)\n\
             answer = None",
            warehouse.dataset
        ));
    }
    let names = ["plain", "looks", "daily", "other_time", "texts"];
    let errors = names.map(|name| warehouse.error(warehouse.load(&["--table", name])));
    insta::assert_snapshot!(errors.join("\n"), @r"
    local.DATASET.plain already exists and was not created by this program (it is not partitioned by month): it was not changed. Load into another place with --table or --dataset, or rename it
    local.DATASET.looks already exists and was not created by this program (it is a view): it was not changed. Load into another place with --table or --dataset, or rename it
    local.DATASET.daily already exists and was not created by this program (it is partitioned by the day of pickup_datetime): it was not changed. Load into another place with --table or --dataset, or rename it
    local.DATASET.other_time already exists and was not created by this program (it is partitioned by the month of dropoff_datetime): it was not changed. Load into another place with --table or --dataset, or rename it
    local.DATASET.texts already exists and was not created by this program (its column vendor_id is STRING and not INT64): it was not changed. Load into another place with --table or --dataset, or rename it
    ");
    assert_eq!(warehouse.count("daily"), 0);
}

#[tokio::test]
async fn a_table_of_ours_without_its_label_is_refused_with_the_command_that_mends_it() {
    let warehouse = with_dataset().await;
    warehouse.load(&[]).exits(0);
    warehouse.server.read(&format!(
        "table = client.get_table('{}.green_trips')\n\
         table.labels = {{'colour': None}}\n\
         client.update_table(table, ['labels'])\n\
         answer = None",
        warehouse.dataset
    ));
    let error = warehouse.error(warehouse.load(&["--force"]));
    insta::assert_snapshot!(error, @"local.DATASET.green_trips has no label 'colour', so it is not clear that its rows are green trips: it was not changed. If they are, set the label: bq update --set_label colour:green local:DATASET.green_trips");
    assert_eq!(warehouse.count("green_trips"), 100);
}

#[tokio::test]
async fn a_table_of_one_colour_takes_no_month_of_another() {
    let warehouse = with_dataset().await;
    warehouse.publish(&Recipe::new(Colour::Yellow, 2020, 1));
    warehouse.load(&["--table", "taxis"]).exits(0);
    let ran = warehouse.run("yellow", "2020-01", "2020-01", &["--table", "taxis"]);
    insta::assert_snapshot!(warehouse.error(ran), @"local.DATASET.taxis already exists and was not created by this program (it holds green trips): it was not changed. Load into another place with --table or --dataset, or rename it");
    assert_eq!(warehouse.count("taxis"), 100);
    let more = ["--project", "local", "--dataset", &warehouse.dataset, "--table", "taxis"];
    let status = |colour: &str, code| {
        let args = ["status", "--to-warehouse", "bigquery", "--output", "json", "--colour", colour];
        let json = warehouse.taxi.run(args.iter().chain(&more)).exits(code).json();
        json["stores"][1].clone()
    };
    assert!(status("yellow", 1)["error"].as_str().unwrap().contains("it holds green trips"));
    assert_eq!(status("green", 0)["months"][0]["state"], "loaded");
    let both = warehouse.run("yellow,green", "2020-01", "2020-01", &["--table", "both"]).exits(1);
    let failed = super::states(&both).iter().filter(|state| *state == "failed").count();
    assert_eq!(failed, 1, "{}", both.stdout);
}

#[tokio::test]
async fn a_table_named_trips_is_loaded_and_no_view_takes_its_place() {
    let warehouse = with_dataset().await;
    warehouse.load(&["--table", "trips"]).exits(0);
    assert_eq!(warehouse.partitions("trips"), "202001 100\n");
    assert_eq!(warehouse.load(&["--table", "trips"]).exits(0).state(), "unchanged");
    warehouse.load(&[]).exits(0);
    assert_eq!(warehouse.table("trips")["type"], "TABLE");
    assert_eq!(warehouse.count("green_trips"), 100);
    assert_eq!(warehouse.count("loads"), 2);
}

#[tokio::test]
async fn a_view_trips_of_others_is_left_as_it_is() {
    let warehouse = with_dataset().await;
    warehouse.execute("CREATE VIEW {}.trips AS SELECT 'mine' AS thing");
    warehouse.load(&[]).exits(0);
    assert_eq!(warehouse.lines("SELECT thing FROM {}.trips"), "mine\n");
    assert_eq!(warehouse.count("green_trips"), 100);
}

#[tokio::test]
async fn a_ledger_that_is_none_is_refused_and_left_as_it_is() {
    let warehouse = with_dataset().await;
    warehouse.execute("CREATE TABLE {}.loads_log (kilowatts INT64)");
    let error = warehouse.error(warehouse.load(&[]));
    insta::assert_snapshot!(error, @"local.DATASET.loads_log already exists and was not created by this program (it is not a ledger of months): it was not changed. Load into another place with --table or --dataset, or rename it");
    assert_eq!(warehouse.count("loads_log"), 0);
    warehouse.execute("DROP TABLE {}.loads_log");
    warehouse.execute("CREATE TABLE {}.loads (kilowatts INT64)");
    let ran = warehouse.load(&[]).exits(0);
    let warning = ran.stderr.lines().find_map(|line| line.split_once("WARN ")).unwrap().1;
    insta::assert_snapshot!(warehouse.plain(warning), @"local.DATASET.loads already exists and was not created by this program: it was not changed; the ledger is loads_log");
    assert_eq!(warehouse.count("loads"), 0);
}

#[tokio::test]
async fn a_table_zones_of_others_is_left_as_it_is() {
    let warehouse = with_dataset().await;
    warehouse.execute("CREATE TABLE {}.zones (mine STRING)");
    let ran = warehouse.load(&[]).exits(0);
    assert_eq!(ran.state(), "loaded");
    assert!(ran.stderr.contains("zones"), "{}", ran.stderr);
    assert_eq!(warehouse.count("zones"), 0);
}

#[tokio::test]
async fn names_that_are_none_are_refused_before_any_call() {
    let warehouse = Warehouse::new().await;
    let dataset = warehouse.load(&["--dataset", "nyc-taxi"]);
    let table = warehouse.load(&["--table", "green$202001"]);
    let project = warehouse.load(&["--project", "My Project"]);
    let reserved = ["zones", "loads", "loads_log"].map(|name| warehouse.load(&["--table", name]));
    let said: Vec<_> = [dataset, table, project]
        .into_iter()
        .chain(reserved)
        .map(|ran| format!("{:?} {}", ran.code, ran.stderr))
        .collect();
    insta::assert_snapshot!(said.concat(), @r"
    Some(2) error: 'nyc-taxi' is no name of a dataset: use letters, digits and underscores
    Some(2) error: 'green$202001' is no name of a table: use letters, digits, underscores and dashes
    Some(2) error: 'My Project' is no name of a project: use letters, digits and dashes
    Some(2) error: 'zones' is no name of a table of trips: use another: this one is taken
    Some(2) error: 'loads' is no name of a table of trips: use another: this one is taken
    Some(2) error: 'loads_log' is no name of a table of trips: use another: this one is taken
    ");
    assert_eq!(warehouse.bigquery.requests().len(), 0);
}
