//! The indexes of a table and of the partition that is replaced, made on a month before it is
//! attached, so that attaching finds them and makes none itself while readers wait.

use tokio_postgres::GenericClient;

use super::PostgresError;
use super::names::{Names, literal, quoted};
use super::relation::Relation;
use super::trusted_roles::harmless;

/// The index every table has.
const OURS: &str = "USING brin (pickup_datetime)";

/// An index that a month's table gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// The statement that makes it.
    pub(super) make: String,
    /// What makes it equal to another.
    how: String,
    /// Of one that the partition alone had: the name it is made with, and the name it gets once
    /// the old one is gone.
    pub(super) renamed: Option<(String, String)>,
}

struct Found {
    name: String,
    schema: String,
    unique: bool,
    /// How its constraint is defined, if it is one of a constraint.
    constraint: Option<String>,
    constraint_name: Option<String>,
    how: String,
    tablespace: Option<String>,
}

/// The indexes that a month's table gets: those of the table, then those that the old partition
/// had beside them. Asked outside the transaction that loads, since asking locks.
pub(super) async fn of_month(
    client: &impl GenericClient,
    names: &Names,
    parent: Option<&Relation>,
    partition: Option<&Relation>,
) -> Result<Vec<Index>, PostgresError> {
    let new = names.qualified(&names.new);
    let ours = |make| Index { make, how: OURS.to_owned(), renamed: None };
    let Some(parent) = parent else {
        return Ok(vec![ours(format!("CREATE INDEX ON {new} {OURS}"))]);
    };
    let of_table = found(client, parent, &names.table, "ON ONLY", partition, false).await?;
    let mut indexes: Vec<Index> = Vec::new();
    for index in &of_table {
        indexes.push(Index { make: index.make(&new, None), how: index.key(), renamed: None });
    }
    if indexes.is_empty() {
        indexes.push(ours(format!("CREATE INDEX ON {new} {OURS}")));
    }
    if let Some(partition) = partition {
        let own = found(client, partition, &names.partition, "ON", Some(partition), true).await?;
        for (at, index) in own.iter().enumerate() {
            let how = index.key();
            // Of two that are equal one is enough.
            if index.constraint.is_none() && indexes.iter().any(|other| other.how == how) {
                continue;
            }
            let name = format!("{}_{at}", names.new);
            let make = index.make(&new, Some(&name));
            let rename = match &index.constraint_name {
                Some(constraint) => format!(
                    "ALTER TABLE {} RENAME CONSTRAINT {} TO {}",
                    names.qualified(&names.partition),
                    quoted(&name),
                    quoted(constraint)
                ),
                None => format!(
                    "ALTER INDEX {}.{} RENAME TO {}",
                    quoted(&index.schema),
                    quoted(&name),
                    quoted(&index.name)
                ),
            };
            indexes.push(Index { make, how, renamed: Some((name, rename)) });
        }
    }
    Ok(indexes)
}

impl Found {
    fn key(&self) -> String {
        let unique = if self.unique { "UNIQUE " } else { "" };
        format!("{unique}{}", self.how)
    }

    fn make(&self, table: &str, name: Option<&str>) -> String {
        let named = name.map(|name| format!("{} ", quoted(name))).unwrap_or_default();
        let make = match &self.constraint {
            Some(constraint) => {
                let constrained = if named.is_empty() { "" } else { "CONSTRAINT " };
                format!("ALTER TABLE {table} ADD {constrained}{named}{constraint}")
            }
            None => {
                let unique = if self.unique { "UNIQUE " } else { "" };
                format!("CREATE {unique}INDEX {named}ON {table} {}", self.how)
            }
        };
        match &self.tablespace {
            Some(tablespace) => format!(
                "SET LOCAL default_tablespace = {}; {make}; SET LOCAL default_tablespace TO DEFAULT",
                literal(tablespace)
            ),
            None => make,
        }
    }
}

async fn found(
    client: &impl GenericClient,
    table: &Relation,
    name: &str,
    on: &str,
    partition: Option<&Relation>,
    own: bool,
) -> Result<Vec<Found>, PostgresError> {
    // What comes before USING is cut off by its length: a name may hold that word too.
    let sql = "
        SELECT c.relname, n.nspname, i.indisunique,
               CASE WHEN k.contype IN ('p', 'u') THEN
                        pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid),
                            '((?: DEFERRABLE)?(?: INITIALLY DEFERRED)?)$',
                            coalesce((SELECT ' WITH (' || pg_catalog.replace(pg_catalog.string_agg(
                                                pg_catalog.quote_ident(option_name) || ' = ' ||
                                                pg_catalog.quote_literal(option_value), ', '), '\\', '\\\\') || ')'
                                        FROM pg_catalog.pg_options_to_table(there.reloptions)), '') || '\\1')
                    ELSE pg_catalog.pg_get_constraintdef(k.oid) END,
               k.conname,
               pg_catalog.substr(pg_catalog.pg_get_indexdef(i.indexrelid), 1 + pg_catalog.length(pg_catalog.format(
                   'CREATE %sINDEX %I %s %I.%I ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END,
                   c.relname, $2::text, n.nspname, $3::text))),
               s.spcname
          FROM pg_catalog.pg_index i
          JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_database db ON db.datname = pg_catalog.current_database()
          -- The index of the old partition that is a part of it, else itself.
          LEFT JOIN LATERAL (
               SELECT part.indexrelid FROM pg_catalog.pg_inherits h
                 JOIN pg_catalog.pg_index part ON part.indexrelid = h.inhrelid
                WHERE h.inhparent = c.oid AND part.indrelid = $6 LIMIT 1) AS old ON true
          JOIN pg_catalog.pg_class there ON there.oid = coalesce(old.indexrelid, c.oid)
          LEFT JOIN pg_catalog.pg_tablespace s
                 ON s.oid = coalesce(nullif(there.reltablespace, 0), nullif(c.reltablespace, 0),
                                     CASE WHEN there.relkind = 'i' THEN db.dattablespace END)
          LEFT JOIN pg_catalog.pg_constraint k
                 ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
         WHERE i.indrelid = $1
           AND NOT ($4 AND EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = i.indexrelid))
           AND (i.indisvalid OR NOT $4)
           AND ($5 OR EXPRESSIONS AND PREDICATE)
         ORDER BY i.indisprimary DESC, i.indexrelid";
    // Of an owner who is not trusted none that could run a statement: it was refused before.
    let sql = sql
        .replace("EXPRESSIONS", &harmless("i.indexprs"))
        .replace("PREDICATE", &harmless("i.indpred"));
    let partition = partition.map(|partition| partition.oid);
    let rows =
        client.query(&sql, &[&table.oid, &on, &name, &own, &table.is_trusted, &partition]).await;
    let rows = rows.map_err(PostgresError::at("reading the table's indexes"))?;
    let found = rows.iter().map(|row| Found {
        name: row.get(0),
        schema: row.get(1),
        unique: row.get(2),
        constraint: row.get(3),
        constraint_name: row.get(4),
        how: row.get(5),
        tablespace: row.get(6),
    });
    Ok(found.collect())
}

/// What makes the index every table has, on the table itself. The server finds it a free name.
pub(super) fn on_parent(names: &Names) -> String {
    format!("CREATE INDEX ON {} {OURS}", names.qualified(&names.table))
}
