//! Reads records of text into typed columns.

use std::ops::Range;

use super::batch::{Marks, Refused, marks};
use super::fields::{self, Clock, Field};
use super::records::{End, Shape, field_text, marks_of_order, plain_end, record_end, split_fields};
use super::rules::{UNREADABLE, WRONG_FIELD_COUNT};
use super::times::{Written, unusual};
use super::typed::{Typed, Values};
use super::{Batch, CleanError, Rejects};
use crate::schema::{Column, FLAG_WORDS, Kind, Mapping, Target, is_missing_word};
use crate::trip::TripFile;

/// The longest record that is looked at as a header, in bytes.
const LONGEST_HEADER: usize = 1 << 16;

/// A piece of text that begins and ends between records.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// The text.
    pub(super) text: Vec<u8>,
    /// How many lines come before it in the file.
    pub(super) lines_before: u64,
    /// How many line ends it has.
    pub(super) lines: usize,
    /// Whether any quote is in it.
    pub(super) quoted: bool,
}

/// A record found in a piece of text.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordPosition {
    start: u32,
    length: u32,
    /// The line it begins on, counted within the piece from 0.
    line: u32,
    wellformed: bool,
}

/// Reads pieces of one file.
#[derive(Debug)]
pub(super) struct TextReader {
    file: TripFile,
    mapping: Mapping,
    shape: Shape,
    schema: Vec<&'static Column>,
    mapped: Vec<bool>,
    steps: Vec<Step>,
    /// The mark of each source column.
    marks: Vec<Marks>,
    reading: Reading,
    ranges: Vec<Range<usize>>,
    /// The columns that have times marked as universal.
    universal: Marks,
}

/// What reading one field after another needs and finds.
#[derive(Debug, Default)]
pub(super) struct Reading {
    clock: Clock,
    buffer: Vec<u8>,
    /// Whether a time marked as universal was read since this was last taken.
    pub(super) universal: bool,
}

/// Why a record could not be read: its reason, and the columns at fault.
type Fault = (usize, Marks);

/// What to do with one field of every record.
#[derive(Debug, Clone, Copy)]
enum Step {
    Read { column: usize, kind: Kind },
    Alternative { column: usize, kind: Kind },
    Skip,
}

impl TextReader {
    pub(super) fn new(file: TripFile, schema: Vec<&'static Column>, mapping: &Mapping) -> Self {
        let mut mapped = vec![false; schema.len()];
        let step = |target: &Target| match *target {
            Target::Column(column) => {
                mapped[column] = true;
                Step::Read { column, kind: schema[column].kind }
            }
            Target::Alternative(column) => Step::Alternative { column, kind: schema[column].kind },
            Target::Unknown => Step::Skip,
        };
        let steps = mapping.targets.iter().map(step).collect();
        let shape = Shape { fields: mapping.targets.len(), surplus: mapping.surplus };
        let (marks, reading, ranges) = (marks(mapping), Reading::default(), Vec::new());
        let mapping = mapping.clone();
        Self { file, mapping, shape, schema, mapped, steps, marks, reading, ranges, universal: 0 }
    }

