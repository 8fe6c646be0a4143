use crate::schema;
use crate::trip::{Provenance, TripFile};

/// What a store holds of a month, by its ledger and its partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Holding {
    /// The month.
    pub file: TripFile,
    /// What the ledger says was loaded; `None` if it says nothing.
    pub ledger: Option<Provenance>,
    /// Whether its partition is there.
    pub there: bool,
    /// The rows of the partition, where its server knows them without counting.
    pub rows: Option<u64>,
    /// The columns of the schema that the month was loaded by which its table does not have: they
    /// were dropped or renamed since.
    pub missing: Vec<&'static str>,
}

impl Holding {
    /// A month of which nothing is known yet.
    pub const fn of(file: TripFile) -> Self {
        Self { file, ledger: None, there: false, rows: None, missing: Vec::new() }
    }

    /// Takes down what its table lacks. A column that the schema has gained since the month was
    /// loaded is not missing.
    pub(super) fn lacks(&mut self, columns: &[&'static str]) {
        let digest = schema::digest(self.file.colour);
        if self.ledger.as_ref().is_some_and(|loaded| loaded.schema_digest == digest) {
            self.missing = columns.to_vec();
        }
    }
}
