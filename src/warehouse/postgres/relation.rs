//! What has a name in the schema, and whose it is.

use tokio_postgres::GenericClient;

use super::PostgresError;
use super::ledger::LEDGER;
use super::names::{Names, quoted};

/// A table, view or whatever else has a name among the tables of a schema.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) oid: u32,
    /// As the catalog has it: `r` for a table, `p` for a partitioned one.
    pub(super) kind: char,
    pub(super) owner: String,
    /// Whether its owner is trusted as this session's own role is, see [`trusted`].
    pub(super) is_trusted: bool,
    /// Whether this session has the owner's rights.
    pub(super) is_owned: bool,
    /// Whether its owner is a superuser, whose rights nobody should be given.
    pub(super) is_of_superuser: bool,
    /// The role of this session.
    pub(super) role: String,
    pub(super) comment: Option<String>,
}

/// SQL that tells whether an owner is trusted: it is the session's role, a role that this one was
/// made a member of, or a superuser. That a superuser counts as a member of every role tells
/// nothing: the grants are looked up.
pub(super) fn trusted(owner: &str) -> String {
    format!(
        "({owner} IN (
            WITH RECURSIVE mine AS (
                SELECT oid FROM pg_catalog.pg_roles WHERE rolname IN (current_user, session_user)
                UNION
                SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN mine ON m.member = mine.oid,
               LATERAL pg_catalog.to_jsonb(m) AS how
                 WHERE coalesce((how->>'inherit_option')::bool OR (how->>'set_option')::bool, true))
            SELECT oid FROM mine
            UNION ALL SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper))"
    )
}

/// The catalogs of all parts of a table that may run something when it is written.
pub(super) const PARTS: [&str; 6] =
    ["pg_class", "pg_constraint", "pg_attrdef", "pg_policy", "pg_trigger", "pg_rewrite"];

/// What has a name in a schema.
pub(super) async fn find(
    client: &impl GenericClient,
    schema: &str,
    name: &str,
) -> Result<Option<Relation>, PostgresError> {
    let sql = format!(
        "SELECT c.oid, c.relkind::text, pg_catalog.pg_get_userbyid(c.relowner)::text, {},
                pg_catalog.pg_has_role(c.relowner, 'USAGE'), current_user::text,
                pg_catalog.obj_description(c.oid, 'pg_class'),
                (SELECT rolsuper FROM pg_catalog.pg_roles WHERE oid = c.relowner)
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = $1 AND c.relname = $2",
        trusted("c.relowner")
    );
    let found = client.query_opt(&sql, &[&schema, &name]).await;
    let found = found.map_err(PostgresError::at("looking for a table"))?;
    Ok(found.map(|row| Relation {
        oid: row.get(0),
        kind: row.get::<_, &str>(1).chars().next().unwrap_or_default(),
        owner: row.get(2),
        is_trusted: row.get(3),
        is_owned: row.get(4),
        role: row.get(5),
        comment: row.get(6),
        is_of_superuser: row.get::<_, Option<bool>>(7).unwrap_or_default(),
    }))
}

/// Looks at the tables of a month, which takes several queries. If that fails and another load has
/// changed the tables since it began, looks again: it may have seen half of the old state and half
/// of the new.
pub(super) async fn settled<T>(
    client: &impl GenericClient,
    names: &Names,
    look: impl AsyncFn() -> Result<T, PostgresError>,
) -> Result<T, PostgresError> {
    let mut before = state(client, names).await?;
    loop {
        let found = look().await;
        if found.is_ok() {
            return found;
        }
        // In a transaction that has failed nothing can be asked.
        match state(client, names).await {
            Ok(now) if now != before => before = now,
            _ => return found,
        }
    }
}

/// Which tables a month has, as one query sees them.
async fn state(client: &impl GenericClient, names: &Names) -> Result<String, PostgresError> {
    let sql =
        "SELECT coalesce(pg_catalog.string_agg(pg_catalog.concat(c.oid, ' ', i.inhparent), ', '
                                                     ORDER BY c.oid), '')
                 FROM pg_catalog.pg_class c
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
                WHERE n.nspname = $1 AND c.relname = ANY ($2::text[])";
    let tables = [&*names.table, &*names.partition, &*names.quarantine, LEDGER];
    let found = client.query_one(sql, &[&names.schema, &tables.as_slice()]).await;
    Ok(found.map_err(PostgresError::at("looking for a month's tables"))?.get(0))
}

/// What a name is taken by that is not a table: a type or a domain, which keeps a table from
/// being made as well as a table would.
pub(super) async fn refuse_type(
    client: &impl GenericClient,
    schema: &str,
    name: &str,
) -> Result<(), PostgresError> {
    // The server makes room for a table's name among the types of arrays by itself.
    let sql =
        "SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
                WHERE n.nspname = $1 AND t.typname = $2 AND t.typrelid = 0
                  AND NOT (t.typelem <> 0 AND t.typcategory = 'A')";
    let found = client.query_opt(sql, &[&schema, &name]).await;
    match found.map_err(PostgresError::at("looking for a type"))? {
        Some(_) => not_ours(schema, name, "it is a type, and a table needs that name"),
        None => Ok(()),
    }
}

