//! Tables that forget months.

use serde_json::json;

use crate::harness::taxi::Taxi;
use taxi_test_support::bigquery::BigQueryFault;

use super::{Warehouse, between};

const DAYS_60: &str = "5184000000";

#[tokio::test]
async fn a_dataset_that_deletes_old_partitions_is_refused_before_the_load() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.make_dataset("US");
    let path = format!("/datasets/{}", warehouse.dataset);
    let mut errors = Vec::new();
    for patch in [
        json!({ "defaultPartitionExpirationMs": DAYS_60, "defaultTableExpirationMs": DAYS_60 }),
        json!({ "defaultPartitionExpirationMs": DAYS_60 }),
    ] {
        warehouse.bigquery.heal();
        warehouse.bigquery.always("GET", &path, BigQueryFault::Patch(patch));
        errors.push(warehouse.error(warehouse.load(&[])));
    }
    errors.dedup();
    insta::assert_snapshot!(errors.join("\n"), @"local.DATASET.green_trips deletes a partition 60 days after its month began (the default of its dataset): green 2020-01 would be gone as soon as it is loaded, and was not loaded. Take the limit off with: bq update --time_partitioning_expiration 0 local:DATASET.green_trips; a project without billing (the sandbox) has it in any case. Or name a dataset without one with --dataset");
    assert_eq!(warehouse.jobs("green_trips"), Vec::<String>::new());
    let taxi = &warehouse.taxi;
    let tested =
        taxi.run(["connections", "test", "--project", "local", "--dataset", &warehouse.dataset]);
    assert!(tested.stdout.contains("60 days"), "{}", tested.stdout);

    // The table goes, in its time, and the month with it: that is for others to know.
    warehouse.bigquery.heal();
    let patch = json!({ "defaultTableExpirationMs": DAYS_60 });
    warehouse.bigquery.always("GET", &path, BigQueryFault::Patch(patch));
    let ran = warehouse.load(&[]).exits(0);
    assert!(ran.stderr.contains("is deleted 60 days after it is made"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_table_that_deletes_old_partitions_is_refused_and_one_that_keeps_them_long_is_loaded() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    let path = format!("/datasets/{}/tables/green_trips", warehouse.dataset);
    let expires =
        |ms: &str| BigQueryFault::Patch(json!({ "timePartitioning": { "expirationMs": ms } }));
    warehouse.bigquery.always("GET", &path, expires(DAYS_60));
    let error = warehouse.error(warehouse.load(&["--force"]));
    assert!(error.contains("60 days after its month began (its own setting)"), "{error}");
    warehouse.bigquery.heal();
    // A hundred years.
    warehouse.bigquery.always("GET", &path, expires("3153600000000"));
    let ran = warehouse.load(&["--force"]).exits(0);
    assert!(ran.stderr.contains("deletes a partition 36500 days after"), "{}", ran.stderr);
    assert_eq!(warehouse.count("green_trips"), 100);
}

#[tokio::test]
async fn months_are_loaded_from_a_lake_of_any_letters_but_a_pattern() {
    for prefix in ["büro", "50%/a%20b", "b#c", "e+f g"] {
        let mut warehouse = Warehouse::new().await;
        let lake = format!("gs://{}/{prefix}", warehouse.bucket);
        let taxi = Taxi::new().set("TAXI_LAKE", &lake);
        warehouse.taxi = between(taxi, &warehouse.gcs, &warehouse.bigquery);
        warehouse.january(100);
        assert_eq!(warehouse.load(&[]).exits(0).state(), "loaded", "{prefix}");
        let loads = warehouse.bigquery.loads();
        let uri = format!("{lake}/green/green_tripdata_2020-01.parquet");
        assert!(loads.iter().any(|load| load.to_string().contains(&uri)), "{prefix}: {loads:?}");
        assert_eq!(warehouse.value("SELECT lake_object FROM {}.loads"), uri);
    }
    let mut warehouse = Warehouse::new().await;
    let taxi = Taxi::new().set("TAXI_LAKE", format!("gs://{}/a*b", warehouse.bucket));
    warehouse.taxi = between(taxi, &warehouse.gcs, &warehouse.bigquery);
    warehouse.january(100);
    let error = warehouse.error(warehouse.load(&[]));
    insta::assert_snapshot!(error, @"BigQuery reads a '*' in an address as a pattern, and cannot load gs://BUCKET/a*b/green/green_tripdata_2020-01.parquet alone: use a lake whose prefix has no '*'");
    assert_eq!(warehouse.bigquery.jobs().len(), 0);
}
