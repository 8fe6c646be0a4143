use crate::guard::Guard;
use crate::trip::{KeptColumn, Provenance, TripFile};
use crate::warehouse::Batches;

/// A month to load.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// The month.
    pub file: TripFile,
    /// What it is known to be; none where that shows only when all its rows are there.
    pub known: Option<&'a Provenance>,
    /// The columns that it has beside those of its colour.
    pub kept: &'a [KeptColumn],
    /// The address of its trips in the lake; none where it comes straight from the web.
    pub lake_object: Option<&'a str>,
    /// The limits it is held against; one that forces loads it again even if the ledger agrees.
    pub guard: Guard,
}

/// What all rows of a month came to, and the rows set aside.
pub struct Proven {
    /// What the month says of itself.
    pub provenance: Provenance,
    /// The rows set aside, as the lake keeps them; none where they stay in the lake.
    pub quarantine: Option<Batches>,
}
