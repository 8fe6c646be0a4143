//! Connections kept as blocks on the server, in the shapes of `prefect-gcp` and
//! `prefect-sqlalchemy`, whose blocks of years ago serve unchanged.

use std::path::PathBuf;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::settings::{BlockContents, BlockName, Blocks, MASK, Reference};
use crate::support::http::percent_encoded;

use super::{Api, PrefectError};

/// The blocks of the server that the environment or Prefect's active profile names, which is
/// looked for only where a setting refers to one.
#[derive(Debug, Clone, Copy)]
pub struct ServerBlocks;

/// Why a block cannot be used.
#[derive(Debug, thiserror::Error)]
enum BlockError {
    /// It is of a type that leads nowhere.
    #[error(
        "there is no use for a block of this type: name one of gcs-bucket, gcp-credentials, \
         sqlalchemy-connector, database-credentials"
    )]
    Kind,
    /// There is no such block.
    #[error("there is none on the Prefect server: 'prefect block ls' shows what there is")]
    Missing,
    /// It lacks something.
    #[error("it {0}")]
    Unusable(String),
    /// The server.
    #[error(transparent)]
    Prefect(#[from] PrefectError),
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    data: Map<String, Value>,
}

#[async_trait]
impl Blocks for ServerBlocks {
    async fn read(&self, block: &BlockName) -> Result<BlockContents, crate::settings::BlockError> {
        Api::find()?.read(block).await
    }
}

#[async_trait]
impl Blocks for Api {
    async fn read(&self, block: &BlockName) -> Result<BlockContents, crate::settings::BlockError> {
        let path = format!(
            "block_types/slug/{}/block_documents/name/{}?include_secrets=true",
            percent_encoded(&block.kind),
            percent_encoded(&block.name)
        );
        let document: Option<Document> = self.find_one(&path).await.map_err(BlockError::from)?;
        let document = document.ok_or(BlockError::Missing)?;
        Ok(says(&block.kind, &document.data)?)
    }
}

/// What a block of a type says, as the settings say it.
fn says(kind: &str, data: &Map<String, Value>) -> Result<BlockContents, BlockError> {
    let mut says = BlockContents::default();
    match kind {
        "gcs-bucket" => {
            let bucket =
                text(data, "bucket").ok_or_else(|| unusable("names no bucket".to_owned()))?;
            let folder = text(data, "bucket_folder").unwrap_or_default();
            let address = format!("gs://{bucket}/{}", folder.trim_matches('/'));
            let lake = address.trim_end_matches('/').parse();
            says.lake = Some(lake.map_err(|error| unusable(format!("says: {error}")))?);
            if let Some(credentials) = data.get("gcp_credentials").and_then(Value::as_object) {
                says.credentials = google_key(credentials)?;
            }
        }
        "gcp-credentials" => says.credentials = google_key(data)?,
        "sqlalchemy-connector" => {
            says.database_url = Some(match data.get("connection_info") {
                Some(Value::String(url)) => from_url(url)?,
                Some(Value::Object(parts)) => from_parts(parts)?,
                _ => return Err(unusable("has no connection_info".to_owned())),
            });
        }
        "database-credentials" => {
            says.database_url = Some(match text(data, "url") {
                Some(url) => from_url(url)?,
                None => from_parts(data)?,
            });
        }
        _ => return Err(BlockError::Kind),
    }
    Ok(says)
}

/// The key of a service account: itself before a file; none for the application default
/// credentials.
fn google_key(data: &Map<String, Value>) -> Result<Option<Reference>, BlockError> {
    let info = match data.get("service_account_info") {
        // Kept as a text by some versions.
        Some(Value::String(text)) if text == MASK => return Err(masked()),
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Value::Object(info)) if info.values().any(|value| value == MASK) => {
            return Err(masked());
        }
        Some(info @ Value::Object(fields)) if !fields.is_empty() => Some(info.to_string()),
        _ => None,
    };
    let key = match (info, text(data, "service_account_file")) {
        (Some(json), _) => Reference::from(json),
        (None, Some(path)) => Reference::File(PathBuf::from(path)),
        (None, None) => return Ok(None),
    };
    Ok(Some(key))
}

/// A URL as SQLAlchemy writes it: its scheme may name a driver.
fn from_url(url: &str) -> Result<Reference, BlockError> {
    if url == MASK {
        return Err(masked());
    }
    let (scheme, rest) =
        url.split_once("://").ok_or_else(|| unusable("has a URL that is none".to_owned()))?;
    check_driver(scheme)?;
    Ok(Reference::from(format!("postgres://{rest}")))
}

