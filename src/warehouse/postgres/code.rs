//! Code of others: what roles that are not trusted could have run with the rights of this session.
//!
//! A query runs more than the functions that it names. The server computes constant parts of what
//! belongs to a table while it plans a query: expressions of statistics and of indexes, checks of
//! the tables that inherit from it. A row that is written meets defaults, checks, rules and
//! triggers. So a table is queried and written only if its owner is trusted and nothing on it uses
//! a function, an operator or a type of somebody who is not. What only has to be read is copied
//! out instead (see [`super::copied`]), which plans nothing.

use tokio_postgres::GenericClient;

use crate::support::text::printable;

use super::PostgresError;
use super::relation::{Relation, not_ours};
use super::trusted_roles::{FUNCTIONS, TYPES, callable, harmless, trusted};

/// Which tables are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The table itself.
    Alone,
    /// The table and all that inherit from it: its partitions.
    Tree,
}

/// The parts of tables that can hold an expression or name a function, the expressions
/// themselves, and the types of columns and of values in expressions with the types in these.
const PARTS: &str = "
    tree AS (
        SELECT $1::oid AS oid
        UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree ON i.inhparent = tree.oid WHERE $2),
    expressions (what, expression) AS (
        SELECT 'check ' || conname, conbin::text FROM pg_catalog.pg_constraint JOIN tree ON conrelid = tree.oid
        UNION ALL SELECT 'default of ' || attname, adbin::text
                    FROM pg_catalog.pg_attrdef JOIN tree ON adrelid = tree.oid
                    JOIN pg_catalog.pg_attribute ON attrelid = adrelid AND attnum = adnum
        UNION ALL SELECT 'index ' || relname, pg_catalog.concat(indexprs::text, indpred::text)
                    FROM pg_catalog.pg_index JOIN tree ON indrelid = tree.oid
                    JOIN pg_catalog.pg_class c ON c.oid = indexrelid
        UNION ALL SELECT 'policy ' || polname, pg_catalog.concat(polqual::text, polwithcheck::text)
                    FROM pg_catalog.pg_policy JOIN tree ON polrelid = tree.oid
        UNION ALL SELECT 'trigger ' || tgname, tgqual::text FROM pg_catalog.pg_trigger JOIN tree ON tgrelid = tree.oid
        UNION ALL SELECT 'rule ' || rulename, pg_catalog.concat(ev_qual::text, ev_action::text)
                    FROM pg_catalog.pg_rewrite JOIN tree ON ev_class = tree.oid
        UNION ALL SELECT 'statistics ' || stxname, pg_catalog.to_jsonb(s)->>'stxexprs'
                    FROM pg_catalog.pg_statistic_ext s JOIN tree ON stxrelid = tree.oid
        UNION ALL SELECT 'partition key', partexprs::text
                    FROM pg_catalog.pg_partitioned_table JOIN tree ON partrelid = tree.oid),
    types AS (
        SELECT a.atttypid AS oid FROM pg_catalog.pg_attribute a JOIN tree ON a.attrelid = tree.oid
         WHERE a.attnum > 0 AND NOT a.attisdropped
        UNION SELECT ((pg_catalog.regexp_matches(expression, TYPES, 'g'))[1])::oid FROM expressions
        UNION SELECT inside.oid
                FROM types JOIN pg_catalog.pg_type t ON t.oid = types.oid,
             LATERAL (SELECT t.typbasetype AS oid UNION ALL SELECT t.typelem
                      UNION ALL SELECT rngsubtype FROM pg_catalog.pg_range WHERE rngtypid = t.oid
                      UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
                                 WHERE t.typrelid <> 0 AND a.attrelid = t.typrelid
                                   AND a.attnum > 0 AND NOT a.attisdropped) AS inside
               WHERE inside.oid <> 0),
    called (what, oid) AS (
        SELECT what, ((pg_catalog.regexp_matches(expression, FUNCTIONS, 'g'))[1])::oid FROM expressions
        UNION SELECT 'domain ' || t.typname, ((pg_catalog.regexp_matches(c.conbin::text, FUNCTIONS, 'g'))[1])::oid
                FROM types JOIN pg_catalog.pg_type t ON t.oid = types.oid
                JOIN pg_catalog.pg_constraint c ON c.contypid = t.oid),
    parts (class, part) AS (
        SELECT 'pg_catalog.pg_class'::regclass::oid, oid FROM tree
        UNION ALL SELECT 'pg_catalog.pg_class'::regclass, indexrelid
                    FROM pg_catalog.pg_index JOIN tree ON indrelid = tree.oid
        UNION ALL SELECT 'pg_catalog.pg_constraint'::regclass, c.oid
                    FROM pg_catalog.pg_constraint c JOIN tree ON conrelid = tree.oid
        UNION ALL SELECT 'pg_catalog.pg_attrdef'::regclass, d.oid
                    FROM pg_catalog.pg_attrdef d JOIN tree ON adrelid = tree.oid
        UNION ALL SELECT 'pg_catalog.pg_policy'::regclass, p.oid
                    FROM pg_catalog.pg_policy p JOIN tree ON polrelid = tree.oid
        UNION ALL SELECT 'pg_catalog.pg_trigger'::regclass, t.oid
                    FROM pg_catalog.pg_trigger t JOIN tree ON tgrelid = tree.oid
        UNION ALL SELECT 'pg_catalog.pg_rewrite'::regclass, r.oid
                    FROM pg_catalog.pg_rewrite r JOIN tree ON ev_class = tree.oid
        UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::regclass, s.oid
                    FROM pg_catalog.pg_statistic_ext s JOIN tree ON stxrelid = tree.oid
        UNION ALL SELECT 'pg_catalog.pg_type'::regclass, oid FROM types
        UNION ALL SELECT 'pg_catalog.pg_constraint'::regclass, c.oid
                    FROM pg_catalog.pg_constraint c JOIN types ON contypid = types.oid)";

