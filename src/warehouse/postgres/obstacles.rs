//! What keeps a month from being swapped in, found before its first row is copied.

use tokio_postgres::GenericClient;

use crate::trip::TripFile;

use super::PostgresError;
use super::code::Scope;
use super::names::{Names, first_day};
use super::relation::{Relation, not_ours, refuse_type, written};
use super::trusted_roles::trusted;

fn looking() -> impl FnOnce(tokio_postgres::Error) -> PostgresError {
    PostgresError::at("looking at the month's place")
}

fn obstacle<T>(
    names: &Names,
    why: impl AsRef<str>,
    remedy: impl AsRef<str>,
) -> Result<T, PostgresError> {
    let table = format!("{}.{}", names.schema, names.table);
    Err(PostgresError::obstacle(table, why, remedy))
}

/// Refuses what has the name that the month's table has while it is filled.
pub(super) async fn refuse_staging(
    client: &impl GenericClient,
    names: &Names,
) -> Result<(), PostgresError> {
    match super::relation::find(client, &names.schema, &names.new).await? {
        Some(found) => not_ours(
            &names.schema,
            &names.new,
            format!("it is {}, and the month needs that name while it is loaded", found.what()),
        ),
        None => refuse_type(client, &names.schema, &names.new).await,
    }
}