/// The parts of a URL, in the words of SQLAlchemy.
fn from_parts(parts: &Map<String, Value>) -> Result<Reference, BlockError> {
    check_driver(text(parts, "driver").unwrap_or("postgresql"))?;
    if text(parts, "password") == Some(MASK) {
        return Err(masked());
    }
    let named = [
        ("host", "host"),
        ("port", "port"),
        ("dbname", "database"),
        ("user", "username"),
        ("password", "password"),
    ];
    let query = parts.get("query").and_then(Value::as_object);
    let query = query.into_iter().flatten().map(|(name, value)| (name.as_str(), value));
    let given = named.into_iter().filter_map(|(ours, theirs)| Some((ours, parts.get(theirs)?)));
    let mut url = String::from("postgres://");
    for (name, value) in given.chain(query) {
        let value = match value {
            Value::String(text) if !text.is_empty() => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => continue,
        };
        let mark = if url.contains('?') { '&' } else { '?' };
        url = format!("{url}{mark}{}={}", percent_encoded(name), percent_encoded(&value));
    }
    Ok(Reference::from(url))
}

fn check_driver(driver: &str) -> Result<(), BlockError> {
    match driver.split('+').next() {
        Some("postgresql" | "postgres") => Ok(()),
        _ => Err(unusable(format!("is for {driver}: Postgres is what months are loaded into"))),
    }
}

const fn unusable(what: String) -> BlockError {
    BlockError::Unusable(what)
}

fn masked() -> BlockError {
    unusable("comes without its secrets: who asks may not read them".to_owned())
}

fn text<'a>(data: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: &str, json: &str) -> Result<BlockContents, String> {
        says(kind, &serde_json::from_str(json).unwrap()).map_err(|error| error.to_string())
    }

    fn url(kind: &str, json: &str) -> String {
        let url = block(kind, json).unwrap().database_url.unwrap();
        url.resolve().unwrap().reveal().to_owned()
    }

    #[test]
    fn a_database_is_named_by_parts_or_by_a_url_of_any_driver() {
        let parts = r#"{"driver": "postgresql+psycopg2", "host": "db", "port": 5432,
            "username": "root", "password": "p&ss w+rd", "database": "ny_taxi", "query": {"sslmode": "require"}}"#;
        let expected = "postgres://?host=db&port=5432&dbname=ny_taxi&user=root\
                        &password=p%26ss%20w%2Brd&sslmode=require";
        let connector = format!("{{\"connection_info\": {parts}}}");
        assert_eq!(url("sqlalchemy-connector", &connector), expected);
        assert_eq!(url("database-credentials", parts), expected);
        assert_eq!(
            url(
                "sqlalchemy-connector",
                r#"{"connection_info": "postgresql+asyncpg://root:root@localhost:5432/ny_taxi"}"#
            ),
            "postgres://root:root@localhost:5432/ny_taxi"
        );
        assert_eq!(url("database-credentials", r#"{"url": "postgresql://h/d"}"#), "postgres://h/d");
    }

    #[test]
    fn a_bucket_has_a_folder_and_a_key_or_neither() {
        let said = |kind: &str, json: &str| {
            let contents = block(kind, json).unwrap();
            let key = contents.credentials.map(|key| match key {
                Reference::File(path) => path.display().to_string(),
                key => key.resolve().unwrap().reveal().to_owned(),
            });
            (contents.lake.map(|lake| lake.to_string()), key)
        };
        let of = |text: &str| Some(text.to_owned());
        let bare = said("gcs-bucket", r#"{"bucket": "b", "gcp_credentials": {}}"#);
        assert_eq!(bare, (of("gs://b"), None));
        let full = r#"{"bucket": "b", "bucket_folder": "trips/", "gcp_credentials":
            {"service_account_info": {"type": "service_account"}}}"#;
        let key = of(r#"{"type":"service_account"}"#);
        assert_eq!(said("gcs-bucket", full), (of("gs://b/trips"), key.clone()));
        let text = r#"{"service_account_info": "{\"type\":\"service_account\"}"}"#;
        assert_eq!(said("gcp-credentials", text), (None, key));
        let file = said("gcp-credentials", r#"{"service_account_file": "/k.json"}"#);
        assert_eq!(file, (None, of("/k.json")));
        assert_eq!(said("gcp-credentials", "{}"), (None, None));
    }

    #[test]
    fn what_cannot_be_used_is_told_without_a_secret() {
        let said = [
            ("s3-bucket", "{}"),
            ("gcs-bucket", "{}"),
            ("sqlalchemy-connector", r#"{"connection_info": {"driver": "mysql+pymysql"}}"#),
            ("sqlalchemy-connector", r#"{"connection_info": "********"}"#),
            ("database-credentials", r#"{"driver": "postgresql", "password": "********"}"#),
            ("gcp-credentials", r#"{"service_account_info": {"private_key": "********"}}"#),
        ]
        .map(|(kind, json)| block(kind, json).unwrap_err());
        insta::assert_snapshot!(said.join("\n"), @"
        there is no use for a block of this type: name one of gcs-bucket, gcp-credentials, sqlalchemy-connector, database-credentials
        it names no bucket
        it is for mysql+pymysql: Postgres is what months are loaded into
        it comes without its secrets: who asks may not read them
        it comes without its secrets: who asks may not read them
        it comes without its secrets: who asks may not read them
        ");
        let secret = r#"{"url": "postgresql://u:s3cret@h/d"}"#;
        assert!(!format!("{:?}", block("database-credentials", secret)).contains("s3cret"));
    }
}
