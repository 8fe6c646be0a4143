use super::{Postgres, PostgresError};

/// What a server says of itself and of what may be done there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    /// Its version: `17.2`.
    pub(super) version: String,
    /// Whether tables may be made in the schema, or the schema if it is missing.
    pub(super) may_write: bool,
}

const ASK: &str = "\
SELECT current_setting('server_version'), \
       NOT current_setting('transaction_read_only')::bool \
       AND coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1), \
                    has_database_privilege(current_database(), 'CREATE'))";

impl Postgres {
    /// Connects, and asks the server what may be done there.
    pub(super) async fn server(&self) -> Result<Server, PostgresError> {
        let session = self.target().connect().await?;
        let row = session.client.query_one(ASK, &[&self.schema()]).await;
        let row = row.map_err(PostgresError::at("asking what may be done"))?;
        Ok(Server { version: row.get(0), may_write: row.get(1) })
    }
}