/// Refuses a table in which other partitions hold a part of the month, or a partition of the
/// month's name that holds more than it.
pub(super) async fn refuse_overlaps(
    client: &impl GenericClient,
    names: &Names,
    file: TripFile,
    parent: &Relation,
    partition: Option<&Relation>,
) -> Result<(), PostgresError> {
    let (first, last) = (file.month.to_string() + "-01", file.month.next().to_string() + "-01");
    let sql = "
        SELECT c.oid, n.nspname, c.relname, pg_catalog.pg_get_expr(c.relpartbound, c.oid),
               low = $2::text::timestamp AND high = $3::text::timestamp
          FROM pg_catalog.pg_inherits i
          JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
       LATERAL pg_catalog.regexp_match(pg_catalog.pg_get_expr(c.relpartbound, c.oid),
                   'FROM \\((.*)\\) TO \\((.*)\\)$') AS bound,
       LATERAL (SELECT CASE bound[1] WHEN 'MINVALUE' THEN '-infinity' WHEN 'MAXVALUE' THEN 'infinity'
                       ELSE pg_catalog.btrim(bound[1], '''') END::timestamp AS low,
                       CASE bound[2] WHEN 'MINVALUE' THEN '-infinity' WHEN 'MAXVALUE' THEN 'infinity'
                       ELSE pg_catalog.btrim(bound[2], '''') END::timestamp AS high) AS bounds
         WHERE i.inhparent = $1 AND bound IS NOT NULL
           AND (low < $3::text::timestamp AND high > $2::text::timestamp OR c.oid = $4)";
    let own = partition.map(|partition| partition.oid).unwrap_or_default();
    let rows = client.query(sql, &[&parent.oid, &first, &last, &own]).await.map_err(looking())?;
    for row in rows {
        let (oid, schema, name): (u32, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let (bound, whole): (&str, bool) = (row.get(3), row.get(4));
        // One of the month's own name that was not there before is another load's, made just now.
        if whole && (oid == own || schema == names.schema && name == names.partition) {
            continue;
        }
        let shown = format!("{}.{}", written(schema), written(name));
        let why = format!(
            "its partition {shown} is {}, which overlaps with {}",
            bound.to_lowercase(),
            file.month
        );
        let table = names.shown(&names.table);
        let remedy = if whole && schema == names.schema {
            let new = written(&names.partition);
            format!("If it is the month, name it so: ALTER TABLE {shown} RENAME TO {new}")
        } else {
            format!(
                "Take it out (ALTER TABLE {table} DETACH PARTITION {shown}) or divide it by months"
            )
        };
        return obstacle(names, why, remedy);
    }
    Ok(())
}

/// The default partition of a table, by its schema and its name; refuses one that runs code of others when a month is
/// attached: the server computes its checks then.
pub(super) async fn default_partition(
    client: &impl GenericClient,
    names: &Names,
    parent: &Relation,
) -> Result<Option<(String, String, Relation)>, PostgresError> {
    let sql = "SELECT n.nspname, c.relname FROM pg_catalog.pg_partitioned_table p
                 JOIN pg_catalog.pg_class c ON c.oid = p.partdefid
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE p.partrelid = $1";
    let Some(row) = client.query_opt(sql, &[&parent.oid]).await.map_err(looking())? else {
        return Ok(None);
    };
    let (schema, name): (String, String) = (row.get(0), row.get(1));
    let Some(default) = super::relation::find(client, &schema, &name).await? else {
        return Err(PostgresError::Changed { table: names.shown(&names.table) });
    };
    if !default.is_trusted {
        let shown = format!("{}.{}", written(&schema), written(&name));
        let (owner, role) = (written(&default.owner), written(&default.role));
        return obstacle(
            names,
            format!(
                "its default partition {shown} belongs to {owner}: what {owner} puts on it would run \
                 as {role} when a month is attached"
            ),
            format!("ALTER TABLE {shown} OWNER TO {}, or detach it", written(&parent.owner)),
        );
    }
    default.refuse_code_of_others(client, &schema, &name, Scope::Tree).await?;
    Ok(Some((schema, name, default)))
}

/// Refuses a table whose default partition has rows of the month.
pub(super) async fn refuse_default_rows(
    client: &impl GenericClient,
    names: &Names,
    file: TripFile,
    parent: &Relation,
) -> Result<(), PostgresError> {
    let Some((schema, name, default)) = default_partition(client, names, parent).await? else {
        return Ok(());
    };
    let table = format!("{}.{}", super::names::quoted(&schema), super::names::quoted(&name));
    if !default.may_be_read(client).await? {
        let shown = format!("{}.{}", written(&schema), written(&name));
        let role = written(&parent.role);
        return obstacle(
            names,
            format!(
                "{role} may not read its default partition {shown}, which can have rows of the month"
            ),
            format!("GRANT SELECT ON {shown} TO {role}"),
        );
    }
    let (first, last) = (first_day(file.month), first_day(file.month.next()));
    let of_month = format!("pickup_datetime >= {first} AND pickup_datetime < {last}");
    let sql = format!("SELECT pg_catalog.count(*) FROM {table} WHERE {of_month}");
    let rows: i64 = client.query_one(&sql, &[]).await.map_err(looking())?.get(0);
    if rows == 0 {
        return Ok(());
    }
    let shown = format!("{}.{}", written(&schema), written(&name));
    obstacle(
        names,
        format!("its default partition {shown} has {rows} rows of {}", file.month),
        format!("Move them to another table, or delete them: DELETE FROM {shown} WHERE {of_month}"),
    )
}

/// Refuses to replace a partition that something else depends on: it would go with it, or keep
/// it from going.
pub(super) async fn refuse_dependents(
    client: &impl GenericClient,
    names: &Names,
    partition: &Relation,
) -> Result<(), PostgresError> {
    let sql = "
        WITH target AS (
            SELECT c.oid, c.reltype, t.typarray
              FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_type t ON t.oid = c.reltype
             WHERE c.oid = $1)
        SELECT DISTINCT CASE
                 WHEN r.oid IS NOT NULL THEN
                     pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, r.ev_class, 0)
                 WHEN k.conparentid <> 0 THEN
                     pg_catalog.pg_describe_object(d.classid, k.conparentid, 0)
                 ELSE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) END AS what,
               coalesce(k.contype = 'f', false)
          FROM pg_catalog.pg_depend d
          JOIN target t ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = t.oid
                        OR d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (t.reltype, t.typarray)
          LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
          LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
         WHERE (d.deptype = 'n' OR d.deptype = 'a' AND EXISTS (
                   SELECT FROM pg_catalog.pg_class s WHERE s.oid = d.objid AND s.relkind = 'S'
                      AND d.classid = 'pg_catalog.pg_class'::regclass))
           AND r.ev_class IS DISTINCT FROM t.oid AND k.conrelid IS DISTINCT FROM t.oid
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend own
                            WHERE own.classid = d.classid AND own.objid = d.objid
                              AND own.deptype IN ('a', 'i', 'P', 'S') AND d.deptype = 'n'
                              AND own.refclassid = 'pg_catalog.pg_class'::regclass AND own.refobjid = t.oid)
         ORDER BY what";
    let rows = client.query(sql, &[&partition.oid]).await.map_err(looking())?;
    let dependents: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    if dependents.is_empty() {
        return Ok(());
    }
    let (shown, table) = (names.shown(&names.partition), names.shown(&names.table));
    let remedy = if rows.iter().any(|row| row.get(1)) {
        "Partitions are replaced, and a foreign key keeps them from going: drop it before, and add \
         it again afterwards if it is needed"
            .to_owned()
    } else {
        format!(
            "Partitions are replaced: drop it before and make it again afterwards, or let it depend \
             on {table}"
        )
    };
    obstacle(
        names,
        format!("something depends on its partition {shown}: {}", dependents.join(", ")),
        remedy,
    )
}

