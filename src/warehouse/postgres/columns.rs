//! The columns of a table: ours, as the table declares them, and those that a user added. A
//! month's table is declared after them.

use tokio_postgres::{GenericClient, Transaction};

use crate::schema::{self, Column, Kind};
use crate::trip::Colour;

use super::PostgresError;
use super::names::{Names, declared, literal, quoted};
use super::relation::{Relation, written};
use super::trusted_roles::harmless;
use super::types::{Held, Holder};

/// Columns, quoted, as a list.
pub(super) fn list(columns: &[&Column]) -> String {
    columns.iter().map(|column| quoted(column.name)).collect::<Vec<_>>().join(", ")
}

/// The columns of a table, as a month's table is to have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    /// As they are declared.
    pub(super) declared: Vec<String>,
    /// What else is set of them, after `ALTER TABLE ...`.
    pub(super) altered: Vec<String>,
    /// What fills identity columns while the rows come, and goes before the table is a partition.
    pub(super) identities: Vec<String>,
    /// How ours hold their values, in the order of the schema.
    pub(super) held: Vec<Held>,
    /// Whether all do as the tables that this program makes.
    pub(super) natural: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a column of the server's answer")]
struct Found {
    name: String,
    attribute: i16,
    declared_type: String,
    not_null: bool,
    generated: bool,
    always_identity: bool,
    identity: Option<String>,
    default: Option<String>,
    storage: Option<String>,
    compression: Option<String>,
    statistics: Option<i32>,
    options: Option<String>,
    collation: Option<String>,
    base: String,
    base_modifier: i32,
    domain_needs_value: bool,
    about: Option<String>,
    is_harmless: bool,
    not_null_name: Option<String>,
    generation: Option<String>,
}

