//! What stands where a month is to go and was not made by this program: left as it is.
//!
//! A table is known as ours by what it is (its columns, the way it is partitioned, its
//! description) and by whose it is. What others own is not ours, whatever it looks like: what its
//! owner put on it, a default or a check, would run with the rights of this session.

use tokio_postgres::GenericClient;

use crate::schema::{self, PICKUP};
use crate::support::text::printable;
use crate::trip::Colour;
use crate::trip::quarantine::{FIELDS, LINE, REASONS};

use super::code::{Scope, Use};
use super::columns::lacking;
use super::ledger::{self, LEDGER};
use super::names::{Names, literal};
use super::relation::{Relation, find, not_ours, written};
use super::trusted_roles::trusted;
use super::writes::Change;
use super::{PostgresError, copied, obstacles, views, writes};

/// What is to be done with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It is looked at in the catalog and its rows are copied out: it may belong to anybody.
    Read,
    /// It is changed, and what its owner put on it runs with the rights of this session.
    Write,
}

/// How a quarantine of ours is known.
pub(super) const QUARANTINE_MARK: &str = "nyc_taxi_etl: rows set aside";

const LEDGER_COLUMNS: [(&str, &str); 13] = [
    ("table_name", "text"),
    ("colour", "text"),
    ("month", "date"),
    ("rows", "bigint"),
    ("source", "text"),
    ("etag", "text"),
    ("source_sha256", "text"),
    ("schema_digest", "text"),
    ("rules_digest", "text"),
    ("lake_object", "text"),
    ("loaded_at", "timestamp with time zone"),
    ("program", "text"),
    ("provenance", "text"),
];

const QUARANTINE_COLUMNS: [(&str, &str); 4] =
    [("month", "date"), (LINE, "bigint"), (REASONS, "text[]"), (FIELDS, "text[]")];

fn has_columns(there: &[(String, String)], wanted: &[(&str, &str)]) -> bool {
    wanted.iter().all(|(name, kind)| there.iter().any(|(n, k)| n == name && k == kind))
}

/// Refuses a schema, if it is there, whose owner is not trusted: who owns a schema may drop what
/// is in it and put something else there, also between a look and a query. `public` belongs to
/// whoever owns the database.
pub(super) async fn refuse_schema_of_others(
    client: &impl GenericClient,
    schema: &str,
) -> Result<(), PostgresError> {
    let sql = format!(
        "SELECT pg_catalog.pg_get_userbyid(owner)::text, current_user::text
           FROM (SELECT CASE WHEN pg_catalog.pg_get_userbyid(n.nspowner) = 'pg_database_owner'
                             THEN d.datdba ELSE n.nspowner END AS owner
                   FROM pg_catalog.pg_namespace n, pg_catalog.pg_database d
                  WHERE n.nspname = $1 AND d.datname = pg_catalog.current_database()) AS found
          WHERE NOT {}",
        trusted("owner")
    );
    let found = client.query_opt(&sql, &[&schema]).await;
    match found.map_err(PostgresError::at("looking at the schema"))? {
        Some(row) => Err(PostgresError::OthersSchema {
            schema: written(schema),
            owner: printable(&written(row.get(0))),
            role: printable(&written(row.get(1))),
        }),
        None => Ok(()),
    }
}

/// The ledger; refuses what has its name and is not one.
pub(super) async fn ledger(
    client: &impl GenericClient,
    schema: &str,
    access: Access,
) -> Result<Option<Relation>, PostgresError> {
    let Some(found) = find(client, schema, LEDGER).await? else {
        super::relation::refuse_type(client, schema, LEDGER).await?;
        return Ok(None);
    };
    if found.kind != 'r' {
        return not_ours(schema, LEDGER, format!("it is {}", found.what()));
    }
    if !has_columns(&found.columns(client).await?, &LEDGER_COLUMNS) {
        return not_ours(schema, LEDGER, "it is not a ledger of months");
    }
    match access {
        Access::Write => {
            found.refuse_others(schema, LEDGER)?;
            found.refuse_code_of_others(client, schema, LEDGER, Scope::Tree).await?;
        }
        Access::Read => {}
    }
    Ok(Some(found))
}

