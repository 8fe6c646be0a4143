use super::{PostgresError, Warehouse};

/// What a Postgres server says of itself and of what may be done there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The server's version: `17.2`.
    pub version: String,
    /// Whether tables may be made in the schema, or the schema where it is missing.
    pub may_write: bool,
}

const ASK: &str = "\
SELECT current_setting('server_version'), \
       NOT current_setting('transaction_read_only')::bool \
       AND coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1), \
                    has_database_privilege(current_database(), 'CREATE'))";

impl Warehouse {
    /// Connects, and asks the server what may be done there.
    pub async fn probe(&self) -> Result<Probe, PostgresError> {
        let session = self.target().connect().await?;
        let row = session.client.query_one(ASK, &[&self.schema()]).await;
        let row = row.map_err(PostgresError::at("asking what may be done"))?;
        Ok(Probe { version: row.get(0), may_write: row.get(1) })
    }
}
