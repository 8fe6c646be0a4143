use super::{BigQueryError, Warehouse};

impl Warehouse {
    /// Asks for the dataset: its location; none where it is missing, and the first load makes it.
    pub async fn probe(&self) -> Result<Option<String>, BigQueryError> {
        self.api.find_dataset(&self.dataset).await
    }
}
