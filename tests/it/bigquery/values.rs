//! What is in the tables: every column of every colour as it was made, read by Google's client.

use std::fmt::Write as _;

use serde_json::Value;

use crate::harness::running::every_colour;
use taxi_test_support::generate::{Colour, Dirt, Made, Recipe, Total};

use super::{Warehouse, january};

/// Checks rows, nulls and sums of every column of a table, among the rows of one month.
fn check(warehouse: &Warehouse, table: &str, month: &str, made: &Made) {
    let described = warehouse.table(table);
    let fields = described["schema"]["fields"].as_array().unwrap();
    let name = |field: &Value| field["name"].as_str().unwrap().to_owned();
    for column in made.sums.keys() {
        assert!(fields.iter().any(|it| name(it) == *column), "{table} has no column {column}");
    }
    let mut measures = vec!["count(*)".to_owned()];
    for field in fields {
        let name = name(field);
        let measure = match field["type"].as_str().unwrap() {
            "FLOAT" | "FLOAT64" => format!("sum({name})"),
            "INTEGER" | "INT64" => format!("CAST(sum({name}) AS STRING)"),
            "STRING" => format!("CAST(sum(byte_length({name})) AS STRING)"),
            "DATETIME" => {
                format!("CAST(sum(CAST(unix_micros(timestamp({name})) AS BIGNUMERIC)) AS STRING)")
            }
            other => panic!("{table}.{name} is a {other}"),
        };
        measures.push(format!("count(*) - count({name}), {measure}"));
    }
    let row = warehouse.rows(&format!(
        "SELECT {} FROM {{}}.{table} WHERE format_datetime('%Y-%m', pickup_datetime) = '{month}'",
        measures.join(", ")
    ));
    assert_eq!(row[0][0], made.rows_kept);
    for (place, field) in fields.iter().enumerate() {
        let name = name(field);
        let (nulls, sum) = (&row[0][1 + 2 * place], &row[0][2 + 2 * place]);
        match made.sums.get(&name) {
            None => assert_eq!(*nulls, made.rows_kept, "{table}.{name} of no file"),
            Some(expected) => {
                assert_eq!(*nulls, expected.nulls, "nulls in {table}.{name}");
                match expected.sum {
                    Total::Whole(0) if sum.is_null() => {}
                    Total::Whole(whole) => {
                        let sum = sum.as_str().unwrap().parse::<f64>().unwrap();
                        assert!(
                            (sum - whole as f64).abs() < 0.5,
                            "sum of {table}.{name}: {sum}, not {whole}"
                        );
                    }
                    Total::Real(real) => {
                        let off = (sum.as_f64().unwrap_or_default() - real).abs();
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
        check(&warehouse, &format!("{colour}_trips"), &month, &made);
    }
    assert_eq!(warehouse.count("yellow_trips"), 6000);
    assert_eq!(warehouse.count("fhvhv_trips"), 6000);
}

#[tokio::test]
async fn whole_numbers_are_int64_money_is_float64_and_times_have_no_zone() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.publish(&Recipe::new(Colour::Fhvhv, 2021, 7));
    warehouse.load(&[]).exits(0);
    warehouse.run("fhvhv", "2021-07", "2021-07", &[]).exits(0);
    let types = |table: &str| {
        warehouse.lines(&format!(
            "SELECT rpad(column_name, 25, ' '), data_type
               FROM {{}}.INFORMATION_SCHEMA.COLUMNS
              WHERE table_name = '{table}' ORDER BY ordinal_position"
        ))
    };
    insta::assert_snapshot!(types("green_trips"), @r"
    vendor_id                 INT64
    pickup_datetime           DATETIME
    dropoff_datetime          DATETIME
    passenger_count           INT64
    trip_distance             FLOAT64
    rate_code                 INT64
    store_and_fwd_flag        STRING
    pickup_location_id        INT64
    dropoff_location_id       INT64
    pickup_longitude          FLOAT64
    pickup_latitude           FLOAT64
    dropoff_longitude         FLOAT64
    dropoff_latitude          FLOAT64
    payment_type              INT64
    fare_amount               FLOAT64
    extra                     FLOAT64
    mta_tax                   FLOAT64
    tip_amount                FLOAT64
    tolls_amount              FLOAT64
    ehail_fee                 FLOAT64
    improvement_surcharge     FLOAT64
    total_amount              FLOAT64
    trip_type                 INT64
    congestion_surcharge      FLOAT64
    cbd_congestion_fee        FLOAT64
    ");
    insta::assert_snapshot!(types("fhvhv_trips"), @r"
    hvfhs_license_num         STRING
    dispatching_base_num      STRING
    originating_base_num      STRING
    affiliated_base_num       STRING
    request_datetime          DATETIME
    on_scene_datetime         DATETIME
    pickup_datetime           DATETIME
    dropoff_datetime          DATETIME
    pickup_location_id        INT64
    dropoff_location_id       INT64
    sr_flag                   INT64
    trip_miles                FLOAT64
    trip_time                 INT64
    base_passenger_fare       FLOAT64
    tolls                     FLOAT64
    bcf                       FLOAT64
    sales_tax                 FLOAT64
    congestion_surcharge      FLOAT64
    airport_fee               FLOAT64
    cbd_congestion_fee        FLOAT64
    tips                      FLOAT64
    driver_pay                FLOAT64
    shared_request_flag       STRING
    shared_match_flag         STRING
    access_a_ride_flag        STRING
    wav_request_flag          STRING
    wav_match_flag            STRING
    ");
}

#[tokio::test]
async fn extreme_values_are_read_back_to_the_bit() {
    let warehouse = Warehouse::new().await;
    let fhv = Recipe::new(Colour::Fhv, 2020, 1).newer_edition().dirt(Dirt::Year3019Dropoff, 7);
    warehouse.publish(&fhv);
    warehouse.run("fhv", "2020-01", "2020-01", &[]).exits(0);
    let far = "SELECT count(*) FROM {}.fhv_trips WHERE dropoff_datetime = '3019-02-03 17:21:40'";
    assert_eq!(warehouse.value(far), 7);

    let floats = ["-0.0", "5e-324", "-1.7976931348623157e308", "0.1", "1e22", ""];
    let codes = ["-32768", "32767", "0", " 7 ", "1.0", ""];
    let times = ["2020-01-01 00:00:00", "2020-01-31 23:59:59.999999", "2020-01-31T12:00:00.5"];
    let mut file = String::from(
        "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,trip_type,tip_amount",
    );
    for row in 0..6 {
        let (float, code, time) = (floats[row], codes[row], times[row % 3]);
        let dropoff = if row == 5 { "9999-12-31 23:59:59.999999" } else { "" };
        write!(file, "\r\n{code},{time},{dropoff},N,{row},{float}").unwrap();
    }
    let files = warehouse.taxi.folder().join("files");
    std::fs::write(files.join("green_tripdata_2020-01.csv"), file).unwrap();
    warehouse.taxi.month("green", "2020-01", "./files").exits(0);
    warehouse.load(&[]).exits(0);
    let script = format!(
        "import struct\n\
         found = client.query_and_wait('''SELECT tip_amount, vendor_id, pickup_datetime, \
         dropoff_datetime, store_and_fwd_flag, fare_amount FROM {}.green_trips ORDER BY trip_type''')\n\
         hexed = lambda x: None if x is None else struct.pack('>d', x).hex()\n\
         answer = '\\n'.join(' '.join(map(str, (hexed(r[0]), *r.values()[1:]))) for r in found)",
        warehouse.dataset
    );
    let found = warehouse.server.read(&script);
    insta::assert_snapshot!(found.as_str().unwrap(), @r"
    8000000000000000 -32768 2020-01-01 00:00:00 None N None
    0000000000000001 32767 2020-01-31 23:59:59.999999 None N None
    ffefffffffffffff 0 2020-01-31 12:00:00.500000 None N None
    3fb999999999999a 7 2020-01-01 00:00:00 None N None
    4480f0cf064dd592 1 2020-01-31 23:59:59.999999 None N None
    None None 2020-01-31 12:00:00.500000 9999-12-31 23:59:59.999999 N None
    ");
}

#[tokio::test]
async fn the_tables_are_partitioned_clustered_labelled_and_described() {
    let warehouse = Warehouse::new().await;
    warehouse.publish(&january(100));
    warehouse.load(&[]).exits(0);
    let table = warehouse.table("green_trips");
    assert_eq!(table["timePartitioning"]["type"], "MONTH");
    assert_eq!(table["timePartitioning"]["field"], "pickup_datetime");
    assert_eq!(table["clustering"]["fields"], serde_json::json!(["pickup_location_id"]));
    assert_eq!(table["labels"]["colour"], "green");
    assert!(table["description"].as_str().unwrap().contains("green"), "{table}");
    for field in table["schema"]["fields"].as_array().unwrap() {
        assert!(!field["description"].as_str().unwrap_or_default().is_empty(), "{field}");
    }
}

#[tokio::test]
async fn the_job_says_all_that_it_relies_on() {
    let warehouse = Warehouse::new().await;
    warehouse.publish(&january(100));
    warehouse.load(&[]).exits(0);
    let mut job = warehouse.bigquery.loads().remove(0);
    let load = &mut job["configuration"]["load"];
    assert_eq!(load["schema"]["fields"].as_array().unwrap().len(), 25);
    load["schema"].take();
    insta::assert_snapshot!(warehouse.plain(&serde_json::to_string_pretty(load).unwrap()), @r#"
    {
      "createDisposition": "CREATE_NEVER",
      "destinationTable": {
        "datasetId": "DATASET",
        "projectId": "local",
        "tableId": "green_trips$202001"
      },
      "schema": null,
      "schemaUpdateOptions": [
        "ALLOW_FIELD_ADDITION"
      ],
      "sourceFormat": "PARQUET",
      "sourceUris": [
        "gs://BUCKET/trips/green/green_tripdata_2020-01.parquet"
      ],
      "writeDisposition": "WRITE_TRUNCATE"
    }
    "#);
}

#[tokio::test]
async fn the_ledger_says_where_a_month_came_from() {
    let warehouse = Warehouse::new().await;
    warehouse.january(100);
    warehouse.load(&[]).exits(0);
    let columns = "SELECT column_name, data_type FROM {}.INFORMATION_SCHEMA.COLUMNS
                    WHERE table_name = 'loads_log' ORDER BY ordinal_position";
    insta::assert_snapshot!(warehouse.lines(columns), @r"
    table_name STRING
    colour STRING
    month DATE
    rows_loaded INT64
    source STRING
    etag STRING
    source_sha256 STRING
    schema_digest STRING
    rules_digest STRING
    lake_object STRING
    loaded_at TIMESTAMP
    program STRING
    job STRING
    provenance STRING
    action STRING
    ");
    let row = warehouse.rows(
        "SELECT table_name, colour, month, rows_loaded, source, lake_object,
                length(source_sha256), length(schema_digest), length(rules_digest), program,
                json_value(provenance, '$.rows_kept')
           FROM {}.loads
          WHERE loaded_at > timestamp_sub(current_timestamp(), INTERVAL 1 MINUTE)",
    );
    insta::assert_snapshot!(warehouse.plain(&serde_json::to_string_pretty(&row[0]).unwrap()), @r#"
    [
      "green_trips",
      "green",
      "2020-01-01",
      100,
      "./files/green_tripdata_2020-01.csv",
      "gs://BUCKET/trips/green/green_tripdata_2020-01.parquet",
      64,
      64,
      64,
      "taxi 0.1.0",
      "100"
    ]
    "#);
    let job = warehouse.value("SELECT job FROM {}.loads");
    let jobs = warehouse.jobs("green_trips");
    assert_eq!(jobs, [format!("{} DONE", job.as_str().unwrap())]);
}
