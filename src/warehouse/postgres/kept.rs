//! What the partition that is replaced has beside its rows, and the new one gets: grants,
//! descriptions, row security, triggers, rules, statistics, publications. `CREATE TABLE ... LIKE`
//! leaves all of it out.

use tokio_postgres::{GenericClient, Transaction};

use super::PostgresError;
use super::names::{Names, quoted};
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
                   CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA'
                                    WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END, t.tgname)
          FROM old JOIN pg_catalog.pg_trigger t ON t.tgrelid = old.oid
          LEFT JOIN pg_catalog.pg_trigger above ON above.oid = t.tgparentid
         WHERE NOT t.tgisinternal AND t.tgenabled <> coalesce(above.tgenabled, 'O')
        UNION ALL
        SELECT 6, pg_catalog.pg_get_ruledef(r.oid)
          FROM old JOIN pg_catalog.pg_rewrite r ON ev_class = old.oid
        UNION ALL
        SELECT 7, pg_catalog.format('ALTER TABLE %s %s RULE %I', name,
                   CASE ev_enabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, rulename)
          FROM old JOIN pg_catalog.pg_rewrite r ON ev_class = old.oid WHERE ev_enabled <> 'O'
        UNION ALL
        SELECT 7, pg_catalog.pg_get_statisticsobjdef(s.oid)
          FROM old JOIN pg_catalog.pg_statistic_ext s ON stxrelid = old.oid
        UNION ALL
        SELECT 8, pg_catalog.format('ALTER STATISTICS %I.%I SET STATISTICS %s', n.nspname, stxname, target)
          FROM old JOIN pg_catalog.pg_statistic_ext s ON stxrelid = old.oid
          JOIN pg_catalog.pg_namespace n ON n.oid = stxnamespace,
       LATERAL (SELECT (pg_catalog.to_jsonb(s)->>'stxstattarget')::int AS target) AS set WHERE target >= 0
        UNION ALL
        SELECT 12, pg_catalog.format('ALTER STATISTICS %I.%I OWNER TO %I', n.nspname, stxname,
                   pg_catalog.pg_get_userbyid(stxowner))
          FROM old JOIN pg_catalog.pg_statistic_ext s ON stxrelid = old.oid
          JOIN pg_catalog.pg_namespace n ON n.oid = stxnamespace
         WHERE pg_catalog.pg_get_userbyid(stxowner) <> current_user
        UNION ALL
        SELECT 11, CASE
                   WHEN k.oid IS NOT NULL THEN pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L', k.conname, name, description)
                   WHEN t.oid IS NOT NULL THEN pg_catalog.format('COMMENT ON TRIGGER %I ON %s IS %L', t.tgname, name, description)
                   WHEN r.oid IS NOT NULL THEN pg_catalog.format('COMMENT ON RULE %I ON %s IS %L', r.rulename, name, description)
                   WHEN p.oid IS NOT NULL THEN pg_catalog.format('COMMENT ON POLICY %I ON %s IS %L', p.polname, name, description)
                   ELSE pg_catalog.format('COMMENT ON STATISTICS %I.%I IS %L', n.nspname, s.stxname, description) END
          FROM old CROSS JOIN pg_catalog.pg_description d
          LEFT JOIN pg_catalog.pg_constraint k ON d.classoid = 'pg_catalog.pg_constraint'::regclass
                                              AND k.oid = d.objoid AND k.conrelid = old.oid
          LEFT JOIN pg_catalog.pg_trigger t ON d.classoid = 'pg_catalog.pg_trigger'::regclass
                                           AND t.oid = d.objoid AND t.tgrelid = old.oid
          LEFT JOIN pg_catalog.pg_rewrite r ON d.classoid = 'pg_catalog.pg_rewrite'::regclass
                                           AND r.oid = d.objoid AND r.ev_class = old.oid
          LEFT JOIN pg_catalog.pg_policy p ON d.classoid = 'pg_catalog.pg_policy'::regclass
                                          AND p.oid = d.objoid AND p.polrelid = old.oid
          LEFT JOIN pg_catalog.pg_statistic_ext s ON d.classoid = 'pg_catalog.pg_statistic_ext'::regclass
                                                 AND s.oid = d.objoid AND s.stxrelid = old.oid
          LEFT JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
         WHERE coalesce(k.oid, t.oid, r.oid, p.oid, s.oid) IS NOT NULL
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
    grants: Vec<String>,
    /// Whether grants on the table itself were ever changed. If not, its owner has every right.
    is_granted: bool,
    indexes: Vec<KeptOfIndex>,
}

