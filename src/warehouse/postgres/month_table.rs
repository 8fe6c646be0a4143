//! The table that a month is copied into, made to fit the table that it becomes a partition of as
//! that one is: columns, checks, keys, storage; or the reason why no month can be.
//!
//! It is declared by what the catalog says and not by `LIKE`, which would lock the table while
//! the rows are copied, so that loads of other months could not swap theirs in.

use tokio_postgres::{GenericClient, Transaction};

use crate::schema::{self, Column};
use crate::trip::{Colour, KeptColumn, TripFile};

use super::PostgresError;
use super::columns::Columns;
use super::foreign::{self, Access};
use super::index::{self, Index};
use super::names::{Names, first_day, quoted};
use super::obstacles;
use super::privileges::{self, Wanted, new_owner};
use super::relation::{Relation, settled, written};
use super::transaction::execute;
use super::trusted_roles::harmless;

/// How the table of a month is made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MonthTable {
    create: String,
    pub(super) columns: Columns,
    indexes: Vec<Index>,
    keys: Vec<String>,
    /// Whose it will be, if not this session's role's.
    owner: Option<String>,
    /// The columns of the month beside those of its colour.
    kept: Vec<KeptColumn>,
    /// Whether it is made like a partition that it replaces.
    pub(super) replaces: bool,
}

/// What is there of a month and its table.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) parent: Option<Relation>,
    pub(super) partition: Option<Relation>,
}

impl Place {
    /// Looks at it, and refuses what is not ours.
    pub(super) async fn of(
        client: &impl GenericClient,
        names: &Names,
        file: TripFile,
        access: Access,
    ) -> Result<Self, PostgresError> {
        settled(client, names, async || Self::seen(client, names, file, access).await).await
    }

    async fn seen(
        client: &impl GenericClient,
        names: &Names,
        file: TripFile,
        access: Access,
    ) -> Result<Self, PostgresError> {
        let parent = foreign::table(client, names, file.colour, access).await?;
        let partition =
            foreign::partition(client, names, file.colour, parent.as_ref(), access).await?;
        if let Some(partition) = partition.as_ref().filter(|_| access == Access::Write) {
            foreign::refuse_rows_of_others(client, names, file.month, partition).await?;
        }
        Ok(Self { parent, partition })
    }
}

/// What the old partition, else the table, says of how its rows are stored.
#[derive(Debug, Default)]
struct Storage {
    unlogged: bool,
    method: Option<String>,
    options: Option<String>,
    /// That of the old partition, else of the table. One that is in the default of the database
    /// stays there; a new one goes where the session's own default is.
    tablespace: Option<String>,
    /// Whether that is the default of the database, which needs no privilege.
    is_in_default: bool,
}

impl MonthTable {
    /// How a month's table is made, after all that could keep it from becoming a partition was
    /// looked for. Asked outside the transaction that loads, since asking locks.
    pub(super) async fn plan(
        client: &impl GenericClient,
        names: &Names,
        file: TripFile,
        kept: &[KeptColumn],
        with_quarantine: bool,
    ) -> Result<Self, PostgresError> {
        settled(client, names, async || {
            Self::planned(client, names, file, kept, with_quarantine).await
        })
        .await
    }

