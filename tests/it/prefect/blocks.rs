//! Blocks as the UI and the Python collections make them, with the schemas that the server
//! itself brings of `prefect-gcp` and `prefect-sqlalchemy`.

use nyc_taxi_etl::prefect::{Access, Api, Auth};
use nyc_taxi_etl::settings::{BlockContents, BlockError, BlockName, Blocks};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::harness::running::SMALL;
use crate::harness::taxi::Taxi;
use taxi_test_support::postgres::PostgresServer;
use taxi_test_support::prefect::PrefectServer;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/sample");

/// Makes a block; its id.
async fn make(server: &PrefectServer, kind: &str, name: &str, data: Value) -> Value {
    let kind = server.get(&format!("block_types/slug/{kind}")).await["id"].clone();
    let schemas = json!({ "block_schemas": { "block_type_id": { "any_": [kind] } } });
    let schema = server.post("block_schemas/filter", schemas).await[0]["id"].clone();
    let document =
        json!({ "name": name, "block_type_id": kind, "block_schema_id": schema, "data": data });
    server.post("block_documents/", document).await["id"].clone()
}

async fn read(server: &PrefectServer, kind: &str, name: &str) -> Result<BlockContents, BlockError> {
    let api = Api::new(&Access { url: server.url(), auth: Auth::None }).unwrap();
    api.read(&BlockName { kind: kind.to_owned(), name: name.to_owned() }).await
}

#[tokio::test]
async fn a_bucket_block_leads_to_a_lake_with_the_key_of_the_block_within_it() {
    let server = PrefectServer::shared().await;
    let account = json!({
        "type": "service_account", "client_email": "taxi@p.iam.gserviceaccount.com",
        "private_key": "-----BEGIN PRIVATE KEY-----\nabc+/=\n-----END PRIVATE KEY-----\n",
    });
    let info = json!({ "service_account_info": account, "project": "p" });
    let credentials = make(server, "gcp-credentials", "zoom-gcp-creds", info).await;
    let within = json!({ "$ref": { "block_document_id": credentials } });
    let bucket = json!({ "bucket": "zoom", "bucket_folder": "trips/", "gcp_credentials": within });
    make(server, "gcs-bucket", "zoom-gcs", bucket).await;
    for (kind, name, lake) in [
        ("gcs-bucket", "zoom-gcs", Some("gs://zoom/trips")),
        ("gcp-credentials", "zoom-gcp-creds", None),
    ] {
        let says = read(server, kind, name).await.unwrap();
        assert_eq!(says.lake.map(|lake| lake.to_string()).as_deref(), lake);
        let key = says.credentials.unwrap().resolve().unwrap();
        assert_eq!(serde_json::from_str::<Value>(key.reveal()).unwrap(), account);
    }
    make(server, "gcs-bucket", "open", json!({ "bucket": "open" })).await;
    let open = read(server, "gcs-bucket", "open").await.unwrap();
    assert_eq!(open.lake.unwrap().to_string(), "gs://open");
    assert!(open.credentials.is_none());
}

#[tokio::test]
async fn a_connector_block_leads_to_a_database_with_its_password() {
    let server = PrefectServer::shared().await;
    let parts = json!({
        "driver": "postgresql+psycopg2", "host": "pgdatabase", "port": 5432, "database": "ny_taxi",
        "username": "root", "password": "r00t",
    });
    let url = "postgresql+psycopg2://root:r00t@pgdatabase:5432/ny_taxi";
    let connector = "sqlalchemy-connector";
    make(server, connector, "by-parts", json!({ "connection_info": parts })).await;
    make(server, connector, "by-url", json!({ "connection_info": url })).await;
    make(server, "database-credentials", "old", parts).await;
    make(server, "database-credentials", "old-url", json!({ "url": url })).await;
    for (kind, name) in [
        (connector, "by-parts"),
        (connector, "by-url"),
        ("database-credentials", "old"),
        ("database-credentials", "old-url"),
    ] {
        let url = read(server, kind, name).await.unwrap().database_url.unwrap();
        let config: tokio_postgres::Config = url.resolve().unwrap().reveal().parse().unwrap();
        assert_eq!(config.get_hosts(), [tokio_postgres::config::Host::Tcp("pgdatabase".into())]);
        assert_eq!(config.get_ports(), [5432]);
        assert_eq!(config.get_dbname(), Some("ny_taxi"));
        assert_eq!((config.get_user(), config.get_password()), (Some("root"), Some(&b"r00t"[..])));
    }
}

#[tokio::test]
async fn months_go_where_blocks_lead() {
    let server = PrefectServer::shared().await;
    let cloud = Cloud::with(&SMALL).await;
    make(server, "gcs-bucket", "lake", json!({ "bucket": "lake", "bucket_folder": "trips" })).await;
    let taxi = Taxi::new()
        .set("PREFECT_API_URL", server.url())
        .set("TAXI_LAKE", "prefect:gcs-bucket/lake")
        .set("STORAGE_EMULATOR_HOST", cloud.proxy.url());
    assert_eq!(taxi.run(cloud.args(&[])).exits(0).state(), "published");
    cloud.assert_published(&[]).await;

    let database = PostgresServer::shared().await.database().await;
    let parts = json!({
        "driver": "postgresql+psycopg2", "host": "127.0.0.1", "port": database.port,
        "database": database.name, "username": "postgres", "password": "s3cret",
    });
    make(server, "sqlalchemy-connector", "pg", json!({ "connection_info": parts })).await;
    let taxi = Taxi::new()
        .set("PREFECT_API_URL", server.url())
        .set("TAXI_POSTGRES", "prefect:sqlalchemy-connector/pg");
    let ingest = ["run", "ingest-data", "--months", "1", "--source", SAMPLES, "--output", "json"];
    assert_eq!(taxi.run(ingest).exits(0).state(), "loaded");
    let counted = "SELECT count(*) FROM nyc_taxi.green_trips";
    let rows: i64 = database.client().await.query_one(counted, &[]).await.unwrap().get(0);
    assert_eq!(rows, 2485);
    let listed = taxi.run(["connections", "list"]).exits(0).stdout;
    assert!(listed.contains(&database.name) && !listed.contains("s3cret"), "{listed}");
}

#[tokio::test]
async fn a_block_that_is_not_there_is_told() {
    let server = PrefectServer::shared().await;
    let taxi = Taxi::new().set("PREFECT_API_URL", server.url());
    let refused = |lake: &str| {
        let ran = taxi.run(["run", "etl-web-to-gcs", "--lake", lake]).exits(2);
        ran.stderr
    };
    let mut said = refused("prefect:gcs-bucket/no such one");
    make(server, "secret", "word", json!({ "value": "s3cret" })).await;
    said += &refused("prefect:secret/word");
    make(server, "database-credentials", "no-lake", json!({ "driver": "postgresql" })).await;
    said += &refused("prefect:database-credentials/no-lake");
    let lost = Taxi::new().run(["run", "etl-web-to-gcs", "--lake", "prefect:gcs-bucket/a"]);
    said += &lost.exits(2).stderr;
    insta::assert_snapshot!(said, @"
    error: prefect:gcs-bucket/no such one cannot be read: there is none on the Prefect server: 'prefect block ls' shows what there is
    error: prefect:secret/word cannot be read: there is no use for a block of this type: name one of gcs-bucket, gcp-credentials, sqlalchemy-connector, database-credentials
    error: prefect:database-credentials/no-lake is a block without a lake
    error: prefect:gcs-bucket/a cannot be read: no Prefect server is named: set PREFECT_API_URL, such as http://127.0.0.1:4200/api, or choose a profile with 'prefect profile use'
    ");
}
