//! What is in the tables: every column of every colour as it was made.

use std::fmt::Write as _;

use crate::harness::running::every_colour;
use taxi_test_support::generate::{Colour, Dirt, Made, Recipe, Total};

use super::{Warehouse, january};

/// Checks rows, nulls and sums of every column of a table.
pub(super) async fn check(warehouse: &Warehouse, table: &str, made: &Made) {
    assert_eq!(warehouse.rows(table).await, made.rows_kept as i64);
    let sql = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
                WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let qualified = format!("nyc_taxi.{table}");
    let columns = warehouse.client.query(sql, &[&qualified]).await.unwrap();
    let names: Vec<String> = columns.iter().map(|row| row.get(0)).collect();
    for name in made.sums.keys() {
        assert!(names.contains(name), "{table} has no column {name}");
    }
    for column in &columns {
        let (name, kind) = (column.get::<_, String>(0), column.get::<_, &str>(1));
        let measure = match kind {
            "double precision" => format!("\"{name}\""),
            "text" => format!("octet_length(\"{name}\")"),
            "timestamp without time zone" => {
                format!("(extract(epoch FROM \"{name}\") * 1000000)::bigint")
            }
            "smallint" | "integer" => format!("\"{name}\"::bigint"),
            other => panic!("{table}.{name} is a {other}"),
        };
        let sql = format!(
            "SELECT count(*) - count(\"{name}\"), coalesce(sum({measure}), 0)::text FROM {qualified}"
        );
        let row = warehouse.client.query_one(&sql, &[]).await.unwrap();
        let (nulls, sum) = (row.get::<_, i64>(0), row.get::<_, &str>(1));
        match made.sums.get(&name) {
            None => assert_eq!(nulls, made.rows_kept as i64, "{table}.{name} of no file"),
            Some(expected) => {
                assert_eq!(nulls, expected.nulls as i64, "nulls in {table}.{name}");
                match expected.sum {
                    Total::Whole(whole) => {
                        assert_eq!(sum.parse::<i128>().unwrap(), whole, "sum of {table}.{name}");
                    }
                    Total::Real(real) => {
                        let off = (sum.parse::<f64>().unwrap() - real).abs();
                        let small = real.abs().max(1.0) * 1e-9;
                        assert!(off < small, "sum of {table}.{name}: {sum}, not {real}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn every_column_of_every_colour_has_the_nulls_and_the_sum_it_was_made_with() {
    let warehouse = Warehouse::new().await;
    for recipe in every_colour() {
        let (colour, month) = (recipe.colour.to_string(), recipe.month.to_string());
        let made = warehouse.publish(&recipe);
        let ran = warehouse.run(&colour, &month, &month, &[]).exits(0);
        assert_eq!(ran.state(), "loaded");
        assert_eq!(ran.first()["rows_loaded"], made.rows_kept);
        let partition = format!("{colour}_trips_{}", month.replace('-', "_"));
        check(&warehouse, &partition, &made).await;
    }
    assert_eq!(warehouse.rows("yellow_trips").await, 6000);
    assert_eq!(warehouse.rows("fhvhv_trips").await, 6000);
}

#[tokio::test]
async fn ids_are_smallints_money_is_double_precision_and_times_have_no_zone() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.publish(&Recipe::new(Colour::Fhvhv, 2021, 7));
    warehouse.load(&[]).exits(0);
    warehouse.run("fhvhv", "2021-07", "2021-07", &[]).exits(0);
    let types = |table: &str| {
        format!(
            "SELECT rpad(attname, 25) || format_type(atttypid, atttypmod)
                    || CASE WHEN attnotnull THEN ' not null' ELSE '' END FROM pg_attribute
              WHERE attrelid = 'nyc_taxi.{table}'::regclass AND attnum > 0 ORDER BY attnum"
        )
    };
    insta::assert_snapshot!(warehouse.lines(&types("green_trips")).await, @r"
    vendor_id                smallint
    pickup_datetime          timestamp without time zone not null
    dropoff_datetime         timestamp without time zone
    passenger_count          smallint
    trip_distance            double precision
    rate_code                smallint
    store_and_fwd_flag       text
    pickup_location_id       smallint
    dropoff_location_id      smallint
    pickup_longitude         double precision
    pickup_latitude          double precision
    dropoff_longitude        double precision
    dropoff_latitude         double precision
    payment_type             smallint
    fare_amount              double precision
    extra                    double precision
    mta_tax                  double precision
    tip_amount               double precision
    tolls_amount             double precision
    ehail_fee                double precision
    improvement_surcharge    double precision
    total_amount             double precision
    trip_type                smallint
    congestion_surcharge     double precision
    cbd_congestion_fee       double precision
    ");
    insta::assert_snapshot!(warehouse.lines(&types("fhvhv_trips")).await, @r"
    hvfhs_license_num        text
    dispatching_base_num     text
    originating_base_num     text
    affiliated_base_num      text
    request_datetime         timestamp without time zone
    on_scene_datetime        timestamp without time zone
    pickup_datetime          timestamp without time zone not null
    dropoff_datetime         timestamp without time zone
    pickup_location_id       smallint
    dropoff_location_id      smallint
    sr_flag                  smallint
    trip_miles               double precision
    trip_time                integer
    base_passenger_fare      double precision
    tolls                    double precision
    bcf                      double precision
    sales_tax                double precision
    congestion_surcharge     double precision
    airport_fee              double precision
    cbd_congestion_fee       double precision
    tips                     double precision
    driver_pay               double precision
    shared_request_flag      text
    shared_match_flag        text
    access_a_ride_flag       text
    wav_request_flag         text
    wav_match_flag           text
    ");
}

#[tokio::test]
async fn extreme_values_are_read_back_to_the_bit() {
    let warehouse = Warehouse::new().await;
    let fhv = Recipe::new(Colour::Fhv, 2020, 1).newer_edition().dirt(Dirt::Year3019Dropoff, 7);
    warehouse.publish(&fhv);
    warehouse.run("fhv", "2020-01", "2020-01", &[]).exits(0);
    let far =
        "SELECT count(*) FROM nyc_taxi.fhv_trips WHERE dropoff_datetime = '3019-02-03 17:21:40'";
    assert_eq!(warehouse.value::<i64>(far).await, 7);

    let floats = ["-0.0", "5e-324", "-1.7976931348623157e308", "0.1", "1e22", ""];
    let codes = ["-32768", "32767", "0", " 7 ", "1.0", ""];
    let times = ["2020-01-01 00:00:00", "2020-01-31 23:59:59.999999", "2020-01-31T12:00:00.5"];
    let header = "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,\
                  trip_type,tip_amount";
    let mut file = String::from(header);
    for row in 0..6 {
        let (float, code, time) = (floats[row], codes[row], times[row % 3]);
        let dropoff = if row == 5 { "9999-12-31 23:59:59.999999" } else { "" };
        write!(file, "\r\n{code},{time},{dropoff},N,{row},{float}").unwrap();
    }
    let files = warehouse.taxi.folder().join("files");
    std::fs::write(files.join("green_tripdata_2020-01.csv"), file).unwrap();
    warehouse.taxi.month("green", "2020-01", "./files").exits(0);
    warehouse.load(&[]).exits(0);
    let sql = "SELECT concat_ws(' ', encode(float8send(tip_amount), 'hex'), vendor_id,
                      pickup_datetime, dropoff_datetime, store_and_fwd_flag, fare_amount)
                 FROM nyc_taxi.green_trips ORDER BY trip_type";
    insta::assert_snapshot!(warehouse.lines(sql).await, @r"
    8000000000000000 -32768 2020-01-01 00:00:00 N
    0000000000000001 32767 2020-01-31 23:59:59.999999 N
    ffefffffffffffff 0 2020-01-31 12:00:00.5 N
    3fb999999999999a 7 2020-01-01 00:00:00 N
    4480f0cf064dd592 1 2020-01-31 23:59:59.999999 N
    2020-01-31 12:00:00.5 9999-12-31 23:59:59.999999 N
    ");
}

#[tokio::test]
async fn a_query_of_some_days_reads_one_partition() {
    let warehouse = Warehouse::new().await;
    for month in 1..=4 {
        warehouse.publish(&Recipe::new(Colour::Green, 2020, month));
    }
    warehouse.run("green", "2020-01", "2020-04", &[]).exits(0);
    let plan = warehouse
        .lines(
            "EXPLAIN SELECT count(*) FROM nyc_taxi.green_trips
              WHERE pickup_datetime >= '2020-02-10' AND pickup_datetime < '2020-02-12'",
        )
        .await;
    assert!(plan.contains("green_trips_2020_02"), "{plan}");
    assert!(!plan.contains("green_trips_2020_01"), "{plan}");
    assert!(!plan.contains("green_trips_2020_03"), "{plan}");
}

#[tokio::test]
async fn the_ledger_says_where_a_month_came_from() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    let sql = "SELECT concat_ws(E'\\n', table_name, colour, month, rows, source, lake_object,
                      length(source_sha256), length(schema_digest), length(rules_digest), program)
                 FROM nyc_taxi.loads WHERE loaded_at > now() - interval '1 minute'";
    insta::assert_snapshot!(warehouse.plain(&warehouse.lines(sql).await), @r"
    green_trips
    green
    2020-01-01
    100
    ./files/green_tripdata_2020-01.csv
    data/green/green_tripdata_2020-01.parquet
    64
    64
    64
    taxi 0.1.0
    ");
}

#[tokio::test]
async fn the_tables_are_described_to_who_asks_the_database() {
    let warehouse = Warehouse::new().await;
    warehouse.publish(&january(100));
    warehouse.load(&[]).exits(0);
    let sql = "SELECT obj_description('nyc_taxi.green_trips'::regclass)";
    assert!(warehouse.value::<String>(sql).await.contains("green trips"));
    let sql = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'nyc_taxi.green_trips'::regclass
                AND attnum > 0 AND col_description(attrelid, attnum) IS NULL";
    assert_eq!(warehouse.value::<i64>(sql).await, 0);
}
