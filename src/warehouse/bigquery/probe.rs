use super::tables::SECONDS_A_DAY;
use super::{BigQueryError, Warehouse};

impl Warehouse {
    /// Asks for the dataset: its location, and how many days its partitions live if they expire;
    /// `None` if it is missing, and the first load makes it.
    pub async fn probe(&self) -> Result<Option<(String, Option<u64>)>, BigQueryError> {
        let found = self.api.look_at_dataset(&self.dataset).await?;
        Ok(found.map(|found| {
            let days = found.partitions_live().map(|time| time.as_secs() / SECONDS_A_DAY);
            (found.location(), days)
        }))
    }
}