/// What an index of the old partition has.
#[derive(Debug)]
struct KeptOfIndex {
    /// The index of the table that it is a part of.
    of_table: Option<u32>,
    name: String,
    /// What the table says of it, between `ALTER TABLE ...` and its name.
    marks: Vec<String>,
    /// What it says of itself, after `ALTER INDEX ...`.
    settings: Vec<String>,
    /// Its description, as a constant.
    comment: Option<String>,
}

/// The indexes of a table, as [`KeptOfIndex`] has them.
const INDEXES: &str = "
    SELECT h.inhparent, c.relname,
           ARRAY(SELECT 'CLUSTER ON' WHERE i.indisclustered
                 UNION ALL SELECT 'REPLICA IDENTITY USING INDEX' WHERE i.indisreplident AND t.relreplident = 'i'),
           ARRAY(SELECT pg_catalog.format('SET (%s)', pg_catalog.string_agg(
                            pg_catalog.quote_ident(option_name) || ' = ' || pg_catalog.quote_literal(option_value), ', '))
                   FROM pg_catalog.pg_options_to_table(c.reloptions) HAVING pg_catalog.count(*) > 0
                 UNION ALL
                 SELECT pg_catalog.format('ALTER COLUMN %s SET STATISTICS %s', a.attnum, a.attstattarget)
                   FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget >= 0),
           pg_catalog.quote_literal(pg_catalog.obj_description(c.oid, 'pg_class'))
      FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
      LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = i.indexrelid
     WHERE i.indrelid = $1";

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
        let grants = rows.iter().map(|row| row.get(0)).collect();
        let sql = "SELECT relacl IS NOT NULL FROM pg_catalog.pg_class WHERE oid = $1";
        let is_granted = client.query_one(sql, &[&partition.oid]).await.map_err(keeping())?.get(0);
        let indexes = client.query(INDEXES, &[&partition.oid]).await.map_err(keeping())?;
        let indexes = indexes.iter().map(|row| KeptOfIndex {
            of_table: row.get(0),
            name: row.get(1),
            marks: row.get(2),
            settings: row.get(3),
            comment: row.get(4),
        });
        Ok(Self { statements, grants, is_granted, indexes: indexes.collect() })
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
        let rows =
            transaction.query(sql, &[&names.schema, &names.partition, &self.is_granted]).await;
        for row in rows.map_err(keeping())? {
            execute(transaction, step, row.get(0)).await?;
        }
        let mut named = Vec::new();
        for index in &self.indexes {
            let sql = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relname
                         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
                         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                         LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = i.indexrelid
                        WHERE i.indrelid = pg_catalog.to_regclass($1)
                          AND (h.inhparent = $2 OR $2 IS NULL AND c.relname = $3)";
            let found = transaction.query_opt(sql, &[&table, &index.of_table, &index.name]).await;
            let Some(row) = found.map_err(keeping())? else { continue };
            if row.get::<_, &str>(1) != index.name {
                let (there, name) = (row.get::<_, &str>(0), quoted(&index.name));
                execute(transaction, step, &format!("ALTER INDEX {there} RENAME TO {name}"))
                    .await?;
            }
            named.push(index);
        }
        for statement in self.grants.iter().chain(&self.statements) {
            execute(transaction, step, statement).await?;
        }
        for index in named {
            let (name, qualified) = (quoted(&index.name), names.qualified(&index.name));
            let marks = index.marks.iter().map(|it| format!("ALTER TABLE {table} {it} {name}"));
            let settings = index.settings.iter().map(|it| format!("ALTER INDEX {qualified} {it}"));
            let comment =
                index.comment.iter().map(|it| format!("COMMENT ON INDEX {qualified} IS {it}"));
            for statement in marks.chain(settings).chain(comment) {
                execute(transaction, step, &statement).await?;
            }
        }
        Ok(())
    }
}