    async fn planned(
        client: &impl GenericClient,
        names: &Names,
        file: TripFile,
        kept: &[KeptColumn],
        with_quarantine: bool,
    ) -> Result<Self, PostgresError> {
        privileges::to_read(client, names).await?;
        foreign::ledger(client, &names.schema, Access::Write).await?;
        let place = Place::of(client, names, file, Access::Write).await?;
        if foreign::quarantine(client, names, Access::Write).await?.is_none() && with_quarantine {
            super::relation::refuse_type(client, &names.schema, &names.quarantine).await?;
        }
        obstacles::refuse_staging(client, names).await?;
        let Place { parent, partition } = &place;
        let partition = partition.as_ref();
        let storage = storage(client, parent.as_ref(), partition).await?;
        let plan = Self::of(client, names, file, kept, &place, &storage).await?;
        if let Some(parent) = parent {
            obstacles::refuse_overlaps(client, names, file, parent, partition).await?;
        }
        if let Some(partition) = partition {
            obstacles::refuse_dependents(client, names, partition).await?;
            obstacles::refuse_publications(client, names, partition).await?;
        }
        let wanted = Wanted {
            parent: parent.as_ref(),
            partition,
            with_quarantine,
            tablespace: storage.tablespace.as_deref().filter(|_| !storage.is_in_default),
            referenced: referenced(client, parent.as_ref(), partition).await?,
        };
        privileges::to_load(client, names, &wanted).await?;
        obstacles::refuse_keys_to_others(client, names, &wanted.referenced).await?;
        foreign::refuse_altered_rows(client, names).await?;
        if let Some(parent) = parent {
            // It reads rows: last.
            obstacles::refuse_default_rows(client, names, file, parent).await?;
        }
        Ok(plan)
    }

    /// What of that does not depend on the month.
    pub(super) async fn check_table(
        client: &impl GenericClient,
        names: &Names,
        colour: Colour,
    ) -> Result<(), PostgresError> {
        privileges::to_read(client, names).await?;
        let parent = foreign::table(client, names, colour, Access::Write).await?;
        foreign::quarantine(client, names, Access::Write).await?;
        if let Some(parent) = &parent {
            let columns = schema::columns(colour);
            Columns::of_table(client, names, colour, &columns, parent, parent).await?;
        }
        let wanted = Wanted {
            parent: parent.as_ref(),
            partition: None,
            with_quarantine: false,
            tablespace: None,
            referenced: referenced(client, parent.as_ref(), None).await?,
        };
        privileges::to_load(client, names, &wanted).await?;
        foreign::refuse_altered_rows(client, names).await
    }