/// How a table of an owner who is not trusted is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A month's table is made like it.
    Model,
    /// Its rows are changed.
    Rows,
}

/// What is computed on a table of an owner who is not trusted and is not harmless.
fn computed() -> String {
    format!(
        "SELECT 'the default of its column ' || pg_catalog.quote_ident(a.attname)
           FROM pg_catalog.pg_attrdef d
           JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
          WHERE adrelid = $1 AND NOT {default}
         UNION ALL SELECT 'the check ' || pg_catalog.quote_ident(conname) FROM pg_catalog.pg_constraint
            WHERE conrelid = $1 AND contype = 'c' AND NOT {check}
         UNION ALL SELECT 'the index ' || pg_catalog.quote_ident(relname)
           FROM pg_catalog.pg_index JOIN pg_catalog.pg_class c ON c.oid = indexrelid
          WHERE indrelid = $1 AND NOT ({index} AND {predicate})
         UNION ALL SELECT 'the type of its column ' || pg_catalog.quote_ident(a.attname)
           FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
          WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
            AND (t.typtype = 'd' OR t.typnamespace <> 'pg_catalog'::regnamespace)
         UNION ALL SELECT 'the policy ' || pg_catalog.quote_ident(polname)
           FROM pg_catalog.pg_policy WHERE polrelid = $1 AND $2
         UNION ALL SELECT 'the trigger ' || pg_catalog.quote_ident(tgname)
           FROM pg_catalog.pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal AND $2
         UNION ALL SELECT 'the rule ' || pg_catalog.quote_ident(rulename)
           FROM pg_catalog.pg_rewrite WHERE ev_class = $1 AND $2
         UNION ALL SELECT 'the statistics ' || pg_catalog.quote_ident(stxname)
           FROM pg_catalog.pg_statistic_ext s
          WHERE stxrelid = $1 AND $2 AND pg_catalog.to_jsonb(s)->>'stxexprs' IS NOT NULL
         LIMIT 1",
        default = harmless("adbin"),
        check = harmless("conbin"),
        index = harmless("indexprs"),
        predicate = harmless("indpred"),
    )
}

impl Relation {
    /// Refuses it unless its owner is trusted: what its owner put on it would run with the
    /// rights of this session.
    pub(super) fn refuse_others(&self, schema: &str, name: &str) -> Result<(), PostgresError> {
        if self.is_trusted {
            return Ok(());
        }
        Err(PostgresError::OthersTable {
            table: format!("{schema}.{name}"),
            owner: printable(&self.owner),
            role: printable(&self.role),
        })
    }

    /// Refuses a table that cannot be queried or written without running code of others.
    pub(super) async fn refuse_code_of_others(
        &self,
        client: &impl GenericClient,
        schema: &str,
        name: &str,
        scope: Scope,
    ) -> Result<(), PostgresError> {
        match self.code_of_others(client, scope).await? {
            Some(code) => not_ours(schema, name, code),
            None => Ok(()),
        }
    }

