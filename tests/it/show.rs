//! What the program shows: the rows set aside, the schema, the zones.

use arrow::array::AsArray;
use arrow::datatypes::Int16Type;
use serde_json::Value;

use crate::harness::month::Parquet;
use crate::harness::taxi::Taxi;
use taxi_test_support::gcs::GcsProxy;
use taxi_test_support::web::Web;

const HEADER: &str =
    "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,fare_amount\n";

/// A lake with one month, two of whose rows are set aside.
fn with_a_month() -> Taxi {
    let taxi = Taxi::new();
    let rows = [
        "2,2020-01-05 10:00:00,2020-01-05 10:20:00,N,9.5",
        "2,2020-01-05 10:00:00,2020-01-05 10:20:00,\"N, or \"\"Y\"\"\",x",
        "2,2019-01-05 10:00:00,2019-01-05 09:20:00,N,9.5",
    ];
    let text = HEADER.to_owned() + &rows.join("\n");
    std::fs::write(taxi.folder().join("green_tripdata_2020-01.csv"), text).unwrap();
    taxi.month("green", "2020-01", "./").exits(0);
    taxi
}

fn quarantine(taxi: &Taxi, more: &[&str]) -> String {
    let args = ["quarantine", "--colour", "green", "--month", "2020-01"];
    taxi.run(args.iter().chain(more)).exits(0).stdout
}

