//! What has a name in the schema, and whose it is.

use tokio_postgres::GenericClient;

use crate::support::text::printable;

use super::PostgresError;
use super::ledger::LEDGER;
use super::names::{Names, quoted};
use super::trusted_roles::trusted;

/// A table, view or whatever else has a name among the tables of a schema.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) oid: u32,
    /// As the catalog has it: `r` for a table, `p` for a partitioned one.
    pub(super) kind: char,
    pub(super) owner: String,
    /// Whether its owner is trusted as this session's own role is, see [`trusted`].
    pub(super) is_trusted: bool,
    /// Whether this session has the owner's rights.
    pub(super) is_owned: bool,
    /// The statement that gives this session the owner's rights, if its role is a member of the
    /// owner already but does not inherit from it.
    pub(super) inherit: Option<String>,
    /// Whether its owner is a superuser, whose rights nobody should be given.
    pub(super) is_of_superuser: bool,
    /// The role of this session.
    pub(super) role: String,
    pub(super) comment: Option<String>,
}

/// What has a name in a schema.
pub(super) async fn find(
    client: &impl GenericClient,
    schema: &str,
    name: &str,
) -> Result<Option<Relation>, PostgresError> {
    let sql = format!(
        "SELECT c.oid, c.relkind::text, pg_catalog.pg_get_userbyid(c.relowner)::text, {},
                pg_catalog.pg_has_role(c.relowner, 'USAGE'), current_user::text,
                pg_catalog.obj_description(c.oid, 'pg_class'),
                (SELECT rolsuper FROM pg_catalog.pg_roles WHERE oid = c.relowner),
                CASE WHEN pg_catalog.pg_has_role(c.relowner, 'MEMBER') AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')
                     THEN CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000
                               THEN pg_catalog.format('GRANT %I TO %I WITH INHERIT TRUE',
                                        pg_catalog.pg_get_userbyid(c.relowner), current_user)
                               ELSE pg_catalog.format('ALTER ROLE %I INHERIT', current_user) END END
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = $1 AND c.relname = $2",
        trusted("c.relowner")
    );
    let found = client.query_opt(&sql, &[&schema, &name]).await;
    let found = found.map_err(PostgresError::at("looking for a table"))?;
    Ok(found.map(|row| Relation {
        oid: row.get(0),
        kind: row.get::<_, &str>(1).chars().next().unwrap_or_default(),
        owner: row.get(2),
        is_trusted: row.get(3),
        is_owned: row.get(4),
        role: row.get(5),
        comment: row.get(6),
        inherit: row.get(8),
        is_of_superuser: row.get::<_, Option<bool>>(7).unwrap_or_default(),
    }))
}

/// Looks at the tables of a month, which takes several queries. If that fails and another load has
/// changed the tables since it began, looks again: it may have seen half of the old state and half
/// of the new.
pub(super) async fn settled<T>(
    client: &impl GenericClient,
    names: &Names,
    look: impl AsyncFn() -> Result<T, PostgresError>,
) -> Result<T, PostgresError> {
    let mut before = state(client, names).await?;
    loop {
        let found = look().await;
        if found.is_ok() {
            return found;
        }
        // In a transaction that has failed nothing can be asked.
        match state(client, names).await {
            Ok(now) if now != before => before = now,
            _ => return found,
        }
    }
}

/// Which tables a month has, as one query sees them.
async fn state(client: &impl GenericClient, names: &Names) -> Result<String, PostgresError> {
    let sql =
        "SELECT coalesce(pg_catalog.string_agg(pg_catalog.concat(c.oid, ' ', i.inhparent), ', '
                                                     ORDER BY c.oid), '')
                 FROM pg_catalog.pg_class c
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
                WHERE n.nspname = $1 AND c.relname = ANY ($2::text[])";
    let tables = [&*names.table, &*names.partition, &*names.quarantine, LEDGER];
    let found = client.query_one(sql, &[&names.schema, &tables.as_slice()]).await;
    Ok(found.map_err(PostgresError::at("looking for a month's tables"))?.get(0))
}

/// What a name is taken by that is not a table: a type or a domain, which keeps a table from
/// being made as well as a table would.
pub(super) async fn refuse_type(
    client: &impl GenericClient,
    schema: &str,
    name: &str,
) -> Result<(), PostgresError> {
    // The server makes room for a table's name among the types of arrays by itself.
    let sql =
        "SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
                WHERE n.nspname = $1 AND t.typname = $2 AND t.typrelid = 0
                  AND NOT (t.typelem <> 0 AND t.typcategory = 'A')";
    let found = client.query_opt(sql, &[&schema, &name]).await;
    match found.map_err(PostgresError::at("looking for a type"))? {
        Some(_) => not_ours(schema, name, "it is a type, and a table needs that name"),
        None => Ok(()),
    }
}

/// Says that what has a name is not ours.
pub(super) fn not_ours<T>(
    schema: &str,
    name: &str,
    why: impl Into<String>,
) -> Result<T, PostgresError> {
    let table = format!("{schema}.{name}");
    Err(PostgresError::NotOurs { table, why: printable(&why.into()) })
}

impl Relation {
    /// What it is, for people.
    pub(super) const fn what(&self) -> &'static str {
        match self.kind {
            'r' => "a table",
            'p' => "a partitioned table",
            'v' => "a view",
            'm' => "a materialized view",
            'f' => "a foreign table",
            'S' => "a sequence",
            'i' | 'I' => "an index",
            'c' => "a type",
            _ => "not a table",
        }
    }

    /// Whether this session may read its rows.
    pub(super) async fn may_be_read(
        &self,
        client: &impl GenericClient,
    ) -> Result<bool, PostgresError> {
        let sql = "SELECT pg_catalog.has_table_privilege($1::oid, 'SELECT')";
        let row = client.query_one(sql, &[&self.oid]).await;
        Ok(row.map_err(PostgresError::at("asking what may be done"))?.get(0))
    }

    /// Its columns with their types, as the server writes them.
    pub(super) async fn columns(
        &self,
        client: &impl GenericClient,
    ) -> Result<Vec<(String, String)>, PostgresError> {
        let sql = "SELECT attname, pg_catalog.format_type(atttypid, atttypmod)
                     FROM pg_catalog.pg_attribute
                    WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
        let rows = client.query(sql, &[&self.oid]).await;
        let rows = rows.map_err(PostgresError::at("looking at the columns"))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

/// A name as it is written in SQL, in quotes only if it needs them: for advice.
pub(super) fn written(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { quoted(name) }
}

impl Names {
    /// A name of the schema, qualified, in quotes only where it needs them: for people.
    pub(super) fn shown(&self, name: &str) -> String {
        format!("{}.{}", written(&self.schema), written(name))
    }
}
