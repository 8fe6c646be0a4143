//! What the dataset holds, summed up again, and dropped: for comparing stores.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use crate::schema::{self, Sums, summed};
use crate::trip::{Colour, Provenance, TripFile};
use crate::warehouse::Holding;

use super::jobs::{JobIds, Jobs};
use super::ledger::{Action, NewEntry};
use super::names::{LOADS, LOG, in_month, partition};
use super::query::{Row, field};
use super::{BigQuery, BigQueryError};

impl BigQuery {
    /// The months of a colour that the ledger or the table has, by two small queries. A dataset
    /// or a table that is missing holds none, and is not made.
    pub(super) async fn read_holdings(
        &self,
        colour: Colour,
    ) -> Result<Vec<Holding>, BigQueryError> {
        let Some(jobs) = self.found().await? else {
            return Ok(Vec::new());
        };
        let table = self.table_of(colour);
        let (there, entries, rows) = tokio::try_join!(
            jobs.api.found_trips(&self.dataset, &table, colour),
            async {
                match jobs.api.table(&self.dataset, LOG).await? {
                    Some(_) => jobs.entries(&table, None).await,
                    None => Ok(Vec::new()),
                }
            },
            jobs.partitions(&table, None)
        )?;
        let mut ledger: BTreeMap<_, Option<Provenance>> =
            entries.iter().map(|entry| (entry.month, entry.loaded().cloned())).collect();
        ledger.retain(|month, loaded| loaded.is_some() || rows.contains_key(month));
        let months: BTreeSet<_> = ledger.keys().chain(rows.keys()).copied().collect();
        let fields = there.and_then(|table| table.schema.fields);
        let lacking: Vec<&'static str> = match &fields {
            Some(fields) => {
                let has = |name: &str| fields.iter().any(|it| it.name.eq_ignore_ascii_case(name));
                let columns = schema::columns(colour).into_iter().map(|column| column.name);
                columns.filter(|name| !has(name)).collect()
            }
            None => Vec::new(),
        };
        let holding = |month| {
            let ledger = ledger.remove(&month).flatten();
            // A month without a single trip has no partition.
            let empty = ledger.as_ref().filter(|month| month.counts.rows_kept == 0).map(|_| 0);
            let rows = rows.get(&month).copied().or(empty);
            let known = Holding::of(TripFile::new(colour, month));
            let mut holding = Holding { ledger, there: rows.is_some(), rows, ..known };
            holding.lacks(&lacking);
            holding
        };
        Ok(months.into_iter().map(holding).collect())
    }

    /// Counts a month and sums it up: reads a few columns of its partition. `None` if its table
    /// is not there.
    pub(super) async fn sum_up(&self, file: TripFile) -> Result<Option<Sums>, BigQueryError> {
        let table = self.table_of(file.colour);
        let Some(jobs) = self.found().await? else {
            return Ok(None);
        };
        let Some(there) = jobs.api.found_trips(&self.dataset, &table, file.colour).await? else {
            return Ok(None);
        };
        // A column that the table does not have yet comes to nothing.
        let there = there.schema.fields.unwrap_or_default();
        let columns = summed(file.colour).into_iter().map(|column| column.name);
        let columns = columns.filter(|name| there.iter().any(|field| field.name == *name));
        let columns: Vec<&'static str> = columns.collect();
        // NUMERIC, in which a sum of whole numbers loses none.
        let sum = |name: &&str| {
            format!(
                ", CAST(IFNULL(SUM(CASE WHEN ABS({name}) <= 1e9 THEN \
                 CAST(FLOOR(CAST({name} AS FLOAT64) * 100) AS NUMERIC) END), 0) AS STRING)"
            )
        };
        let sums: String = columns.iter().map(sum).collect();
        let sql = format!(
            "SELECT COUNT(*){sums} FROM {} WHERE {}",
            self.dataset.quoted(&table),
            in_month(file.month)
        );
        let step = "summing the month up";
        let rows = jobs.query(step, sql).await?;
        let row = rows.first().cloned().unwrap_or_default();
        let mut sums = Sums::of(file.colour);
        sums.rows = field(step, &row, 0)?;
        for (index, name) in columns.into_iter().enumerate() {
            sums.columns.insert(name, whole_number(step, &row, index + 1)?);
        }
        Ok(Some(sums))
    }

    /// Takes a month out: deletes its partition and says so in the ledger. Says what was there;
    /// nothing if nothing was.
    pub(super) async fn take_out(&self, file: TripFile) -> Result<Vec<String>, BigQueryError> {
        let table = self.table_of(file.colour);
        let mut dropped = Vec::new();
        let Some(jobs) = self.found().await? else {
            return Ok(dropped);
        };
        if jobs.api.found_trips(&self.dataset, &table, file.colour).await?.is_none() {
            return Ok(dropped);
        }
        jobs.make_ledger().await?;
        let latest = jobs.latest(&table, file.month).await?;
        if jobs.partitions(&table, Some(file.month)).await?.contains_key(&file.month) {
            let partition = partition(&table, file);
            jobs.api.delete(&self.dataset, &partition).await?;
            dropped.push(self.dataset.shown(&partition));
        }
        let latest = latest.as_ref().filter(|entry| entry.action != Some(Action::Dropped));
        let latest = latest.and_then(|entry| Some((entry, entry.provenance.as_ref()?)));
        let Some((entry, month)) = latest else {
            return Ok(dropped);
        };
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as i64;
        let row = NewEntry {
            file,
            table: &table,
            job: &JobIds::after(&entry.job, "dropped").attempt(1),
            // After the load, whatever this machine's clock says.
            at: now.max(entry.at + 1),
            month,
            lake_object: None,
            action: Action::Dropped,
        };
        jobs.append(row).await?;
        dropped.push(format!("its row in {}", self.dataset.shown(LOADS)));
        Ok(dropped)
    }

    /// The dataset, where it is there: nothing is made.
    async fn found(&self) -> Result<Option<Jobs>, BigQueryError> {
        let found = self.api.find_dataset(&self.dataset).await?;
        let jobs = |location| Jobs::new(self.api.clone(), self.dataset.clone(), location);
        Ok(found.map(jobs))
    }
}

/// A whole number, which may be written with zeros after the point.
fn whole_number(step: &'static str, row: &Row, index: usize) -> Result<i128, BigQueryError> {
    let text: String = field(step, row, index)?;
    let whole = text.split('.').next().unwrap_or_default();
    whole.parse().map_err(|_| BigQueryError::Garbled { step, what: format!("'{text}' is no sum") })
}
