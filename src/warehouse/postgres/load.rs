//! Replaces one month in one transaction.

use std::time::{Duration, Instant};

use tokio_postgres::{GenericClient, Transaction};

use crate::flow::Progress;
use crate::guard::Before;
use crate::schema::{self, PICKUP};
use crate::trip::{Colour, Provenance, TripFile};
use crate::warehouse::{Batches, Loaded};

use super::code::Scope;
use super::connection::Session;
use super::foreign::Access;
use super::kept::Kept;
use super::ledger::LEDGER;
use super::load_request::{Load, Proven};
use super::month_table::{MonthTable, Place};
use super::names::{Names, columns_declared, first_day, quoted};
use super::transaction::{execute, fill};
use super::{
    Postgres, PostgresError, columns, copied, foreign, index, ledger, locks, month_table,
    obstacles, privileges, quarantine, relation, types, views,
};

impl Postgres {
    /// Makes the schema and the ledger if they are missing.
    pub(super) async fn make_schema(&self, session: &mut Session) -> Result<(), PostgresError> {
        make_schema(session, self.schema()).await
    }

    /// Why some months could not be loaded, found without making anything; `straight` if they
    /// come from the web and not from the lake.
    pub(super) async fn obstacles(
        &self,
        files: &[TripFile],
        straight: bool,
    ) -> Result<Vec<Option<PostgresError>>, PostgresError> {
        let session = self.target().connect().await?;
        let client = &session.client;
        foreign::refuse_schema_of_others(client, self.schema()).await?;
        if foreign::ledger(client, self.schema(), Access::Write).await?.is_none() {
            privileges::to_prepare(client, self.schema()).await?;
        }
        let mut found = Vec::new();
        for file in files {
            let planned = MonthTable::plan(client, &self.names(*file), *file, &[], straight).await;
            found.push(planned.err());
        }
        Ok(found)
    }

    /// Refuses tables that no month could be loaded into, found without making anything. A role
    /// that may not make tables is told what it lacks.
    pub(super) async fn check_tables(&self) -> Result<(), PostgresError> {
        let session = self.target().connect().await?;
        let client = &session.client;
        foreign::refuse_schema_of_others(client, self.schema()).await?;
        privileges::to_prepare(client, self.schema()).await?;
        for colour in Colour::ALL {
            let names = self.names(TripFile::new(colour, colour.first_month()));
            if relation::find(client, self.schema(), &names.table).await?.is_none() {
                continue;
            }
            if foreign::ledger(client, self.schema(), Access::Write).await?.is_some()
                && self.has_one_table()
                && ledger::other_colour(client, &names, colour).await?.is_some()
            {
                continue;
            }
            MonthTable::check_table(client, &names, colour).await?;
            if self.has_one_table() {
                break;
            }
        }
        Ok(())
    }

    /// What the ledger says of a month that is loaded.
    pub async fn known(&self, file: TripFile) -> Result<Option<Provenance>, PostgresError> {
        let names = self.names(file);
        let mut session = self.target().connect().await?;
        Box::pin(prepare(&mut session, &names, file)).await?;
        proven(&session.client, &names, file).await
    }

    /// Loads a month in place of what the table has of it. `batches` are its trips, with the
    /// columns of the colour's schema in their order; `proof` says at their end what they
    /// were. Nothing is to be seen of them before all is proven.
    pub async fn replace_month<E: From<PostgresError>>(
        &self,
        load: Load<'_>,
        batches: Batches,
        proof: impl Future<Output = Result<Proven, E>>,
        progress: &Progress,
    ) -> Result<Loaded, E> {
        let names = self.names(load.file);
        let mut session = self.target().connect().await.map_err(PostgresError::from)?;
        let work = async |session: &mut Session| {
            replace(session, &names, load, batches, proof, progress).await
        };
        let replaced = locks::watched(&mut session, progress, work).await;
        let loaded = replaced.map_err(|stopped| match stopped {
            Stopped::ByPostgres(error) => session.explain(error).into(),
            Stopped::ByProof(error) => error,
        })?;
        if loaded != Loaded::Unchanged {
            // The month is in: what follows serves those who ask, and may fail without harm.
            let work = async |session: &mut Session| serve(session, &names).await;
            let served = locks::watched(&mut session, &Progress::unwatched(), work).await;
            if let Err(error) = served {
                tracing::warn!("{}: {error}", load.file);
            }
        }
        Ok(loaded)
    }
}

/// What helps those who query the month: the planner's statistics, and the view over the taxis.
async fn serve(session: &mut Session, names: &Names) -> Result<(), PostgresError> {
    let analyze = format!("ANALYZE {}", names.qualified(&names.partition));
    let analyzed = session.client.batch_execute(&analyze).await;
    let analyzed = analyzed.map_err(PostgresError::at("analysing the month"));
    views::make(session, &names.schema).await.and(analyzed)
}

