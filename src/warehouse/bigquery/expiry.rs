//! Tables that forget: a partition is deleted so long after its month began. In a project without
//! billing that is 60 days, and months of past years are gone as soon as they are loaded
//! (<https://cloud.google.com/bigquery/docs/sandbox#limits>).

use std::time::{Duration, SystemTime};

use chrono::NaiveDate;
use gcp_bigquery_client::model::table::Table;

use crate::trip::{Month, TripFile};

use super::jobs::Jobs;
use super::tables::{FoundDataset, SECONDS_A_DAY, partitions_live};
use super::{BigQuery, BigQueryError};

impl BigQuery {
    /// The table of a month, made if it is missing; refused if it deletes the month at once. That
    /// it will do so later is a warning.
    pub(super) async fn table_that_keeps(
        &self,
        jobs: &Jobs,
        file: TripFile,
        rows: u64,
    ) -> Result<Table, BigQueryError> {
        let name = self.table_of(file.colour);
        let found = jobs.api.found_trips(&self.dataset, &name, file.colour).await?;
        let shown = self.dataset.shown(&name);
        let limit = match &found {
            Some(table) => {
                if table.expiration_time.is_some() {
                    tracing::warn!("{file}: {shown} has a time at which BigQuery deletes it");
                }
                partitions_live(table).map(|limit| (limit, "its own setting"))
            }
            // It would be made with the defaults of its dataset.
            None => {
                let dataset = jobs.api.look_at_dataset(&self.dataset).await?;
                if let Some(limit) = dataset.as_ref().and_then(FoundDataset::tables_live) {
                    let days = limit.as_secs() / SECONDS_A_DAY;
                    tracing::warn!(
                        "{file}: {shown} is deleted {days} days after it is made (the default of \
                         its dataset)"
                    );
                }
                let limit = dataset.as_ref().and_then(FoundDataset::partitions_live);
                limit.map(|limit| (limit, "the default of its dataset"))
            }
        };
        // A month without a single trip has no partition.
        if let Some((limit, by)) = limit.filter(|_| rows > 0) {
            let (table, days) = (shown, limit.as_secs() / SECONDS_A_DAY);
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            if ends(file.month, limit) <= now {
                return Err(BigQueryError::Expires { file, table, days, by });
            }
            tracing::warn!(
                "{file}: {table} deletes a partition {days} days after its month began ({by})"
            );
        }
        match found {
            Some(table) => Ok(table),
            None => jobs.api.trips(&self.dataset, &name, file.colour).await,
        }
    }
}

/// When the partition of a month is deleted, since 1970: a partition's time is the beginning of
/// its month, in UTC.
fn ends(month: Month, limit: Duration) -> Duration {
    let first = NaiveDate::from_ymd_opt(month.year().into(), month.number().into(), 1);
    let seconds = first.and_then(|day| day.and_hms_opt(0, 0, 0)).unwrap_or_default();
    let began = u64::try_from(seconds.and_utc().timestamp()).unwrap_or_default();
    Duration::from_secs(began).saturating_add(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_lives_from_the_beginning_of_its_month() {
        let days = |days| Duration::from_secs(days * SECONDS_A_DAY);
        // 2020-01-01 is the 18,262nd day since 1970.
        assert_eq!(ends(Month::known(2020, 1), days(60)), days(18_262 + 60));
        assert_eq!(ends(Month::known(2020, 3), days(0)), days(18_262 + 31 + 29));
    }
}
