//! Counting again finds what was changed by hand.

use super::Stores;

#[tokio::test]
async fn rows_and_values_changed_by_hand_are_found_and_mended() {
    let stores = Stores::with(&[1, 2, 3, 4]).await;
    let first = "ctid = (SELECT min(ctid) FROM nyc_taxi.green_trips_2020_";
    stores.execute(&format!("DELETE FROM nyc_taxi.green_trips_2020_02 WHERE {first}02)")).await;
    let change = "UPDATE nyc_taxi.green_trips_2020_03 SET trip_distance = trip_distance + 0.25";
    stores.execute(&format!("{change} WHERE {first}03)")).await;
    // A status looks at ledgers and footers, and sees nothing of it.
    assert_eq!(stores.status(&["--output", "json"], 0).json()["mend"], serde_json::json!([]));

    // The footer stays whole, the rows do not.
    let path = stores.taxi.lake("green/green_tripdata_2020-04.parquet");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[64..2000].fill(0xff);
    std::fs::write(&path, bytes).unwrap();

    let found = stores.verify(&[], 1);
    let said = found.stdout.lines().map(|line| {
        // What the decoder says is its own affair.
        line.split_once("cannot be read (").map_or(line, |(before, _)| before)
    });
    let said: Vec<&str> = said.collect();
    insta::assert_snapshot!(said.join("\n"), @"
    month                   lake      postgres
    green 2020-01            195           195  agrees
    green 2020-02            195           194  disagrees
    green 2020-03            195           195  disagrees
    green 2020-04              -           195  disagrees

    green 2020-02, postgres: it has 194 rows, the ledger 195
    green 2020-03, postgres: other sums than in the lake: trip_distance
    green 2020-04, lake: data/green/green_tripdata_2020-04.parquet cannot be read
      (External: Parquet argument error: Parquet error: not enough data to read
      levels): publish the month again with --force
    4 months counted: 1 agree, 3 disagree

    To repair what disagrees:
      taxi run etl-web-to-gcs --colour green --from 2020-04 --to 2020-04 --force
      taxi run etl-gcs-to-postgres --colour green --from 2020-02 --to 2020-03 --force
    ");
    stores.mend(&stores.verify(&["--output", "json"], 1));
    insta::assert_snapshot!(stores.verify(&[], 0).stdout, @r"
    month                   lake      postgres
    green 2020-01            195           195  agrees
    green 2020-02            195           195  agrees
    green 2020-03            195           195  agrees
    green 2020-04            195           195  agrees

    4 months counted: 4 agree
    ");
    assert_eq!(stores.taxi.files("data/spool"), Vec::<String>::new());
}

#[tokio::test]
async fn a_program_gets_rows_and_sums_as_json() {
    let stores = Stores::with(&[1]).await;
    let json = stores.verify(&["--output", "json"], 0).json();
    assert_eq!(json["ok"], true);
    let counts = &json["months"][0]["counts"];
    assert_eq!(counts[0]["store"], "lake");
    assert_eq!(counts[0]["sums"]["rows"], 195);
    assert_eq!(counts[0]["sums"], counts[1]["sums"]);
    let sql = "SELECT sum(floor(total_amount * 100)::bigint)::bigint FROM nyc_taxi.green_trips";
    let sum: i64 = stores.client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(counts[0]["sums"]["columns"]["total_amount"], sum);
}

#[tokio::test]
async fn values_that_are_hardly_numbers_come_to_the_same_everywhere() {
    let stores = Stores::new().await;
    let header = "VendorID,lpep_pickup_datetime,passenger_count,trip_distance,total_amount\n";
    let rows = [
        "2,2020-01-05 10:00:00,,0.1,1e300",
        "2,2020-01-05 10:00:00,-32768,0.29,-1e9",
        "2,2020-01-05 10:00:00,32767,0.07,1000000000.5",
        "2,2020-01-05 10:00:00,0,,-0.005",
        "2,2020-01-05 10:00:00,0,1.005,2.675",
    ];
    let text = header.to_owned() + &rows.join("\n");
    std::fs::write(stores.taxi.folder().join("files/green_tripdata_2020-01.csv"), text).unwrap();
    stores.bring(1, 1);
    let json = stores.verify(&["--output", "json"], 0).json();
    let sums = &json["months"][0]["counts"][0]["sums"];
    assert_eq!(sums["rows"], 5);
    assert_eq!(sums["columns"]["total_amount"], -100_000_000_000_i64 - 1 + 267);
    assert_eq!(sums["columns"]["passenger_count"], -100);
}

#[tokio::test]
async fn a_month_that_only_the_warehouse_has_is_held_against_its_ledger() {
    let stores = Stores::new().await;
    stores.file(1, 200);
    let args = ["run", "ingest-data", "--colour", "green", "--year", "2020", "--months", "1"];
    stores.taxi.run(args).exits(0);
    insta::assert_snapshot!(stores.verify(&[], 0).stdout, @r"
    month                   lake      postgres
    green 2020-01              -           195  agrees

    1 month counted: 1 agree
    ");
    stores.execute("DELETE FROM nyc_taxi.green_trips WHERE vendor_id = 1").await;
    let found = stores.verify(&["--output", "json"], 1).json();
    let what = found["months"][0]["findings"][0]["what"].as_str().unwrap();
    assert!(what.ends_with("the ledger 195"), "{what}");
    stores.verify(&["--from", "2021-01", "--to", "2021-01"], 0);
}