/// Says that what has a name is not ours.
pub(super) fn not_ours<T>(
    schema: &str,
    name: &str,
    why: impl Into<String>,
) -> Result<T, PostgresError> {
    Err(PostgresError::NotOurs { table: format!("{schema}.{name}"), why: why.into() })
}

impl Relation {
    /// What it is, for people.
    pub(super) const fn what(&self) -> &'static str {
        match self.kind {
            'r' => "a table",
            'p' => "a partitioned table",
            'v' => "a view",
            'm' => "a materialized view",
            'f' => "a foreign table",
            'S' => "a sequence",
            'i' | 'I' => "an index",
            'c' => "a type",
            _ => "not a table",
        }
    }

    /// Refuses it unless its owner is trusted: what its owner put on it would run with the
    /// rights of this session.
    pub(super) fn refuse_others(&self, schema: &str, name: &str) -> Result<(), PostgresError> {
        if self.is_trusted {
            return Ok(());
        }
        Err(PostgresError::OthersTable {
            table: format!("{schema}.{name}"),
            owner: self.owner.clone(),
            role: self.role.clone(),
        })
    }

    /// Its columns with their types, as the server writes them.
    pub(super) async fn columns(
        &self,
        client: &impl GenericClient,
    ) -> Result<Vec<(String, String)>, PostgresError> {
        let sql = "SELECT attname, pg_catalog.format_type(atttypid, atttypmod)
                     FROM pg_catalog.pg_attribute
                    WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
        let rows = client.query(sql, &[&self.oid]).await;
        let rows = rows.map_err(PostgresError::at("looking at the columns"))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Refuses to read a table of others that runs what others made when it is read: policies, and
    /// casts of types.
    pub(super) async fn refuse_to_read(
        &self,
        client: &impl GenericClient,
        schema: &str,
        name: &str,
    ) -> Result<(), PostgresError> {
        if self.is_trusted
            || self.code_of_others(client, &["pg_class", "pg_policy"]).await?.is_none()
        {
            return Ok(());
        }
        self.refuse_others(schema, name)
    }

    /// A function, operator or type of an owner who is not trusted that the table uses, in any of
    /// its parts of some catalogs.
    pub(super) async fn code_of_others(
        &self,
        client: &impl GenericClient,
        catalogs: &[&str],
    ) -> Result<Option<String>, PostgresError> {
        let sql = format!(
            "WITH parts AS (
                SELECT 'pg_catalog.pg_class'::regclass::oid AS class, $1::oid AS part
                UNION ALL SELECT 'pg_catalog.pg_class'::regclass, indexrelid FROM pg_catalog.pg_index WHERE indrelid = $1
                UNION ALL SELECT 'pg_catalog.pg_constraint'::regclass, oid FROM pg_catalog.pg_constraint WHERE conrelid = $1
                UNION ALL SELECT 'pg_catalog.pg_attrdef'::regclass, oid FROM pg_catalog.pg_attrdef WHERE adrelid = $1
                UNION ALL SELECT 'pg_catalog.pg_policy'::regclass, oid FROM pg_catalog.pg_policy WHERE polrelid = $1
                UNION ALL SELECT 'pg_catalog.pg_trigger'::regclass, oid FROM pg_catalog.pg_trigger WHERE tgrelid = $1
                UNION ALL SELECT 'pg_catalog.pg_rewrite'::regclass, oid FROM pg_catalog.pg_rewrite WHERE ev_class = $1)
             SELECT pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0)
               FROM parts JOIN pg_catalog.pg_depend d ON d.classid = class AND d.objid = part
               LEFT JOIN pg_catalog.pg_proc p ON d.refclassid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.refobjid
               LEFT JOIN pg_catalog.pg_operator o ON d.refclassid = 'pg_catalog.pg_operator'::regclass AND o.oid = d.refobjid
               LEFT JOIN pg_catalog.pg_opclass k ON d.refclassid = 'pg_catalog.pg_opclass'::regclass AND k.oid = d.refobjid
               LEFT JOIN pg_catalog.pg_type t ON d.refclassid = 'pg_catalog.pg_type'::regclass AND t.oid = d.refobjid
              WHERE coalesce(p.proowner, o.oprowner, k.opcowner, t.typowner) IS NOT NULL
                AND (SELECT relname FROM pg_catalog.pg_class WHERE oid = class) = ANY ($2::text[])
                AND NOT {} LIMIT 1",
            trusted("coalesce(p.proowner, o.oprowner, k.opcowner, t.typowner)")
        );
        let found = client.query_opt(&sql, &[&self.oid, &catalogs]).await;
        let found = found.map_err(PostgresError::at("looking at what the table uses"))?;
        Ok(found.map(|row| row.get(0)))
    }
}

/// A name as it is written in SQL, in quotes only if it needs them: for advice.
pub(super) fn written(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { quoted(name) }
}

impl Names {
    /// A name of the schema, qualified, in quotes only where it needs them: for people.
    pub(super) fn shown(&self, name: &str) -> String {
        format!("{}.{}", written(&self.schema), written(name))
    }
}