/// The table of a colour's months; refuses what has its name and is not partitioned by range of
/// the pickup time, and one of others.
pub(super) async fn table(
    client: &impl GenericClient,
    names: &Names,
    colour: Colour,
    access: Access,
) -> Result<Option<Relation>, PostgresError> {
    let Some(found) = find(client, &names.schema, &names.table).await? else {
        super::relation::refuse_type(client, &names.schema, &names.table).await?;
        return Ok(None);
    };
    let refuse = |why: String| not_ours(&names.schema, &names.table, why);
    let columns = found.columns(client).await?;
    match found.kind {
        'p' => {
            let sql = "SELECT pg_catalog.pg_get_partkeydef($1::oid)";
            let key = client.query_one(sql, &[&found.oid]).await;
            let key = key.map_err(PostgresError::at("looking at the table"))?;
            let key = key.get::<_, Option<&str>>(0).unwrap_or("something else");
            if key != "RANGE (pickup_datetime)" {
                return refuse(format!("it is partitioned by {key}"));
            }
        }
        'r' => {
            let raw = columns.iter().map(|(name, _)| name.as_str());
            let raw: Vec<&str> =
                raw.filter(|name| name.contains(|c: char| c.is_ascii_uppercase())).collect();
            return refuse(if raw.is_empty() {
                "it is a plain table, not partitioned by month".to_owned()
            } else {
                format!("it is a plain table with columns such as {}", raw.join(", "))
            });
        }
        _ => return refuse(format!("it is {}", found.what())),
    }
    if access == Access::Read {
        return Ok(Some(found));
    }
    refuse_to_write(client, names, &names.table, &found).await?;
    let lacks = lacking(&columns, schema::columns(colour));
    let is_marked = found.comment.as_deref() == Some(&*views::about(colour));
    if !is_marked && !lacks.is_empty() && !is_in_ledger(client, names).await? {
        let lacks: Vec<&str> = lacks.iter().take(3).map(|column| column.name).collect();
        return refuse(format!(
            "no month was ever loaded into it, and it lacks columns of {colour} trips: {}",
            lacks.join(", ")
        ));
    }
    Ok(Some(found))
}

/// Whether the ledger says that months were loaded into the table; a ledger of others says
/// nothing.
async fn is_in_ledger(client: &impl GenericClient, names: &Names) -> Result<bool, PostgresError> {
    match ledger(client, &names.schema, Access::Read).await? {
        Some(ledger) if ledger.may_be_queried(client).await? => {}
        _ => return Ok(false),
    }
    let sql = format!(
        "SELECT FROM {} WHERE table_name = $1 AND month IS NOT NULL LIMIT 1",
        names.qualified(LEDGER)
    );
    let found = client.query_opt(&sql, &[&names.table]).await;
    Ok(found.map_err(PostgresError::at("reading the ledger"))?.is_some())
}

/// Refuses a table that would run code of others when it is written.
///
/// One that this program has loaded may belong to a group by now of which a superuser is not a
/// member, and a partition to the member of a group that loaded it: these are ours still, if
/// nothing is computed that could run a statement.
async fn refuse_to_write(
    client: &impl GenericClient,
    names: &Names,
    name: &str,
    found: &Relation,
) -> Result<(), PostgresError> {
    let schema = &names.schema;
    if !found.is_trusted && !is_handed_over(client, names, name, found).await? {
        return found.refuse_others(schema, name);
    }
    // A month is put into the table without touching its other months.
    let scope = if name == names.table { Scope::Alone } else { Scope::Tree };
    found.refuse_code_of_others(client, schema, name, scope).await?;
    if found.is_trusted {
        return Ok(());
    }
    let of = if *name == *names.quarantine { Use::Rows } else { Use::Model };
    found.refuse_expressions(client, schema, name, of).await
}

/// Whether a table of an owner who is not trusted may be changed all the same: months were loaded
/// into it, it is in a schema of ours, and this session has its owner's rights.
async fn is_handed_over(
    client: &impl GenericClient,
    names: &Names,
    name: &str,
    found: &Relation,
) -> Result<bool, PostgresError> {
    if !is_in_ledger(client, names).await? {
        return Ok(false);
    }
    let sql = format!(
        "SELECT {}, pg_catalog.pg_has_role(nspowner, 'USAGE')
           FROM pg_catalog.pg_namespace WHERE nspname = $1",
        trusted("nspowner")
    );
    let schema = client.query_opt(&sql, &[&names.schema]).await;
    let schema = schema.map_err(PostgresError::at("looking at the schema"))?;
    let (is_trusted, is_owned) =
        schema.map_or((false, false), |row| (row.get::<_, bool>(0), row.get::<_, bool>(1)));
    // Whoever owns the schema may drop a partition that another member of the group has loaded.
    Ok(is_trusted && (found.is_owned || (is_owned && name == names.partition)))
}

/// The quarantine of a table; refuses what has its name and is not one of ours.
pub(super) async fn quarantine(
    client: &impl GenericClient,
    names: &Names,
    access: Access,
) -> Result<Option<Relation>, PostgresError> {
    let name = &names.quarantine;
    let Some(found) = find(client, &names.schema, name).await? else {
        return Ok(None);
    };
    let refuse = |why: &str| not_ours(&names.schema, name, why);
    if found.kind != 'r' {
        return refuse(&format!("it is {}", found.what()));
    }
    let columns = found.columns(client).await?;
    if !has_columns(&columns, &QUARANTINE_COLUMNS) {
        return refuse("it does not have the columns of a quarantine");
    }
    let is_marked = found.comment.as_deref().is_some_and(|text| text.starts_with(QUARANTINE_MARK));
    if !is_marked
        && (columns.len() != QUARANTINE_COLUMNS.len() || !was_ingested(client, names).await?)
    {
        let (table, mark) = (names.shown(name), literal(QUARANTINE_MARK));
        return refuse(&format!(
            "nothing says that this program made it; if it did: COMMENT ON TABLE {table} IS {mark}"
        ));
    }
    if access == Access::Write {
        refuse_to_write(client, names, name, &found).await?;
    }
    Ok(Some(found))
}

