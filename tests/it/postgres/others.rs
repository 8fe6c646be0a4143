//! What others made in the database is left as it is: indexes, grants, tables, views, names.

use taxi_test_support::generate::{Colour, Recipe};

use super::{Warehouse, january};

#[tokio::test]
async fn the_indexes_and_grants_that_a_user_put_on_the_table_survive() {
    let warehouse = Warehouse::new().await;
    warehouse.january(1000);
    warehouse.publish(&Recipe::new(Colour::Green, 2020, 2));
    warehouse.load(&[]).exits(0);
    let reader = warehouse.database.role("reader", "").await;
    warehouse
        .client
        .batch_execute(&format!(
            "CREATE INDEX \"fares USING nothing\" ON nyc_taxi.green_trips
                    (fare_amount DESC, lower(store_and_fwd_flag)) INCLUDE (tip_amount)
                    WHERE fare_amount > 0;
             CREATE UNIQUE INDEX no_two ON nyc_taxi.green_trips (pickup_datetime, total_amount,
                    trip_distance, dropoff_datetime, dropoff_location_id, pickup_location_id);
             GRANT USAGE ON SCHEMA nyc_taxi TO {reader};
             GRANT SELECT ON nyc_taxi.green_trips TO {reader}"
        ))
        .await
        .unwrap();
    for _ in 0..2 {
        warehouse.run("green", "2020-01", "2020-02", &["--force"]).exits(0);
    }
    let indexes = "SELECT concat_ws(' ', tablename, CASE WHEN position('UNIQUE' IN indexdef) > 0
                          THEN 'unique' END, substring(indexdef FROM ' (USING [a-z]+ \\(.*)'))
                     FROM pg_indexes WHERE schemaname = 'nyc_taxi' AND tablename LIKE 'green%'
                    ORDER BY 1";
    insta::assert_snapshot!(warehouse.lines(indexes).await, @r"
    green_trips USING brin (pickup_datetime)
    green_trips USING btree (fare_amount DESC, lower(store_and_fwd_flag)) INCLUDE (tip_amount) WHERE (fare_amount > (0)::double precision)
    green_trips unique USING btree (pickup_datetime, total_amount, trip_distance, dropoff_datetime, dropoff_location_id, pickup_location_id)
    green_trips_2020_01 USING brin (pickup_datetime)
    green_trips_2020_01 USING btree (fare_amount DESC, lower(store_and_fwd_flag)) INCLUDE (tip_amount) WHERE (fare_amount > (0)::double precision)
    green_trips_2020_01 unique USING btree (pickup_datetime, total_amount, trip_distance, dropoff_datetime, dropoff_location_id, pickup_location_id)
    green_trips_2020_02 USING brin (pickup_datetime)
    green_trips_2020_02 USING btree (fare_amount DESC, lower(store_and_fwd_flag)) INCLUDE (tip_amount) WHERE (fare_amount > (0)::double precision)
    green_trips_2020_02 unique USING btree (pickup_datetime, total_amount, trip_distance, dropoff_datetime, dropoff_location_id, pickup_location_id)
    ");
    let attached = "SELECT count(*) FROM pg_inherits
                     WHERE inhparent IN (SELECT indexrelid FROM pg_index
                                          WHERE indrelid = 'nyc_taxi.green_trips'::regclass)";
    assert_eq!(warehouse.value::<i64>(attached).await, 6);
    let client = warehouse.database.client_as(&reader).await;
    let rows = super::value::<i64>(&client, "SELECT count(*) FROM nyc_taxi.green_trips").await;
    assert_eq!(rows, 2000);
}

#[tokio::test]
async fn a_plain_table_of_that_name_is_refused_and_left_as_it_is() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse
        .client
        .batch_execute(
            "CREATE SCHEMA nyc_taxi;
             CREATE TABLE nyc_taxi.green_trips (index bigint, \"VendorID\" bigint,
                    lpep_pickup_datetime timestamp, \"PULocationID\" bigint);
             INSERT INTO nyc_taxi.green_trips VALUES (0, 1, now(), 2)",
        )
        .await
        .unwrap();
    let error = warehouse.error(warehouse.load(&[]));
    insta::assert_snapshot!(error, @"nyc_taxi.green_trips already exists and was not created by this program (it is a plain table with columns such as VendorID, PULocationID): it was not changed. Load into another place with --schema or --table, or rename it");
    assert_eq!(warehouse.rows("green_trips").await, 1);
    warehouse.load(&["--table", "green_months"]).exits(0);
    assert_eq!(warehouse.rows("green_months").await, 100);
}

