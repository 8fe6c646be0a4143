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
    let sql = "SELECT i.indisunique, pg_get_indexdef(i.indexrelid)
                 FROM pg_index i WHERE i.indrelid = to_regclass($1) AND i.indisvalid";
    let rows = client
        .query(sql, &[&names.qualified(&names.table)])
        .await
        .map_err(PostgresError::at("reading the table's indexes"))?;
    let new = names.qualified(&names.new);
    let mut statements: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let definition: String = row.get(1);
            let how = &definition[definition.find(" USING ")? + 1..];
            let unique = if row.get(0) { "UNIQUE " } else { "" };
            Some(format!("CREATE {unique}INDEX ON {new} {how}"))
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
