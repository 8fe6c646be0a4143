//! Takes one month out in one transaction.

use crate::flow::Progress;
use crate::trip::TripFile;

use super::connection::Session;
use super::foreign::Access;
use super::ledger::LEDGER;
use super::load::{lock_parent, lock_table, patiently};
use super::month_table::Place;
use super::names::{Names, first_day, literal};
use super::transaction::execute;
use super::{Postgres, PostgresError, foreign, locks, obstacles, privileges, quarantine};

impl Postgres {
    /// Takes a month out: its partition, its rows set aside, its row in the ledger, all at once
    /// or not at all. Says what was there; none where nothing was.
    pub(super) async fn take_out(
        &self,
        file: TripFile,
        progress: &Progress,
    ) -> Result<Vec<String>, PostgresError> {
        let mut session = self.target().connect().await?;
        let names = self.names(file);
        let work = async |session: &mut Session| take_out(session, &names, file).await;
        let dropped = locks::watched(&mut session, progress, work).await;
        dropped.map_err(|error| session.explain(error))
    }
}

async fn take_out(
    session: &mut Session,
    names: &Names,
    file: TripFile,
) -> Result<Vec<String>, PostgresError> {
    foreign::refuse_schema_of_others(&session.client, &names.schema).await?;
    foreign::ledger(&session.client, &names.schema, Access::Read).await?;
    privileges::to_read(&session.client, names).await?;
    let place = Place::of(&session.client, names, file, Access::Read).await?;
    privileges::to_drop(&session.client, names, place.partition.as_ref()).await?;
    let mut transaction = session.begin().await?;
    let lock = locks::advisory(&names.qualified(&names.partition));
    execute(&transaction, "waiting for a load of the month", &lock).await?;

    let has_ledger = foreign::ledger(&transaction, &names.schema, Access::Write).await?.is_some();
    let has_quarantine = foreign::quarantine(&transaction, names, Access::Write).await?.is_some();
    let place = Place::of(&transaction, names, file, Access::Write).await?;
    if let (Some(parent), Some(partition)) = (&place.parent, &place.partition) {
        obstacles::refuse_overlaps(&transaction, names, file, parent, Some(partition)).await?;
        obstacles::refuse_dependents(&transaction, names, partition).await?;
    }
    foreign::refuse_altered_rows(&transaction, names).await?;
    let has_month = place.partition.is_some();
    let day = first_day(file.month);
    let delete = async |table: &str, wheres: &str| {
        let sql = format!("DELETE FROM {} WHERE {wheres}", names.qualified(table));
        transaction.execute(&sql, &[]).await.map_err(PostgresError::at("taking the month out"))
    };
    let set_aside = if has_quarantine {
        quarantine::lock(&transaction, names).await?;
        delete(&names.quarantine, &format!("month = {day}")).await?
    } else {
        0
    };
    let table = literal(&names.table);
    let ledger = if has_ledger {
        let lock = format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE", names.qualified(LEDGER));
        execute(&transaction, "taking the month out", &lock).await?;
        foreign::ledger(&transaction, &names.schema, Access::Write).await?;
        delete(LEDGER, &format!("table_name = {table} AND month = {day}")).await?
    } else {
        0
    };
    let mut dropped = Vec::new();
    if has_month {
        patiently(&mut transaction, names, async |attempt| {
            lock_table(attempt, names).await?;
            lock_parent(attempt, names).await?;
            // The ledger's row is gone by now: that the rows are ours was asked before.
            let now = Place::of(attempt, names, file, Access::Read).await?;
            if now.partition.map(|it| it.oid) != place.partition.as_ref().map(|it| it.oid) {
                return Err(PostgresError::Changed { table: names.shown(&names.partition) });
            }
            let drop = format!("DROP TABLE IF EXISTS {}", names.qualified(&names.partition));
            execute(attempt, "dropping the month", &drop).await
        })
        .await?;
        dropped.push(format!("partition {}", names.partition));
    }
    if set_aside > 0 {
        dropped.push(format!("{set_aside} rows of {}", names.quarantine));
    }
    if ledger > 0 {
        dropped.push(format!("its row in {LEDGER}"));
    }
    transaction.commit().await.map_err(PostgresError::at("committing"))?;
    Ok(dropped)
}
