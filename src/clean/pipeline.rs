//! The stages of cleaning and what runs between them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use arrow::array::RecordBatch;
use parquet::arrow::arrow_writer::ArrowColumnChunk;

use super::input::{Input, Part, Rest};
use super::judge::{Judge, Judged};
use super::output::{Encoder, QuarantineWriter, TripsWriter};
use super::rows::{self, BatchReader};
use super::text::{self, TextReader};
use super::{CleanError, Rejects, Rules};
use crate::flow::Progress;
use crate::schema::{self, HeaderError, Mapping};
use crate::trip::{Counts, Format, Provenance, SourceFacts, TripFile};

/// More workers than this do not finish sooner, and each costs some 60 MB.
const MOST_WORKERS: usize = 6;

/// What to clean.
#[derive(Debug, Clone)]
pub struct Job {
    /// The month.
    pub file: TripFile,
    /// Its bytes, on a local disk.
    pub input: PathBuf,
    /// What they are.
    pub format: Format,
    /// Where they came from.
    pub source: SourceFacts,
    /// The rules in force.
    pub rules: Rules,
    /// Whether a column that the schema does not know is an error.
    pub refuse_new_columns: bool,
    /// How many workers; none for one each core.
    pub workers: Option<usize>,
    /// The folder the cleaned files are put in.
    pub folder: PathBuf,
}

/// A cleaned month, not yet published.
#[derive(Debug)]
pub struct Cleaned {
    /// What the month says of itself, as written in the footer of `trips`.
    pub provenance: Provenance,
    /// The file of its trips.
    pub trips: PathBuf,
    /// The file of the rows set aside; none where there are none.
    pub quarantine: Option<PathBuf>,
}

/// A part, read, judged and encoded.
struct Done {
    counts: Counts,
    trips: Option<Vec<ArrowColumnChunk>>,
    rejects: RecordBatch,
    buffer: Vec<u8>,
}

/// How many parts may be in memory at once.
const fn parts_in_flight(workers: usize) -> usize {
    workers + 2
}

/// Cleans a month. Blocks; stops between parts when the run is told to.
pub fn clean(job: &Job, progress: &Progress) -> Result<Cleaned, CleanError> {
    let file = job.file;
    let input = Input::open(file, &job.input, job.format, progress)?;
    let mapping = Mapping::of(file, &input.names)?;
    if job.refuse_new_columns && !mapping.unknown.is_empty() {
        let names = mapping.unknown.join(", ");
        return Err(HeaderError::Unknown { file, names }.into());
    }

    let trips = job.folder.join(format!("{}.trips.parquet", file.stem()));
    let quarantine = job.folder.join(format!("{}.quarantine.parquet", file.stem()));
    let arrow_schema = schema::arrow_schema(file.colour);
    let (mut writer, encoder) = TripsWriter::create(&trips, &arrow_schema)?;
    let mut quarantine = QuarantineWriter::new(quarantine, input.names);
    let mut counts = Counts::default();

    let workers = job.workers.unwrap_or_else(cores).clamp(1, MOST_WORKERS);
    let line = Line {
        judge: Judge::new(file, schema::columns(file.colour), &job.rules),
        encoder,
        mapping: &mapping,
        file,
    };
    line.run(input.rest, workers, progress, |done| {
        counts.add(&done.counts);
        quarantine.append(&done.rejects)?;
        done.trips.map_or(Ok(()), |trips| writer.append(trips))
    })?;

    let (quarantine, quarantined) = quarantine.close()?;
    let provenance = Provenance {
        colour: file.colour,
        month: file.month,
        source: job.source.clone(),
        counts,
        unknown_columns: mapping.unknown,
        quarantine: quarantine.as_ref().map(|(_, digest)| file.quarantine_key(digest)),
        schema_digest: schema::digest(file.colour),
        rules_digest: job.rules.digest(),
        program: Provenance::PROGRAM.to_owned(),
    };
    let kept = writer.close(&provenance)?;
    let counts = &provenance.counts;
    if !counts.balance() || kept != counts.rows_kept || quarantined != counts.rows_quarantined {
        return Err(CleanError::Unbalanced { file, read: counts.rows_read, kept, quarantined });
    }
    Ok(Cleaned { provenance, trips, quarantine: quarantine.map(|(path, _)| path) })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// The assembly line of one month.
struct Line<'a> {
    judge: Judge,
    encoder: Encoder,
    mapping: &'a Mapping,
    file: TripFile,
}

type Numbered<T> = (usize, Result<T, CleanError>);

