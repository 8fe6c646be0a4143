//! What a role may do, asked of the catalog before the server is asked to do it: who lacks a
//! privilege is told which one, on what.

use tokio_postgres::{GenericClient, Row};

use crate::support::text::printable;

use super::PostgresError;
use super::ledger::LEDGER;
use super::names::Names;
use super::relation::{Relation, find, written};

/// What a role lacks.
#[derive(Debug)]
pub(super) struct Lacking {
    role: String,
    needs: Vec<String>,
}

/// The role of a session and what it may do with a database and a schema.
struct Role {
    name: String,
    is_superuser: bool,
    database: String,
    may_create_schemas: bool,
    /// Whether there is the schema, and what may be done with it.
    schema: Option<Schema>,
}

struct Schema {
    oid: u32,
    may_use: bool,
    may_create: bool,
    is_owned: bool,
}

async fn role(client: &impl GenericClient, schema: &str) -> Result<Role, PostgresError> {
    let sql = "
        SELECT current_user::text, r.rolsuper, pg_catalog.current_database()::text,
               pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'), n.oid,
               pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
               pg_catalog.has_schema_privilege(n.oid, 'CREATE'),
               pg_catalog.pg_has_role(n.nspowner, 'USAGE')
          FROM pg_catalog.pg_roles r
          LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = $1
         WHERE r.rolname = current_user";
    let row = client.query_one(sql, &[&schema]).await;
    let row = row.map_err(PostgresError::at("asking what may be done"))?;
    let allowed = |at| row.get::<_, Option<bool>>(at).unwrap_or_default();
    let schema = row.get::<_, Option<u32>>(4).map(|oid| Schema {
        oid,
        may_use: allowed(5),
        may_create: allowed(6),
        is_owned: allowed(7),
    });
    Ok(Role {
        name: row.get(0),
        is_superuser: row.get(1),
        database: row.get(2),
        may_create_schemas: row.get(3),
        schema,
    })
}

impl Lacking {
    const fn of(role: String) -> Self {
        Self { role, needs: Vec::new() }
    }

    /// It needs something: `what`, and the statement that gives it.
    fn needs(&mut self, what: &str, remedy: &str) {
        self.needs.push(format!("{what} ({remedy})"));
    }

    fn needs_ownership(&mut self, shown: &str, relation: &Relation) {
        let (owner, role) = (written(&relation.owner), written(&self.role));
        let give = format!("ALTER TABLE {shown} OWNER TO {role}");
        let remedy = if let Some(inherit) = &relation.inherit {
            inherit.clone()
        } else if relation.is_of_superuser {
            give
        } else {
            format!("GRANT {owner} TO {role}, or {give}")
        };
        self.needs(&format!("the rights of the owner of {shown}, {owner}"), &remedy);
    }

    fn refuse(self, schema: &str) -> Result<(), PostgresError> {
        if self.needs.is_empty() {
            return Ok(());
        }
        let (role, needs) = (printable(&self.role), printable(&self.needs.join("; ")));
        Err(PostgresError::Lacking { role, schema: schema.to_owned(), needs })
    }
}

/// Refuses a role that may not make the schema or the ledger, whichever is missing.
pub(super) async fn to_prepare(
    client: &impl GenericClient,
    schema: &str,
) -> Result<(), PostgresError> {
    let role = role(client, schema).await?;
    let mut lacking = Lacking::of(role.name.clone());
    lacking.look_at_schema(&role, schema);
    lacking.refuse(schema)
}

impl Lacking {
    fn look_at_schema(&mut self, role: &Role, schema: &str) {
        let (name, shown) = (written(&role.name), written(schema));
        match &role.schema {
            None if !role.may_create_schemas => {
                let database = written(&role.database);
                self.needs(
                    &format!("CREATE on the database {database}, since there is no schema {shown}"),
                    &format!(
                        "GRANT CREATE ON DATABASE {database} TO {name}, or \
                         CREATE SCHEMA {shown} AUTHORIZATION {name}"
                    ),
                );
            }
            None => {}
            Some(there) => {
                let may = [("USAGE", there.may_use), ("CREATE", there.may_create)];
                let lacks: Vec<&str> =
                    may.iter().filter(|(_, may)| !may).map(|(privilege, _)| *privilege).collect();
                if !lacks.is_empty() {
                    let lacks = lacks.join(", ");
                    self.needs(
                        &format!("{lacks} on the schema {shown}"),
                        &format!("GRANT {lacks} ON SCHEMA {shown} TO {name}"),
                    );
                }
            }
        }
    }

