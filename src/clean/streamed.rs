use std::path::PathBuf;

use crate::trip::Provenance;

/// A month whose trips were handed on as they were cleaned.
#[derive(Debug, Clone)]
pub struct Streamed {
    /// What the month says of itself.
    pub provenance: Provenance,
    /// The file of the rows set aside; `None` if there are none.
    pub quarantine: Option<PathBuf>,
}
