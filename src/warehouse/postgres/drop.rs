//! Takes one month out in one transaction.

use crate::flow::Progress;
use crate::trip::TripFile;

use super::connection::Session;
use super::holdings::{has_ledger, is_partition, is_there};
use super::ledger::LEDGER;
use super::load::{lock_table, patiently};
use super::names::{Names, first_day, literal};
use super::transaction::execute;
use super::{PostgresError, Warehouse, foreign, locks};

impl Warehouse {
    /// Takes a month out: its partition, its rows set aside, its row in the ledger, all at once
    /// or not at all. Says what was there; none where nothing was.
    pub async fn drop(
        &self,
        file: TripFile,
        progress: &Progress,
    ) -> Result<Vec<String>, PostgresError> {
        let mut session = self.target().connect().await?;
        let names = self.names(file);
        let dropped = {
            let watcher = locks::Watcher::of(&session);
            let work = drop(&mut session, &names, file);
            tokio::select! {
                dropped = work => Some(dropped),
                () = progress.cancelled() => None,
                never = watcher.watch() => match never {},
            }
        };
        match dropped {
            Some(dropped) => dropped.map_err(|error| session.explain(error)),
            None => {
                session.cancel().await;
                Err(PostgresError::Interrupted)
            }
        }
    }
}

async fn drop(
    session: &mut Session,
    names: &Names,
    file: TripFile,
) -> Result<Vec<String>, PostgresError> {
    foreign::refuse_table(&session.client, names).await?;
    let mut transaction = session.begin().await?;
    let lock = locks::advisory(&names.qualified(&names.partition));
    execute(&transaction, "waiting for a load of the month", &lock).await?;

    let has_ledger = has_ledger(&transaction, names).await?;
    if has_ledger {
        foreign::refuse_in_place(&transaction, names, file.colour).await?;
    }
    let has_month = is_partition(&transaction, names).await?;
    let day = first_day(file.month);
    let delete = async |table: &str, wheres: &str| {
        let sql = format!("DELETE FROM {} WHERE {wheres}", names.qualified(table));
        transaction.execute(&sql, &[]).await.map_err(PostgresError::at("taking the month out"))
    };
    let quarantine = names.qualified(&names.quarantine);
    let set_aside = if is_there(&transaction, &quarantine).await? {
        delete(&names.quarantine, &format!("month = {day}")).await?
    } else {
        0
    };
    let table = literal(&names.table);
    let ledger = if has_ledger {
        delete(LEDGER, &format!("table_name = {table} AND month = {day}")).await?
    } else {
        0
    };
    let mut dropped = Vec::new();
    if has_month {
        patiently(&mut transaction, names, async |attempt| {
            lock_table(attempt, names).await?;
            if has_ledger {
                foreign::refuse_in_place(attempt, names, file.colour).await?;
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
