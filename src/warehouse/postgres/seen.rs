//! What the source of a month says now of the same bytes, into the month's row of the ledger.

use crate::trip::{Provenance, SourceFacts, TripFile};
use crate::warehouse::LedgerRow;

use super::foreign::{self, Access};
use super::ledger::LEDGER;
use super::names::{first_day, quoted};
use super::transaction::execute;
use super::{Postgres, PostgresError};

impl Postgres {
    /// Remembers what a month's source says now of the bytes that were loaded, so that they need
    /// not be fetched again to learn so. Where that cannot be, the month is right all the same.
    pub async fn remember(&self, file: TripFile, known: &Provenance, facts: &SourceFacts) {
        if let Err(error) = self.note_source(file, known, facts).await {
            tracing::debug!("{file}: {error}");
        }
    }

    async fn note_source(
        &self,
        file: TripFile,
        known: &Provenance,
        facts: &SourceFacts,
    ) -> Result<(), PostgresError> {
        let names = self.names(file);
        let month = Provenance { source: facts.clone(), ..known.clone() };
        let said = LedgerRow::written(&month);
        // Another run may have loaded other bytes meanwhile.
        let sql = format!(
            "UPDATE {}.{LEDGER} SET source = $1, etag = $2, provenance = $3
              WHERE table_name = $4 AND month = {} AND source_sha256 = $5",
            quoted(&names.schema),
            first_day(file.month)
        );
        let sha256 = facts.sha256.to_string();
        let mut session = self.target().connect().await?;
        let transaction = session.begin().await?;
        let lock = format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE", names.qualified(LEDGER));
        execute(&transaction, "noting what the source says", &lock).await?;
        foreign::ledger(&transaction, &names.schema, Access::Write).await?;
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&facts.address, &facts.etag, &said, &names.table, &sha256];
        let noting = || PostgresError::at("noting what the source says");
        transaction.execute(&sql, &parameters).await.map_err(noting())?;
        transaction.commit().await.map_err(noting())
    }
}
