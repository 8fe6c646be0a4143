//! Connections kept as blocks on the server, in the shapes of `prefect-gcp` and
//! `prefect-sqlalchemy`, whose blocks of years ago serve unchanged.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};
use url::form_urlencoded::byte_serialize;

use crate::config::Secret;

use super::{Api, PrefectError};

/// What is shown in place of a secret to who may not read it.
const MASK: &str = "********";

/// A block: its type and its name, as in `gcs-bucket/zoom-gcs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockName {
    /// Its type: `gcs-bucket`.
    pub kind: String,
    /// Its name: `zoom-gcs`.
    pub name: String,
}

/// What a block leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A lake: `gcs-bucket`.
    Bucket {
        /// Its address: `gs://bucket/folder`.
        address: String,
        /// Who reads and writes it; none for the application default credentials.
        key: Option<GoogleKey>,
    },
    /// Who speaks to Google: `gcp-credentials`; none for the application default credentials.
    Google(Option<GoogleKey>),
    /// A Postgres database, by its URL: `sqlalchemy-connector`, `database-credentials`.
    Postgres(Secret),
}

/// The key of a Google service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoogleKey {
    /// A file of this machine.
    File(PathBuf),
    /// The JSON itself.
    Json(Secret),
}

/// Why a block cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// It is of a type that leads nowhere.
    #[error(
        "'{0}': there is no use for a block of this type: name one of gcs-bucket, \
         gcp-credentials, sqlalchemy-connector, database-credentials"
    )]
    Kind(BlockName),
    /// There is no such block.
    #[error(
        "there is no block '{0}' on the Prefect server: 'prefect block ls' shows what there is"
    )]
    Missing(BlockName),
    /// It lacks something.
    #[error("the block '{name}' {what}")]
    Unusable {
        /// The block.
        name: BlockName,
        /// What is wrong with it.
        what: String,
    },
    /// The server.
    #[error(transparent)]
    Prefect(#[from] PrefectError),
}

impl fmt::Display for BlockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    data: Map<String, Value>,
}

impl Api {
    /// Reads a block with its secrets.
    pub async fn block(&self, name: &BlockName) -> Result<Block, BlockError> {
        let path = format!(
            "block_types/slug/{}/block_documents/name/{}?include_secrets=true",
            segment(&name.kind),
            segment(&name.name)
        );
        let document: Option<Document> = self.find_one(&path).await?;
        let document = document.ok_or_else(|| BlockError::Missing(name.clone()))?;
        read(name, &document.data)
    }
}

/// A part of a path.
fn segment(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

fn read(name: &BlockName, data: &Map<String, Value>) -> Result<Block, BlockError> {
    let unusable = |what: String| BlockError::Unusable { name: name.clone(), what };
    match name.kind.as_str() {
        "gcs-bucket" => {
            let bucket = text(data, "bucket").ok_or_else(|| unusable("names no bucket".into()))?;
            let folder = text(data, "bucket_folder").unwrap_or_default();
            let address = format!("gs://{bucket}/{}", folder.trim_matches('/'));
            let credentials = data.get("gcp_credentials").and_then(Value::as_object);
            let key = credentials.map(google_key).transpose().map_err(unusable)?.flatten();
            Ok(Block::Bucket { address: address.trim_end_matches('/').to_owned(), key })
        }
        "gcp-credentials" => google_key(data).map(Block::Google).map_err(unusable),
        "sqlalchemy-connector" => {
            let url = match data.get("connection_info") {
                Some(Value::String(url)) => from_url(url),
                Some(Value::Object(parts)) => from_parts(parts),
                _ => Err("has no connection_info".to_owned()),
            };
            url.map(Block::Postgres).map_err(unusable)
        }
        "database-credentials" => {
            let url = match text(data, "url") {
                Some(url) => from_url(url),
                None => from_parts(data),
            };
            url.map(Block::Postgres).map_err(unusable)
        }
        _ => Err(BlockError::Kind(name.clone())),
    }
}

fn google_key(data: &Map<String, Value>) -> Result<Option<GoogleKey>, String> {
    let info = match data.get("service_account_info") {
        // Kept as a text by some versions.
        Some(Value::String(text)) if text == MASK => return Err(masked()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Object(info)) if info.values().any(|value| value == MASK) => {
            return Err(masked());
        }
        Some(info @ Value::Object(fields)) if !fields.is_empty() => Some(info.to_string()),
        _ => None,
    };
    let file = text(data, "service_account_file");
    Ok(match (info, file) {
        (Some(json), _) => Some(GoogleKey::Json(json.into())),
        (None, Some(path)) => Some(GoogleKey::File(path.into())),
        (None, None) => None,
    })
}

/// A URL as SQLAlchemy writes it: its scheme may name a driver.
fn from_url(url: &str) -> Result<Secret, String> {
    if url == MASK {
        return Err(masked());
    }
    let (scheme, rest) = url.split_once("://").ok_or("has a URL that is none")?;
    check_driver(scheme)?;
    Ok(format!("postgres://{rest}").into())
}

/// The parts of a URL, in the words of SQLAlchemy.
fn from_parts(parts: &Map<String, Value>) -> Result<Secret, String> {
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
        // The driver knows %20 and no plus sign.
        let value = byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20");
        url = format!("{url}{mark}{name}={value}");
    }
    Ok(url.into())
}

