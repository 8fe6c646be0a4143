//! Turns the bytes of a month into trips and rows set aside, and verifies that no row is lost.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;

use super::batch::marked;
use super::infer;
use super::input::{Input, Rest, Text};
use super::judge::Judge;
use super::output::{Batching, QuarantineWriter, TripsWriter};
use super::parquet_file::footer_entry;
use super::records::Shape;
use super::workers::{Encode, Workers};
use super::{CleanError, Rules, Streamed};
use crate::flow::Progress;
use crate::schema::{self, HeaderError, Mapping};
use crate::trip::{Counts, Format, KeptColumn, Provenance, SourceFacts, TripFile};

/// More workers than this do not finish sooner, and each costs some 60 MB.
const MOST_WORKERS: usize = 6;

/// In fewer rows than this, a column without a value says nothing.
const TELLING_ROWS: u64 = 100;

/// What to clean.
#[derive(Debug, Clone)]
pub struct Job {
    /// The month.
    pub file: TripFile,
    /// Its file, on a local disk.
    pub input: PathBuf,
    /// What it is.
    pub format: Format,
    /// The rules in force.
    pub rules: Rules,
    /// Whether a column that the schema does not know is an error.
    pub refuse_new_columns: bool,
    /// The columns that the schema does not know and that are kept, as [`new_columns`] found them;
    /// `None` to leave them out.
    pub keep: Option<Vec<KeptColumn>>,
    /// Whether a column that the month's edition has and the file lacks is an error.
    pub refuse_missing_columns: bool,
    /// How many workers; `None` for the number of cores.
    pub workers: Option<usize>,
    /// The folder the cleaned files are put in.
    pub folder: PathBuf,
}

impl Job {
    fn keep(&self) -> &[KeptColumn] {
        self.keep.as_deref().unwrap_or_default()
    }

    fn open(&self, text: Option<Text>, progress: &Progress) -> Result<Input, CleanError> {
        let keep = self.keep();
        Input::open(self.file, &self.input, self.format, text, &self.folder, keep, progress)
    }
}