    async fn of(
        client: &impl GenericClient,
        names: &Names,
        file: TripFile,
        kept: &[KeptColumn],
        place: &Place,
        storage: &Storage,
    ) -> Result<Self, PostgresError> {
        let Place { parent, partition } = place;
        let ours = schema::columns_with(file.colour, kept);
        let (columns, mut constraints) = match parent {
            None => (Columns::of_new_table(&ours), Vec::new()),
            Some(parent) => {
                let source = partition.as_ref().unwrap_or(parent);
                let columns =
                    Columns::of_table(client, names, file.colour, &ours, parent, source).await?;
                (columns, checks(client, names, source).await?)
            }
        };
        let (first, last) = (first_day(file.month), first_day(file.month.next()));
        let bounds = format!("CHECK (pickup_datetime >= {first} AND pickup_datetime < {last})");
        // That of the old partition says the same, as the server writes it.
        if !constraints.iter().any(|(name, _)| partition.is_some() && is_ours(name)) {
            let taken = |name: &str| constraints.iter().any(|(other, _)| other == name);
            let numbered = (1..).map(|number| format!("month_{number}"));
            let mut candidates = std::iter::once("month".to_owned()).chain(numbered);
            let name = candidates.find(|name| !taken(name)).unwrap_or_default();
            constraints.push((name, bounds));
        }
        let constraints =
            constraints.iter().map(|(name, how)| format!("CONSTRAINT {} {how}", quoted(name)));
        let parts = columns.declared.iter().cloned().chain(constraints).collect::<Vec<_>>();
        let new = names.qualified(&names.new);
        let unlogged = if storage.unlogged { "UNLOGGED " } else { "" };
        let clause = |word: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!(" {word} {value}")).unwrap_or_default()
        };
        let tablespace = storage.tablespace.as_deref().map(quoted);
        let mut create = format!(
            "CREATE {unlogged}TABLE {new} ({}){}{}{}",
            parts.join(", "),
            clause("USING", &storage.method.as_deref().map(quoted)),
            clause("WITH", &storage.options),
            clause("TABLESPACE", &tablespace)
        );
        if !columns.altered.is_empty() {
            create = format!("{create}; ALTER TABLE {new} {}", columns.altered.join(", "));
        }
        let (parent, partition) = (parent.as_ref(), partition.as_ref());
        Ok(Self {
            create,
            columns,
            indexes: index::of_month(client, names, parent, partition).await?,
            keys: foreign_keys(client, names, parent, partition).await?,
            owner: new_owner(parent, partition),
            kept: kept.to_vec(),
            replaces: partition.is_some(),
        })
    }

    /// Whether the table changed since so that the month no longer fits.
    pub(super) async fn is_outdated(
        &self,
        client: &impl GenericClient,
        names: &Names,
        file: TripFile,
    ) -> Result<bool, PostgresError> {
        let place = Place::of(client, names, file, Access::Write).await?;
        self.differs(client, names, file, &place).await
    }

    /// Whether it is not what would be made for the month's place as that is.
    pub(super) async fn differs(
        &self,
        client: &impl GenericClient,
        names: &Names,
        file: TripFile,
        place: &Place,
    ) -> Result<bool, PostgresError> {
        let storage = storage(client, place.parent.as_ref(), place.partition.as_ref()).await?;
        Ok(Self::of(client, names, file, &self.kept, place, &storage).await? != *self)
    }

    /// Its columns that hold the values of the month, in the order of its rows.
    pub(super) fn ours(&self, colour: Colour) -> Vec<&'static Column> {
        schema::columns_with(colour, &self.kept)
    }

    /// Makes it, empty.
    pub(super) async fn make(&self, transaction: &Transaction<'_>) -> Result<(), PostgresError> {
        execute(transaction, "making the month's table", &self.create).await
    }

    /// Makes what takes time once the rows are there: indexes and keys.
    pub(super) async fn finish(
        &self,
        transaction: &Transaction<'_>,
        names: &Names,
    ) -> Result<(), PostgresError> {
        for index in &self.indexes {
            execute(transaction, "making the month's indexes", &index.make).await?;
        }
        for key in &self.keys {
            execute(transaction, "checking the month's foreign keys", key).await?;
        }
        let new = names.qualified(&names.new);
        if !self.columns.identities.is_empty() {
            let drop = format!("ALTER TABLE {new} {}", self.columns.identities.join(", "));
            execute(transaction, "making the month's table", &drop).await?;
        }
        if let Some(owner) = &self.owner {
            let give = format!("ALTER TABLE {new} OWNER TO {}", quoted(owner));
            execute(transaction, "giving the month's table to its owner", &give).await?;
        }
        Ok(())
    }

    /// Whose it will be, if not this session's role's.
    pub(super) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Gives indexes that the old partition had alone their names back.
    pub(super) async fn rename_indexes(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<(), PostgresError> {
        for (_, rename) in self.indexes.iter().filter_map(|index| index.renamed.as_ref()) {
            execute(transaction, "naming the month's indexes", rename).await?;
        }
        Ok(())
    }
}

/// Whether a check is the one that this program puts on a month's table.
fn is_ours(name: &str) -> bool {
    name.strip_prefix("month").is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('_').is_some_and(|n| n.parse::<u32>().is_ok())
    })
}

