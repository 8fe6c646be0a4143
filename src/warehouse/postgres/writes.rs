//! What would keep a row of the ledger, of the quarantine or of the zones from being written as it
//! is: found before a month is copied.

use tokio_postgres::GenericClient;

use super::PostgresError;
use super::names::Names;
use super::relation::{find, written};
use super::trusted_roles::{harmless, trusted};

/// What is done with the rows of a table that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// A row with the same key is updated; the key's columns.
    Upsert(&'static [&'static str]),
    /// Rows are deleted and others copied in.
    Replace,
}

/// Each thing that gets in the way: what it is, and the statement that mends it. `$2` is the table as
/// it is shown.
const FOUND: &str = "
    SELECT pg_catalog.format('its rule %I changes what is written', rulename),
           pg_catalog.format('DROP RULE %I ON ', rulename) || $2
      FROM pg_catalog.pg_rewrite WHERE ev_class = $1 AND ev_enabled <> 'D'
    UNION ALL
    SELECT pg_catalog.format('its trigger %I can change or leave out what is written', tgname),
           pg_catalog.format('DROP TRIGGER %I ON ', tgname) || $2 || ', or make it an AFTER trigger'
      FROM pg_catalog.pg_trigger
     WHERE tgrelid = $1 AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 3 = 3
    UNION ALL
    SELECT pg_catalog.format('its trigger %I has a condition or a function that can run any statement', tgname),
           pg_catalog.format('DROP TRIGGER %I ON ', tgname) || $2
      FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = tgfoid
     WHERE tgrelid = $1 AND NOT tgisinternal AND tgenabled <> 'D'
       AND (p.pronamespace = 'pg_catalog'::regnamespace OR NOT HARMLESS
            OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass
                          AND d.objid = p.oid AND d.deptype = 'e'))
    UNION ALL
    SELECT pg_catalog.format('the key %I of %I.%I refers to it, and %I, who is not trusted, owns that table',
                             conname, n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner)),
           pg_catalog.format('ALTER TABLE %I.%I DROP CONSTRAINT %I', n.nspname, c.relname, conname)
      FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE k.contype = 'f' AND k.confrelid = $1 AND NOT TRUSTED
    UNION ALL
    SELECT pg_catalog.format('the table %I.%I inherits from it', n.nspname, c.relname),
           pg_catalog.format('ALTER TABLE %I.%I NO INHERIT ', n.nspname, c.relname) || $2
      FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE i.inhparent = $1
    UNION ALL
    SELECT pg_catalog.format('its column %I must have a value, and none is written to it', attname),
           'ALTER TABLE ' || $2 || pg_catalog.format(' ALTER COLUMN %I DROP NOT NULL', attname)
      FROM pg_catalog.pg_attribute
     WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef
       AND attidentity = '' AND attname <> ALL ($3)
    UNION ALL
    SELECT 'it has no unique key of ' || pg_catalog.array_to_string($4::text[], ' and '),
           'ALTER TABLE ' || $2 || pg_catalog.format(' ADD UNIQUE (%s)', pg_catalog.array_to_string($4::text[], ', '))
     WHERE $4::text[] IS NOT NULL AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_index i
            WHERE indrelid = $1 AND indisunique AND indimmediate AND indisvalid AND indpred IS NULL
              AND ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                         WHERE a.attrelid = $1 AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
                         ORDER BY 1)
                  = ARRAY(SELECT pg_catalog.unnest($4::text[]) ORDER BY 1)
              AND i.indnkeyatts = pg_catalog.cardinality($4::text[]))
    UNION ALL
    SELECT pg_catalog.format('the publication %I has it, and nothing tells replicas which rows change', p.pubname),
           'ALTER TABLE ' || $2 || ' REPLICA IDENTITY FULL'
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_publication_tables t ON t.schemaname = n.nspname AND t.tablename = c.relname
      JOIN pg_catalog.pg_publication p ON p.pubname = t.pubname
     WHERE c.oid = $1 AND CASE WHEN $4::text[] IS NULL THEN p.pubdelete ELSE p.pubupdate END
       AND (c.relreplident = 'n'
            OR c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indrelid = c.oid AND indisprimary)
            OR c.relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indrelid = c.oid AND indisreplident))
    LIMIT 1";

/// Refuses a table of ours, if it is there, whose rows would not be what is written. `ours` are the
/// columns that are written.
pub(super) async fn refuse_altered(
    client: &impl GenericClient,
    names: &Names,
    table: &str,
    ours: &[&str],
    change: Change,
) -> Result<(), PostgresError> {
    let Some(found) = find(client, &names.schema, table).await? else {
        return Ok(());
    };
    let key = match change {
        Change::Upsert(key) => Some(key),
        Change::Replace => None,
    };
    let shown = names.shown(table);
    let sql =
        FOUND.replace("HARMLESS", &harmless("tgqual")).replace("TRUSTED", &trusted("c.relowner"));
    let row = client.query_opt(&sql, &[&found.oid, &shown, &ours, &key]).await;
    match row.map_err(PostgresError::at("looking at what changes rows"))? {
        Some(row) => {
            let table = format!("{}.{}", names.schema, written(table));
            Err(PostgresError::obstacle(&table, row.get::<_, &str>(0), row.get::<_, &str>(1)))
        }
        None => Ok(()),
    }
}
