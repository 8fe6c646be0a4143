//! A reading thread, workers, and the caller, which writes.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use arrow::array::RecordBatch;
use polars::prelude::DataFrame;

use super::batch::Marks;
use super::input::Rest;
use super::judge::{Judge, Judged};
use super::part::Part;
use super::rows::{self, BatchReader};
use super::text::{self, TextReader};
use super::{CleanError, Rejects};
use crate::flow::Progress;
use crate::schema::{self, Mapping};
use crate::trip::{Counts, TripFile};

/// What becomes of the trips of a part, on its worker's thread.
pub(super) trait Encode: Sync {
    /// Trips, encoded.
    type Encoded: Send;
    /// What a worker needs for it, and uses again for the next part.
    type Scratch: Default;

    /// Encodes trips; `None` if there are none.
    fn encode(
        &self,
        trips: DataFrame,
        scratch: &mut Self::Scratch,
    ) -> Result<Option<Self::Encoded>, CleanError>;
}

/// A part, read, judged and encoded.
pub(super) struct Done<T> {
    pub(super) counts: Counts,
    pub(super) trips: Option<T>,
    pub(super) rejects: RecordBatch,
    /// The columns that have times marked as universal.
    pub(super) universal: Marks,
    /// The columns that have a value, as bits by their place in the schema.
    pub(super) filled: Marks,
    buffer: Vec<u8>,
}

/// How many parts may be in memory at once.
const fn parts_in_flight(workers: usize) -> usize {
    workers + 2
}

/// The workers that clean one month.
pub(super) struct Workers<'a, E> {
    pub(super) judge: Judge,
    pub(super) encoder: &'a E,
    pub(super) mapping: &'a Mapping,
    pub(super) file: TripFile,
}

type Numbered<T> = (usize, Result<T, CleanError>);

impl<E: Encode> Workers<'_, E> {
    /// Runs every part through the line and hands it to `write` in the order of the file.
    pub(super) fn run(
        &self,
        rest: Rest,
        workers: usize,
        progress: &Progress,
        mut write: impl FnMut(Done<E::Encoded>) -> Result<(), CleanError>,
    ) -> Result<(), CleanError> {
        let in_flight = parts_in_flight(workers);
        let (free, buffers) = sync_channel(in_flight);
        for _ in 0..in_flight {
            // There is room for all.
            let _ = free.send(Vec::new());
        }
        let (to_workers, parts) = sync_channel(in_flight);
        let (to_writer, finished) = sync_channel(in_flight);
        let parts = Mutex::new(parts);

        std::thread::scope(|scope| {
            let reading = to_writer.clone();
            scope.spawn(move || read(rest, progress, &buffers, &to_workers, &reading));
            for _ in 0..workers {
                let to_writer = to_writer.clone();
                let parts = &parts;
                scope.spawn(move || self.work(parts, &to_writer));
            }
            drop(to_writer);
            // Whatever ends this loop early drops the channels, and with them every thread ends.
            let finished = finished;
            let free = free;
            let mut waiting = BTreeMap::new();
            let mut next = 0;
            for (number, done) in &finished {
                waiting.insert(number, done?);
                while let Some(mut done) = waiting.remove(&next) {
                    let buffer = std::mem::take(&mut done.buffer);
                    write(done)?;
                    next += 1;
                    let _ = free.send(buffer);
                }
            }
            Ok(())
        })
    }

    fn work(
        &self,
        parts: &Mutex<Receiver<(usize, Part)>>,
        to_writer: &SyncSender<Numbered<Done<E::Encoded>>>,
    ) {
        let schema = schema::columns_with(self.file.colour, &self.mapping.kept);
        let mut text = TextReader::new(self.file, schema.clone(), self.mapping);
        let mut batches = BatchReader::new(self.file, schema, self.mapping);
        let mut scratch = E::Scratch::default();
        loop {
            let part = match parts.lock() {
                Ok(parts) => parts.recv(),
                Err(_) => return,
            };
            let Ok((number, part)) = part else {
                return;
            };
            // A fault in one part must end the month, not leave all others waiting for it.
            let processed =
                AssertUnwindSafe(|| self.process(part, &mut text, &mut batches, &mut scratch));
            let done =
                catch_unwind(processed).unwrap_or(Err(CleanError::Fault { file: self.file }));
            if to_writer.send((number, done)).is_err() {
                return;
            }
        }
    }

    fn process(
        &self,
        part: Part,
        text: &mut TextReader,
        batches: &mut BatchReader,
        scratch: &mut E::Scratch,
    ) -> Result<Done<E::Encoded>, CleanError> {
        let mut rejects = Rejects::new(self.mapping);
        let (judged, buffer) = match part {
            Part::Text(piece) => {
                let (batch, places) = text.read(&piece)?;
                let judged = self.judge.judge(batch)?;
                text::set_aside(&piece, &places, &judged.rejected, &mut rejects);
                (judged, piece.text)
            }
            Part::Rows { batch, rows_before } => {
                let judged = self.judge.judge(batches.read(&batch)?)?;
                rows::set_aside(self.file, &batch, rows_before, &judged.rejected, &mut rejects)?;
                (judged, Vec::new())
            }
        };
        let Judged { kept, mut counts, universal, filled, .. } = judged;
        let rejects = rejects.finish(&mut counts)?;
        let trips = self.encoder.encode(kept, scratch)?;
        Ok(Done { counts, trips, rejects, universal, filled, buffer })
    }
}

/// Reads part after part while buffers are free, until the file ends or the run is stopped.
fn read<T>(
    mut rest: Rest,
    progress: &Progress,
    buffers: &Receiver<Vec<u8>>,
    to_workers: &SyncSender<(usize, Part)>,
    to_writer: &SyncSender<Numbered<Done<T>>>,
) {
    for number in 0.. {
        let Ok(buffer) = buffers.recv() else {
            return;
        };
        let part =
            if progress.is_cancelled() { Err(CleanError::Interrupted) } else { rest.next(buffer) };
        match part {
            Ok(Some(part)) => {
                if to_workers.send((number, part)).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                let _ = to_writer.send((number, Err(error)));
                return;
            }
        }
    }
}