#[test]
fn the_rows_set_aside_are_shown_with_their_lines_and_reasons() {
    let taxi = with_a_month();
    let shown = quarantine(&taxi, &[]);
    let digest = shown.split("2020-01.").nth(1).unwrap().split('.').next().unwrap();
    insta::assert_snapshot!(shown.replace(digest, "DIGEST"), @r#"
        green 2020-01: 2 of 3 rows set aside, in data/quarantine/green/green_tripdata_2020-01.DIGEST.parquet
                  1  dropoff_before_pickup
                  1  pickup_outside_month
                  1  unreadable
                  1  unreadable: fare_amount
                  1  unreadable: store_and_fwd_flag

         line  reasons                                     unreadable                      fields
         3     unreadable                                  store_and_fwd_flag fare_amount  2,2020-01-05 10:00:00,2020-01-05 10:20:00,N, or "Y",x
         4     pickup_outside_month dropoff_before_pickup                                  2,2019-01-05 10:00:00,2019-01-05 09:20:00,N,9.5
        "#);
}

#[test]
fn rows_can_be_chosen_by_reason_and_number() {
    let taxi = with_a_month();
    let csv = quarantine(&taxi, &["--output", "csv", "--reason", "unreadable"]);
    insta::assert_snapshot!(csv, @r#"
        line,reasons,unreadable,VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,fare_amount
        3,unreadable,store_and_fwd_flag fare_amount,2,2020-01-05 10:00:00,2020-01-05 10:20:00,"N, or ""Y""",x
        "#);
    let first = quarantine(&taxi, &["--output", "csv", "--limit", "1"]);
    assert_eq!(first, csv);
}

#[test]
fn programs_get_the_rows_as_json() {
    let taxi = with_a_month();
    let json: Value = serde_json::from_str(&quarantine(&taxi, &["--output", "json"])).unwrap();
    assert_eq!(json["rows_quarantined"], 2);
    assert_eq!(json["header"][0], "VendorID");
    assert_eq!(json["unreadable"], serde_json::json!({"fare_amount": 1, "store_and_fwd_flag": 1}));
    let columns = serde_json::json!(["store_and_fwd_flag", "fare_amount"]);
    assert_eq!(json["rows"][0]["unreadable"], columns);
    assert_eq!(json["rows"][0]["line"], 3);
    assert_eq!(json["rows"][0]["fields"][3], "N, or \"Y\"");
    assert_eq!(
        json["rows"][1]["reasons"],
        serde_json::json!(["pickup_outside_month", "dropoff_before_pickup"])
    );
}

#[test]
fn a_month_that_is_not_there_or_has_nothing_set_aside_is_said_to_be_so() {
    let taxi = Taxi::new();
    let ran = taxi.run(["quarantine", "--month", "2020-01"]).exits(1);
    insta::assert_snapshot!(ran.stderr, @r"
        error: green 2020-01 is not in the lake data: publish it with taxi run etl-web-to-gcs
        ");
    let text = HEADER.to_owned() + "2,2020-01-05 10:00:00,2020-01-05 10:20:00,N,9.5";
    std::fs::write(taxi.folder().join("green_tripdata_2020-01.csv"), text).unwrap();
    taxi.month("green", "2020-01", "./").exits(0);
    insta::assert_snapshot!(quarantine(&taxi, &[]), @r"
        green 2020-01: 0 of 1 rows set aside, in data/green/green_tripdata_2020-01.parquet
        ");
}

#[tokio::test]
async fn the_rows_set_aside_are_shown_from_a_bucket_too() {
    let proxy = GcsProxy::start().await;
    proxy.make_bucket("lake").await;
    let bucket =
        Taxi::new().set("TAXI_LAKE", "gs://lake").set("STORAGE_EMULATOR_HOST", proxy.url());
    let local = with_a_month();
    bucket.month("green", "2020-01", local.folder().to_str().unwrap()).exits(0);
    let shown = |taxi: &Taxi| quarantine(taxi, &["--output", "csv"]);
    assert_eq!(shown(&bucket), shown(&local));
    assert_eq!(bucket.files("data/spool"), Vec::<String>::new());
}

#[test]
fn the_schema_of_a_colour_is_shown() {
    let taxi = Taxi::new();
    let table = taxi.run(["schema", "fhv"]).exits(0).stdout;
    insta::assert_snapshot!(table, @r"
        fhv                   type       in the files of  meaning
        dispatching_base_num  string     2015-01 on       The licence of the base that dispatched the trip
        affiliated_base_num   string     2019-01 on       The licence of the base the vehicle is affiliated with
        pickup_datetime       timestamp  2015-01 on       When the meter was engaged, or the trip began
        dropoff_datetime      timestamp  2017-01 on       When the meter was disengaged, or the trip ended
        pickup_location_id    int16      2015-01 on       The taxi zone of the pickup (zones; 264 unknown, 265 outside the city)
        dropoff_location_id   int16      2017-01 on       The taxi zone of the drop-off (zones; 264 unknown, 265 outside the city)
        sr_flag               int16      2017-07 on       1 when the trip was part of a shared-ride chain, else null
        ");
    let json = taxi.run(["schema", "--output", "json"]).exits(0).json();
    assert!(json.as_array().unwrap().len() > 70);
}

#[tokio::test]
async fn the_zones_come_to_the_lake_and_only_when_they_changed() {
    let taxi = Taxi::new();
    let web = Web::start().await;
    let edition = |last: &str| {
        format!(
            "\"LocationID\",\"Borough\",\"Zone\",\"service_zone\"\n1,\"EWR\",\"Newark Airport\",\"EWR\"\r\n{last}\r\n"
        )
    };
    web.put("/zones.csv", edition("264,\"Unknown\",\"N/A\",\"N/A\""));
    let address = web.url() + "/zones.csv";
    let bring = || {
        let args = ["run", "etl-zones", "--zones", &address, "--output", "json"];
        taxi.run(args).exits(0).json()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(bring(), "published");
    assert_eq!(bring(), "unchanged");
    web.put("/zones.csv", edition("264,\"N/A\",\"\",\"N/A\""));
    assert_eq!(bring(), "published");
    let zones = Parquet::read(&taxi.lake("zones/taxi_zone_lookup.parquet"));
    assert_eq!(zones.rows["location_id"].as_primitive::<Int16Type>().values(), &[1, 264]);
    let texts = |name: &str| zones.rows[name].as_string::<i32>().iter().collect::<Vec<_>>();
    assert_eq!(texts("borough"), [Some("EWR"), Some("N/A")]);
    assert_eq!(texts("zone"), [Some("Newark Airport"), None]);
    assert_eq!(taxi.files("data/spool"), Vec::<String>::new());
}

#[tokio::test]
async fn zones_that_are_none_replace_nothing() {
    let taxi = Taxi::new();
    let web = Web::start().await;
    web.put("/zones.csv", "a,b\n1,2\n");
    let address = web.url() + "/zones.csv";
    let ran = taxi.run(["run", "etl-zones", "--zones", &address, "--output", "json"]).exits(1);
    insta::assert_snapshot!(ran.json()["error"].as_str().unwrap(), @r"
        line 1 of the taxi zones: the columns are not LocationID, Borough, Zone, service_zone. Is the address that of taxi_zone_lookup.csv?
        ");
    assert!(!taxi.lake("zones").exists());
    let ran = taxi.run(["run", "etl-zones", "--zones", "none.csv"]).exits(1);
    assert!(ran.stderr.contains("none.csv"), "{}", ran.stderr);
}
