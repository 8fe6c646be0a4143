//! What is there of each month, and what it comes to when counted afresh.

use std::collections::BTreeMap;

use tokio_postgres::{Client, GenericClient, Row};

use crate::flow::Progress;
use crate::schema::{Sums, summed};
use crate::trip::{Colour, Month, TripFile};
use crate::warehouse::Holding;

use super::ledger::{self, LEDGER};
use super::names::{Names, quoted};
use super::{PostgresError, Warehouse, foreign, locks};

impl Warehouse {
    /// What the ledger and the table have of a colour, earliest month first. Makes nothing.
    pub async fn holdings(&self, colour: Colour) -> Result<Vec<Holding>, PostgresError> {
        let session = self.target().connect().await?;
        let client = &session.client;
        // The month does not matter: the names of the table and the schema do.
        let names = self.names(TripFile::new(colour, colour.first_month()));
        foreign::refuse_table(client, &names).await?;
        let mut months: BTreeMap<Month, Holding> = BTreeMap::new();
        let of = |month| {
            let file = TripFile::new(colour, month);
            Holding { file, ledger: None, there: false, rows: None }
        };
        if has_ledger(client, &names).await? {
            if let Some(other) = ledger::other_colour(client, &names, colour).await? {
                let table = format!("{}.{}", names.schema, names.table);
                let why = format!("it holds {other} trips");
                return Err(PostgresError::NotOurs { table, why });
            }
            for (month, said) in ledger::all(client, &names, colour).await? {
                months.entry(month).or_insert_with(|| of(month)).ledger = said;
            }
        }
        for month in partitions(client, &names).await? {
            months.entry(month).or_insert_with(|| of(month)).there = true;
        }
        Ok(months.into_values().collect())
    }

    /// Counts a month and sums it up; none where its partition is not there.
    pub async fn sums(
        &self,
        file: TripFile,
        progress: &Progress,
    ) -> Result<Option<Sums>, PostgresError> {
        let session = self.target().connect().await?;
        let names = self.names(file);
        let watcher = locks::Watcher::of(&session);
        let counted = tokio::select! {
            counted = count(&session.client, &names, file.colour) => Some(counted),
            () = progress.cancelled() => None,
            never = watcher.watch() => match never {},
        };
        match counted {
            Some(counted) => counted.map_err(|error| session.explain(error)),
            None => {
                session.cancel().await;
                Err(PostgresError::Interrupted)
            }
        }
    }
}

/// Whether the ledger is there; refuses a table of its name that is none.
pub(super) async fn has_ledger(
    client: &impl GenericClient,
    names: &Names,
) -> Result<bool, PostgresError> {
    let there = is_there(client, &names.qualified(LEDGER)).await?;
    if there {
        ledger::refuse_foreign(client, &names.schema).await?;
    }
    Ok(there)
}

/// Whether there is a table of this name, qualified and quoted.
pub(super) async fn is_there(
    client: &impl GenericClient,
    table: &str,
) -> Result<bool, PostgresError> {
    let sql = "SELECT FROM pg_class WHERE oid = to_regclass($1)";
    let found = client.query_opt(sql, &[&table]).await;
    Ok(found.map_err(PostgresError::at("looking for a table"))?.is_some())
}

/// Whether a month is there, as a partition of the table.
pub(super) async fn is_partition(
    client: &impl GenericClient,
    names: &Names,
) -> Result<bool, PostgresError> {
    let sql = "SELECT FROM pg_inherits
                WHERE inhrelid = to_regclass($1) AND inhparent = to_regclass($2)";
    let (partition, parent) = (names.qualified(&names.partition), names.qualified(&names.table));
    let found = client.query_opt(sql, &[&partition, &parent]).await;
    Ok(found.map_err(PostgresError::at("looking for the month"))?.is_some())
}

/// The months that the table has a partition of.
async fn partitions(client: &Client, names: &Names) -> Result<Vec<Month>, PostgresError> {
    let sql = "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
                WHERE inhparent = to_regclass($1)";
    let rows = client
        .query(sql, &[&names.qualified(&names.table)])
        .await
        .map_err(PostgresError::at("looking at the months"))?;
    Ok(rows.iter().filter_map(|row| names.month_of(row.get(0))).collect())
}

async fn count(
    client: &Client,
    names: &Names,
    colour: Colour,
) -> Result<Option<Sums>, PostgresError> {
    let counting = || PostgresError::at("counting the month");
    if !is_partition(client, names).await? {
        return Ok(None);
    }
    let partition = names.qualified(&names.partition);
    let sql = "SELECT attname FROM pg_attribute
                WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let there = client.query(sql, &[&partition]).await.map_err(counting())?;
    let there: Vec<&str> = there.iter().map(|row| row.get(0)).collect();
    // A column that the table does not have yet comes to nothing.
    let columns = summed(colour).into_iter().filter(|column| there.contains(&column.name));
    let columns: Vec<&'static str> = columns.map(|column| column.name).collect();
    let counts = std::iter::once("count(*)".to_owned()).chain(columns.iter().map(|name| sum(name)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT {counts} FROM {partition}");
    let row = client.query_one(&sql, &[]).await.map_err(counting())?;
    let mut counted = Sums::of(colour);
    counted.rows = row.get::<_, i64>(0) as u64;
    for (at, name) in columns.into_iter().enumerate() {
        counted.columns.insert(name, whole(&row, at + 1));
    }
    Ok(Some(counted))
}

/// The sum of a column as [`Sums`] has it. What is not a number is larger than every other in
/// Postgres, and so left out.
fn sum(column: &str) -> String {
    let value = format!("{}::float8", quoted(column));
    format!(
        "coalesce(sum(floor({value} * 100)::bigint) FILTER (WHERE abs({value}) <= 1e9), 0)::text"
    )
}

fn whole(row: &Row, at: usize) -> i128 {
    row.get::<_, &str>(at).parse().unwrap_or_default()
}