    /// Reads every record of a piece. Another header among them is an error: what follows it has
    /// other columns.
    pub(super) fn read(
        &mut self,
        piece: &Piece,
    ) -> Result<(Batch, Vec<RecordPosition>), CleanError> {
        let mut typed = Typed::new(&self.schema, &self.mapped, piece.lines + 1);
        let mut places = Vec::with_capacity(piece.lines + 1);
        let mut failed = Vec::new();
        let text = piece.text.as_slice();
        let (mut at, mut line) = (0, 0);
        while at < text.len() {
            let end = if piece.quoted {
                record_end(&text[at..], self.shape, true)
            } else {
                plain_end(&text[at..])
            };
            let End::At { content, next, wellformed } = end else {
                break;
            };
            let record = &text[at..at + content];
            let lines = if piece.quoted {
                memchr::memchr_iter(b'\n', &text[at..at + next]).count()
            } else {
                1
            };
            if !record.trim_ascii().is_empty() {
                let row = places.len() as u32;
                places.push(RecordPosition {
                    start: at as u32,
                    length: content as u32,
                    line,
                    wellformed,
                });
                let quoted = piece.quoted && memchr::memchr(b'"', record).is_some();
                let read = if !wellformed {
                    self.give_up(&mut typed, 0);
                    Err((WRONG_FIELD_COUNT, 0))
                } else if quoted {
                    self.read_quoted(&mut typed, record)
                } else {
                    self.read_plain(&mut typed, record)
                };
                typed.end_record();
                if let Err((reason, columns)) = read {
                    if self.is_other_header(record) {
                        let line = piece.lines_before + u64::from(line) + 1;
                        return Err(CleanError::OtherHeader { file: self.file, line });
                    }
                    failed.push(Refused { row, reasons: 1 << reason, columns });
                }
            }
            at += next;
            line += lines as u32;
        }
        let universal = std::mem::take(&mut self.universal);
        Ok((Batch { typed, failed, universal }, places))
    }

    /// Whether a record that could not be read is the header of another file.
    fn is_other_header(&self, record: &[u8]) -> bool {
        // Few records are so long, and none of them names a pickup.
        let pickup = |word: &[u8]| word.eq_ignore_ascii_case(b"pick");
        if record.len() > LONGEST_HEADER || !record.windows(4).any(pickup) {
            return false;
        }
        let record = &record[marks_of_order(record)..];
        let mut ranges = Vec::new();
        split_fields(record, true, &mut ranges);
        let fields: Vec<String> =
            ranges.into_iter().map(|range| field_text(&record[range], true)).collect();
        self.mapping.is_header(self.file, &fields) == Some(false)
    }

    /// Reads a record without quotes in one pass.
    #[inline]
    fn read_plain(&mut self, typed: &mut Typed, record: &[u8]) -> Result<(), Fault> {
        let mut at = 0;
        let mut unreadable = 0;
        for index in 0..self.steps.len() {
            if at > record.len() {
                self.give_up(typed, index);
                return Err((WRONG_FIELD_COUNT, 0));
            }
            let step = self.steps[index];
            let end = match self.read_fast(typed, step, record, at) {
                Some(end) => end,
                None => {
                    let end = memchr::memchr(b',', &record[at..]).map_or(record.len(), |n| at + n);
                    unreadable |= self.read_field(typed, index, &record[at..end]);
                    end
                }
            };
            at = end + 1;
        }
        if let Some(surplus) = record.get(at..) {
            let fields = self.steps.len() + 1 + memchr::memchr_iter(b',', surplus).count();
            let blank = surplus.iter().all(|byte| *byte == b',' || byte.is_ascii_whitespace());
            if !blank || !self.shape.has(fields) {
                return Err((WRONG_FIELD_COUNT, 0));
            }
        }
        if unreadable == 0 { Ok(()) } else { Err((UNREADABLE, unreadable)) }
    }

    /// Reads the field at `at` if it is written the usual way, and says where it ends.
    #[inline]
    fn read_fast(
        &mut self,
        typed: &mut Typed,
        step: Step,
        record: &[u8],
        at: usize,
    ) -> Option<usize> {
        let Step::Read { column, kind } = step else {
            return None;
        };
        if record.get(at).is_none_or(|byte| *byte == b',') {
            typed.push_null(column);
            return Some(at);
        }
        match (kind, typed.values(column)) {
            (Kind::Number, Values::Number(values)) => {
                let (value, end) = fields::number_at(record, at)?;
                values.push(value);
                Some(end)
            }
            (Kind::Code(_), Values::Code(values)) => {
                let (value, end) = fields::integer_at(record, at)?;
                values.push(i16::try_from(value).ok()?);
                Some(end)
            }
            (Kind::Time, Values::Time(values)) => {
                let (value, end) = self.reading.clock.time_at(record, at)?;
                values.push(value);
                Some(end)
            }
            _ => None,
        }
    }

