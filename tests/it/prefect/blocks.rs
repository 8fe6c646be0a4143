//! Blocks as the UI and the Python collections make them, with the schemas that the server
//! itself brings of `prefect-gcp` and `prefect-sqlalchemy`.

use nyc_taxi_etl::prefect::{Access, Api, Auth, Block, BlockError, BlockName, GoogleKey};
use serde_json::{Value, json};

use crate::support::prefect::PrefectServer;

/// Makes a block; its id.
async fn make(server: &PrefectServer, kind: &str, name: &str, data: Value) -> Value {
    let kind = server.get(&format!("block_types/slug/{kind}")).await["id"].clone();
    let schemas = json!({ "block_schemas": { "block_type_id": { "any_": [kind] } } });
    let schema = server.post("block_schemas/filter", schemas).await[0]["id"].clone();
    let document =
        json!({ "name": name, "block_type_id": kind, "block_schema_id": schema, "data": data });
    server.post("block_documents/", document).await["id"].clone()
}

async fn read(server: &PrefectServer, kind: &str, name: &str) -> Result<Block, BlockError> {
    let api = Api::new(&Access { url: server.url(), auth: Auth::None }).unwrap();
    api.block(&BlockName { kind: kind.to_owned(), name: name.to_owned() }).await
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

    let expected = |key: &GoogleKey| match key {
        GoogleKey::Json(key) => {
            assert_eq!(serde_json::from_str::<Value>(key.reveal()).unwrap(), account);
        }
        GoogleKey::File(path) => panic!("{}", path.display()),
    };
    match read(server, "gcs-bucket", "zoom-gcs").await.unwrap() {
        Block::Bucket { address, key: Some(key) } => {
            assert_eq!(address, "gs://zoom/trips");
            expected(&key);
        }
        other => panic!("{other:?}"),
    }
    match read(server, "gcp-credentials", "zoom-gcp-creds").await.unwrap() {
        Block::Google(Some(key)) => expected(&key),
        other => panic!("{other:?}"),
    }

    make(server, "gcs-bucket", "open", json!({ "bucket": "open" })).await;
    let open = Block::Bucket { address: "gs://open".to_owned(), key: None };
    assert_eq!(read(server, "gcs-bucket", "open").await.unwrap(), open);
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
        let Block::Postgres(url) = read(server, kind, name).await.unwrap() else {
            panic!("{name} is no database");
        };
        let config: tokio_postgres::Config = url.reveal().parse().unwrap();
        assert_eq!(config.get_hosts(), [tokio_postgres::config::Host::Tcp("pgdatabase".into())]);
        assert_eq!(config.get_ports(), [5432]);
        assert_eq!(config.get_dbname(), Some("ny_taxi"));
        assert_eq!((config.get_user(), config.get_password()), (Some("root"), Some(&b"r00t"[..])));
    }
}

#[tokio::test]
async fn a_block_that_is_not_there_is_told() {
    let server = PrefectServer::shared().await;
    let missing = read(server, "gcs-bucket", "no/such one").await.unwrap_err();
    assert!(matches!(missing, BlockError::Missing(_)), "{missing}");
    assert!(missing.to_string().contains("gcs-bucket/no/such one"), "{missing}");
    make(server, "secret", "word", json!({ "value": "s3cret" })).await;
    let kind = read(server, "secret", "word").await.unwrap_err();
    assert!(matches!(kind, BlockError::Kind(_)), "{kind}");
}
