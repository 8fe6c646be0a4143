use crate::trip::TripFile;

/// The flow run that something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Home {
    /// The flow run itself.
    Run,
    /// The subflow run of a month.
    Month(TripFile),
}
