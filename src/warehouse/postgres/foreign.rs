//! What stands where a month is to go and was not made by this program: left as it is.

use tokio_postgres::{Client, GenericClient};

use crate::trip::Colour;

use super::names::Names;
use super::{PostgresError, ledger};

/// A table is ours if it is partitioned by range of the pickup time and names the colour.
pub(super) async fn refuse_table(client: &Client, names: &Names) -> Result<(), PostgresError> {
    let sql = "SELECT c.relkind::text, pg_get_partkeydef(c.oid),
                      (SELECT string_agg(attname, ', ') FROM pg_attribute a
                        WHERE a.attrelid = c.oid AND attnum > 0 AND attname ~ '[A-Z]')
                 FROM pg_class c WHERE c.oid = to_regclass($1)";
    let found = client
        .query_opt(sql, &[&names.qualified(&names.table)])
        .await
        .map_err(PostgresError::at("looking at the table"))?;
    let Some(row) = found else {
        return Ok(());
    };
    let why = match (row.get::<_, &str>(0), row.get::<_, Option<&str>>(1)) {
        ("p", Some("RANGE (pickup_datetime)")) => return Ok(()),
        ("p", key) => format!("it is partitioned by {}", key.unwrap_or("something else")),
        ("r", _) => match row.get::<_, Option<&str>>(2) {
            Some(raw) => format!("it is a plain table with columns such as {raw}"),
            None => "it is a plain table, not partitioned by month".to_owned(),
        },
        _ => "it is no table".to_owned(),
    };
    Err(PostgresError::NotOurs { table: format!("{}.{}", names.schema, names.table), why })
}

/// A table holds one colour, and what stands in the month's place is a partition of it: a
/// month that a user detached, say, is not ours to drop.
pub(super) async fn refuse_in_place(
    client: &impl GenericClient,
    names: &Names,
    colour: Colour,
) -> Result<(), PostgresError> {
    let looking = || PostgresError::at("looking at the month's place");
    let not_ours = |table: &str, why| {
        Err(PostgresError::NotOurs { table: format!("{}.{table}", names.schema), why })
    };
    let (parent, partition) = (names.qualified(&names.table), names.qualified(&names.partition));
    let sql = "SELECT FROM pg_class WHERE oid = to_regclass($1) AND NOT EXISTS
                (SELECT FROM pg_inherits WHERE inhrelid = oid AND inhparent = to_regclass($2))";
    if client.query_opt(sql, &[&partition, &parent]).await.map_err(looking())?.is_some() {
        return not_ours(&names.partition, format!("it is no partition of {}", names.table));
    }
    match ledger::other_colour(client, names, colour).await? {
        Some(other) => not_ours(&names.table, format!("it holds {other} trips")),
        None => Ok(()),
    }
}
