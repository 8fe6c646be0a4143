use serde::Serialize;

use super::State;

/// What became of the zones.
#[derive(Debug, Clone, Serialize)]
pub struct ZonesReport {
    /// The flow.
    pub flow: &'static str,
    /// Whether all is well.
    pub ok: bool,
    /// What became of them.
    pub state: State,
    /// How many zones; null if they were not read.
    pub rows: Option<u64>,
    /// Where they are.
    pub lake: String,
    /// Why it failed.
    pub error: Option<String>,
}