async fn checks(
    client: &impl GenericClient,
    names: &Names,
    source: &Relation,
) -> Result<Vec<(String, String)>, PostgresError> {
    let sql = format!(
        "SELECT conname, pg_catalog.pg_get_constraintdef(oid), $2 OR {} FROM pg_catalog.pg_constraint
          WHERE conrelid = $1 AND contype = 'c' ORDER BY conname",
        harmless("conbin")
    );
    let rows = client.query(&sql, &[&source.oid, &source.is_trusted]).await;
    let rows = rows.map_err(PostgresError::at("looking at the table's checks"))?;
    if let Some(row) = rows.iter().find(|row| !row.get::<_, bool>(2)) {
        let what = format!("the check {}", written(row.get(0)));
        return source.refuse_expression(&names.schema, &names.table, &what);
    }
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

const KEYS: &str = "
      FROM pg_catalog.pg_constraint k
      LEFT JOIN pg_catalog.pg_constraint above ON above.oid = k.conparentid
     WHERE k.conrelid = $1 AND k.contype = 'f' AND above.conrelid IS DISTINCT FROM k.conrelid";

/// What makes the foreign keys. Done while nobody waits: attaching finds them.
async fn foreign_keys(
    client: &impl GenericClient,
    names: &Names,
    parent: Option<&Relation>,
    partition: Option<&Relation>,
) -> Result<Vec<String>, PostgresError> {
    let Some(source) = partition.or(parent) else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT k.conname, pg_catalog.pg_get_constraintdef(k.oid) {KEYS} ORDER BY k.conname"
    );
    let rows = client.query(&sql, &[&source.oid]).await;
    let rows = rows.map_err(PostgresError::at("looking at the table's foreign keys"))?;
    let new = names.qualified(&names.new);
    let keys = rows.iter().map(|row| {
        let (name, how): (&str, &str) = (row.get(0), row.get(1));
        format!("ALTER TABLE {new} ADD CONSTRAINT {} {how}", quoted(name))
    });
    Ok(keys.collect())
}

/// The tables that the foreign keys of a table or its partition refer to.
pub(super) async fn referenced(
    client: &impl GenericClient,
    parent: Option<&Relation>,
    partition: Option<&Relation>,
) -> Result<Vec<u32>, PostgresError> {
    let Some(source) = partition.or(parent) else { return Ok(Vec::new()) };
    let rows = client.query(&format!("SELECT k.confrelid {KEYS}"), &[&source.oid]).await;
    let rows = rows.map_err(PostgresError::at("looking at the table's foreign keys"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn storage(
    client: &impl GenericClient,
    parent: Option<&Relation>,
    partition: Option<&Relation>,
) -> Result<Storage, PostgresError> {
    let Some(parent) = parent else { return Ok(Storage::default()) };
    let source = partition.unwrap_or(parent);
    let sql = "
        SELECT c.relkind = 'r' AND c.relpersistence = 'u',
               coalesce((SELECT amname FROM pg_catalog.pg_am WHERE oid = nullif(c.relam, 0)),
                        (SELECT amname FROM pg_catalog.pg_am WHERE oid = nullif(p.relam, 0))),
               (SELECT pg_catalog.string_agg(prefix || pg_catalog.quote_ident(option_name) || ' = ' || pg_catalog.quote_literal(option_value), ', ')
                  FROM (SELECT '' AS prefix, o.* FROM pg_catalog.pg_options_to_table(c.reloptions) o
                         UNION ALL SELECT 'toast.', o.* FROM pg_catalog.pg_class t,
                                LATERAL pg_catalog.pg_options_to_table(t.reloptions) o
                         WHERE t.oid = c.reltoastrelid) AS options
                 WHERE c.relkind = 'r'),
               (SELECT spcname FROM pg_catalog.pg_tablespace
                 WHERE oid = coalesce(nullif(c.reltablespace, 0), nullif(p.reltablespace, 0),
                                      CASE WHEN c.relkind = 'r' THEN d.dattablespace END)),
               c.reltablespace = 0 AND p.reltablespace = 0
          FROM pg_catalog.pg_class c, pg_catalog.pg_class p, pg_catalog.pg_database d
         WHERE c.oid = $1 AND p.oid = $2 AND d.datname = pg_catalog.current_database()";
    let row = client.query_one(sql, &[&source.oid, &parent.oid]).await;
    let row = row.map_err(PostgresError::at("looking at the table's storage"))?;
    Ok(Storage {
        unlogged: row.get(0),
        method: row.get(1),
        options: row.get::<_, Option<String>>(2).map(|options| format!("({options})")),
        tablespace: row.get(3),
        is_in_default: row.get(4),
    })
}
