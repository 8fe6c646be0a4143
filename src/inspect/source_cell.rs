use serde::Serialize;

use crate::source::Availability;
use crate::trip::{Colour, Month, TripFile};

/// What the source says of a month.
#[derive(Debug, Clone, Serialize)]
pub struct SourceCell {
    /// The colour.
    pub colour: Colour,
    /// The month.
    pub month: Month,
    /// What it says; `None` if it could not be asked.
    pub answer: Option<Availability>,
    /// Why it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl SourceCell {
    /// The month.
    pub const fn file(&self) -> TripFile {
        TripFile::new(self.colour, self.month)
    }

    /// Whether the source has it; `None` if it could not be asked.
    pub fn is_there(&self) -> Option<bool> {
        self.answer.map(|answer| answer != Availability::NotPublished)
    }
}
