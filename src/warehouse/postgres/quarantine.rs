//! The rows of a month that were set aside, beside its trips.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use tokio_postgres::Transaction;

use crate::flow::Progress;
use crate::trip::quarantine::{FIELDS, LINE, REASONS};
use crate::trip::{Provenance, TripFile};
use crate::warehouse::Batches;

use super::foreign::{Access, QUARANTINE_MARK};
use super::names::{Names, first_day, literal, quoted};
use super::transaction::{execute, fill};
use super::{PostgresError, foreign, locks};

/// Replaces what the table has of a month by these rows. If there are none here, since they
/// stay in the lake, what an earlier load put there goes all the same: it belongs to trips
/// that are no more. The table is made for `owner`, or for this session's role.
pub(super) async fn replace(
    transaction: &Transaction<'_>,
    names: &Names,
    owner: Option<&str>,
    rows: Option<Batches>,
    provenance: &Provenance,
) -> Result<(), PostgresError> {
    let month = provenance.month;
    let table = names.qualified(&names.quarantine);
    if rows.is_some() {
        // Of two loads that make it at once, the second finds it.
        let lock = locks::advisory(&table);
        execute(transaction, "waiting for the quarantine", &lock).await?;
    }
    if foreign::quarantine(transaction, names, Access::Write).await?.is_some() {
        lock(transaction, names).await?;
    } else {
        if rows.is_none() {
            return Ok(());
        }
        let owned = owner.map(|owner| format!("; ALTER TABLE {table} OWNER TO {}", quoted(owner)));
        let create = format!(
            "CREATE TABLE {table} (month date NOT NULL, {LINE} bigint NOT NULL,
                {REASONS} text[] NOT NULL, {FIELDS} text[] NOT NULL);
             CREATE INDEX ON {table} (month);
             ALTER TABLE {table} REPLICA IDENTITY FULL;
             COMMENT ON TABLE {table} IS {}{}",
            literal(QUARANTINE_MARK),
            owned.unwrap_or_default()
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

/// Locks the quarantine against changes of what it is, and then looks whether it is ours.
pub(super) async fn lock(
    transaction: &Transaction<'_>,
    names: &Names,
) -> Result<(), PostgresError> {
    let table = names.qualified(&names.quarantine);
    // Nobody puts anything on a table of an owner who is not trusted once it is locked.
    let found = foreign::quarantine(transaction, names, Access::Read).await?;
    let mode = if found.is_none_or(|it| it.is_trusted) { "ROW" } else { "SHARE UPDATE" };
    let lock = format!("LOCK TABLE {table} IN {mode} EXCLUSIVE MODE");
    execute(transaction, "clearing the quarantine", &lock).await?;
    foreign::quarantine(transaction, names, Access::Write).await.map(drop)
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
