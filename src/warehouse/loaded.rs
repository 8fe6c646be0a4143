use crate::guard::Refusal;

use super::StoredMonth;

/// What loading a month did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// It is there.
    Replaced {
        /// Its rows, counted by the server.
        rows: u64,
        /// The rows of the edition that it replaced; `None` if there was none.
        before: Option<u64>,
        /// Why it would have been refused, if it was forced.
        forced: Option<Box<Refusal>>,
    },
    /// It was there already.
    Unchanged,
}

/// A month of the lake that is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedMonth {
    /// The month, as the lake has it.
    pub month: StoredMonth,
    /// What loading it did.
    pub loaded: Loaded,
}