impl Line<'_> {
    /// Runs every part through the line and hands it to `write` in the order of the file.
    fn run(
        &self,
        rest: Rest,
        workers: usize,
        progress: &Progress,
        mut write: impl FnMut(Done) -> Result<(), CleanError>,
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
                scope.spawn(|| self.work(&parts, to_writer));
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

    fn work(&self, parts: &Mutex<Receiver<(usize, Part)>>, to_writer: SyncSender<Numbered<Done>>) {
        let schema = schema::columns(self.file.colour);
        let mut text = TextReader::new(schema.clone(), self.mapping);
        let mut batches = BatchReader::new(schema, self.mapping);
        loop {
            let part = match parts.lock() {
                Ok(parts) => parts.recv(),
                Err(_) => return,
            };
            let Ok((number, part)) = part else {
                return;
            };
            let done = self.process(part, &mut text, &mut batches);
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
    ) -> Result<Done, CleanError> {
        let mut rejects = Rejects::default();
        let (judged, buffer) = match part {
            Part::Text(piece) => {
                let (batch, places) = text.read(&piece);
                let judged = self.judge.judge(batch)?;
                text::set_aside(&piece, &places, &judged.rejected, &mut rejects);
                (judged, piece.text)
            }
            Part::Rows { batch, rows_before } => {
                let judged = self.judge.judge(batches.read(&batch)?)?;
                rows::set_aside(&batch, rows_before, &judged.rejected, &mut rejects)?;
                (judged, Vec::new())
            }
        };
        let Judged { kept, counts, .. } = judged;
        Ok(Done { counts, trips: self.encoder.encode(kept)?, rejects: rejects.finish()?, buffer })
    }
}

/// Reads part after part while buffers are free, until the file ends or the run is stopped.
fn read(
    mut rest: Rest,
    progress: &Progress,
    buffers: &Receiver<Vec<u8>>,
    to_workers: &SyncSender<(usize, Part)>,
    to_writer: &SyncSender<Numbered<Done>>,
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

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,passenger_count,trip_distance,fare_amount\n";

    fn clean_text(text: &str, workers: usize) -> (Cleaned, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("input.csv");
        std::fs::write(&input, text).unwrap();
        let job = Job {
            file: TripFile::new(crate::trip::Colour::Green, "2020-01".parse().unwrap()),
            input,
            format: Format::Csv,
            source: SourceFacts {
                address: "test".to_owned(),
                etag: None,
                last_modified: None,
                size: text.len() as u64,
                sha256: crate::trip::Digest::of(text.as_bytes()),
            },
            rules: Rules::default(),
            refuse_new_columns: false,
            workers: Some(workers),
            folder: folder.path().to_owned(),
        };
        (clean(&job, &Progress::unwatched()).unwrap(), folder)
    }

    fn trip(minute: usize) -> String {
        format!("2,2020-01-05 10:{:02}:00,2020-01-05 11:00:00,1,2.5,10\n", minute % 60)
    }

    #[test]
    fn each_bad_record_is_set_aside_with_its_reason() {
        let rows = [
            "2,2020-01-05 10:00:00,2020-01-05 11:00:00,1,2.5,10",
            "2,2020-01-05 10:00:00,2020-01-05 11:00:00,1,2.5",
            "2,2020-01-05 10:00:00,2020-01-05 11:00:00,1,x,10",
            "2,,2020-01-05 11:00:00,1,2.5,10",
            "2,2008-12-31 23:00:00,2008-12-31 23:10:00,1,2000,10",
            "2,2020-01-05 10:00:00,2020-01-05 09:00:00,1,2.5,-10",
            "2,2020-01-05 10:00:00,2020-01-05 11:00:00,12,2.5,-10,,",
            "",
            "5,2020-01-05 10:00:00,2020-01-07 11:00:00,1,2.5,10",
        ];
        let (cleaned, _folder) = clean_text(&format!("{HEADER}{}", rows.join("\n")), 1);
        let counts = serde_json::to_string_pretty(&cleaned.provenance.counts).unwrap();
        insta::assert_snapshot!(counts, @r#"
        {
          "rows_read": 8,
          "rows_kept": 3,
          "rows_quarantined": 5,
          "reasons": {
            "distance_impossible": 1,
            "dropoff_before_pickup": 1,
            "no_pickup": 1,
            "pickup_outside_month": 1,
            "unreadable": 1,
            "wrong_field_count": 1
          },
          "flags": {
            "duration_over_24h": 1,
            "negative_fare": 1,
            "passenger_count_over_9": 1,
            "unknown_code": 1
          }
        }
        "#);
    }

    #[test]
    fn the_number_of_workers_does_not_change_a_byte() {
        let mut text = HEADER.to_owned();
        for minute in 0..250_000 {
            text.push_str(&trip(minute));
            if minute % 50_000 == 7 {
                text.push_str("2,rubbish,,,,\n");
            }
        }
        let (one, _one) = clean_text(&text, 1);
        let (many, _many) = clean_text(&text, 3);
        assert_eq!(one.provenance, many.provenance);
        assert_eq!(one.provenance.counts.rows_quarantined, 5);
        let bytes = |path: &std::path::Path| std::fs::read(path).unwrap();
        assert!(bytes(&one.trips) == bytes(&many.trips));
        assert!(
            bytes(one.quarantine.as_ref().unwrap()) == bytes(many.quarantine.as_ref().unwrap())
        );
    }
}
