//! What the partition that is replaced has beside its rows, and the new one gets: grants,
//! descriptions, row security, triggers, rules, statistics, publications. `CREATE TABLE ... LIKE`
//! leaves all of it out.

use tokio_postgres::{GenericClient, Transaction};

use super::PostgresError;
use super::names::Names;
use super::relation::Relation;
use super::transaction::execute;

fn keeping() -> impl FnOnce(tokio_postgres::Error) -> PostgresError {
    PostgresError::at("keeping what was set on the old partition")
}

/// The statements that give a table of the same name what the old one has, in order.
const STATEMENTS: &str = "
    WITH old AS (
        SELECT c.*, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid = $1),
    kept(place, statement) AS (
        SELECT 1, pg_catalog.format('COMMENT ON %s %s IS %L',
                   CASE WHEN objsubid = 0 THEN 'TABLE' ELSE 'COLUMN' END,
                   CASE WHEN objsubid = 0 THEN name ELSE name || '.' || pg_catalog.quote_ident(attname) END, description)
          FROM old JOIN pg_catalog.pg_description d ON d.objoid = old.oid AND d.classoid = 'pg_catalog.pg_class'::regclass
          LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = old.oid AND a.attnum = objsubid AND objsubid > 0
        UNION ALL
        SELECT 2, pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', polname, name,
                   CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                   CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                               WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                   (SELECT pg_catalog.string_agg(CASE WHEN role = 0 THEN 'PUBLIC'
                               ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(role)) END, ', ')
                      FROM pg_catalog.unnest(polroles) AS role),
                   ' USING (' || pg_catalog.pg_get_expr(polqual, polrelid) || ')',
                   ' WITH CHECK (' || pg_catalog.pg_get_expr(polwithcheck, polrelid) || ')')
          FROM old JOIN pg_catalog.pg_policy ON polrelid = old.oid
        UNION ALL
        SELECT 3, 'ALTER TABLE ' || name || ' ENABLE ROW LEVEL SECURITY' FROM old WHERE relrowsecurity
        UNION ALL
        SELECT 3, 'ALTER TABLE ' || name || ' FORCE ROW LEVEL SECURITY' FROM old WHERE relforcerowsecurity
        UNION ALL
        SELECT 4, pg_catalog.pg_get_triggerdef(t.oid)
          FROM old JOIN pg_catalog.pg_trigger t ON tgrelid = old.oid WHERE NOT tgisinternal AND tgparentid = 0
        UNION ALL
        SELECT 5, pg_catalog.format('ALTER TABLE %s %s TRIGGER %I', name,
                   CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, tgname)
          FROM old JOIN pg_catalog.pg_trigger t ON tgrelid = old.oid WHERE NOT tgisinternal AND tgenabled <> 'O'
        UNION ALL
        SELECT 6, pg_catalog.pg_get_ruledef(r.oid)
          FROM old JOIN pg_catalog.pg_rewrite r ON ev_class = old.oid
        UNION ALL
        SELECT 7, pg_catalog.pg_get_statisticsobjdef(s.oid)
          FROM old JOIN pg_catalog.pg_statistic_ext s ON stxrelid = old.oid
        UNION ALL
        SELECT 8, pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY %s', name,
                   CASE relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END)
          FROM old WHERE relreplident IN ('f', 'n')
        UNION ALL
        SELECT 9, pg_catalog.format('SECURITY LABEL FOR %I ON %s %s IS %L', provider,
                   CASE WHEN objsubid = 0 THEN 'TABLE' ELSE 'COLUMN' END,
                   CASE WHEN objsubid = 0 THEN name ELSE name || '.' || pg_catalog.quote_ident(attname) END, label)
          FROM old JOIN pg_catalog.pg_seclabel l ON l.objoid = old.oid AND l.classoid = 'pg_catalog.pg_class'::regclass
          LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = old.oid AND a.attnum = objsubid AND objsubid > 0
        UNION ALL
        SELECT 10, pg_catalog.format('ALTER PUBLICATION %I ADD TABLE %s%s', pubname, name, how)
          FROM old JOIN (PUBLISHED) AS published ON prrelid = old.oid)
    SELECT statement FROM kept WHERE statement IS NOT NULL ORDER BY place, statement";

/// The publications of a table, from version 15 on with columns and a filter.
const PUBLISHED: &str = "
    SELECT r.prrelid, p.pubname, coalesce(
               (SELECT ' (' || pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ') || ')'
                  FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)), '')
           || coalesce(' WHERE (' || pg_catalog.pg_get_expr(r.prqual, r.prrelid) || ')', '') AS how
      FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid";

const PUBLISHED_14: &str = "
    SELECT r.prrelid, p.pubname, '' AS how
      FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid";

