//! What makes the tables pleasant to ask: descriptions, and one view over the taxis.

use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use crate::schema::{self, COLUMNS};
use crate::trip::Colour;

use super::connection::Session;
use super::kept::granted;
use super::locks::LOCK_TIMEOUT;
use super::names::{Names, literal, quoted, trips, type_name};
use super::relation::{Relation, find};
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
    let Some(view) = wanted(&transaction, schema).await? else {
        return Ok(());
    };
    let old = find(&transaction, schema, VIEW).await?;
    let options = match &old {
        Some(old) => options(&transaction, old).await?,
        None => String::new(),
    };
    let Wanted { select, mark } = view;
    let view = format!("VIEW {place}{options} AS {select}; COMMENT ON VIEW {place} IS {mark}");
    // What users built on the view and granted on it stays, unless its columns are others.
    let attempt = transaction.savepoint("replace").await.map_err(step())?;
    match attempt.batch_execute(&format!("CREATE OR REPLACE {view}")).await {
        Ok(()) => attempt.commit().await.map_err(step())?,
        Err(error) if error.code() == Some(&SqlState::INVALID_TABLE_DEFINITION) => {
            attempt.rollback().await.map_err(step())?;
            let kept = match &old {
                Some(old) => kept(&transaction, old).await?,
                None => Vec::new(),
            };
            let again = format!("DROP VIEW {place}; CREATE {view}; {}", kept.join("; "));
            transaction.batch_execute(&again).await.map_err(step())?;
        }
        Err(error) => return Err(step()(error)),
    }
    transaction.commit().await.map_err(step())
}

/// The options of a view (`security_invoker`, say), which replacing it would take away.
async fn options(transaction: &Transaction<'_>, view: &Relation) -> Result<String, PostgresError> {
    let sql = "SELECT ' WITH (' || pg_catalog.string_agg(pg_catalog.quote_ident(option_name) || ' = ' ||
                          pg_catalog.quote_literal(option_value), ', ') || ')'
                 FROM pg_catalog.pg_class c, LATERAL pg_catalog.pg_options_to_table(c.reloptions) WHERE c.oid = $1";
    let row = transaction.query_one(sql, &[&view.oid]).await;
    let row = row.map_err(PostgresError::at("looking at the view trips"))?;
    Ok(row.get::<_, Option<String>>(0).unwrap_or_default())
}

/// The statements that give a view that is made again what the old one had: its grants, its owner,
/// the descriptions of its columns.
async fn kept(
    transaction: &Transaction<'_>,
    view: &Relation,
) -> Result<Vec<String>, PostgresError> {
    let sql = "SELECT pg_catalog.format('COMMENT ON COLUMN %I.%I.%I IS %L', n.nspname, c.relname, a.attname, d.description)
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_catalog.pg_class'::regclass
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid
                WHERE c.oid = $1 AND d.objsubid > 0
                UNION ALL
               SELECT pg_catalog.format('ALTER VIEW %I.%I OWNER TO %I', n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner))
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.oid = $1 AND pg_catalog.pg_get_userbyid(c.relowner) <> current_user";
    let rows = transaction.query(sql, &[&view.oid]).await;
    let rows = rows.map_err(PostgresError::at("looking at the view trips"))?;
    let mut statements = granted(transaction, view).await?;
    statements.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    Ok(statements)
}

struct Wanted {
    select: String,
    /// Its description, as a constant.
    mark: String,
}

/// The view as it should be; none where it is so or others have its name.
async fn wanted(
    transaction: &Transaction<'_>,
    schema: &str,
) -> Result<Option<Wanted>, PostgresError> {
    let mut there = Vec::new();
    for colour in [Colour::Yellow, Colour::Green] {
        let found = find(transaction, schema, &trips(colour)).await?;
        if found.is_some_and(|found| found.kind == 'p' && found.is_owned && found.is_trusted) {
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
    Ok(Some(Wanted { select, mark: literal(&mark) }))
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