    fn needs_usage(&mut self, schema: &Schema, name: &str) {
        if !schema.may_use {
            let (role, shown) = (written(&self.role), written(name));
            self.needs(
                &format!("USAGE on the schema {shown}"),
                &format!("GRANT USAGE ON SCHEMA {shown} TO {role}"),
            );
        }
    }

    async fn look_at_table(
        &mut self,
        client: &impl GenericClient,
        names: &Names,
        table: &str,
        privileges: &[&str],
    ) -> Result<(), PostgresError> {
        let Some(relation) = find(client, &names.schema, table).await? else {
            return Ok(());
        };
        let sql = "SELECT privilege FROM pg_catalog.unnest($2::text[]) AS privilege
                    WHERE NOT pg_catalog.has_table_privilege($1::oid, privilege)";
        let asked = client.query(sql, &[&relation.oid, &privileges]).await;
        let rows = asked.map_err(PostgresError::at("asking what may be done"))?;
        let lacks: Vec<&str> = rows.iter().map(|row: &Row| row.get(0)).collect();
        if !lacks.is_empty() {
            let (lacks, shown) = (lacks.join(", "), names.shown(table));
            let remedy = format!("GRANT {lacks} ON {shown} TO {}", written(&self.role));
            self.needs(&format!("{lacks} on {shown}"), &remedy);
        }
        Ok(())
    }
}

/// Refuses a role that may not even read what the ledger says.
pub(super) async fn to_read(
    client: &impl GenericClient,
    names: &Names,
) -> Result<(), PostgresError> {
    let role = role(client, &names.schema).await?;
    let Some(schema) = &role.schema else { return Ok(()) };
    let mut lacking = Lacking::of(role.name.clone());
    lacking.needs_usage(schema, &names.schema);
    lacking.look_at_table(client, names, LEDGER, &["SELECT"]).await?;
    lacking.refuse(&names.schema)
}

/// Through which table a role may read a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readable {
    /// The month's own.
    Month,
    /// That of all months, since a grant on it does not extend to reading its partitions directly.
    Table,
}

/// Through which table a role may read a month; refuses one that may read neither.
pub(super) async fn readable(
    client: &impl GenericClient,
    names: &Names,
    parent: &Relation,
    partition: &Relation,
) -> Result<Readable, PostgresError> {
    if partition.may_be_read(client).await? {
        return Ok(Readable::Month);
    }
    if parent.may_be_read(client).await? && parent.may_be_queried(client).await? {
        return Ok(Readable::Table);
    }
    let mut lacking = Lacking::of(partition.role.clone());
    lacking.look_at_table(client, names, &names.partition, &["SELECT"]).await?;
    lacking.refuse(&names.schema)?;
    Ok(Readable::Month)
}

/// Who is to own a month's table: the owner of the partition that it replaces, unless that is
/// only the role that loaded it, else the owner of the table. `None` for this session's role.
pub(super) fn new_owner(parent: Option<&Relation>, partition: Option<&Relation>) -> Option<String> {
    let parent = parent?;
    let owner = match partition {
        Some(old) if old.owner != old.role && old.is_owned => &old.owner,
        _ => &parent.owner,
    };
    (*owner != parent.role).then(|| owner.clone())
}

/// What a role needs to load a month, or to take it out.
pub(super) struct Wanted<'a> {
    pub(super) parent: Option<&'a Relation>,
    pub(super) partition: Option<&'a Relation>,
    /// Whether rows that were set aside are written.
    pub(super) with_quarantine: bool,
    pub(super) tablespace: Option<&'a str>,
    /// The tables that foreign keys refer to.
    pub(super) referenced: Vec<u32>,
}

