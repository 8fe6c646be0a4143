//! The dimension of the taxi zones.

use tokio_postgres::Client;

use crate::flow::Progress;
use crate::trip::SourceFacts;

use super::names::{literal, quoted};
use super::transaction::{Batches, execute, fill};
use super::{PostgresError, Warehouse, locks};

const TABLE: &str = "zones";

/// How a table of ours is known, with the digest of the bytes it was made from.
const MARK: &str = "nyc_taxi_etl: taxi zones";

impl Warehouse {
    /// Replaces the zones by these rows, unless they are there already; false where a table of
    /// that name is not ours and was left alone.
    pub async fn load_zones(
        &self,
        source: &SourceFacts,
        rows: Batches,
    ) -> Result<bool, PostgresError> {
        let mut session = self.target().connect().await?;
        self.make_schema(&mut session).await?;
        let table = format!("{}.{}", quoted(self.schema()), quoted(TABLE));
        let mark = format!("{MARK} {}", source.sha256);
        match comment(&session.client, &table).await? {
            Some(comment) if comment == mark => return Ok(true),
            Some(comment) if !comment.starts_with(MARK) => return Ok(false),
            _ => {}
        }
        let transaction = session.begin().await?;
        let make = format!(
            "{};
             CREATE TABLE IF NOT EXISTS {table} (location_id smallint PRIMARY KEY, borough text,
                zone text, service_zone text);
             DELETE FROM {table}; COMMENT ON TABLE {table} IS {}",
            locks::advisory(&table),
            literal(&mark)
        );
        execute(&transaction, "making the zones", &make).await?;
        let copy = format!("COPY {table} FROM STDIN (FORMAT binary)");
        fill(&transaction, &copy, rows, &Progress::unwatched()).await?;
        transaction.commit().await.map_err(PostgresError::at("committing"))?;
        Ok(true)
    }
}

/// The comment on a table, empty where it has none; none where there is no such table.
async fn comment(client: &Client, table: &str) -> Result<Option<String>, PostgresError> {
    let sql = "SELECT coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class
                WHERE oid = to_regclass($1)";
    let found = client.query_opt(sql, &[&table]).await;
    Ok(found.map_err(PostgresError::at("looking at the zones"))?.map(|row| row.get(0)))
}