/// The grants on a table and its columns, in order, as what is granted to whom.
const GRANTS: &str = "
    SELECT pg_catalog.format('GRANT %s%s ON TABLE %s TO %s%s', privilege_type,
               coalesce(' (' || pg_catalog.quote_ident(attname) || ')', ''),
               pg_catalog.format('%I.%I', n.nspname, c.relname),
               CASE WHEN grantee = 0 THEN 'PUBLIC' WHEN grantee = c.relowner THEN pg_catalog.quote_ident($2)
                    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END,
               CASE WHEN is_grantable AND grantee <> c.relowner THEN ' WITH GRANT OPTION' ELSE '' END)
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
   LATERAL (SELECT NULL::name AS attname, c.relacl AS acl WHERE c.relacl IS NOT NULL
             UNION ALL SELECT attname, attacl FROM pg_catalog.pg_attribute
                        WHERE attrelid = c.oid AND attacl IS NOT NULL AND NOT attisdropped) AS acls,
   LATERAL pg_catalog.aclexplode(acl)
     WHERE c.oid = $1
     ORDER BY attname NULLS FIRST, grantee, privilege_type";

/// The statements that grant what is granted on a table or a view.
pub(super) async fn granted(
    client: &impl GenericClient,
    relation: &Relation,
) -> Result<Vec<String>, PostgresError> {
    let rows = client.query(GRANTS, &[&relation.oid, &relation.role]).await.map_err(keeping())?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What the old partition has, taken down before it goes.
#[derive(Debug, Default)]
pub(super) struct Kept {
    statements: Vec<String>,
    /// `None` if it was never granted on.
    grants: Option<Vec<String>>,
    /// The indexes that mark the order of its rows, and that identify a row to replicas: the name
    /// of the statement, the index of the table that theirs is a part of, else their own name.
    marks: Vec<(&'static str, Option<u32>, String)>,
}

impl Kept {
    /// What a partition has. `owner` is whose the new one will be.
    pub(super) async fn of(
        client: &impl GenericClient,
        partition: &Relation,
        owner: &str,
    ) -> Result<Self, PostgresError> {
        let version = "SELECT pg_catalog.current_setting('server_version_num')::int >= 150000";
        let filters = client.query_one(version, &[]).await.map_err(keeping())?.get(0);
        let published = if filters { PUBLISHED } else { PUBLISHED_14 };
        let sql = STATEMENTS.replace("PUBLISHED", published);
        let rows = client.query(&sql, &[&partition.oid]).await.map_err(keeping())?;
        let statements = rows.iter().map(|row| row.get(0)).collect();
        let rows = client.query(GRANTS, &[&partition.oid, &owner]).await.map_err(keeping())?;
        let granted = "SELECT relacl IS NOT NULL FROM pg_catalog.pg_class WHERE oid = $1";
        let granted = client.query_one(granted, &[&partition.oid]).await.map_err(keeping())?;
        let some = granted.get::<_, bool>(0) || !rows.is_empty();
        let sql = "SELECT i.indisclustered, i.indisreplident AND t.relreplident = 'i', h.inhparent, c.relname
                     FROM pg_catalog.pg_index i
                     JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
                     JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
                     LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = i.indexrelid
                    WHERE i.indrelid = $1";
        let indexes = client.query(sql, &[&partition.oid]).await.map_err(keeping())?;
        let mut marks = Vec::new();
        for row in indexes {
            for (at, mark) in [(0, "CLUSTER ON"), (1, "REPLICA IDENTITY USING INDEX")] {
                if row.get::<_, bool>(at) {
                    marks.push((mark, row.get(2), row.get(3)));
                }
            }
        }
        let grants = some.then(|| rows.iter().map(|row| row.get(0)).collect());
        Ok(Self { statements, grants, marks })
    }

    /// Gives all of it to the partition that has the name now.
    pub(super) async fn give(
        &self,
        transaction: &Transaction<'_>,
        names: &Names,
    ) -> Result<(), PostgresError> {
        let table = names.qualified(&names.partition);
        let step = "keeping what was set on the old partition";
        // What default privileges granted on the new table was not granted on the old one.
        let sql = "SELECT pg_catalog.format('REVOKE ALL ON TABLE %s FROM %s', c.oid::regclass,
                              CASE WHEN grantee = 0 THEN 'PUBLIC'
                                   ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END)
                     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
                  LATERAL pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner)))
                    WHERE n.nspname = $1 AND c.relname = $2
                      AND ($3 OR grantee <> c.relowner)
                    GROUP BY c.oid, grantee";
        let granted = self.grants.is_some();
        let rows = transaction.query(sql, &[&names.schema, &names.partition, &granted]).await;
        for row in rows.map_err(keeping())? {
            execute(transaction, step, row.get(0)).await?;
        }
        for statement in self.grants.iter().flatten().chain(&self.statements) {
            execute(transaction, step, statement).await?;
        }
        for (mark, of_table, name) in &self.marks {
            let sql = "SELECT pg_catalog.quote_ident(c.relname)
                         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
                         LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = i.indexrelid
                        WHERE i.indrelid = pg_catalog.to_regclass($1)
                          AND (h.inhparent = $2 OR $2 IS NULL AND c.relname = $3)";
            let found = transaction.query_opt(sql, &[&table, of_table, name]).await;
            if let Some(row) = found.map_err(keeping())? {
                let mark = format!("ALTER TABLE {table} {mark} {}", row.get::<_, &str>(0));
                execute(transaction, step, &mark).await?;
            }
        }
        Ok(())
    }
}
