//! The ledger: what was loaded, from what, when.

use std::ops::ControlFlow;

use tokio_postgres::GenericClient;
use tokio_postgres::types::ToSql;

use crate::trip::{Colour, Month, Provenance, TripFile};
use crate::warehouse::LedgerRow;

use super::names::{Names, first_day, quoted};
use super::{PostgresError, copied};

/// The table of the ledger.
pub(super) const LEDGER: &str = "loads";

/// Makes the ledger if it is missing. Its `rows` is the [`LedgerRow`]'s `rows_loaded`, as it is
/// called in other warehouses: a ledger made here has both names, one made before has the first.
pub(super) async fn make(client: &impl GenericClient, schema: &str) -> Result<(), PostgresError> {
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {}.{LEDGER} (
            table_name text, colour text NOT NULL, month date, rows bigint NOT NULL,
            rows_loaded bigint GENERATED ALWAYS AS (rows) STORED,
            source text NOT NULL, etag text, source_sha256 text NOT NULL,
            schema_digest text NOT NULL, rules_digest text NOT NULL, lake_object text,
            loaded_at timestamptz NOT NULL DEFAULT pg_catalog.now(), program text NOT NULL,
            provenance text NOT NULL,
            PRIMARY KEY (table_name, month))",
        quoted(schema)
    );
    client.batch_execute(&sql).await.map_err(PostgresError::at("making the ledger"))
}

/// The other colour that a table holds months of, by a ledger that may belong to anybody.
pub(super) async fn other_colour(
    client: &impl GenericClient,
    names: &Names,
    colour: Colour,
) -> Result<Option<String>, PostgresError> {
    let sql = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
    let there = client.query_one(sql, &[&names.qualified(&names.table)]).await;
    if !there.map_err(PostgresError::at("reading the ledger"))?.get::<_, bool>(0) {
        return Ok(None);
    }
    let mut other = None;
    copied::rows(client, &names.qualified(LEDGER), &["table_name", "colour"], |row| {
        if let [Some(table), Some(of)] = row.as_slice()
            && *table == names.table
            && of != colour.as_str()
        {
            other = Some(of.clone());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
    .await?;
    Ok(other)
}

/// What the ledger says of a month whose partition is there; none where either is missing.
pub(super) async fn known(
    client: &impl GenericClient,
    names: &Names,
    month: Month,
) -> Result<Option<Provenance>, PostgresError> {
    let sql = format!(
        "SELECT provenance FROM {}.{LEDGER}
          WHERE table_name = $1 AND month = {}
            AND EXISTS (SELECT FROM pg_inherits WHERE inhrelid = pg_catalog.to_regclass($2)
                                                  AND inhparent = pg_catalog.to_regclass($3))",
        quoted(&names.schema),
        first_day(month)
    );
    let (partition, parent) = (names.qualified(&names.partition), names.qualified(&names.table));
    let found = client
        .query_opt(&sql, &[&names.table, &partition, &parent])
        .await
        .map_err(PostgresError::at("reading the ledger"))?;
    Ok(found.and_then(|row| LedgerRow::read(row.get(0))))
}

/// What a ledger that may belong to anybody says of each month of a colour in a table; of one whose
/// row is not understood, nothing.
pub(super) async fn all(
    client: &impl GenericClient,
    names: &Names,
    colour: Colour,
) -> Result<Vec<(Month, Option<Provenance>)>, PostgresError> {
    let columns = ["table_name", "colour", "month", "provenance"];
    let mut months = Vec::new();
    copied::rows(client, &names.qualified(LEDGER), &columns, |row| {
        if let [Some(table), Some(of), Some(first_day), said] = row.as_slice()
            && *table == names.table
            && of == colour.as_str()
            && let Some(month) = first_day.strip_suffix("-01").and_then(|it| it.parse().ok())
        {
            months.push((month, LedgerRow::read(said.as_deref())));
        }
        ControlFlow::Continue(())
    })
    .await?;
    Ok(months)
}

/// Writes a month's row.
pub(super) async fn write(
    client: &impl GenericClient,
    names: &Names,
    file: TripFile,
    month: &Provenance,
    lake_object: Option<&str>,
) -> Result<(), PostgresError> {
    let sql = format!(
        "INSERT INTO {schema}.{LEDGER} (table_name, colour, month, rows, source, etag, source_sha256,
                schema_digest, rules_digest, lake_object, loaded_at, program, provenance)
         VALUES ($1, $2, {day}, $3, $4, $5, $6, $7, $8, $9, pg_catalog.clock_timestamp(), $10, $11)
         ON CONFLICT (table_name, month) DO UPDATE SET
            colour = excluded.colour, rows = excluded.rows, source = excluded.source,
            etag = excluded.etag, source_sha256 = excluded.source_sha256,
            schema_digest = excluded.schema_digest, rules_digest = excluded.rules_digest,
            lake_object = excluded.lake_object, loaded_at = excluded.loaded_at,
            program = excluded.program, provenance = excluded.provenance",
        schema = quoted(&names.schema),
        day = first_day(file.month),
    );
    let row = LedgerRow::of(file, month, &names.table, lake_object);
    let values: [&(dyn ToSql + Sync); 11] = [
        &row.table_name,
        &row.colour.as_str(),
        &(row.rows_loaded as i64),
        &row.source,
        &row.etag,
        &row.source_sha256,
        &row.schema_digest,
        &row.rules_digest,
        &row.lake_object,
        &row.program,
        &row.provenance,
    ];
    let written = client.execute(&sql, &values).await;
    match written.map_err(PostgresError::at("writing the ledger"))? {
        1 => Ok(()),
        _ => Err(PostgresError::Changed { table: names.shown(LEDGER) }),
    }
}
