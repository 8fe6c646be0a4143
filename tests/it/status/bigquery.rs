//! BigQuery beside Postgres: the same months, the same sums.

use taxi_test_support::bigquery::{BigQueryServer, Google};

use super::Stores;

/// A dataset of its own on the shared server.
const DATASET: &str = "status_of_months";

/// Runs a statement.
fn execute(server: &BigQueryServer, sql: &str) {
    let sql = serde_json::Value::from(sql.replace("TRIPS", &format!("{DATASET}.green_trips")));
    server.read(&format!("client.query({sql}).result()\nanswer = None"));
}

#[tokio::test]
async fn three_stores_are_held_against_one_another_and_mended() {
    let google = Google::shared().await;
    let server = &google.bigquery;
    let mut stores = Stores::new().await;
    stores.taxi = stores
        .taxi
        .set("TAXI_TO_WAREHOUSE", "postgres,bigquery")
        .set("TAXI_PROJECT", BigQueryServer::PROJECT)
        .set("TAXI_DATASET", DATASET)
        .set("BIGQUERY_EMULATOR_HOST", server.url())
        // The server knows no two changes of a dataset at once.
        .set("TAXI_JOBS", "1");
    for month in 1..=5 {
        stores.file(month, 200);
    }
    stores.bring(1, 4);
    stores.verify(&[], 0);

    let first =
        "pickup_datetime = (SELECT min(pickup_datetime) FROM TRIPS WHERE pickup_datetime >=";
    execute(server, &format!("DELETE FROM TRIPS WHERE {first} '2020-02-01')"));
    let more = "UPDATE TRIPS SET total_amount = total_amount + 1";
    execute(server, &format!("{more} WHERE {first} '2020-03-01')"));
    server.read(&format!("client.delete_table('{DATASET}.green_trips$202004')\nanswer = None"));
    // In the lake alone.
    let args = ["run", "etl-web-to-gcs", "--colour", "green", "--year", "2020", "--months", "5"];
    stores.taxi.run(args).exits(0);

    let shown = stores.plain(&stores.status(&[], 0).stdout).replace(server.url(), "http://host");
    insta::assert_snapshot!(shown, @r"
    green trips, lake data
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   o    o    o    o    o
      5 months: 5 in the lake

    green trips, postgres 127.0.0.1:PORT/DATABASE nyc_taxi
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   #    #    #    #    o
      5 months: 4 loaded, 1 in the lake

    green trips, bigquery local.status_of_months
            Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
      2020   #    !    #    !    o
      5 months: 2 loaded, 1 in the lake, 2 disagreeing
      2020-02 disagreeing: it has 194 rows, the ledger 195
      2020-04 disagreeing: the month is in the ledger, but its partition is missing

    # loaded   o in the lake   ! disagreeing

    To repair:
      taxi run etl-gcs-to-postgres --colour green --from 2020-05 --to 2020-05
      taxi run etl-gcs-to-bq --colour green --from 2020-02 --to 2020-05
    ");
    let found = stores.verify(&[], 1);
    insta::assert_snapshot!(found.stdout, @"
    month                   lake      postgres      bigquery
    green 2020-01            195           195           195  agrees
    green 2020-02            195           195           194  disagrees
    green 2020-03            195           195           195  disagrees
    green 2020-04            195           195             -  disagrees
    green 2020-05            195             -             -  disagrees

    green 2020-02, bigquery: it has 194 rows, the ledger 195
    green 2020-03, bigquery: other sums than in the lake: total_amount
    green 2020-04, bigquery: the month is in the ledger, but its partition is
      missing
    green 2020-05, postgres: it is not loaded
    green 2020-05, bigquery: it is not loaded
    5 months counted: 1 agree, 4 disagree

    To repair what disagrees:
      taxi run etl-gcs-to-postgres --colour green --from 2020-05 --to 2020-05
      taxi run etl-gcs-to-bq --colour green --from 2020-02 --to 2020-05
      taxi run etl-gcs-to-bq --colour green --from 2020-03 --to 2020-03 --force
    ");
    stores.mend(&stores.verify(&["--output", "json"], 1));
    stores.verify(&[], 0);
    assert_eq!(stores.status(&["--output", "json"], 0).json()["mend"], serde_json::json!([]));

    let drop = ["drop", "--colour", "green", "--month", "2020-01", "--yes"];
    let dropped = stores.taxi.run(drop).exits(0).stdout;
    insta::assert_snapshot!(stores.plain(&dropped).replace(server.url(), "http://host"), @r"
    green 2020-01, lake data: removed green/green_tripdata_2020-01.parquet,
      quarantine/green/green_tripdata_2020-01.DIGEST.parquet
    green 2020-01, postgres 127.0.0.1:PORT/DATABASE nyc_taxi: removed partition
      green_trips_2020_01, its row in loads
    green 2020-01, bigquery local.status_of_months: removed
      local.status_of_months.green_trips$202001, its row in
      local.status_of_months.loads
    ");
    let again = stores.taxi.run(drop).exits(0).stdout;
    assert_eq!(again.matches("nothing was there").count(), 3, "{again}");
    let left = "SELECT count(*) FROM TRIPS".replace("TRIPS", &format!("{DATASET}.green_trips"));
    assert_eq!(server.value(&left), 780);
    let delete = format!("client.delete_dataset('{DATASET}', delete_contents=True)");
    server.read(&(delete + "\nanswer = None"));
}
