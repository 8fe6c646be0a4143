//! Connections that lead somewhere, and those that do not.

use serde_json::Value;

use super::with;
use crate::harness::taxi::Taxi;
use taxi_test_support::bigquery::Google;
use taxi_test_support::gcs::{GcsFault, GcsProxy};
use taxi_test_support::postgres::PostgresServer;

#[test]
fn the_connections_are_listed_with_where_they_lead_and_no_secret() {
    let toml = "\
[lakes.prod]
address = 'gs://bucket/trips'

[postgres.local]
url = 'postgres://me:hush@localhost/taxi'

[postgres.far]
host = 'far.example'
port = 5433
database = 'taxi'
user = 'me'
password = 'hush'
sslmode = 'require'

[bigquery.cloud]
project = 'my-project'
location = 'EU'
";
    let taxi = with(toml).set("TAXI_POSTGRES", "far").set("TAXI_BIGQUERY", "cloud");
    let list = taxi.run(["connections", "list"]).exits(0).stdout;
    insta::assert_snapshot!(list, @"
        name     kind      address                from
        prod     lake      gs://bucket/trips      taxi.toml, line 1
        far *    postgres  far.example:5433/taxi  taxi.toml, line 7
        local    postgres  localhost:5432/taxi    taxi.toml, line 4
        cloud *  bigquery  my-project.nyc_taxi    taxi.toml, line 15
        - *      lake      data                   default
        ");
    let list = taxi.run(["connections", "list", "--output", "json"]).exits(0);
    assert!(!list.stdout.contains("hush"), "{}", list.stdout);
    assert_eq!(list.json()[1]["address"], "far.example:5433/taxi");
    assert_eq!(list.json()[1]["from"]["line"], 7);
}

/// What came of testing the connection of a name.
fn of(tested: &Value, name: &str) -> Value {
    let all = tested.as_array().unwrap();
    all.iter().find(|tested| tested["name"] == name).unwrap().clone()
}

#[tokio::test]
async fn a_test_connects_and_says_what_may_be_done_there() {
    let gcs = GcsProxy::start().await;
    gcs.make_bucket("lake").await;
    let database = PostgresServer::shared().await.database().await;
    let reader = database.role("reader", "").await;
    let toml = format!(
        "\
[lakes.bucket]
address = 'gs://lake/trips'
[lakes.none]
address = 'gs://nowhere'
[lakes.folder]
address = '.'
[lakes.new]
address = 'new'
[postgres.owner]
url = '{}'
[postgres.reader]
url = '{}'
[postgres.nobody]
url = 'postgres://me:hush@127.0.0.1:1/taxi'
",
        database.url(),
        database.url_as(&reader)
    );
    let taxi = with(&toml).set("STORAGE_EMULATOR_HOST", gcs.url());
    let ran = taxi.run(["connections", "test", "--output", "json"]).exits(1);
    assert!(!ran.stdout.contains("hush"), "{}", ran.stdout);
    let tested = ran.json();
    for (name, may) in [
        ("bucket", "can be read and written"),
        ("folder", "can be read and written"),
        ("new", "does not exist yet; the first run creates it"),
    ] {
        assert_eq!(of(&tested, name)["may"], may, "{tested}");
    }
    let may = |name| of(&tested, name)["may"].as_str().unwrap().to_owned();
    assert!(may("owner").starts_with("PostgreSQL "), "{tested}");
    assert!(may("owner").ends_with(", may make tables in nyc_taxi"), "{tested}");
    assert!(may("reader").contains(", may not make tables: the role reader_"), "{tested}");
    assert!(may("reader").contains("it needs CREATE on the database"), "{tested}");
    let error = |name| of(&tested, name)["error"].as_str().unwrap().to_owned();
    assert!(error("none").contains("does the bucket exist"), "{tested}");
    assert!(error("nobody").contains("127.0.0.1:1/taxi: Connection refused"), "{tested}");
    assert_eq!(taxi.files(""), ["taxi.toml"], "a test leaves nothing");
    assert_eq!(gcs.uploads(), Vec::<String>::new());

    taxi.run(["connections", "test", "owner"]).exits(0);
    let shown = taxi.run(["connections", "test", "nobody"]).exits(1).stdout;
    assert!(shown.contains("Connection refused"), "{shown}");
    let wrong = taxi.run(["connections", "test", "owners"]).exits(2).stderr;
    insta::assert_snapshot!(wrong, @"error: there is no connection 'owners': taxi connections list shows all");

    gcs.always("POST", "uploads", GcsFault::status(403));
    let tested = taxi.run(["connections", "test", "bucket", "--output", "json"]).exits(0).json();
    assert_eq!(of(&tested, "bucket")["may"], "can be read, not written");
}

#[tokio::test]
async fn a_test_of_bigquery_asks_for_the_dataset() {
    let google = Google::shared().await;
    let toml = "\
[bigquery.cloud]
project = 'local'
dataset = 'not_there_yet'
";
    let taxi = with(toml).set("BIGQUERY_EMULATOR_HOST", google.bigquery.url());
    let tested = taxi.run(["connections", "test", "cloud", "--output", "json"]).exits(0).json();
    let tested = of(&tested, "cloud");
    assert_eq!(tested["address"], "local.not_there_yet");
    assert_eq!(tested["may"], "no dataset not_there_yet yet, the first load makes it");
    let taxi = taxi.set("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:1");
    let ran = taxi.run(["connections", "test", "cloud"]).exits(1);
    assert!(ran.stdout.contains("BigQuery"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_run_uses_the_connections_that_it_or_its_profile_names() {
    let database = PostgresServer::shared().await.database().await;
    let toml = "\
source = 'sample'
[lakes.here]
address = 'there'
[postgres.local]
url = { env = 'PG_LOCAL' }
schema = 'by_name'
[profiles.all]
lake = 'here'
postgres = 'local'
to_warehouse = ['postgres']
";
    let taxi = with(toml).set("PG_LOCAL", database.url());
    samples(&taxi);
    let args = ["run", "etl-parent-flow", "--months", "1", "--profile", "all", "--output", "json"];
    let month = taxi.run(args).exits(0).first();
    assert_eq!(month["lake"], "there/green/green_tripdata_2020-01.parquet");
    let warehouse = month.to_string();
    assert!(warehouse.contains("by_name.green_trips"), "{warehouse}");
    let client = database.client().await;
    let rows: i64 =
        client.query_one("SELECT count(*) FROM by_name.green_trips", &[]).await.unwrap().get(0);
    assert_eq!(month["rows_kept"], rows);

    let args = ["run", "etl-web-to-gcs", "--months", "1", "--lake", "here", "--output", "json"];
    assert_eq!(taxi.run(args).exits(0).state(), "unchanged");
    let args = ["run", "etl-web-to-gcs", "--months", "1", "--lake", "./here", "--output", "json"];
    assert_eq!(
        taxi.run(args).exits(0).first()["lake"],
        "./here/green/green_tripdata_2020-01.parquet"
    );
    let slip = taxi.run(["run", "etl-web-to-gcs", "--lake", "heer"]).exits(2).stderr;
    insta::assert_snapshot!(slip, @"error: --lake: there is no [lakes.heer] in taxi.toml: did you mean 'here'? A new folder is ./heer");
}

/// Puts the samples where `--source sample` finds them.
fn samples(taxi: &Taxi) {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/data/sample");
    std::fs::create_dir(taxi.folder().join("data")).unwrap();
    std::os::unix::fs::symlink(samples, taxi.folder().join("data/sample")).unwrap();
}