/// The columns of a file that the schema does not know, each with the type that all its values
/// have. Reads a text that has such columns to its end. A column without a value is left out, and
/// so is the index of a data frame. Blocks.
pub fn new_columns(job: &Job, progress: &Progress) -> Result<Vec<KeptColumn>, CleanError> {
    let input = job.open(None, &progress.quietly())?;
    let mapping = Mapping::of(job.file, &input.names)?;
    let places: Vec<usize> = mapping.unknown_places().collect();
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let types = match &input.rest {
        Rest::Rows(batches) => {
            let of = |at: &usize| infer::type_of_column(batches.schema(), *at, job.file.month);
            places.iter().map(of).collect()
        }
        Rest::Text(_) => {
            let shape = Shape { fields: mapping.targets.len(), surplus: mapping.surplus };
            infer::types_of_text(input.rest, &places, shape, progress)?
        }
    };
    let mut kept: Vec<KeptColumn> = Vec::new();
    for (at, found) in places.into_iter().zip(types) {
        let source = &mapping.names[at];
        if let (Some(name), Some(r#type)) = (schema::name_for_kept(source, &kept), found) {
            kept.push(KeptColumn { name, source: source.clone(), r#type });
        }
    }
    Ok(kept)
}

/// What a file says of itself if it is a month that was published before; `None` if it says nothing.
/// Blocks.
pub fn published_before(file: TripFile, path: &Path) -> Option<Provenance> {
    let text = footer_entry(file, path, Provenance::KEY)?;
    serde_json::from_str(&text).ok()
}

/// A cleaned month, not yet published.
#[derive(Debug)]
pub struct Cleaned {
    /// What the month says of itself, as written in the footer of `trips`.
    pub provenance: Provenance,
    /// The file of its trips.
    pub trips: PathBuf,
    /// The file of the rows set aside; `None` if there are none.
    pub quarantine: Option<PathBuf>,
}

/// Cleans a month into two files. Blocks; stops between parts when the run is told to.
pub fn clean(job: &Job, source: &SourceFacts, progress: &Progress) -> Result<Cleaned, CleanError> {
    let opened = Opened::new(job, None, progress)?;
    let trips = job.folder.join(format!("{}.trips.parquet", job.file.stem()));
    let schema = schema::arrow_schema_with(job.file.colour, &opened.mapping.kept);
    let (mut writer, encoder) = TripsWriter::create(&trips, &schema)?;
    let source = || Ok(source.clone());
    let cleaned = opened.run(job, source, &encoder, progress, |groups| writer.append(groups))?;
    let kept = writer.close(&cleaned.provenance)?;
    cleaned.prove(job.file, kept)?;
    Ok(Cleaned { provenance: cleaned.provenance, trips, quarantine: cleaned.quarantine })
}

/// Cleans a month and hands its trips to `take` in batches, in the order of the file; the rows
/// set aside go to a file. A text may still be on its way to the file: then `text` gives all of
/// it or fails. `source` is asked at its end where it came from. The trips are proven only when
/// this returns. Blocks; stops between parts when the run is told to, or `take` fails.
pub fn stream(
    job: &Job,
    text: Option<Text>,
    source: impl FnOnce() -> Result<SourceFacts, CleanError>,
    progress: &Progress,
    mut take: impl FnMut(RecordBatch) -> Result<(), CleanError>,
) -> Result<Streamed, CleanError> {
    let opened = Opened::new(job, text, progress)?;
    let schema = schema::arrow_schema_with(job.file.colour, &opened.mapping.kept);
    let encoder = Batching::new(&schema);
    let mut kept = 0;
    let cleaned = opened.run(job, source, &encoder, progress, |batch: RecordBatch| {
        kept += batch.num_rows() as u64;
        take(batch)
    })?;
    cleaned.prove(job.file, kept)?;
    Ok(Streamed { provenance: cleaned.provenance, quarantine: cleaned.quarantine })
}

/// A file whose header is known to be that of such a month.
struct Opened {
    input: Input,
    mapping: Mapping,
}

/// What came of a run through the line.
struct Through {
    provenance: Provenance,
    quarantine: Option<PathBuf>,
    quarantined: u64,
}

impl Opened {
    fn new(job: &Job, text: Option<Text>, progress: &Progress) -> Result<Self, CleanError> {
        let file = job.file;
        let input = job.open(text, progress)?;
        let mut mapping = Mapping::of(file, &input.names)?;
        if job.refuse_new_columns && !mapping.unknown.is_empty() {
            let names = mapping.unknown.join(", ");
            return Err(HeaderError::Unknown { file, names }.into());
        }
        if job.refuse_missing_columns && !mapping.missing.is_empty() {
            let names = mapping.missing.join(", ");
            return Err(HeaderError::Missing { file, names }.into());
        }
        mapping.keep(file.colour, job.keep());
        Ok(Self { input, mapping })
    }

    fn run<E: Encode>(
        self,
        job: &Job,
        source: impl FnOnce() -> Result<SourceFacts, CleanError>,
        encoder: &E,
        progress: &Progress,
        mut write: impl FnMut(E::Encoded) -> Result<(), CleanError>,
    ) -> Result<Through, CleanError> {
        let file = job.file;
        let place = job.folder.join(format!("{}.quarantine.parquet", file.stem()));
        let Input { names, rest, unread } = self.input;
        let mut quarantine = QuarantineWriter::new(place, names);
        let mut counts = Counts::default();
        let workers = job.workers.unwrap_or_else(cores).clamp(1, MOST_WORKERS);
        let columns = schema::columns_with(file.colour, &self.mapping.kept);
        let judge = Judge::new(file, columns, &job.rules);
        let line = Workers { judge, encoder, mapping: &self.mapping, file };
        let (mut universal, mut filled) = (0, 0);
        line.run(rest, workers, progress, |done| {
            counts.add(&done.counts);
            universal |= done.universal;
            filled |= done.filled;
            quarantine.append(&done.rejects)?;
            done.trips.map_or(Ok(()), &mut write)
        })?;
        if let Some(unread) = unread {
            quarantine = quarantine.completed(unread)?;
        }
        let (quarantine, quarantined) = quarantine.close()?;
        let mut missing = self.mapping.missing.clone();
        if counts.rows_read >= TELLING_ROWS && counts.rows_kept > 0 {
            let empty = self.mapping.filled.iter().filter(|(at, _)| filled >> at & 1 == 0);
            let empty: Vec<&str> = empty.map(|(_, name)| name.as_str()).collect();
            if job.refuse_missing_columns && !empty.is_empty() {
                return Err(HeaderError::WithoutValue { file, names: empty.join(", ") }.into());
            }
            missing.extend(empty.into_iter().map(str::to_owned));
        }
        let provenance = Provenance {
            colour: file.colour,
            month: file.month,
            source: source()?,
            counts,
            universal_times: marked(&self.mapping, universal),
            unknown_columns: self.mapping.unknown,
            kept_columns: job.keep.is_some().then_some(self.mapping.kept),
            missing_columns: missing,
            quarantine: quarantine.as_ref().map(|(_, digest)| file.quarantine_key(digest)),
            schema_digest: schema::digest(file.colour),
            rules_digest: job.rules.digest(),
            program: Provenance::PROGRAM.to_owned(),
        };
        Ok(Through { provenance, quarantine: quarantine.map(|(path, _)| path), quarantined })
    }
}

impl Through {
    /// Every row read is in one of the two places, and in one only.
    fn prove(&self, file: TripFile, kept: u64) -> Result<(), CleanError> {
        let counts = &self.provenance.counts;
        let quarantined = self.quarantined;
        if counts.rows_kept == 0 && counts.rows_read > 0 {
            let reasons = counts.reasons.iter().map(|(rule, rows)| format!("{rule} {rows}"));
            let reasons = reasons.collect::<Vec<_>>().join(", ");
            let unreadable = counts.unreadable_columns();
            let unreadable =
                unreadable.map(|columns| format!("Unreadable: {columns}. ")).unwrap_or_default();
            let read = counts.rows_read;
            let (provenance, quarantine) = (self.provenance.clone(), self.quarantine.clone());
            let edition = Box::new(Streamed { provenance, quarantine });
            return Err(CleanError::NothingKept { file, read, reasons, unreadable, edition });
        }
        if counts.balance() && kept == counts.rows_kept && quarantined == counts.rows_quarantined {
            return Ok(());
        }
        Err(CleanError::Unbalanced { file, read: counts.rows_read, kept, quarantined })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
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
            rules: Rules::default(),
            refuse_new_columns: false,
            keep: None,
            refuse_missing_columns: false,
            workers: Some(workers),
            folder: folder.path().to_owned(),
        };
        let source = SourceFacts {
            address: "test".to_owned(),
            etag: None,
            last_modified: None,
            size: text.len() as u64,
            sha256: crate::trip::Digest::of(text.as_bytes()),
        };
        (clean(&job, &source, &Progress::unwatched()).unwrap(), folder)
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
            "2,2020-01-05 10:00:00,2020-01-05 11:00:00,12,2.5,-10",
            "2,2020-01-05 10:00:00,2020-01-05 11:00:00,12,2.5,-10,",
            "",
            "5,2020-01-05 10:00:00,2020-01-07 11:00:00,1,2.5,10",
        ];
        let (cleaned, _folder) = clean_text(&format!("{HEADER}{}", rows.join("\n")), 1);
        let counts = serde_json::to_string_pretty(&cleaned.provenance.counts).unwrap();
        insta::assert_snapshot!(counts, @r#"
        {
          "rows_read": 9,
          "rows_kept": 3,
          "rows_quarantined": 6,
          "reasons": {
            "distance_impossible": 1,
            "dropoff_before_pickup": 1,
            "no_pickup": 1,
            "pickup_outside_month": 1,
            "unreadable": 1,
            "wrong_field_count": 2
          },
          "unreadable": {
            "trip_distance": 1
          },
          "unreadable_values": {
            "trip_distance": [
              "x"
            ]
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
