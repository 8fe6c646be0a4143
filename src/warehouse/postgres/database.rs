use async_trait::async_trait;

use crate::flow::Progress;
use crate::guard::Guard;
use crate::schema::Sums;
use crate::trip::{Colour, Provenance, TripFile};
use crate::warehouse::{
    Holding, LakeMonth, LakeZones, Loaded, LoadedMonth, Warehouse, WarehouseError, WarehouseKind,
};

use super::load_request::{Load, Proven};
use super::names::{LONGEST_NAME, LONGEST_TABLE, Names};
use super::{ConnectError, PostgresError, Target};

/// A Postgres database, and the schema in it that months are loaded into.
#[derive(Debug, Clone)]
pub struct Postgres {
    target: Target,
    schema: String,
    table: Option<String>,
}

impl Postgres {
    /// The months of a database in a schema, each colour in its table or all in the one named.
    pub fn new(
        target: Target,
        schema: impl Into<String>,
        table: Option<String>,
    ) -> Result<Self, PostgresError> {
        let schema = schema.into();
        let named =
            [("schema", Some(&schema), LONGEST_NAME), ("table", table.as_ref(), LONGEST_TABLE)];
        for (what, name, most) in named {
            if let Some(name) = name.filter(|name| name.len() > most) {
                return Err(PostgresError::LongName { what, name: name.clone(), most });
            }
        }
        Ok(Self { target, schema, table })
    }

    pub(super) fn names(&self, file: TripFile) -> Names {
        Names::of(file, &self.schema, self.table.as_deref())
    }

    pub(super) const fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// Whether all colours share one table.
    pub(super) const fn has_one_table(&self) -> bool {
        self.table.is_some()
    }
}

#[async_trait(?Send)]
impl Warehouse for Postgres {
    fn kind(&self) -> WarehouseKind {
        WarehouseKind::Postgres
    }

    /// Host, port, database and schema.
    fn address(&self) -> String {
        format!("{} {}", self.target.place(), self.schema)
    }

    fn place(&self, file: TripFile) -> String {
        let names = self.names(file);
        format!("{} {}.{}", self.target.place(), names.schema, names.table)
    }

    async fn probe(&self) -> Result<String, WarehouseError> {
        let server = self.server().await?;
        let checked = self.check_tables().await;
        let may = match (server.may_write, checked) {
            (true, checked) => {
                checked?;
                format!("may make tables in {}", self.schema)
            }
            // A role that may only read needs no more for status and verify.
            (false, Err(error)) => format!("may not make tables: {error}"),
            (false, Ok(())) => "may not make tables: its sessions are read-only (a standby, or \
                                default_transaction_read_only)"
                .to_owned(),
        };
        Ok(format!("PostgreSQL {}, {may}", server.version))
    }

    async fn check(
        &self,
        files: &[TripFile],
        straight: bool,
    ) -> Result<Vec<Option<String>>, WarehouseError> {
        let found = self.obstacles(files, straight).await?;
        Ok(found.iter().map(|it| it.as_ref().map(ToString::to_string)).collect())
    }

    async fn holdings(&self, colour: Colour) -> Result<Vec<Holding>, WarehouseError> {
        Ok(self.read_holdings(colour).await?)
    }

    async fn sums(
        &self,
        file: TripFile,
        progress: &Progress,
    ) -> Result<Option<Sums>, WarehouseError> {
        Ok(self.sum_up(file, progress).await?)
    }

    async fn load(
        &self,
        month: &dyn LakeMonth,
        guard: Guard,
        progress: &Progress,
    ) -> Result<LoadedMonth, WarehouseError> {
        let file = month.file();
        // The footer and the ledger tell, without a look at the rows.
        if let Some(known) = month.footer().await?
            && !guard.force
            && self.holds(file, &known.provenance).await?
        {
            return Ok(LoadedMonth { month: known, loaded: Loaded::Unchanged });
        }
        let (month, batches) = month.trips(progress).await?;
        let load = Load {
            file,
            known: Some(&month.provenance),
            kept: month.provenance.kept(),
            lake_object: Some(&month.address),
            guard,
        };
        // The lake has proven it already.
        let proven = Proven { provenance: month.provenance.clone(), quarantine: None };
        let proof = std::future::ready(Ok::<_, WarehouseError>(proven));
        let loaded = self.replace_month(load, batches, proof, progress).await?;
        Ok(LoadedMonth { month, loaded })
    }

    async fn drop_month(
        &self,
        file: TripFile,
        progress: &Progress,
    ) -> Result<Vec<String>, WarehouseError> {
        Ok(self.take_out(file, progress).await?)
    }

    async fn load_zones(
        &self,
        zones: &dyn LakeZones,
        _: &Progress,
    ) -> Result<bool, WarehouseError> {
        match zones.rows().await? {
            Some((source, rows)) => Ok(self.replace_zones(&source, rows).await?),
            None => Ok(true),
        }
    }
}

impl Postgres {
    /// Whether what is loaded of a month is this version of it, by the ledger.
    async fn holds(&self, file: TripFile, month: &Provenance) -> Result<bool, PostgresError> {
        Ok(self.known(file).await?.is_some_and(|loaded| loaded.same_rows(month)))
    }
}

impl From<PostgresError> for WarehouseError {
    fn from(error: PostgresError) -> Self {
        match error {
            PostgresError::EditionRefused(refusal) => Self::EditionRefused(refusal),
            PostgresError::Connect(ConnectError::NoTarget) => Self::Unnamed(Box::new(error)),
            error => Self::of(error),
        }
    }
}
