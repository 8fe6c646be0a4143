//! Read-only commands create nothing, and an unreachable store does not affect the others.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::harness::month::Parquet;
use crate::harness::running::Running;
use crate::harness::taxi::Taxi;
use taxi_test_support::gcs::GcsProxy;
use taxi_test_support::postgres::PostgresServer;

const FILE: &str = "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,fare_amount\n\
    2,2020-01-05 10:00:00,2020-01-05 10:20:00,9.5\n\
    2,2019-01-05 10:00:00,2019-01-05 10:20:00,9.5\n";

/// A folder with a file of a month, and a lake `data` that has it.
fn with_a_month(taxi: Taxi) -> Taxi {
    fs::write(taxi.folder().join("green_tripdata_2020-01.csv"), FILE).unwrap();
    taxi.month("green", "2020-01", "./").exits(0);
    taxi
}

/// A text on one line.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const LOOKS: [&[&str]; 3] = [
    &["status", "--colour", "green"],
    &["verify", "--colour", "green"],
    &["quarantine", "--month", "2020-01"],
];

#[test]
fn a_lake_that_is_not_there_is_refused_by_what_only_looks() {
    for lake in ["typo", "./typo", "a/b"] {
        let taxi = Taxi::bare();
        for command in LOOKS {
            let said = taxi.run([command, &["--lake", lake]].concat()).exits(2).stderr;
            let named = format!("there is no lake connection or folder named '{lake}' (--lake)");
            assert!(said.contains(&named), "{said}");
        }
        for command in [&["config"][..], &["connections", "list"]] {
            let ran = taxi.run([command, &["--lake", lake]].concat()).exits(0);
            assert!(ran.stderr.contains("there is no lake connection or folder"), "{}", ran.stderr);
        }
        let tested = taxi.run(["connections", "test", "--lake", lake]).stdout;
        assert!(tested.contains("does not exist yet"), "{tested}");
        assert_eq!(fs::read_dir(taxi.folder()).unwrap().count(), 0);
    }
    let taxi = Taxi::bare().set("TAXI_LAKE", "typo");
    let said = taxi.run(["status"]).exits(2).stderr;
    assert!(said.contains("'typo' (TAXI_LAKE)"), "{said}");
    let taxi = Taxi::bare();
    fs::write(taxi.folder().join("taxi.toml"), "lake = 'prd'").unwrap();
    let said = taxi.run(["status"]).exits(2).stderr;
    assert!(said.contains("'prd' (taxi.toml, line 1)"), "{said}");
}

#[test]
fn a_slip_in_the_address_of_a_bucket_makes_no_folder() {
    let taxi = Taxi::bare();
    let slips = ["gs:/bkt", "gs//bkt/p", "GS://bkt", "gs:bkt", "gcs://bkt", "s3:bkt", "az:b"];
    for slip in slips {
        let run: &[&str] = &["run", "etl-web-to-gcs", "--source", "./"];
        for command in LOOKS.into_iter().chain([run, &["config"], &["connections", "list"]]) {
            let said = taxi.run([command, &["--lake", slip]].concat()).exits(2).stderr;
            assert!(said.contains("is not the address of a lake"), "{said}");
        }
    }
    assert_eq!(fs::read_dir(taxi.folder()).unwrap().count(), 0);
}

#[test]
fn what_only_looks_makes_nothing() {
    let taxi = Taxi::bare();
    taxi.run(["status"]).exits(0);
    taxi.run(["quarantine", "--month", "2020-01"]).exits(1);
    taxi.run(["connections", "test"]);
    taxi.run(["config"]).exits(0);
    taxi.run(["runs"]).exits(0);
    let dry = ["run", "etl-web-to-gcs", "--source", "./", "--lake", "new", "--dry-run"];
    taxi.run(dry).exits(0);
    assert_eq!(fs::read_dir(taxi.folder()).unwrap().count(), 0);
}

#[tokio::test]
async fn looking_into_a_bucket_makes_no_spool() {
    let gcs = GcsProxy::start().await;
    gcs.make_bucket("lake").await;
    let bucket =
        |taxi: Taxi| taxi.set("TAXI_LAKE", "gs://lake/p").set("STORAGE_EMULATOR_HOST", gcs.url());
    with_a_month(bucket(Taxi::new()));
    let other = bucket(Taxi::bare());
    for command in LOOKS {
        other.run(command).exits(0);
    }
    let made: Vec<_> = other.files("").into_iter().filter(|it| !it.contains("runs")).collect();
    assert_eq!(made, Vec::<String>::new());
    assert!(!other.folder().join("data/spool").exists());
}