#[tokio::test]
async fn a_table_partitioned_otherwise_and_a_view_are_refused_too() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse
        .client
        .batch_execute(
            "CREATE SCHEMA nyc_taxi;
             CREATE TABLE nyc_taxi.by_vendor (vendor_id smallint) PARTITION BY LIST (vendor_id);
             CREATE VIEW nyc_taxi.looks AS SELECT 1 AS one",
        )
        .await
        .unwrap();
    let error = |table| warehouse.error(warehouse.load(&["--table", table]));
    insta::assert_snapshot!([error("by_vendor"), error("looks"), error("loads")].join("\n"), @r"
    nyc_taxi.by_vendor already exists and was not created by this program (it is partitioned by LIST (vendor_id)): it was not changed. Load into another place with --schema or --table, or rename it
    nyc_taxi.looks already exists and was not created by this program (it is a view): it was not changed. Load into another place with --schema or --table, or rename it
    nyc_taxi.loads already exists and was not created by this program (it is a plain table, not partitioned by month): it was not changed. Load into another place with --schema or --table, or rename it
    ");
}

#[tokio::test]
async fn a_table_loads_that_is_no_ledger_is_refused_and_left_as_it_is() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    let theirs = "CREATE SCHEMA nyc_taxi; CREATE TABLE nyc_taxi.loads (kilowatts int)";
    warehouse.client.batch_execute(theirs).await.unwrap();
    insta::assert_snapshot!(warehouse.error(warehouse.load(&[])), @"nyc_taxi.loads already exists and was not created by this program (it is not a ledger of months): it was not changed. Load into another place with --schema or --table, or rename it");
    assert_eq!(warehouse.rows("loads").await, 0);
}

#[tokio::test]
async fn a_table_of_others_in_the_place_of_a_partition_is_refused_and_left_as_it_is() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse
        .client
        .batch_execute(
            "CREATE SCHEMA nyc_taxi;
             CREATE TABLE nyc_taxi.green_trips_2020_01 AS SELECT 'precious' AS thing",
        )
        .await
        .unwrap();
    let error = warehouse.error(warehouse.load(&[]));
    insta::assert_snapshot!(error, @"nyc_taxi.green_trips_2020_01 already exists and was not created by this program (it is not a partition of green_trips): it was not changed. Load into another place with --schema or --table, or rename it");
    assert_eq!(warehouse.rows("green_trips_2020_01").await, 1);
}

#[tokio::test]
async fn a_partition_that_a_user_detached_is_refused_and_left_as_it_is() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    let detach = "ALTER TABLE nyc_taxi.green_trips DETACH PARTITION nyc_taxi.green_trips_2020_01";
    warehouse.client.batch_execute(detach).await.unwrap();
    let error = warehouse.error(warehouse.load(&[]));
    assert!(error.contains("green_trips_2020_01 already exists"), "{error}");
    assert_eq!(warehouse.rows("green_trips_2020_01").await, 100);
}

#[tokio::test]
async fn a_table_of_one_colour_takes_no_month_of_another() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.publish(&Recipe::new(Colour::Yellow, 2020, 1));
    warehouse.load(&["--table", "taxis"]).exits(0);
    let ran = warehouse.run("yellow", "2020-01", "2020-01", &["--table", "taxis"]);
    insta::assert_snapshot!(warehouse.error(ran), @"nyc_taxi.taxis already exists and was not created by this program (it holds green trips): it was not changed. Load into another place with --schema or --table, or rename it");
    assert_eq!(warehouse.rows("taxis").await, 100);
    let both = warehouse.run("yellow,green", "2020-01", "2020-01", &["--table", "both"]).exits(1);
    let months = both.json()["months"].as_array().unwrap().clone();
    let failed = months.iter().filter(|month| month["state"] == "failed").count();
    assert_eq!(failed, 1, "{}", both.stdout);
}

