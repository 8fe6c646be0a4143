//! The columns of a table beside those of a month: some the schema has gained since, some
//! that a user added.

use tokio_postgres::{GenericClient, Transaction};

use crate::schema::{self, Column};
use crate::trip::Colour;

use super::PostgresError;
use super::names::{Names, declared, quoted};

/// The columns of a colour, quoted, as a list.
pub(super) fn list(colour: Colour) -> String {
    let columns = schema::columns(colour);
    columns.iter().map(|column| quoted(column.name)).collect::<Vec<_>>().join(", ")
}

/// The columns that a user added to the table, as they are declared: a month without them
/// cannot be attached. Asked outside the transaction that loads, since asking locks.
pub(super) async fn of_users(
    client: &impl GenericClient,
    names: &Names,
    colour: Colour,
) -> Result<Vec<String>, PostgresError> {
    let sql = "SELECT format('%I %s%s%s', attname, format_type(atttypid, atttypmod),
                      CASE attgenerated
                        WHEN 's' THEN ' GENERATED ALWAYS AS (' || expression || ') STORED'
                        WHEN 'v' THEN ' GENERATED ALWAYS AS (' || expression || ') VIRTUAL'
                        ELSE ' DEFAULT ' || expression END,
                      CASE WHEN attnotnull THEN ' NOT NULL' END)
                 FROM pg_attribute
                 LEFT JOIN LATERAL (SELECT pg_get_expr(adbin, adrelid) AS expression
                                      FROM pg_attrdef
                                     WHERE adrelid = attrelid AND adnum = attnum) d ON true
                WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
                  AND attname <> ALL ($2)
                ORDER BY attnum";
    let known: Vec<&str> = schema::columns(colour).iter().map(|column| column.name).collect();
    let rows = client
        .query(sql, &[&names.qualified(&names.table), &known])
        .await
        .map_err(PostgresError::at("looking at the table's columns"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Adds the columns that the schema has gained since the table was made.
pub(super) async fn add(
    transaction: &Transaction<'_>,
    names: &Names,
    colour: Colour,
) -> Result<(), PostgresError> {
    let sql = "SELECT attname FROM pg_attribute
                WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let parent = names.qualified(&names.table);
    let rows = transaction
        .query(sql, &[&parent])
        .await
        .map_err(PostgresError::at("looking at the table's columns"))?;
    let known: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    let missing = |column: &&Column| !known.contains(&column.name);
    let new: Vec<String> = schema::columns(colour)
        .into_iter()
        .filter(missing)
        .map(|column| format!("ADD COLUMN {}", declared(column)))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let sql = format!("ALTER TABLE {parent} {}", new.join(", "));
    transaction.batch_execute(&sql).await.map_err(PostgresError::at("adding columns"))
}
