use std::fmt;
use std::sync::{Arc, LazyLock};

use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::{Serialize, Serializer};

use crate::pipeline::Pipeline;
use crate::warehouse::{Warehouse, WarehouseError, WarehouseKind};

/// A store of months, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Store {
    /// The lake.
    Lake,
    /// A warehouse.
    Warehouse(WarehouseKind),
}

impl Store {
    /// Its name, as flags and reports spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lake => "lake",
            Self::Warehouse(kind) => kind.as_str(),
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Store {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// All stores, the lake first.
static ALL: LazyLock<Vec<Store>> = LazyLock::new(|| {
    let warehouses = WarehouseKind::all().map(Store::Warehouse);
    std::iter::once(Store::Lake).chain(warehouses).collect()
});

/// A store is named in flags as it is in reports.
impl ValueEnum for Store {
    fn value_variants<'a>() -> &'a [Self] {
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Lake => Some(PossibleValue::new(self.as_str()).help("The lake")),
            Self::Warehouse(kind) => kind.to_possible_value(),
        }
    }
}

/// A warehouse; why it cannot even be named.
pub type Opened = Result<Arc<dyn Warehouse>, WarehouseError>;

/// The stores that are asked: the lake and some warehouses.
#[derive(Debug)]
pub struct Stores<'a> {
    /// The lake, and all else that the settings say.
    pub pipeline: &'a Pipeline,
    /// The warehouses.
    pub warehouses: Vec<(WarehouseKind, Opened)>,
}

impl<'a> Stores<'a> {
    /// The lake and these warehouses; does not connect yet.
    pub fn open(pipeline: &'a Pipeline, kinds: &[WarehouseKind]) -> Self {
        let mut kinds = kinds.to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        let warehouses = kinds.into_iter().map(|kind| (kind, pipeline.settings().warehouse(kind)));
        Self { pipeline, warehouses: warehouses.collect() }
    }

    /// The lake and every warehouse that a run with these settings could load into: those named
    /// for runs of the parent flow, and those that the settings, the environment or the
    /// credentials name.
    pub fn loaded_into(pipeline: &'a Pipeline) -> Self {
        let settings = pipeline.settings();
        let kinds = WarehouseKind::all().filter(|kind| {
            settings.warehouse.to_warehouse.contains(kind) || settings.names_warehouse(*kind)
        });
        Self::open(pipeline, &kinds.collect::<Vec<_>>())
    }
}