/// Why a month is not replaced.
enum Stopped<E> {
    ByPostgres(PostgresError),
    /// What was copied is not what it should have been.
    ByProof(E),
}

impl<E> From<PostgresError> for Stopped<E> {
    fn from(error: PostgresError) -> Self {
        Self::ByPostgres(error)
    }
}

/// Makes the schema and the ledger if they are missing, and refuses what is not a table of ours.
async fn prepare(
    session: &mut Session,
    names: &Names,
    file: TripFile,
) -> Result<(), PostgresError> {
    make_schema(session, &names.schema).await?;
    privileges::to_read(&session.client, names).await?;
    foreign::ledger(&session.client, &names.schema, Access::Write).await?;
    Place::of(&session.client, names, file, Access::Write).await.map(drop)
}

async fn make_schema(session: &mut Session, schema: &str) -> Result<(), PostgresError> {
    foreign::refuse_schema_of_others(&session.client, schema).await?;
    if foreign::ledger(&session.client, schema, Access::Read).await?.is_some() {
        return Ok(());
    }
    privileges::to_prepare(&session.client, schema).await?;
    let step = || PostgresError::at("making the schema");
    let transaction = session.begin().await?;
    // Two loads at once must not both make it.
    let lock = locks::advisory("nyc_taxi_etl.schema");
    execute(&transaction, "waiting for the schema", &lock).await?;
    let sql = "SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1";
    if transaction.query_opt(sql, &[&schema]).await.map_err(step())?.is_none() {
        let sql = format!("CREATE SCHEMA {}", quoted(schema));
        execute(&transaction, "making the schema", &sql).await?;
    }
    if foreign::ledger(&transaction, schema, Access::Read).await?.is_none() {
        ledger::make(&transaction, schema).await?;
    }
    transaction.commit().await.map_err(step())
}

async fn replace<E: From<PostgresError>>(
    session: &mut Session,
    names: &Names,
    load: Load<'_>,
    batches: Batches,
    proof: impl Future<Output = Result<Proven, E>>,
    progress: &Progress,
) -> Result<Loaded, Stopped<E>> {
    let file = load.file;
    Box::pin(prepare(session, names, file)).await?;
    if agrees(&session.client, names, load).await? {
        return Ok(Loaded::Unchanged);
    }
    let straight = load.lake_object.is_none();
    widen(session, names, load).await?;
    let table = MonthTable::plan(&session.client, names, file, load.kept, straight).await?;

    let mut transaction = session.begin().await?;
    let lock = locks::advisory(&names.qualified(&names.partition));
    execute(&transaction, "waiting for another load of the month", &lock).await?;
    // The other load may have done it all.
    if agrees(&transaction, names, load).await? {
        return Ok(Loaded::Unchanged);
    }

    let before = before(&transaction, names, file).await?;
    let judge = |month| load.guard.judge(month, before.as_ref()).map_err(PostgresError::from);
    let judged = load.known.map(judge).transpose()?;

    table.make(&transaction).await?;
    let (new, columns) = (names.qualified(&names.new), columns::list(&table.ours(file.colour)));
    let copy = format!("COPY {new} ({columns}) FROM STDIN (FORMAT binary, FREEZE)");
    let batches = types::fitted(batches, table.columns.held.clone(), table.columns.natural);
    let loaded = fill(&transaction, &copy, batches, progress).await?;
    let Proven { provenance, quarantine } = proof.await.map_err(Stopped::ByProof)?;
    let kept = provenance.counts.rows_kept;
    if loaded != kept {
        return Err(PostgresError::Unbalanced { file, loaded, kept }.into());
    }
    let forced = match judged {
        Some(forced) => forced,
        None => judge(&provenance)?,
    };
    table.finish(&transaction, names).await?;
    quarantine::replace(&transaction, names, table.owner(), quarantine, &provenance).await?;

    swap_in(&mut transaction, names, file, &table).await?;
    let lock = format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE", names.qualified(LEDGER));
    execute(&transaction, "writing the ledger", &lock).await?;
    foreign::ledger(&transaction, &names.schema, Access::Write).await?;
    foreign::refuse_altered_rows(&transaction, names).await?;
    ledger::write(&transaction, names, file, &provenance, load.lake_object).await?;
    transaction.commit().await.map_err(PostgresError::at("committing"))?;
    let before = before.map(|before| before.kept);
    Ok(Loaded::Replaced { rows: loaded, before, forced })
}

/// Whether what is known of the month is what is loaded.
async fn agrees(
    client: &impl GenericClient,
    names: &Names,
    load: Load<'_>,
) -> Result<bool, PostgresError> {
    let Some(known) = load.known.filter(|_| !load.guard.force) else {
        return Ok(false);
    };
    let loaded = proven(client, names, load.file).await?;
    Ok(loaded.is_some_and(|loaded| loaded.same_rows(known)))
}

