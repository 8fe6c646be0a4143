//! What makes the tables pleasant to ask: descriptions, and one view over the taxis.

use tokio_postgres::Client;

use crate::schema::{self, COLUMNS};
use crate::trip::Colour;

use super::PostgresError;
use super::names::{Names, literal, quoted, trips, type_name};

/// The view over yellow and green.
const VIEW: &str = "trips";

/// How a view of ours is known.
const MARK: &str = "nyc_taxi_etl: the trips of yellow and green taxis";

/// Descriptions of a table and its columns.
pub(super) fn comments(names: &Names, colour: Colour) -> String {
    let table = names.qualified(&names.table);
    let about =
        literal(&format!("{colour} trips, a partition a month; the ledger is the table loads"));
    let columns = schema::columns(colour).into_iter().map(|column| {
        let (name, about) = (quoted(column.name), literal(column.about));
        format!("COMMENT ON COLUMN {table}.{name} IS {about}")
    });
    let all = std::iter::once(format!("COMMENT ON TABLE {table} IS {about}")).chain(columns);
    all.collect::<Vec<_>>().join(";")
}

/// Makes the view over those of the two tables that are there, where its name is free and
/// where it is not as it should be.
pub(super) async fn make(client: &Client, schema: &str) -> Result<(), PostgresError> {
    let step = || PostgresError::at("making the view trips");
    let place = format!("{}.{}", quoted(schema), quoted(VIEW));
    let mut there = Vec::new();
    for colour in [Colour::Yellow, Colour::Green] {
        let table = format!("{}.{}", quoted(schema), quoted(&trips(colour)));
        let sql = "SELECT FROM pg_class WHERE oid = to_regclass($1) AND relkind = 'p'";
        if client.query_opt(sql, &[&table]).await.map_err(step())?.is_some() {
            there.push(colour);
        }
    }
    if there.is_empty() {
        return Ok(());
    }
    let view = select(schema, &there);
    let mark = format!("{MARK} {}", crate::trip::Digest::of(view.as_bytes()).short());
    let sql = "SELECT relkind::text, obj_description(oid, 'pg_class') FROM pg_class WHERE oid = to_regclass($1)";
    let found = client.query_opt(sql, &[&place]).await.map_err(step())?;
    if let Some(row) = found {
        let comment: Option<&str> = row.get(1);
        let ours =
            row.get::<_, &str>(0) == "v" && comment.is_some_and(|text| text.starts_with(MARK));
        if !ours || comment == Some(&mark) {
            return Ok(());
        }
    }
    let sql = format!(
        "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended({}, 0));
         DROP VIEW IF EXISTS {place}; CREATE VIEW {place} AS {view};
         COMMENT ON VIEW {place} IS {}; COMMIT",
        literal(&place),
        literal(&mark)
    );
    let made = client.batch_execute(&sql).await;
    if made.is_err() {
        let _ = client.batch_execute("ROLLBACK").await;
    }
    made.map_err(step())
}

/// The columns of both colours over each table; null where a colour lacks one.
fn select(schema: &str, tables: &[Colour]) -> String {
    let columns: Vec<_> = COLUMNS
        .iter()
        .filter(|column| column.colours.iter().any(|c| matches!(c, Colour::Yellow | Colour::Green)))
        .collect();
    let of = |colour: &Colour| {
        let list = columns.iter().map(|column| {
            let name = quoted(column.name);
            if column.colours.contains(colour) {
                name
            } else {
                format!("NULL::{} AS {name}", type_name(column.kind))
            }
        });
        let list = list.collect::<Vec<_>>().join(", ");
        let table = format!("{}.{}", quoted(schema), quoted(&trips(*colour)));
        format!("SELECT {}::text AS colour, {list} FROM {table}", literal(colour.as_str()))
    };
    tables.iter().map(of).collect::<Vec<_>>().join(" UNION ALL ")
}
