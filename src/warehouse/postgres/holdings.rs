//! What is there of each month, and what it comes to when counted afresh.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row};

use crate::flow::Progress;
use crate::schema::{self, Sums, summed};
use crate::trip::{Colour, Month, TripFile};
use crate::warehouse::Holding;

use super::columns::lacking;
use super::foreign::Access;
use super::names::{Names, quoted};
use super::relation::{Relation, settled};
use super::{Postgres, PostgresError, foreign, ledger, locks, privileges};

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
        let session = self.target().connect().await?;
        let names = self.names(file);
        let watcher = locks::Watcher::of(&session);
        let counted = tokio::select! {
            counted = settled(&session.client, &names, async || {
                count(&session.client, &names, file.colour).await
            }) => Some(counted),
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
    client: &Client,
    names: &Names,
    colour: Colour,
) -> Result<Option<Sums>, PostgresError> {
    let counting = || PostgresError::at("counting the month");
    let Some(parent) = foreign::table(client, names, colour, Access::Read).await? else {
        return Ok(None);
    };
    let found = foreign::partition(client, names, colour, Some(&parent), Access::Read).await?;
    let Some(found) = found else { return Ok(None) };
    let partition = names.qualified(&names.partition);
    let there = found.columns(client).await?;
    // A column that the table does not have yet comes to nothing.
    let columns = summed(colour)
        .into_iter()
        .filter(|column| there.iter().any(|(name, _)| name == column.name));
    let columns: Vec<&'static str> = columns.map(|column| column.name).collect();
    let counts = std::iter::once("pg_catalog.count(*)".to_owned())
        .chain(columns.iter().map(|name| sum(name)));
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
        "coalesce(pg_catalog.sum(pg_catalog.floor({value} * 100)::bigint)
             FILTER (WHERE pg_catalog.abs({value}) <= 1e9), 0)::text"
    )
}

fn whole(row: &Row, at: usize) -> i128 {
    row.get::<_, &str>(at).parse().unwrap_or_default()
}