#[tokio::test]
async fn names_that_need_quotes_are_quoted() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    let schema = "Nyc \"Taxi\"; DROP SCHEMA public";
    let table = "Green USING trips' \"x\" %s";
    for state in ["loaded", "unchanged"] {
        let ran = warehouse.load(&["--schema", schema, "--table", table]).exits(0);
        assert_eq!(ran.state(), state);
    }
    warehouse.load(&["--schema", schema, "--table", table, "--force"]).exits(0);
    insta::assert_snapshot!(warehouse.relations(schema).await, @r#"
    I Green USING trips' "x" %s_pickup_datetime_idx
    i Green USING trips' "x" %s_2020_01_new_pickup_datetime_idx
    i loads_pkey
    p Green USING trips' "x" %s
    r Green USING trips' "x" %s_2020_01
    r loads
    "#);
    let ran = warehouse.load(&["--table", &"t".repeat(41)]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    insta::assert_snapshot!(ran.stderr, @"error: the table name 'ttttttttttttttttttttttttttttttttttttttttt' is too long: 40 bytes at most");
    let ran = warehouse.load(&["--schema", &"s".repeat(64)]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[tokio::test]
async fn columns_that_a_user_added_stay_and_are_filled_by_their_defaults() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    warehouse
        .client
        .batch_execute(
            "ALTER TABLE nyc_taxi.green_trips
                ADD \"My note\" varchar(20) NOT NULL DEFAULT 'none',
                ADD net double precision GENERATED ALWAYS AS (fare_amount - mta_tax) STORED,
                ADD empty text",
        )
        .await
        .unwrap();
    warehouse.load(&["--force"]).exits(0);
    let filled = "SELECT count(*) FROM nyc_taxi.green_trips WHERE \"My note\" = 'none'
                     AND net = fare_amount - mta_tax AND empty IS NULL";
    assert_eq!(warehouse.value::<i64>(filled).await, 100);
}

#[tokio::test]
async fn a_role_that_may_not_create_schemas_loads_into_one_made_for_it() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    let loader = warehouse.database.role("loader", "").await;
    let grant = format!("CREATE SCHEMA made; GRANT USAGE, CREATE ON SCHEMA made TO {loader}");
    warehouse.client.batch_execute(&grant).await.unwrap();
    let url = warehouse.database.url_as(&loader);
    for state in ["loaded", "unchanged"] {
        let ran = warehouse.load(&["--database-url", &url, "--schema", "made"]).exits(0);
        assert_eq!(ran.state(), state);
    }
    let refused = warehouse.error(warehouse.load(&["--database-url", &url]));
    insta::assert_snapshot!(refused, @"the role loader_DATABASE may not do this in the schema nyc_taxi: it needs CREATE on the database DATABASE, since there is no schema nyc_taxi (GRANT CREATE ON DATABASE DATABASE TO loader_DATABASE, or CREATE SCHEMA nyc_taxi AUTHORIZATION loader_DATABASE)");
    warehouse.load(&["--database-url", &url, "--schema", "made", "--force"]).exits(0);
}

#[tokio::test]
async fn a_table_named_trips_is_not_replaced_by_the_view() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    let theirs = "CREATE SCHEMA nyc_taxi; CREATE TABLE nyc_taxi.trips (mine text)";
    warehouse.client.batch_execute(theirs).await.unwrap();
    warehouse.load(&[]).exits(0);
    let kind = "SELECT relkind::text FROM pg_class WHERE oid = 'nyc_taxi.trips'::regclass";
    assert_eq!(warehouse.value::<String>(kind).await, "r");
    warehouse.load(&["--schema", "second", "--table", "trips"]).exits(0);
    assert_eq!(warehouse.value::<i64>("SELECT count(*) FROM second.trips").await, 100);
}

#[tokio::test]
async fn what_a_user_built_on_the_view_survives_when_a_colour_joins() {
    let warehouse = Warehouse::new().await;
    warehouse.publish(&january(100));
    warehouse.publish(&Recipe::new(Colour::Yellow, 2020, 1));
    warehouse.load(&[]).exits(0);
    let reader = warehouse.database.role("reader", "").await;
    warehouse
        .client
        .batch_execute(&format!(
            "GRANT USAGE ON SCHEMA nyc_taxi TO {reader};
             GRANT SELECT ON nyc_taxi.trips TO {reader};
             CREATE VIEW public.by_colour AS SELECT colour, count(*) FROM nyc_taxi.trips GROUP BY 1"
        ))
        .await
        .unwrap();
    warehouse.run("yellow", "2020-01", "2020-01", &[]).exits(0);
    assert_eq!(warehouse.value::<i64>("SELECT count(*) FROM public.by_colour").await, 2);
    let client = warehouse.database.client_as(&reader).await;
    assert_eq!(super::value::<i64>(&client, "SELECT count(*) FROM nyc_taxi.trips").await, 1100);
}