impl Columns {
    /// Those of a table that is made by this program.
    pub(super) fn of_new_table(columns: &[&'static Column]) -> Self {
        Self {
            declared: columns.iter().map(|column| declared(column)).collect(),
            altered: Vec::new(),
            identities: Vec::new(),
            held: columns.iter().map(|column| held(column)).collect(),
            natural: true,
        }
    }

    /// Those of a table that is there: of the old partition of a month, which fits its table, or
    /// of the table itself. Refuses what no month of ours can be copied into.
    pub(super) async fn of_table(
        client: &impl GenericClient,
        names: &Names,
        colour: Colour,
        columns: &[&'static Column],
        parent: &Relation,
        source: &Relation,
    ) -> Result<Self, PostgresError> {
        let found = found(client, parent, source).await?;
        // What is looked at here is what is declared: nothing can come between.
        if let Some(it) = found.iter().find(|it| !source.is_trusted && it.is_computed()) {
            let what = format!("an expression for its column {}", written(&it.name));
            return source.refuse_expression(&names.schema, &names.table, &what);
        }
        let obstacle = |why: String, remedy: String| {
            let table = format!("{}.{}", names.schema, names.table);
            Err(PostgresError::obstacle(table, why, remedy))
        };
        let (mut held_columns, mut natural) = (Vec::new(), true);
        let mut missing = Vec::new();
        for (place, &column) in columns.iter().enumerate() {
            let (name, is_kept) = (column.name, schema::is_kept(column));
            let Some(there) = found.iter().find(|it| it.name == name) else {
                let renamed = renamed(&found, colour, column, place).filter(|_| !is_kept);
                if let Some(renamed) = renamed {
                    let (table, new) = (names.shown(&names.table), written(&renamed.name));
                    return obstacle(
                        format!("its column {name} was renamed to {new}"),
                        format!(
                            "Name it {name} again (ALTER TABLE {table} RENAME COLUMN {new} TO {name}); \
                             for another name, make a view"
                        ),
                    );
                }
                missing.push(declared(column));
                held_columns.push(held(column));
                continue;
            };
            if there.generated || there.always_identity {
                let how =
                    if there.generated { "computed by the server" } else { "an identity column" };
                return obstacle(
                    format!("its column {name} is {how}, so no value can be copied into it"),
                    format!(
                        "Make it a plain column of the type {}, and add another for what is computed",
                        super::names::type_name(column.kind)
                    ),
                );
            }
            let holder = Holder::of(&there.base, there.base_modifier);
            let text = |holder: &Holder| is_kept && *holder == Holder::Text(None);
            let fits = |holder: &Holder| holder.may_hold(column.kind) || text(holder);
            let Some(holder) = holder.filter(fits) else {
                if name == schema::PICKUP {
                    let table = names.shown(&names.table);
                    return obstacle(
                        format!(
                            "its partition key {name} has the type {}, not timestamp",
                            there.declared_type
                        ),
                        format!(
                            "The type of a partition key cannot be changed: rename the table (ALTER \
                             TABLE {table} RENAME TO ...) and load its months again, or load into \
                             another place with --schema or --table"
                        ),
                    );
                }
                return obstacle(
                    format!(
                        "its column {name} has the type {}, which does not hold every value of it",
                        there.declared_type
                    ),
                    format!(
                        "Give it a type that does: ALTER TABLE {} ALTER COLUMN {name} TYPE {}",
                        names.shown(&names.table),
                        super::names::type_name(column.kind)
                    ),
                );
            };
            natural &= holder == Holder::natural(column.kind);
            let declared = there.declared_type.clone();
            held_columns.push(Held { column: name, holder, declared });
        }
        let ours: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let needy = found.iter().filter(|it| !ours.contains(&it.name.as_str())).find(|it| {
            let filled = it.default.is_some() || it.generated || it.identity.is_some();
            !filled && (it.not_null || it.domain_needs_value)
        });
        if let Some(needy) = needy {
            let name = written(&needy.name);
            return obstacle(
                format!("its column {name} must have a value, and the trips have none for it"),
                format!(
                    "Give it a default (ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT ...) or \
                     let it be null (ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL)",
                    table = names.shown(&names.table)
                ),
            );
        }
        let mut columns = Self {
            declared: found.iter().map(Found::declared).collect(),
            altered: found.iter().flat_map(Found::altered).collect(),
            identities: Vec::new(),
            held: held_columns,
            natural,
        };
        columns.declared.extend(missing);
        columns.identities = found
            .iter()
            .filter(|it| it.identity.is_some())
            .map(|it| format!("ALTER COLUMN {} DROP DEFAULT", quoted(&it.name)))
            .collect();
        Ok(columns)
    }
}

fn held(column: &Column) -> Held {
    Held {
        column: column.name,
        holder: Holder::natural(column.kind),
        declared: super::names::type_name(column.kind).to_owned(),
    }
}

/// The column that one of ours has become, if it was renamed: the description tells, which stays
/// with the column, else its type in the place where it was made.
fn renamed<'a>(
    found: &'a [Found],
    colour: Colour,
    column: &Column,
    place: usize,
) -> Option<&'a Found> {
    let ours = schema::columns(colour);
    let about = |it: &Found| it.about.as_deref() == Some(column.about);
    let unique = ours.iter().filter(|other| other.about == column.about).count() == 1;
    let others = found.iter().filter(|it| {
        it.about.as_deref() != Some(schema::ABOUT_KEPT)
            && !ours.iter().any(|other| other.name == it.name)
    });
    others.into_iter().find(|it| {
        let in_place = usize::try_from(it.attribute) == Ok(place + 1);
        let same_type =
            Holder::of(&it.base, it.base_modifier) == Some(Holder::natural(column.kind));
        (about(it) && (unique || in_place)) || (in_place && same_type && it.default.is_none())
    })
}

impl Found {
    /// Whether its default could run a statement, or its type is not one of the server's own.
    fn is_computed(&self) -> bool {
        !self.is_harmless || self.declared_type.contains(['.', '"'])
    }