fn check_driver(driver: &str) -> Result<(), String> {
    match driver.split('+').next() {
        Some("postgresql" | "postgres") => Ok(()),
        _ => Err(format!("is for {driver}: Postgres is what months are loaded into")),
    }
}

fn masked() -> String {
    "comes without its secrets: who asks may not read them".to_owned()
}

fn text<'a>(data: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: &str, json: &str) -> Result<Block, String> {
        let name = BlockName { kind: kind.to_owned(), name: "b".to_owned() };
        read(&name, &serde_json::from_str(json).unwrap()).map_err(|error| error.to_string())
    }

    fn url(kind: &str, json: &str) -> String {
        match block(kind, json).unwrap() {
            Block::Postgres(url) => url.reveal().to_owned(),
            other => panic!("{other:?}"),
        }
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
        let bare = block("gcs-bucket", r#"{"bucket": "b", "gcp_credentials": {}}"#).unwrap();
        assert_eq!(bare, Block::Bucket { address: "gs://b".to_owned(), key: None });
        let full = r#"{"bucket": "b", "bucket_folder": "trips/", "gcp_credentials":
            {"service_account_info": {"type": "service_account"}}}"#;
        let key = GoogleKey::Json("{\"type\":\"service_account\"}".to_owned().into());
        let address = "gs://b/trips".to_owned();
        assert_eq!(
            block("gcs-bucket", full).unwrap(),
            Block::Bucket { address, key: Some(key.clone()) }
        );
        let text = r#"{"service_account_info": "{\"type\":\"service_account\"}"}"#;
        assert_eq!(block("gcp-credentials", text).unwrap(), Block::Google(Some(key)));
        let file = block("gcp-credentials", r#"{"service_account_file": "/k.json"}"#).unwrap();
        assert_eq!(file, Block::Google(Some(GoogleKey::File("/k.json".into()))));
        assert_eq!(block("gcp-credentials", "{}").unwrap(), Block::Google(None));
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
        's3-bucket/b': there is no use for a block of this type: name one of gcs-bucket, gcp-credentials, sqlalchemy-connector, database-credentials
        the block 'gcs-bucket/b' names no bucket
        the block 'sqlalchemy-connector/b' is for mysql+pymysql: Postgres is what months are loaded into
        the block 'sqlalchemy-connector/b' comes without its secrets: who asks may not read them
        the block 'database-credentials/b' comes without its secrets: who asks may not read them
        the block 'gcp-credentials/b' comes without its secrets: who asks may not read them
        ");
        let secret = r#"{"url": "postgresql://u:s3cret@h/d"}"#;
        assert!(!format!("{:?}", block("database-credentials", secret)).contains("s3cret"));
    }
}