/// What the ledger says of a month, if its table has as many rows. Of a table of ours the ledger's
/// word is enough, since both change in one transaction.
async fn proven(
    client: &impl GenericClient,
    names: &Names,
    file: TripFile,
) -> Result<Option<Provenance>, PostgresError> {
    let Some(known) = ledger::known(client, names, file.month).await? else {
        return Ok(None);
    };
    let there = relation::find(client, &names.schema, &names.partition).await?;
    if there.is_none_or(|it| it.is_trusted) {
        return Ok(Some(known));
    }
    let table = names.qualified(&names.partition);
    let rows = copied::count(client, &table, PICKUP).await?;
    Ok(Some(known).filter(|known| rows == known.counts.rows_kept))
}

/// The edition of a month that is there: by the ledger, else counted.
async fn before(
    transaction: &Transaction<'_>,
    names: &Names,
    file: TripFile,
) -> Result<Option<Before>, PostgresError> {
    if let Some(known) = ledger::known(transaction, names, file.month).await? {
        return Ok(Some(Before::from(&known)));
    }
    let step = || PostgresError::at("looking at the month that is there");
    let partition = names.qualified(&names.partition);
    if relation::find(transaction, &names.schema, &names.partition).await?.is_none() {
        return Ok(None);
    }
    let lock = format!("LOCK TABLE {partition} IN ACCESS SHARE MODE");
    execute(transaction, "looking at the month that is there", &lock).await?;
    let rows = match relation::find(transaction, &names.schema, &names.partition).await? {
        Some(there) if there.may_be_queried(transaction).await? => {
            let sql = format!("SELECT pg_catalog.count(*) FROM {partition}");
            let counted = transaction.query_one(&sql, &[]).await;
            counted.map_err(step())?.get::<_, i64>(0).unsigned_abs()
        }
        _ => copied::count(transaction, &partition, PICKUP).await?,
    };
    Ok(Some(Before::of_rows(rows)))
}

/// Widens the columns of the table that other months keep and whose type does not hold the values
/// of this one: the rows that are there stay what they are.
async fn widen(session: &mut Session, names: &Names, load: Load<'_>) -> Result<(), PostgresError> {
    if load.kept.is_empty() {
        return Ok(());
    }
    let file = load.file;
    let place = Place::of(&session.client, names, file, Access::Write).await?;
    let Some(parent) = place.parent else {
        return Ok(());
    };
    let kept = schema::columns_with(file.colour, load.kept);
    if columns::too_narrow(&session.client, names, &kept, &parent).await?.is_empty() {
        return Ok(());
    }
    // The rows of all months are written again, and what is computed of them with them.
    parent.refuse_others(&names.schema, &names.table)?;
    parent.refuse_code_of_others(&session.client, &names.schema, &names.table, Scope::Tree).await?;
    let mut transaction = session.begin().await?;
    let step = async |attempt: &Transaction<'_>| {
        lock_table(attempt, names).await?;
        // Another load may have changed it meanwhile.
        for (column, wide, sql) in columns::too_narrow(attempt, names, &kept, &parent).await? {
            execute(attempt, "widening a column", &sql).await?;
            let table = names.shown(&names.table);
            tracing::warn!(
                "{file}: the column {column} of {table} has become {wide}, since its values differ \
                 from month to month"
            );
        }
        Ok(())
    };
    patiently(&mut transaction, names, step).await?;
    transaction.commit().await.map_err(PostgresError::at("widening a column"))
}

/// Puts the filled table in the place of the old partition.
async fn swap_in(
    transaction: &mut Transaction<'_>,
    names: &Names,
    file: TripFile,
    table: &MonthTable,
) -> Result<(), PostgresError> {
    let step = async |attempt: &Transaction<'_>| swap(attempt, names, file, table).await;
    let swapped = patiently(transaction, names, step).await;
    match swapped {
        Err(PostgresError::Query { .. })
            if table.is_outdated(transaction, names, file).await.unwrap_or(false) =>
        {
            Err(PostgresError::Changed { table: format!("{}.{}", names.schema, names.table) })
        }
        swapped => swapped,
    }
}