/// Refuses a ledger or a quarantine whose rows would not be what is written to them, or not be
/// seen.
pub(super) async fn refuse_altered_rows(
    client: &impl GenericClient,
    names: &Names,
) -> Result<(), PostgresError> {
    let columns: Vec<&str> = LEDGER_COLUMNS.iter().map(|(name, _)| *name).collect();
    let key = Change::Upsert(&["table_name", "month"]);
    writes::refuse_altered(client, names, LEDGER, &columns, key).await?;
    obstacles::refuse_row_security(client, names, LEDGER).await?;
    let columns: Vec<&str> = QUARANTINE_COLUMNS.iter().map(|(name, _)| *name).collect();
    writes::refuse_altered(client, names, &names.quarantine, &columns, Change::Replace).await?;
    obstacles::refuse_row_security(client, names, &names.quarantine).await
}

/// Whether the ledger has months that came straight from the web, with the rows set aside:
/// earlier versions did not describe the table of these.
async fn was_ingested(client: &impl GenericClient, names: &Names) -> Result<bool, PostgresError> {
    if !is_in_ledger(client, names).await? {
        return Ok(false);
    }
    let sql = format!(
        "SELECT FROM {} WHERE table_name = $1 AND month IS NOT NULL AND lake_object IS NULL LIMIT 1",
        names.qualified(LEDGER)
    );
    let found = client.query_opt(&sql, &[&names.table]).await;
    Ok(found.map_err(PostgresError::at("reading the ledger"))?.is_some())
}

/// The month's partition. A table holds one colour, and what stands in the month's place is a
/// partition of it for that month alone: a month that a user detached, say, is not ours to drop.
pub(super) async fn partition(
    client: &impl GenericClient,
    names: &Names,
    colour: Colour,
    parent: Option<&Relation>,
    access: Access,
) -> Result<Option<Relation>, PostgresError> {
    if ledger(client, &names.schema, Access::Read).await?.is_some()
        && let Some(other) = ledger::other_colour(client, names, colour).await?
    {
        return not_ours(&names.schema, &names.table, format!("it holds {other} trips"));
    }
    let Some(found) = find(client, &names.schema, &names.partition).await? else {
        super::relation::refuse_type(client, &names.schema, &names.partition).await?;
        return Ok(None);
    };
    let sql = "SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = $1 AND inhparent = $2";
    let parent_oid = parent.map(|parent| parent.oid).unwrap_or_default();
    let attached = client.query_opt(sql, &[&found.oid, &parent_oid]).await;
    let refuse = |why: String| not_ours(&names.schema, &names.partition, why);
    if attached.map_err(PostgresError::at("looking at the month's place"))?.is_none() {
        return refuse(format!("it is not a partition of {}", names.table));
    }
    if access == Access::Read {
        return Ok(Some(found));
    }
    match found.kind {
        'r' => {}
        'p' => return refuse("it is divided into further partitions".to_owned()),
        _ => return refuse(format!("it is {}", found.what())),
    }
    refuse_to_write(client, names, &names.partition, &found).await?;
    Ok(Some(found))
}

/// Refuses a partition with rows that this program did not load: it puts a constraint on each, or
/// the ledger knows it.
pub(super) async fn refuse_rows_of_others(
    client: &impl GenericClient,
    names: &Names,
    month: crate::trip::Month,
    partition: &Relation,
) -> Result<(), PostgresError> {
    // The check that this program puts on each has the bounds of the month and nothing else.
    let sql = "SELECT FROM pg_catalog.pg_constraint
                WHERE conrelid = $1 AND contype = 'c' AND conname ~ '^month(_[0-9]+)?$'
                  AND pg_catalog.pg_get_constraintdef(oid) ~ $2";
    let first = format!("{month}-01 00:00:00");
    let last = format!("{}-01 00:00:00", month.next());
    let zone = "'::timestamp without time zone";
    let bounds = format!(
        "^CHECK \\(\\(\\(pickup_datetime >= '{first}{zone}\\) AND \\(pickup_datetime < '{last}{zone}\\)\\)\\)$"
    );
    let made = client.query_opt(sql, &[&partition.oid, &bounds]).await;
    if made.map_err(PostgresError::at("looking at the month's place"))?.is_some() {
        return Ok(());
    }
    let table = names.qualified(&names.partition);
    if !copied::has_rows(client, &table, PICKUP).await? {
        return Ok(());
    }
    // One that has lost its check has the rows that the ledger says.
    if is_in_ledger(client, names).await?
        && let Some(known) = ledger::known(client, names, month).await?
        && copied::count(client, &table, PICKUP).await? == known.counts.rows_kept
    {
        return Ok(());
    }
    not_ours(
        &names.schema,
        &names.partition,
        format!(
            "it has rows that this program did not load; to keep them, \
             ALTER TABLE {} DETACH PARTITION {} and rename it",
            names.shown(&names.table),
            written(&names.partition)
        ),
    )
}
