use crate::flow::{Failure, Retry};
use crate::guard::Refusal;

/// Why a warehouse did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// Nothing names it: neither the settings nor the environment.
    #[error("{0}")]
    Unnamed(Box<dyn Failure + Send + Sync>),
    /// An edition that must not take the place of the month that is there.
    #[error(transparent)]
    EditionRefused(#[from] Box<Refusal>),
    /// The warehouse, or the lake that it loads from, failed or refused.
    #[error("{0}")]
    Failed(Box<dyn Failure + Send + Sync>),
}

impl WarehouseError {
    /// The error of a warehouse, or of the lake that it loads from.
    pub fn of(error: impl Failure + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl Failure for WarehouseError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unnamed(error) | Self::Failed(error) => error.retry(),
            Self::EditionRefused(_) => Retry::Never,
        }
    }

    fn is_interruption(&self) -> bool {
        match self {
            Self::Unnamed(error) | Self::Failed(error) => error.is_interruption(),
            Self::EditionRefused(_) => false,
        }
    }
}