/// Does what locks the table that others read, last and short: where readers hold it, this
/// step alone is tried again.
pub(super) async fn patiently(
    transaction: &mut Transaction<'_>,
    names: &Names,
    step: impl AsyncFn(&Transaction<'_>) -> Result<(), PostgresError>,
) -> Result<(), PostgresError> {
    let began = Instant::now();
    let patience = locks::limit(transaction).await?;
    let mut told = locks::Told::default();
    let mut pause = Duration::from_millis(50);
    loop {
        let attempt = transaction.savepoint("swap").await;
        let attempt = attempt.map_err(PostgresError::at("swapping the month in"))?;
        match step(&attempt).await {
            Ok(()) => {
                let done = async {
                    let limit = format!("SET LOCAL lock_timeout = {}", patience.as_millis());
                    attempt.batch_execute(&limit).await?;
                    attempt.commit().await
                };
                return done.await.map_err(PostgresError::at("swapping the month in"));
            }
            Err(error) if error.is_blocked() && began.elapsed() < patience => {
                attempt.rollback().await.map_err(PostgresError::at("letting readers pass"))?;
                if let Some(held) = locks::holders(transaction, names).await? {
                    told.tell(&held);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            Err(error) if error.is_blocked() => {
                attempt.rollback().await.map_err(PostgresError::at("letting readers pass"))?;
                return Err(PostgresError::Busy {
                    table: format!("{}.{}", names.schema, names.table),
                    seconds: began.elapsed().as_secs(),
                    held: locks::holders(transaction, names).await?,
                });
            }
            Err(error) => return Err(error),
        }
    }
}

/// Loads and drops of other months pass one after the other here.
pub(super) async fn lock_table(
    transaction: &Transaction<'_>,
    names: &Names,
) -> Result<(), PostgresError> {
    let lock = format!(
        "SET LOCAL lock_timeout = {}; {}",
        locks::LOCK_TIMEOUT.as_millis(),
        locks::advisory(&names.qualified(&names.table))
    );
    execute(transaction, "waiting for the table", &lock).await
}

/// What is looked at here is looked at with the table locked: it stays what it is.
async fn swap(
    transaction: &Transaction<'_>,
    names: &Names,
    file: TripFile,
    table: &MonthTable,
) -> Result<(), PostgresError> {
    let parent = names.qualified(&names.table);
    let (first, last) = (first_day(file.month), first_day(file.month.next()));
    lock_table(transaction, names).await?;
    lock_parent(transaction, names).await?;
    let place = Place::of(transaction, names, file, Access::Write).await?;
    // What was set on the old partition meanwhile would be lost.
    if table.replaces
        && place.partition.is_some()
        && table.differs(transaction, names, file, &place).await?
    {
        return Err(PostgresError::Changed { table: names.shown(&names.partition) });
    }

    let there = match place.parent {
        Some(there) => there,
        None => {
            let create = format!(
                "CREATE TABLE {parent} ({}) PARTITION BY RANGE (pickup_datetime); {}",
                columns_declared(file.colour),
                index::on_parent(names)
            );
            execute(transaction, "making the table", &create).await?;
            let comments = views::comments(names, file.colour);
            execute(transaction, "describing the table", &comments).await?;
            let made = foreign::table(transaction, names, file.colour, Access::Write).await?;
            made.ok_or(PostgresError::Changed { table: names.shown(&names.table) })?
        }
    };
    foreign::refuse_schema_of_others(transaction, &names.schema).await?;
    // Attaching the month computes checks of the default partition, and checks the table's keys.
    obstacles::default_partition(transaction, names, &there).await?;
    let referenced = month_table::referenced(transaction, Some(&there), None).await?;
    obstacles::refuse_keys_to_others(transaction, names, &referenced).await?;
    columns::add(transaction, names, &table.ours(file.colour), &there).await?;
    let kept = match &place.partition {
        Some(partition) => {
            obstacles::refuse_dependents(transaction, names, partition).await?;
            let owner = table.owner().unwrap_or(&there.role);
            Some(Kept::of(transaction, partition, owner).await?)
        }
        None => None,
    };

    let partition = names.qualified(&names.partition);
    let swap = format!(
        "DROP TABLE IF EXISTS {partition};
         ALTER TABLE {new} RENAME TO {name};
         ALTER TABLE {parent} ATTACH PARTITION {partition} FOR VALUES FROM ({first}) TO ({last})",
        new = names.qualified(&names.new),
        name = quoted(&names.partition),
    );
    execute(transaction, "swapping the month in", &swap).await?;
    if let Some(kept) = kept {
        table.rename_indexes(transaction).await?;
        kept.give(transaction, names).await?;
    }
    Ok(())
}

/// Locks the table as what follows does: dropping a partition locks readers out, attaching one
/// does not.
pub(super) async fn lock_parent(
    transaction: &Transaction<'_>,
    names: &Names,
) -> Result<(), PostgresError> {
    if relation::find(transaction, &names.schema, &names.table)
        .await?
        .is_none_or(|it| it.kind != 'p')
    {
        return Ok(());
    }
    let old = relation::find(transaction, &names.schema, &names.partition).await?;
    let mode = if old.is_some() { "ACCESS EXCLUSIVE" } else { "SHARE UPDATE EXCLUSIVE" };
    let lock = format!("LOCK TABLE ONLY {} IN {mode} MODE", names.qualified(&names.table));
    execute(transaction, "waiting for the table", &lock).await
}