    /// Reads a record some of whose fields are quoted.
    fn read_quoted(&mut self, typed: &mut Typed, record: &[u8]) -> Result<(), Fault> {
        let mut ranges = std::mem::take(&mut self.ranges);
        split_fields(record, true, &mut ranges);
        let result = self.read_ranges(typed, record, &ranges);
        self.ranges = ranges;
        result
    }

    fn read_ranges(
        &mut self,
        typed: &mut Typed,
        record: &[u8],
        ranges: &[Range<usize>],
    ) -> Result<(), Fault> {
        let count = self.steps.len();
        let surplus = ranges.get(count..).unwrap_or_default();
        let empty = |range: &Range<usize>| record[range.clone()].trim_ascii().is_empty();
        if !self.shape.has(ranges.len()) || !surplus.iter().all(empty) {
            self.give_up(typed, 0);
            return Err((WRONG_FIELD_COUNT, 0));
        }
        let mut unreadable = 0;
        for (index, range) in ranges[..count].iter().enumerate() {
            let step = self.steps[index];
            let field = &record[range.clone()];
            // A comma within quotes is not the end of the field, as the fast parsers think.
            let whole = memchr::memchr(b',', field).is_none();
            if whole && self.read_fast(typed, step, field, 0).is_some() {
                continue;
            }
            let doubled = range.start > 0
                && record[range.start - 1] == b'"'
                && memchr::memmem::find(field, b"\"\"").is_some();
            unreadable |= if doubled {
                let text = field_text(field, true);
                self.read_field(typed, index, text.as_bytes())
            } else {
                self.read_field(typed, index, field)
            };
        }
        if unreadable == 0 { Ok(()) } else { Err((UNREADABLE, unreadable)) }
    }

    /// Reads a whole field any way it may be written; the mark of its column if it is
    /// unreadable, else 0.
    fn read_field(&mut self, typed: &mut Typed, index: usize, field: &[u8]) -> Marks {
        let readable = match self.steps[index] {
            Step::Skip => return 0,
            Step::Read { column, kind } => {
                push_field(typed, column, kind, field, &mut self.reading) != Field::Unreadable
            }
            Step::Alternative { column, kind } => {
                let had_value = !typed.take_back_null(column);
                let pushed = push_field(typed, column, kind, field, &mut self.reading);
                match pushed {
                    Field::Value(()) => !had_value || typed.take_back_equal(column),
                    Field::Empty | Field::Unreadable => {
                        if had_value {
                            typed.take_back_null(column);
                        }
                        pushed == Field::Empty
                    }
                }
            }
        };
        if std::mem::take(&mut self.reading.universal) {
            self.universal |= self.marks[index];
        }
        if readable { 0 } else { self.marks[index] }
    }

    /// Fills the columns of the steps from `index` on with nulls: the record is lost.
    fn give_up(&self, typed: &mut Typed, index: usize) {
        for step in &self.steps[index..] {
            if let Step::Read { column, .. } = step {
                typed.push_null(*column);
            }
        }
    }
}

/// Pushes a whole field onto a column, as null if it is empty or unreadable.
pub(super) fn push_field(
    typed: &mut Typed,
    column: usize,
    kind: Kind,
    field: &[u8],
    reading: &mut Reading,
) -> Field<()> {
    let field = field.trim_ascii();
    let mut pushed = match typed.values(column) {
        Values::Code(values) => {
            let words: &[(&str, i16)] = if let Kind::Code(words) = kind { words } else { &[] };
            push_value(values, code(field, words))
        }
        Values::Seconds(values) => push_value(values, narrow(fields::integer(field))),
        Values::Whole(values) => push_value(values, fields::integer(field)),
        Values::Number(values) => push_value(values, fields::number(field)),
        Values::Time(values) => push_value(values, time(field, reading)),
        Values::Text(texts) => match text(kind, field, &mut reading.buffer) {
            Field::Value(text) => {
                texts.push(text);
                Field::Value(())
            }
            Field::Empty => Field::Empty,
            Field::Unreadable => Field::Unreadable,
        },
    };
    if pushed == Field::Unreadable && is_missing_word(field) {
        pushed = Field::Empty;
    }
    if pushed != Field::Value(()) {
        typed.push_null(column);
    }
    pushed
}

