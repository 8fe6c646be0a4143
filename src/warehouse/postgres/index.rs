//! The indexes of a table, made on a month before it is attached, so that attaching finds
//! them and makes none itself while readers wait.

use tokio_postgres::GenericClient;

use super::PostgresError;
use super::names::{Names, quoted};

/// The index every table has.
const OURS: &str = "USING brin (pickup_datetime)";

/// What makes the indexes of the table on its new month. Asked outside the transaction that
/// loads, since asking locks.
pub(super) async fn statements(
    client: &impl GenericClient,
    names: &Names,
) -> Result<Vec<String>, PostgresError> {
    // What comes before USING is cut off by its length: a name may hold that word too.
    let sql = "SELECT unique_word, substr(pg_get_indexdef(indexrelid), 1 + length(
                      format('CREATE %sINDEX %I ON ONLY %I.%I ', unique_word, c.relname, $2::text, $3::text)))
                 FROM pg_index i JOIN pg_class c ON c.oid = indexrelid,
              LATERAL (SELECT CASE WHEN indisunique THEN 'UNIQUE ' ELSE '' END AS unique_word) w
                WHERE indrelid = to_regclass($1) AND indisvalid";
    let rows = client
        .query(sql, &[&names.qualified(&names.table), &names.schema, &names.table])
        .await
        .map_err(PostgresError::at("reading the table's indexes"))?;
    let new = names.qualified(&names.new);
    let mut statements: Vec<String> = rows
        .iter()
        .map(|row| {
            let (unique, how): (&str, &str) = (row.get(0), row.get(1));
            format!("CREATE {unique}INDEX ON {new} {how}")
        })
        .collect();
    if statements.is_empty() {
        statements.push(format!("CREATE INDEX ON {new} {OURS}"));
    }
    Ok(statements)
}

/// What makes the index every table has, on the table itself.
pub(super) fn on_parent(names: &Names) -> String {
    let name = quoted(&format!("{}_pickup_datetime_idx", names.table));
    format!("CREATE INDEX IF NOT EXISTS {name} ON {} {OURS}", names.qualified(&names.table))
}
