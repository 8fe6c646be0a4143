//! What makes the tables pleasant to ask: descriptions, and one view over the taxis.

use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use crate::schema::{self, COLUMNS};
use crate::trip::Colour;

use super::connection::Session;
use super::kept::granted;
use super::locks::LOCK_TIMEOUT;
use super::names::{Names, literal, quoted, trips, type_name};
use super::relation::find;
use super::{PostgresError, locks};

/// The view over yellow and green.
const VIEW: &str = "trips";

/// How a view of ours is known.
const MARK: &str = "nyc_taxi_etl: the trips of yellow and green taxis";

/// The description of a table.
pub(super) fn about(colour: Colour) -> String {
    format!("{colour} trips, a partition a month; the ledger is the table loads")
}

/// Descriptions of a table and its columns.
pub(super) fn comments(names: &Names, colour: Colour) -> String {
    let table = names.qualified(&names.table);
    let about = literal(&about(colour));
    let columns = schema::columns(colour).into_iter().map(|column| {
        let (name, about) = (quoted(column.name), literal(column.about));
        format!("COMMENT ON COLUMN {table}.{name} IS {about}")
    });
    let all = std::iter::once(format!("COMMENT ON TABLE {table} IS {about}")).chain(columns);
    all.collect::<Vec<_>>().join(";")
}

/// Makes the view over those of the two tables that are there, where its name is free and
/// where it is not as it should be.
pub(super) async fn make(session: &mut Session, schema: &str) -> Result<(), PostgresError> {
    let step = || PostgresError::at("making the view trips");
    let place = format!("{}.{}", quoted(schema), quoted(VIEW));
    let mut transaction = session.begin().await?;
    // Of two loads that end at once, the second sees the table of the first.
    let lock = format!(
        "SET LOCAL lock_timeout = {}; {}",
        LOCK_TIMEOUT.as_millis(),
        locks::advisory(&place)
    );
    transaction.batch_execute(&lock).await.map_err(step())?;
    let Some(view) = wanted(&transaction, schema, &place).await? else {
        return Ok(());
    };
    // What users built on the view and granted on it stays, unless its columns are others.
    let attempt = transaction.savepoint("replace").await.map_err(step())?;
    match attempt.batch_execute(&format!("CREATE OR REPLACE {view}")).await {
        Ok(()) => attempt.commit().await.map_err(step())?,
        Err(error) if error.code() == Some(&SqlState::INVALID_TABLE_DEFINITION) => {
            attempt.rollback().await.map_err(step())?;
            let granted = match find(&transaction, schema, VIEW).await? {
                Some(old) => granted(&transaction, &old).await?,
                None => Vec::new(),
            };
            let again = format!("DROP VIEW {place}; CREATE {view}; {}", granted.join("; "));
            transaction.batch_execute(&again).await.map_err(step())?;
        }
        Err(error) => return Err(step()(error)),
    }
    transaction.commit().await.map_err(step())
}

/// The view as it should be, after `CREATE`; none where it is so or others have its name.
async fn wanted(
    transaction: &Transaction<'_>,
    schema: &str,
    place: &str,
) -> Result<Option<String>, PostgresError> {
    let mut there = Vec::new();
    for colour in [Colour::Yellow, Colour::Green] {
        let found = find(transaction, schema, &trips(colour)).await?;
        if found.is_some_and(|found| found.kind == 'p' && found.is_owned) {
            there.push(colour);
        }
    }
    if there.is_empty() {
        return Ok(None);
    }
    let select = select(schema, &there);
    let mark = format!("{MARK} {}", crate::trip::Digest::of(select.as_bytes()).short());
    if let Some(found) = find(transaction, schema, VIEW).await? {
        let comment = found.comment.as_deref();
        let is_marked = comment.is_some_and(|text| text.starts_with(MARK));
        let ours = found.kind == 'v' && is_marked && found.is_trusted && found.is_owned;
        if !ours || comment == Some(&mark) {
            return Ok(None);
        }
    }
    let mark = literal(&mark);
    Ok(Some(format!("VIEW {place} AS {select}; COMMENT ON VIEW {place} IS {mark}")))
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
