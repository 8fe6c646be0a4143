use std::fmt;

use serde::{Serialize, Serializer};

use crate::flow::Progress;
use crate::schema::Sums;
use crate::settings::{TaskError, Tools};
use crate::trip::{Colour, TripFile};
use crate::warehouse::{Holding, WarehouseKind};
use crate::warehouse::{bigquery, postgres};

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

/// A warehouse, whichever it is.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a run has two of them at most")]
pub enum Warehouse {
    /// Postgres.
    Postgres(postgres::Warehouse),
    /// BigQuery.
    BigQuery(bigquery::Warehouse),
}

impl Warehouse {
    fn open(tools: &Tools, kind: WarehouseKind) -> Result<Self, TaskError> {
        match kind {
            WarehouseKind::Postgres => Ok(Self::Postgres(tools.postgres()?)),
            WarehouseKind::BigQuery => Ok(Self::BigQuery(tools.bigquery()?)),
        }
    }

    /// Where it is, for people.
    pub fn address(&self) -> String {
        match self {
            Self::Postgres(warehouse) => warehouse.address(),
            Self::BigQuery(warehouse) => warehouse.address(),
        }
    }

    /// What it has of a colour.
    pub async fn holdings(&self, colour: Colour) -> Result<Vec<Holding>, TaskError> {
        match self {
            Self::Postgres(warehouse) => Ok(warehouse.holdings(colour).await?),
            Self::BigQuery(warehouse) => Ok(warehouse.holdings(colour).await?),
        }
    }

    /// A month counted by its server; none where it is not there.
    pub async fn sums(
        &self,
        file: TripFile,
        progress: &Progress,
    ) -> Result<Option<Sums>, TaskError> {
        match self {
            Self::Postgres(warehouse) => Ok(warehouse.sums(file, progress).await?),
            Self::BigQuery(warehouse) => Ok(warehouse.sums(file, progress).await?),
        }
    }

    /// Takes a month out; what was there, for people.
    pub async fn drop(
        &self,
        file: TripFile,
        progress: &Progress,
    ) -> Result<Vec<String>, TaskError> {
        match self {
            Self::Postgres(warehouse) => Ok(warehouse.drop(file, progress).await?),
            Self::BigQuery(warehouse) => Ok(warehouse.drop(file, progress).await?),
        }
    }
}

/// The stores that are asked: the lake and some warehouses.
#[derive(Debug)]
pub struct Stores<'a> {
    /// The lake, and all else that the settings say.
    pub tools: &'a Tools,
    /// The warehouses; why one cannot even be named.
    pub warehouses: Vec<(WarehouseKind, Result<Warehouse, TaskError>)>,
}

impl<'a> Stores<'a> {
    /// The lake and these warehouses; asks nobody yet.
    pub fn open(tools: &'a Tools, kinds: &[WarehouseKind]) -> Self {
        let mut kinds = kinds.to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        let warehouses = kinds.into_iter().map(|kind| (kind, Warehouse::open(tools, kind)));
        Self { tools, warehouses: warehouses.collect() }
    }

    /// The lake and every warehouse that the settings name.
    pub fn named(tools: &'a Tools) -> Self {
        let mut kinds = vec![WarehouseKind::Postgres];
        // Every machine of Google's has a project: it is asked for where the settings name one.
        if tools.settings().bigquery.project.is_some() {
            kinds.push(WarehouseKind::BigQuery);
        }
        Self::open_named(tools, &kinds)
    }

    /// The lake and every warehouse that a run with these settings could load into: those named
    /// for runs of the parent flow, and BigQuery also if the environment or the credentials name
    /// its project.
    pub fn loaded_into(tools: &'a Tools) -> Self {
        let settings = tools.settings();
        let mut kinds = settings.warehouse.to_warehouse.clone();
        kinds.push(WarehouseKind::Postgres);
        if settings.bigquery.project_in_force().is_some() {
            kinds.push(WarehouseKind::BigQuery);
        }
        let mut all = Self::open_named(tools, &kinds);
        if settings.warehouse.to_warehouse.contains(&WarehouseKind::Postgres)
            && !all.warehouses.iter().any(|(kind, _)| *kind == WarehouseKind::Postgres)
        {
            all = Self::open(tools, &kinds);
        }
        all
    }

    /// Those of some warehouses, without a Postgres that nothing names.
    fn open_named(tools: &'a Tools, kinds: &[WarehouseKind]) -> Self {
        let mut all = Self::open(tools, kinds);
        let unnamed = |error: &TaskError| {
            use postgres::{ConnectError, PostgresError};
            matches!(error, TaskError::Postgres(PostgresError::Connect(ConnectError::NoTarget)))
        };
        all.warehouses.retain(|(_, opened)| !opened.as_ref().is_err_and(unnamed));
        all
    }
}
