//! What is there of each month, and what it comes to when counted afresh.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row, Transaction};

use crate::flow::Progress;
use crate::schema::{self, Sums, summed};
use crate::trip::{Colour, Month, TripFile};
use crate::warehouse::Holding;

use super::code::Scope;
use super::columns::lacking;
use super::connection::Session;
use super::foreign::Access;
use super::names::{Names, first_day, quoted};
use super::privileges::Readable;
use super::relation::{Relation, find, settled};
use super::transaction::execute;
use super::{Postgres, PostgresError, copied, foreign, ledger, locks, privileges};

impl Postgres {
    /// What the ledger and the table have of a colour, earliest month first. Makes nothing.
    pub(super) async fn read_holdings(
        &self,
        colour: Colour,
    ) -> Result<Vec<Holding>, PostgresError> {
        let session = self.target().connect().await?;
        let client = &session.client;
        // The month does not matter: the names of the table and the schema do.
        let names = self.names(TripFile::new(colour, colour.first_month()));
        let parent = foreign::table(client, &names, colour, Access::Read).await?;
        let mut months: BTreeMap<Month, Holding> = BTreeMap::new();
        let of = |month| Holding::of(TripFile::new(colour, month));
        if foreign::ledger(client, &names.schema, Access::Read).await?.is_some() {
            privileges::to_read(client, &names).await?;
            if let Some(other) = ledger::other_colour(client, &names, colour).await? {
                let table = format!("{}.{}", names.schema, names.table);
                let why = format!("it holds {other} trips");
                return Err(PostgresError::NotOurs { table, why });
            }
            for (month, said) in ledger::all(client, &names, colour).await? {
                months.entry(month).or_insert_with(|| of(month)).ledger = said;
            }
        }
        if let Some(parent) = &parent {
            for month in partitions(client, &names, parent).await? {
                months.entry(month).or_insert_with(|| of(month)).there = true;
            }
            let columns = parent.columns(client).await?;
            let lacking: Vec<_> =
                lacking(&columns, schema::columns(colour)).iter().map(|it| it.name).collect();
            for holding in months.values_mut().filter(|holding| holding.there) {
                holding.lacks(&lacking);
            }
        }
        Ok(months.into_values().collect())
    }

    /// Counts a month and sums it up; none where its partition is not there.
    pub(super) async fn sum_up(
        &self,
        file: TripFile,
        progress: &Progress,
    ) -> Result<Option<Sums>, PostgresError> {
        let mut session = self.target().connect().await?;
        let names = self.names(file);
        let work = async |session: &mut Session| count(session, &names, file).await;
        let counted = locks::watched(&mut session, progress, work).await;
        counted.map_err(|error| session.explain(error))
    }
}

/// The months that the table has a partition of.
async fn partitions(
    client: &Client,
    names: &Names,
    parent: &Relation,
) -> Result<Vec<Month>, PostgresError> {
    let sql = "SELECT c.relname FROM pg_catalog.pg_inherits
                 JOIN pg_catalog.pg_class c ON c.oid = inhrelid
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE inhparent = $1 AND n.nspname = $2";
    let rows = client
        .query(sql, &[&parent.oid, &names.schema])
        .await
        .map_err(PostgresError::at("looking at the months"))?;
    Ok(rows.iter().filter_map(|row| names.month_of(row.get(0))).collect())
}

async fn count(
    session: &mut Session,
    names: &Names,
    file: TripFile,
) -> Result<Option<Sums>, PostgresError> {
    let look = async |client: &Client| {
        let Some(parent) = foreign::table(client, names, file.colour, Access::Read).await? else {
            return Ok(None);
        };
        let found = foreign::partition(client, names, file.colour, Some(&parent), Access::Read);
        Ok(found.await?.map(|partition| (parent, partition)))
    };
    let Some((parent, partition)) =
        settled(&session.client, names, async || look(&session.client).await).await?
    else {
        return Ok(None);
    };
    // A column that the table does not have yet adds nothing.
    let there = partition.columns(&session.client).await?;
    let columns = summed(file.colour).into_iter().map(|column| column.name);
    let columns: Vec<&'static str> =
        columns.filter(|column| there.iter().any(|(name, _)| name == column)).collect();
    let readable = privileges::readable(&session.client, names, &parent, &partition).await?;
    let transaction = session.begin().await?;
    let (table, name) = match readable {
        Readable::Month => (partition, &names.partition),
        Readable::Table => (parent, &names.table),
    };
    let lock = format!("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", names.qualified(name));
    execute(&transaction, "counting the month", &lock).await?;
    // The name is that of this table from here on.
    let changed = || PostgresError::Changed { table: names.shown(name) };
    let table = find(&transaction, &names.schema, name).await?.filter(|it| it.oid == table.oid);
    let table = table.ok_or_else(changed)?;
    let mut sums = Sums::of(file.colour);
    if table.may_be_queried(&transaction).await? {
        query(&transaction, names, file, readable, &columns, &mut sums).await?;
    } else if readable == Readable::Month && table.kind == 'r' {
        copied::sums(&transaction, &names.qualified(name), &columns, &mut sums).await?;
    } else {
        table.refuse_others(&names.schema, name)?;
        table.refuse_code_of_others(&transaction, &names.schema, name, Scope::Tree).await?;
    }
    Ok(Some(sums))
}

/// Sums a month up, in its own table or in the one of all months.
async fn query(
    transaction: &Transaction<'_>,
    names: &Names,
    file: TripFile,
    readable: Readable,
    columns: &[&'static str],
    sums: &mut Sums,
) -> Result<(), PostgresError> {
    let counts = std::iter::once("pg_catalog.count(*)".to_owned())
        .chain(columns.iter().map(|name| sum(name)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let from = match readable {
        Readable::Month => names.qualified(&names.partition),
        Readable::Table => format!(
            "{} WHERE pickup_datetime >= {} AND pickup_datetime < {}",
            names.qualified(&names.table),
            first_day(file.month),
            first_day(file.month.next())
        ),
    };
    let row = transaction.query_one(&format!("SELECT {counts} FROM {from}"), &[]).await;
    let row = row.map_err(PostgresError::at("counting the month"))?;
    sums.rows = row.get::<_, i64>(0).unsigned_abs();
    for (at, name) in columns.iter().enumerate() {
        sums.columns.insert(name, whole(&row, at + 1));
    }
    Ok(())
}

/// The sum of a column as [`Sums`] has it. What is not a number is larger than every other in
/// Postgres, and so left out.
fn sum(column: &str) -> String {
    let value = format!("{}::float8", quoted(column));
    format!(
        "coalesce(pg_catalog.sum(pg_catalog.floor({value} * 100)::bigint)
             FILTER (WHERE pg_catalog.abs({value}) <= 1e9), 0)::text"
    )
}

fn whole(row: &Row, at: usize) -> i128 {
    row.get::<_, &str>(at).parse().unwrap_or_default()
}