#[test]
fn a_lake_whose_key_cannot_be_read_spoils_no_other_store() {
    let toml = "\
[lakes.far]
address = 'gs://far'
credentials = { file = 'gone.json' }
[lakes.near]
address = 'data'
[bigquery.cloud]
project = 'p'
credentials = { env = 'NOT_SET' }
";
    let taxi = Taxi::new();
    let near = with_a_month(taxi);
    fs::write(near.folder().join("taxi.toml"), toml).unwrap();
    let asked = ["--colour", "green", "--to-warehouse", "bigquery", "--bigquery", "cloud"];
    let ran = near.run([&["status"], &asked[..]].concat()).exits(1);
    assert!(ran.stdout.contains("1 in the lake"), "{}", ran.stdout);
    assert!(flat(&ran.stdout).contains("variable NOT_SET"), "{}", ran.stdout);
    let ran = near.run([&["verify"], &asked[..]].concat()).exits(1);
    assert!(flat(&ran.stdout).contains("variable NOT_SET"), "{}", ran.stdout);

    let ran = near.run(["status", "--lake", "far", "--colour", "green"]).exits(1);
    assert!(
        flat(&ran.stdout).contains("gone.json cannot be used"),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
    let ran = near.run(["quarantine", "--lake", "far", "--month", "2020-01"]).exits(1);
    assert!(ran.stderr.contains("gone.json cannot be used"), "{}", ran.stderr);
    let tested = near.run(["connections", "test", "--output", "json"]).exits(1).json();
    let of = |name: &str| {
        let all = tested.as_array().unwrap();
        all.iter().find(|it| it["name"] == name).unwrap().clone()
    };
    assert_eq!(of("near")["ok"], true, "{tested}");
    assert!(of("far")["error"].as_str().unwrap().contains("gone.json"), "{tested}");
    assert!(of("cloud")["error"].as_str().unwrap().contains("NOT_SET"), "{tested}");
}

#[tokio::test]
async fn a_lake_or_a_database_in_a_block_that_cannot_be_read_spoils_no_other_store() {
    let database = PostgresServer::shared().await.database().await;
    let near = with_a_month(Taxi::new().set("PREFECT_API_URL", "http://127.0.0.1:1/api"));
    let url = database.url();
    let load = ["run", "etl-gcs-to-postgres", "--colour", "green", "--from", "2020-01"];
    near.run(load.into_iter().chain(["--to", "2020-01", "--database-url", &url])).exits(0);

    let toml = "lake = 'prefect:gcs-bucket/trips'\n[postgres.block]\n\
                url = 'prefect:database-credentials/db'\n";
    fs::write(near.folder().join("taxi.toml"), toml).unwrap();
    let ran = near.run([
        "status",
        "--colour",
        "green",
        "--to-warehouse",
        "postgres",
        "--database-url",
        &url,
    ]);
    let ran = ran.exits(1);
    assert!(ran.stdout.contains("1 loaded"), "{}\n{}", ran.stdout, ran.stderr);
    assert!(
        flat(&ran.stdout).contains("prefect:gcs-bucket/trips cannot be read"),
        "{}",
        ran.stdout
    );
    let args = ["status", "--colour", "green", "--to-warehouse", "postgres", "--lake", "data"];
    let ran = near.run([&args[..], &["--postgres", "block"]].concat()).exits(1);
    assert!(ran.stdout.contains("1 in the lake"), "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("prefect:database-credentials/db"), "{}", ran.stdout);

    let listed = near.run(["runs"]).exits(0).stdout;
    assert!(listed.contains("etl-web-to-gcs"), "{listed}");
    near.run(["connections", "list"]).exits(0);
    // What writes is refused, as before.
    near.run(["run", "etl-web-to-gcs", "--source", "./"]).exits(2);
}

#[tokio::test]
async fn the_key_of_an_object_is_the_same_everywhere() {
    let gcs = GcsProxy::start().await;
    gcs.make_bucket("lake").await;
    for prefix in ["büro/Fahrten", "50%/a%20b", "a?b", "c#d", "e+f g", "[h]*~", "日本"] {
        let lake = format!("gs://lake/{prefix}");
        let taxi = Taxi::new().set("TAXI_LAKE", &lake).set("STORAGE_EMULATOR_HOST", gcs.url());
        fs::write(taxi.folder().join("green_tripdata_2020-01.csv"), FILE).unwrap();
        let month = taxi.month("green", "2020-01", "./").exits(0).first();
        let key = "green/green_tripdata_2020-01.parquet";
        assert_eq!(month["lake"], format!("{lake}/{key}"));
        let names = gcs.names("lake", prefix).await;
        assert!(names.contains(&format!("{prefix}/{key}")), "{names:?}");
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(taxi.month("green", "2020-01", "./").exits(0).state(), "unchanged");
        let shown = taxi.run(["status", "--colour", "green"]).exits(0).stdout;
        assert!(shown.contains("1 in the lake") && flat(&shown).contains(&lake), "{shown}");
        taxi.run(["verify", "--colour", "green"]).exits(0);
        let shown = taxi.run(["quarantine", "--month", "2020-01"]).exits(0).stdout;
        assert!(shown.contains(&format!("{lake}/quarantine/green/")), "{shown}");
        let drop = ["drop", "--colour", "green", "--month", "2020-01", "--yes"];
        taxi.run([&drop[..], &["--from-stores", "lake"]].concat()).exits(0);
        assert_eq!(gcs.names("lake", prefix).await, Vec::<String>::new());
    }
}

#[test]
fn a_folder_may_have_any_letters() {
    for name in ["büro/Fahrten", "50%/a%20b", "a?b", "c#d", "e+f g", "[h]*~"] {
        let taxi = with_a_month(Taxi::new().set("TAXI_LAKE", name));
        let key = taxi.folder().join(name).join("green/green_tripdata_2020-01.parquet");
        assert_eq!(Parquet::read(&key).rows.num_rows(), 1);
        assert_eq!(taxi.month("green", "2020-01", "./").exits(0).state(), "unchanged");
        taxi.run(["verify", "--colour", "green"]).exits(0);
    }
}

#[test]
fn what_makes_no_sense_at_nought_is_refused() {
    let taxi = Taxi::new();
    let run = ["run", "etl-web-to-gcs", "--source", "./"];
    for flag in ["--jobs", "--threads", "--connections-per-host"] {
        for value in ["0", "-1", "x"] {
            let flag = format!("{flag}={value}");
            let said = taxi.run([&run[..], &[&flag]].concat()).exits(2).stderr;
            assert!(said.contains("write a whole number, 1 or more"), "{said}");
        }
    }
    for flag in ["--task-timeout=0s", "--stall-timeout=0s"] {
        let said = taxi.run([&run[..], &[flag]].concat()).exits(2).stderr;
        assert!(said.contains("write a time longer than 0"), "{said}");
    }
    taxi.run([&run[..], &["--retries", "0", "--keep-runs", "0", "--retry-delay", "0s"]].concat())
        .exits(0);
    let said = Taxi::new().set("TAXI_JOBS", "0").run(run).exits(2).stderr;
    assert!(said.contains("1 or more"), "{said}");
    for (line, said) in [
        ("jobs = 0", "'jobs' must be a whole number, 1 or more"),
        ("threads = 0", "'threads' must be a whole number, 1 or more"),
        ("stall_timeout = '0s'", "write a time longer than 0"),
    ] {
        fs::write(taxi.folder().join("taxi.toml"), line).unwrap();
        let stderr = taxi.run(run).exits(2).stderr;
        assert!(
            stderr.contains(&format!("taxi.toml, line 1, is not understood: {said}")),
            "{stderr}"
        );
    }
}

#[test]
fn the_journal_tells_of_the_zones_too() {
    let taxi = Taxi::new();
    let zones = "LocationID,Borough,Zone,service_zone\n1,EWR,Newark Airport,EWR\n";
    fs::write(taxi.folder().join("zones.csv"), zones).unwrap();
    taxi.run(["run", "etl-zones", "--zones", "zones.csv"]).exits(0);
    taxi.run(["run", "etl-zones", "--zones", "gone.csv"]).exits(1);
    let runs = taxi.run(["runs", "--output", "json"]).exits(0).json();
    let ended = |at: usize| (runs[at]["flow"].clone(), runs[at]["ending"].clone());
    assert_eq!(ended(0), ("etl-zones".into(), "failed".into()));
    assert_eq!(ended(1), ("etl-zones".into(), "done".into()));
    let shown = taxi.run(["runs", "show", "last"]).exits(0).stdout;
    assert!(shown.contains("zones, fetch: ") && shown.contains("gone.csv"), "{shown}");
}

#[test]
fn verify_ends_at_the_first_signal_while_it_waits_for_a_store() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let taxi = with_a_month(Taxi::new()).set("DATABASE_URL", format!("postgres://u:p@{address}/d"));
    let run = Running::start(taxi.command(["verify", "--to-warehouse", "postgres"]));
    let _connection = silent.accept().unwrap();
    let told = Instant::now();
    run.terminate();
    let ran = run.end();
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert!(told.elapsed() < Duration::from_secs(3), "{:?}", told.elapsed());
}