/// Refuses a publication that the partition is in and that the role cannot add its successor to.
pub(super) async fn refuse_publications(
    client: &impl GenericClient,
    names: &Names,
    partition: &Relation,
) -> Result<(), PostgresError> {
    let sql = "SELECT p.pubname FROM pg_catalog.pg_publication_rel r
                 JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
                WHERE r.prrelid = $1 AND NOT pg_catalog.pg_has_role(p.pubowner, 'USAGE')";
    match client.query_opt(sql, &[&partition.oid]).await.map_err(looking())? {
        Some(row) => {
            let publication = written(row.get(0));
            let shown = names.shown(&names.partition);
            obstacle(
                names,
                format!(
                    "its partition {shown} is in the publication {publication}, \
                     which belongs to another role"
                ),
                format!(
                    "Publish {} in its place: ALTER PUBLICATION {publication} DROP TABLE {shown}",
                    names.shown(&names.table)
                ),
            )
        }
        None => Ok(()),
    }
}

/// Refuses foreign keys to tables of owners who are not trusted, or that use code of such owners:
/// checking the month's keys queries those tables with the rights of this session.
pub(super) async fn refuse_keys_to_others(
    client: &impl GenericClient,
    names: &Names,
    referenced: &[u32],
) -> Result<(), PostgresError> {
    let sql = format!(
        "SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(n.nspowner)::text, {}
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE c.oid = ANY ($1)",
        trusted("n.nspowner")
    );
    for row in client.query(&sql, &[&referenced]).await.map_err(looking())? {
        let (schema, name): (&str, &str) = (row.get(0), row.get(1));
        let Some(table) = super::relation::find(client, schema, name).await? else {
            return Err(PostgresError::Changed { table: format!("{schema}.{name}") });
        };
        let owner = if table.is_trusted { row.get(2) } else { &*table.owner };
        if !table.is_trusted || !row.get::<_, bool>(3) && owner != "pg_database_owner" {
            let shown = format!("{}.{}", written(schema), written(name));
            let (owner, role) = (written(owner), written(&table.role));
            return obstacle(
                names,
                format!(
                    "a foreign key refers to {shown}, and it or its schema belongs to {owner}: what \
                     {owner} puts there would run as {role}"
                ),
                format!(
                    "If {owner} is to be trusted: GRANT {owner} TO {role}; if not, drop the key"
                ),
            );
        }
        table.refuse_code_of_others(client, schema, name, Scope::Tree).await?;
    }
    Ok(())
}

/// Refuses a table whose row security would filter what this session writes or deletes.
pub(super) async fn refuse_row_security(
    client: &impl GenericClient,
    names: &Names,
    table: &str,
) -> Result<(), PostgresError> {
    let Some(found) = super::relation::find(client, &names.schema, table).await? else {
        return Ok(());
    };
    let sql = "SELECT pg_catalog.row_security_active($1::oid)";
    if !client.query_one(sql, &[&found.oid]).await.map_err(looking())?.get::<_, bool>(0) {
        return Ok(());
    }
    let (shown, role) = (names.shown(table), written(&found.role));
    Err(PostgresError::obstacle(
        format!("{}.{table}", names.schema),
        format!("row security hides its rows from {role}"),
        format!(
            "ALTER TABLE {shown} NO FORCE ROW LEVEL SECURITY for its owner, or ALTER ROLE {role} BYPASSRLS"
        ),
    ))
}