/// Reads a time, in the usual way or another.
fn time(field: &[u8], reading: &mut Reading) -> Field<i64> {
    match reading.clock.time(field) {
        Field::Unreadable => match unusual(&mut reading.clock, field) {
            Some(Written { micros, universal }) => {
                reading.universal |= universal;
                Field::Value(micros)
            }
            None => Field::Unreadable,
        },
        read => read,
    }
}

fn push_value<T>(values: &mut Vec<T>, field: Field<T>) -> Field<()> {
    match field {
        Field::Value(value) => {
            values.push(value);
            Field::Value(())
        }
        Field::Empty => Field::Empty,
        Field::Unreadable => Field::Unreadable,
    }
}

fn narrow<T: TryFrom<i64>>(field: Field<i64>) -> Field<T> {
    match field {
        Field::Value(value) => T::try_from(value).map_or(Field::Unreadable, Field::Value),
        Field::Empty => Field::Empty,
        Field::Unreadable => Field::Unreadable,
    }
}

/// Reads a code: a small integer, or a word that stands for one.
fn code(field: &[u8], words: &[(&str, i16)]) -> Field<i16> {
    match narrow(fields::integer(field)) {
        Field::Unreadable => {
            let word = field.trim_ascii();
            let known = words.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
            known.map_or(Field::Unreadable, |(_, code)| Field::Value(*code))
        }
        read => read,
    }
}

/// Reads a text in its canonical spelling.
fn text<'a>(kind: Kind, field: &'a [u8], buffer: &'a mut Vec<u8>) -> Field<&'a [u8]> {
    if field.is_empty() || kind != Kind::Flag && is_missing_word(field) {
        return Field::Empty;
    }
    match kind {
        Kind::Flag => flag(field),
        _ if field.contains(&0) || std::str::from_utf8(field).is_err() => Field::Unreadable,
        Kind::Base if field.iter().any(u8::is_ascii_lowercase) => {
            buffer.clear();
            buffer.extend(field.iter().map(u8::to_ascii_uppercase));
            Field::Value(buffer)
        }
        _ => Field::Value(field),
    }
}

/// Reads a flag: Y, N, a word or a number that stands for one of them.
fn flag(field: &[u8]) -> Field<&'static [u8]> {
    let is_yes = match field {
        b"Y" => Some(true),
        b"N" => Some(false),
        _ => match fields::integer(field) {
            Field::Value(1) => Some(true),
            Field::Value(0) => Some(false),
            _ => {
                let word = |word: &str| field.eq_ignore_ascii_case(word.as_bytes());
                FLAG_WORDS.iter().find(|(known, _)| word(known)).map(|(_, is_yes)| *is_yes)
            }
        },
    };
    match is_yes {
        Some(true) => Field::Value(b"Y"),
        Some(false) => Field::Value(b"N"),
        None => Field::Unreadable,
    }
}

/// Writes down the records of a piece that were rejected.
pub(super) fn set_aside(
    piece: &Piece,
    places: &[RecordPosition],
    rejected: &[Refused],
    rejects: &mut Rejects,
) {
    let mut ranges = Vec::new();
    for refused in rejected {
        let place = places[refused.row as usize];
        let start = place.start as usize;
        let record = &piece.text[start..start + place.length as usize];
        split_fields(record, place.wellformed, &mut ranges);
        let fields = ranges.iter().map(|range| {
            let quoted = place.wellformed && range.start > 0 && record[range.start - 1] == b'"';
            Some(field_text(&record[range.clone()], quoted))
        });
        rejects.push(piece.lines_before + u64::from(place.line) + 1, refused, fields);
    }
}