    /// Whether it can be queried without running code of others.
    pub(super) async fn may_be_queried(
        &self,
        client: &impl GenericClient,
    ) -> Result<bool, PostgresError> {
        Ok(self.is_trusted && self.code_of_others(client, Scope::Tree).await?.is_none())
    }

    /// Refuses a table of an owner who is not trusted if its use computes what is not harmless.
    pub(super) async fn refuse_expressions(
        &self,
        client: &impl GenericClient,
        schema: &str,
        name: &str,
        of: Use,
    ) -> Result<(), PostgresError> {
        let found = client.query_opt(&computed(), &[&self.oid, &(of == Use::Rows)]).await;
        match found.map_err(looking())? {
            Some(row) => self.refuse_expression(schema, name, row.get(0)),
            None => Ok(()),
        }
    }

    /// Says that something is computed when a table of an owner who is not trusted is written.
    pub(super) fn refuse_expression<T>(
        &self,
        schema: &str,
        name: &str,
        what: &str,
    ) -> Result<T, PostgresError> {
        let owner = &self.owner;
        let why = format!("it belongs to {owner} and has {what}, which would run as you");
        not_ours(schema, name, why)
    }

    /// What a role that is not trusted made and the table uses, which of its partitions belongs to
    /// such a role, or what on it can run any text.
    async fn code_of_others(
        &self,
        client: &impl GenericClient,
        scope: Scope,
    ) -> Result<Option<String>, PostgresError> {
        let parts = PARTS
            .replace("FUNCTIONS", &format!("'{FUNCTIONS}'"))
            .replace("TYPES", &format!("'{TYPES}'"));
        let sql = format!(
            "WITH RECURSIVE {parts},
             used AS (
                SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, c.oid, 0) AS what,
                       c.relowner AS owner
                  FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid WHERE c.oid <> $1
                UNION ALL
                SELECT pg_catalog.pg_describe_object('pg_catalog.pg_type'::regclass, t.oid, 0), t.typowner
                  FROM types JOIN pg_catalog.pg_type t ON t.oid = types.oid
                UNION ALL
                SELECT pg_catalog.pg_describe_object('pg_catalog.pg_proc'::regclass, f.oid, 0), f.proowner
                  FROM called JOIN pg_catalog.pg_proc f ON f.oid = called.oid
                UNION ALL
                SELECT pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0),
                       coalesce(p.proowner, o.oprowner, k.opcowner, f.opfowner, t.typowner)
                  FROM parts JOIN pg_catalog.pg_depend d ON d.classid = class AND d.objid = part
                  LEFT JOIN pg_catalog.pg_proc p ON d.refclassid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.refobjid
                  LEFT JOIN pg_catalog.pg_operator o ON d.refclassid = 'pg_catalog.pg_operator'::regclass AND o.oid = d.refobjid
                  LEFT JOIN pg_catalog.pg_opclass k ON d.refclassid = 'pg_catalog.pg_opclass'::regclass AND k.oid = d.refobjid
                  LEFT JOIN pg_catalog.pg_opfamily f ON d.refclassid = 'pg_catalog.pg_opfamily'::regclass AND f.oid = d.refobjid
                  LEFT JOIN pg_catalog.pg_type t ON d.refclassid = 'pg_catalog.pg_type'::regclass AND t.oid = d.refobjid)
             SELECT * FROM (
                SELECT 'it uses ' || what || ' of the role ' || pg_catalog.pg_get_userbyid(owner)::text
                       || ', which would run as you' AS code
                  FROM used WHERE owner IS NOT NULL AND NOT {}
                UNION ALL
                SELECT 'its ' || what || ' calls ' || f.proname || ', which can run any statement'
                  FROM called JOIN pg_catalog.pg_proc f ON f.oid = called.oid WHERE NOT {}) AS found
              ORDER BY code DESC LIMIT 1",
            trusted("owner"),
            callable("f")
        );
        let found = client.query_opt(&sql, &[&self.oid, &(scope == Scope::Tree)]).await;
        Ok(found.map_err(looking())?.map(|row| row.get(0)))
    }
}

fn looking() -> impl FnOnce(tokio_postgres::Error) -> PostgresError {
    PostgresError::at("looking at what the table uses")
}