/// Refuses a role that may not load a month.
pub(super) async fn to_load(
    client: &impl GenericClient,
    names: &Names,
    wanted: &Wanted<'_>,
) -> Result<(), PostgresError> {
    let role = role(client, &names.schema).await?;
    let mut lacking = Lacking::of(role.name.clone());
    lacking.look_at_schema(&role, &names.schema);
    if let Some(parent) = wanted.parent.filter(|parent| !parent.is_owned) {
        lacking.needs_ownership(&names.shown(&names.table), parent);
    }
    let owns_schema = role.schema.as_ref().is_some_and(|schema| schema.is_owned);
    if let Some(old) = wanted.partition.filter(|old| !old.is_owned && !owns_schema) {
        lacking.needs_ownership(&names.shown(&names.partition), old);
    }
    if let Some(owner) = new_owner(wanted.parent, wanted.partition)
        && !role.is_superuser
        && wanted.parent.is_some_and(|parent| parent.is_owned)
        && let Some(schema) = &role.schema
    {
        let sql = "SELECT pg_catalog.pg_has_role(oid, CASE WHEN pg_catalog.current_setting('server_version_num')::int
                              >= 160000 THEN 'SET' ELSE 'MEMBER' END),
                          pg_catalog.has_schema_privilege(oid, $2::oid, 'CREATE')
                     FROM pg_catalog.pg_roles WHERE rolname = $1";
        let row = client.query_one(sql, &[&owner, &schema.oid]).await;
        let row = row.map_err(PostgresError::at("asking what may be done"))?;
        let (owner, shown) = (written(&owner), written(&names.schema));
        if !row.get::<_, bool>(0) {
            let name = written(&role.name);
            lacking.needs(
                &format!("to give its tables to {owner}, who owns {}", names.shown(&names.table)),
                &format!("GRANT {owner} TO {name}"),
            );
        }
        if !row.get::<_, bool>(1) {
            lacking.needs(
                &format!("that {owner} has CREATE on the schema {shown}, to own new partitions"),
                &format!("GRANT CREATE ON SCHEMA {shown} TO {owner}"),
            );
        }
    }
    lacking.look_at_table(client, names, LEDGER, &["SELECT", "INSERT", "UPDATE"]).await?;
    let quarantine: &[&str] = if wanted.with_quarantine {
        &["SELECT", "INSERT", "DELETE"]
    } else {
        &["SELECT", "DELETE"]
    };
    lacking.look_at_table(client, names, &names.quarantine, quarantine).await?;
    if let Some(tablespace) = wanted.tablespace {
        let sql = "SELECT pg_catalog.has_tablespace_privilege($1::text, 'CREATE')";
        let row = client.query_one(sql, &[&tablespace]).await;
        let row = row.map_err(PostgresError::at("asking what may be done"))?;
        if !row.get::<_, bool>(0) {
            let (space, name) = (written(tablespace), written(&role.name));
            lacking.needs(
                &format!("CREATE on the tablespace {space}"),
                &format!("GRANT CREATE ON TABLESPACE {space} TO {name}"),
            );
        }
    }
    let sql = "SELECT oid::regclass::text FROM pg_catalog.pg_class
                WHERE oid = ANY ($1) AND NOT pg_catalog.has_table_privilege(oid, 'REFERENCES')";
    let rows = client.query(sql, &[&wanted.referenced]).await;
    for row in rows.map_err(PostgresError::at("asking what may be done"))? {
        let (table, name): (&str, _) = (row.get(0), written(&role.name));
        let remedy = format!("GRANT REFERENCES ON {table} TO {name}");
        lacking.needs(&format!("REFERENCES on {table}, for a foreign key"), &remedy);
    }
    lacking.refuse(&names.schema)
}

/// Refuses a role that may not take a month out.
pub(super) async fn to_drop(
    client: &impl GenericClient,
    names: &Names,
    partition: Option<&Relation>,
) -> Result<(), PostgresError> {
    let role = role(client, &names.schema).await?;
    let Some(schema) = &role.schema else { return Ok(()) };
    let mut lacking = Lacking::of(role.name.clone());
    lacking.needs_usage(schema, &names.schema);
    if let Some(old) = partition.filter(|old| !old.is_owned && !schema.is_owned) {
        lacking.needs_ownership(&names.shown(&names.partition), old);
    }
    lacking.look_at_table(client, names, LEDGER, &["SELECT", "DELETE"]).await?;
    lacking.look_at_table(client, names, &names.quarantine, &["SELECT", "DELETE"]).await?;
    lacking.refuse(&names.schema)
}

/// Refuses a role that may not write the zones.
pub(super) async fn to_load_zones(
    client: &impl GenericClient,
    names: &Names,
    zones: (&str, Option<&Relation>),
) -> Result<(), PostgresError> {
    let role = role(client, &names.schema).await?;
    let mut lacking = Lacking::of(role.name.clone());
    lacking.look_at_schema(&role, &names.schema);
    if let (table, Some(relation)) = zones
        && !relation.is_owned
    {
        lacking.needs_ownership(&names.shown(table), relation);
    }
    lacking.refuse(&names.schema)
}