    fn declared(&self) -> String {
        let mut text = format!("{} {}", quoted(&self.name), self.declared_type);
        if let Some(collation) = &self.collation {
            text = format!("{text} COLLATE {collation}");
        }
        if let Some(sequence) = &self.identity {
            let sequence = literal(sequence);
            text = format!("{text} DEFAULT pg_catalog.nextval({sequence}::pg_catalog.regclass)");
        } else if let Some(generation) = &self.generation {
            text = format!("{text} {generation}");
        } else if let Some(default) = &self.default {
            text = format!("{text} DEFAULT {default}");
        }
        match (&self.not_null_name, self.not_null) {
            (Some(name), _) => format!("{text} CONSTRAINT {name} NOT NULL"),
            (None, true) => text + " NOT NULL",
            (None, false) => text,
        }
    }

    fn altered(&self) -> Vec<String> {
        let name = quoted(&self.name);
        let set = |what: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("ALTER COLUMN {name} SET {what} {value}"))
        };
        let statistics = self.statistics.map(|target| target.to_string());
        let options = self.options.as_ref().map(|options| format!("({options})"));
        [
            set("STORAGE", &self.storage),
            set("COMPRESSION", &self.compression),
            set("STATISTICS", &statistics),
            set("", &options),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

async fn found(
    client: &impl GenericClient,
    parent: &Relation,
    source: &Relation,
) -> Result<Vec<Found>, PostgresError> {
    let sql = "
        SELECT a.attname, a.attnum, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attgenerated::text, coalesce(nullif(p.attidentity, ''), a.attidentity)::text,
               CASE WHEN coalesce(nullif(p.attidentity, ''), a.attidentity) <> '' THEN
                   (SELECT pg_catalog.format('%I.%I', n.nspname, s.relname)
                      FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid
                      JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
                     WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'i'
                       AND d.refclassid = 'pg_catalog.pg_class'::regclass
                       AND d.refobjid = p.attrelid AND d.refobjsubid = p.attnum AND s.relkind = 'S'
                     LIMIT 1) END,
               pg_catalog.pg_get_expr(d.adbin, d.adrelid),
               CASE a.attstorage WHEN t.typstorage THEN NULL WHEN 'p' THEN 'PLAIN'
                    WHEN 'e' THEN 'EXTERNAL' WHEN 'x' THEN 'EXTENDED' WHEN 'm' THEN 'MAIN' END,
               CASE pg_catalog.to_jsonb(a)->>'attcompression' WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END,
               CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::int END,
               (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(option_name) || ' = ' || pg_catalog.quote_literal(option_value), ', ')
                  FROM pg_catalog.pg_options_to_table(a.attoptions)),
               CASE WHEN a.attcollation <> t.typcollation THEN
                   (SELECT pg_catalog.format('%I.%I', n.nspname, c.collname)
                      FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
                     WHERE c.oid = a.attcollation) END,
               base.name, base.modifier, base.needy,
               pg_catalog.col_description(p.attrelid, p.attnum), HARMLESS,
               (SELECT pg_catalog.quote_ident(k.conname) FROM pg_catalog.pg_constraint k
                 WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum] LIMIT 1)
          FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
          LEFT JOIN pg_catalog.pg_attribute p ON p.attrelid = $2 AND p.attname = a.attname AND NOT p.attisdropped
          LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum,
       LATERAL (WITH RECURSIVE down AS (
                    SELECT y.oid, y.typname, y.typtype, y.typbasetype, y.typtypmod, y.typnamespace,
                           a.atttypmod AS modifier, y.typnotnull AND y.typdefault IS NULL AS needy, 0 AS depth
                      FROM pg_catalog.pg_type y WHERE y.oid = a.atttypid
                    UNION ALL
                    SELECT y.oid, y.typname, y.typtype, y.typbasetype, y.typtypmod, y.typnamespace,
                           down.typtypmod, down.needy OR (y.typnotnull AND y.typdefault IS NULL), depth + 1
                      FROM down JOIN pg_catalog.pg_type y ON y.oid = down.typbasetype
                     WHERE down.typtype = 'd')
                SELECT CASE WHEN typname = 'citext' OR typnamespace = 'pg_catalog'::regnamespace
                            THEN typname::text ELSE '' END AS name, modifier, needy
                  FROM down ORDER BY depth DESC LIMIT 1) base
         WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attnum";
    let sql = sql.replace("HARMLESS", &harmless("d.adbin"));
    let rows = client.query(&sql, &[&source.oid, &parent.oid]).await;
    let rows = rows.map_err(PostgresError::at("looking at the table's columns"))?;
    let found = rows.iter().map(|row| {
        let generated: &str = row.get(4);
        let identity: Option<&str> = row.get(5);
        let expression: Option<String> = row.get(7);
        let generation = expression.as_ref().filter(|_| !generated.is_empty()).map(|expression| {
            let how = if generated == "v" { "VIRTUAL" } else { "STORED" };
            format!("GENERATED ALWAYS AS ({expression}) {how}")
        });
        Found {
            name: row.get(0),
            attribute: row.get(1),
            declared_type: row.get(2),
            not_null: row.get(3),
            generated: !generated.is_empty(),
            always_identity: identity == Some("a"),
            identity: row.get(6),
            default: expression.filter(|_| generated.is_empty()),
            storage: row.get(8),
            compression: row.get(9),
            statistics: row.get(10),
            options: row.get(11),
            collation: row.get(12),
            base: row.get(13),
            base_modifier: row.get(14),
            domain_needs_value: row.get(15),
            about: row.get(16),
            is_harmless: row.get(17),
            not_null_name: row.get(18),
            generation,
        }
    });
    Ok(found.collect())
}

