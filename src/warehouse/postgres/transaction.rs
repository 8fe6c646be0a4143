//! The steps of a transaction: a statement, and rows copied into a table.

use bytes::Bytes;
use futures_util::SinkExt;
use tokio::sync::mpsc;
use tokio_postgres::Transaction;

use crate::flow::Progress;
use crate::support::blocking::finished;
use crate::warehouse::Batches;

use super::{PostgresError, copy};

/// How many encoded batches wait for the line.
const BATCHES_AHEAD: usize = 2;

/// Runs statements, as a step that people are told of where it fails.
pub(super) async fn execute(
    transaction: &Transaction<'_>,
    step: &'static str,
    sql: &str,
) -> Result<(), PostgresError> {
    transaction.batch_execute(sql).await.map_err(PostgresError::at(step))
}

/// Copies batches into a table; how many rows the server took. One thread reads
/// and encodes while the line and the server are busy with what it made before.
pub(super) async fn fill(
    transaction: &Transaction<'_>,
    copy: &str,
    batches: Batches,
    progress: &Progress,
) -> Result<u64, PostgresError> {
    let copying = || PostgresError::at("copying the rows");
    let sink = transaction.copy_in::<_, Bytes>(copy).await.map_err(copying())?;
    let mut sink = std::pin::pin!(sink);
    let (encoded, mut ready) = mpsc::channel(BATCHES_AHEAD);
    let encoding = tokio::task::spawn_blocking(move || {
        for batch in batches {
            let rows = batch.map_err(PostgresError::from).and_then(|batch| copy::rows(&batch));
            let failed = rows.is_err();
            if encoded.blocking_send(rows).is_err() || failed {
                return;
            }
        }
    });
    sink.feed(Bytes::from_static(copy::HEADER)).await.map_err(copying())?;
    while let Some(rows) = ready.recv().await {
        let rows = rows?;
        progress.advance(rows.len() as u64);
        sink.send(rows).await.map_err(copying())?;
    }
    finished(encoding).await.ok_or(PostgresError::Interrupted)?;
    sink.feed(Bytes::from_static(copy::TRAILER)).await.map_err(copying())?;
    sink.finish().await.map_err(copying())
}
