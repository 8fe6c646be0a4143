//! The rows of a month that were set aside, beside its trips.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use tokio_postgres::Transaction;

use crate::flow::Progress;
use crate::trip::quarantine::{FIELDS, LINE, REASONS};
use crate::trip::{Month, Provenance, TripFile};

use super::PostgresError;
use super::names::{Names, first_day};
use super::transaction::{Batches, execute, fill};

/// Replaces what the table has of a month by these rows. Where there are none here, since they
/// stay in the lake, what an earlier load put there goes all the same: it belongs to trips
/// that are no more.
pub(super) async fn replace(
    transaction: &Transaction<'_>,
    names: &Names,
    month: Month,
    rows: Option<Batches>,
    provenance: &Provenance,
) -> Result<(), PostgresError> {
    let table = names.qualified(&names.quarantine);
    let there = transaction
        .query_opt("SELECT FROM pg_class WHERE oid = to_regclass($1)", &[&table])
        .await
        .map_err(PostgresError::at("looking at the quarantine"))?;
    if there.is_none() {
        if rows.is_none() {
            return Ok(());
        }
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {table} (month date NOT NULL, {LINE} bigint NOT NULL,
                {REASONS} text[] NOT NULL, {FIELDS} text[] NOT NULL);
             CREATE INDEX ON {table} (month)"
        );
        execute(transaction, "making the quarantine", &create).await?;
    }
    let delete = format!("DELETE FROM {table} WHERE month = {}", first_day(month));
    execute(transaction, "clearing the quarantine", &delete).await?;
    let Some(rows) = rows else {
        return Ok(());
    };
    let day = (month.start_micros() / 86_400_000_000) as i32;
    let dated = rows.map(move |batch| with_month(&batch?, day));
    let copy =
        format!("COPY {table} (month, {LINE}, {REASONS}, {FIELDS}) FROM STDIN (FORMAT binary)");
    let loaded = fill(transaction, &copy, Box::new(dated), &Progress::unwatched()).await?;
    let kept = provenance.counts.rows_quarantined;
    if loaded != kept {
        let file = TripFile::new(provenance.colour, month);
        return Err(PostgresError::Unbalanced { file, loaded, kept });
    }
    Ok(())
}

/// A batch with the month before the columns that the table has.
fn with_month(batch: &RecordBatch, day: i32) -> Result<RecordBatch, ArrowError> {
    let known = [LINE, REASONS, FIELDS].map(|name| batch.schema().index_of(name));
    let batch = batch.project(&known.into_iter().collect::<Result<Vec<_>, _>>()?)?;
    let month = Field::new("month", DataType::Date32, false);
    let schema = batch.schema();
    let fields = std::iter::once(Arc::new(month)).chain(schema.fields().iter().cloned());
    let days: ArrayRef = Arc::new(Date32Array::from(vec![day; batch.num_rows()]));
    let columns = std::iter::once(days).chain(batch.columns().iter().cloned());
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns.collect())
}