/// The types that columns of a table need to hold the values that a month keeps in them, if they
/// do not hold them yet: with each its name and the statement that changes it.
pub(super) async fn too_narrow(
    client: &impl GenericClient,
    names: &Names,
    kept: &[&'static Column],
    parent: &Relation,
) -> Result<Vec<(&'static str, &'static str, String)>, PostgresError> {
    let found = found(client, parent, parent).await?;
    let change = |column: &&'static Column| {
        let there = found.iter().find(|it| it.name == column.name)?;
        // What a user has added is not changed.
        if there.about.as_deref() != Some(schema::ABOUT_KEPT) {
            return None;
        }
        let holder = Holder::of(&there.base, there.base_modifier)?;
        if holder.may_hold(column.kind) || holder == Holder::Text(None) {
            return None;
        }
        let number = holder == Holder::Bigint && column.kind == Kind::Number;
        let wide = if number { "double precision" } else { "text" };
        let (table, name) = (names.qualified(&names.table), quoted(column.name));
        let sql =
            format!("ALTER TABLE {table} ALTER COLUMN {name} TYPE {wide} USING {name}::{wide}");
        Some((column.name, wide, sql))
    };
    Ok(kept.iter().filter_map(change).collect())
}

/// Those of some columns that a table lacks, by its columns.
pub(super) fn lacking(
    there: &[(String, String)],
    mut columns: Vec<&'static Column>,
) -> Vec<&'static Column> {
    columns.retain(|column| !there.iter().any(|(name, _)| name == column.name));
    columns
}

/// Adds the columns that a table lacks: those that the schema has gained since the table was made,
/// and those that a month keeps.
pub(super) async fn add(
    transaction: &Transaction<'_>,
    names: &Names,
    columns: &[&'static Column],
    parent: &Relation,
) -> Result<(), PostgresError> {
    let there = parent.columns(transaction).await?;
    let new = lacking(&there, columns.to_vec());
    if new.is_empty() {
        return Ok(());
    }
    let table = names.qualified(&names.table);
    let added = new.iter().map(|column| format!("ADD COLUMN {}", declared(column)));
    let added = added.collect::<Vec<_>>().join(", ");
    let about = new.iter().map(|column| {
        format!("COMMENT ON COLUMN {table}.{} IS {}", quoted(column.name), literal(column.about))
    });
    let about = about.collect::<Vec<_>>().join("; ");
    let sql = format!("ALTER TABLE {table} {added}; {about}");
    transaction.batch_execute(&sql).await.map_err(PostgresError::at("adding columns"))
}
