//! Reads records of text into typed columns.

use std::ops::Range;

use super::fields::{self, Clock, Field};
use super::records::{End, field_text, plain_end, record_end, split_fields};
use super::rules::{UNREADABLE, WRONG_FIELD_COUNT};
use super::typed::{Typed, Values};
use super::{Batch, Rejects};
use crate::schema::{Column, Kind, Mapping, Target};

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
pub(super) struct Place {
    start: u32,
    length: u32,
    /// The line it begins on, counted within the piece from 0.
    line: u32,
    wellformed: bool,
}

/// Reads pieces of one file.
#[derive(Debug)]
pub(super) struct TextReader {
    schema: Vec<&'static Column>,
    mapped: Vec<bool>,
    steps: Vec<Step>,
    clock: Clock,
    ranges: Vec<Range<usize>>,
    buffer: Vec<u8>,
}

/// What to do with one field of every record.
#[derive(Debug, Clone, Copy)]
enum Step {
    Read { column: usize, kind: Kind },
    Alternative { column: usize, kind: Kind },
    Skip,
}

impl TextReader {
    pub(super) fn new(schema: Vec<&'static Column>, mapping: &Mapping) -> Self {
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
        let (clock, ranges, buffer) = (Clock::default(), Vec::new(), Vec::new());
        Self { schema, mapped, steps, clock, ranges, buffer }
    }

    /// Reads every record of a piece.
    pub(super) fn read(&mut self, piece: &Piece) -> (Batch, Vec<Place>) {
        let mut typed = Typed::new(&self.schema, &self.mapped, piece.lines + 1);
        let mut places = Vec::with_capacity(piece.lines + 1);
        let mut failed = Vec::new();
        let text = piece.text.as_slice();
        let (mut at, mut line) = (0, 0);
        while at < text.len() {
            let end =
                if piece.quoted { record_end(&text[at..], true) } else { plain_end(&text[at..]) };
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
                places.push(Place { start: at as u32, length: content as u32, line, wellformed });
                let quoted = piece.quoted && memchr::memchr(b'"', record).is_some();
                let read = if !wellformed {
                    self.give_up(&mut typed, 0);
                    Err(WRONG_FIELD_COUNT)
                } else if quoted {
                    self.read_quoted(&mut typed, record)
                } else {
                    self.read_plain(&mut typed, record)
                };
                typed.end_record();
                if let Err(reason) = read {
                    failed.push((row, 1 << reason));
                }
            }
            at += next;
            line += lines as u32;
        }
        (Batch { typed, failed }, places)
    }

    /// Reads a record without quotes in one pass.
    #[inline]
    fn read_plain(&mut self, typed: &mut Typed, record: &[u8]) -> Result<(), usize> {
        let mut at = 0;
        let mut readable = true;
        for index in 0..self.steps.len() {
            if at > record.len() {
                self.give_up(typed, index);
                return Err(WRONG_FIELD_COUNT);
            }
            let step = self.steps[index];
            let end = match self.read_fast(typed, step, record, at) {
                Some(end) => end,
                None => {
                    let end = memchr::memchr(b',', &record[at..]).map_or(record.len(), |n| at + n);
                    readable &= self.read_field(typed, step, &record[at..end]);
                    end
                }
            };
            at = end + 1;
        }
        let surplus = record.get(at.saturating_sub(1)..).unwrap_or_default();
        if surplus.iter().any(|byte| *byte != b',' && !byte.is_ascii_whitespace()) {
            return Err(WRONG_FIELD_COUNT);
        }
        if readable { Ok(()) } else { Err(UNREADABLE) }
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
                let (value, end) = self.clock.time_at(record, at)?;
                values.push(value);
                Some(end)
            }
            _ => None,
        }
    }

    /// Reads a record some of whose fields are quoted.
    fn read_quoted(&mut self, typed: &mut Typed, record: &[u8]) -> Result<(), usize> {
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
    ) -> Result<(), usize> {
        let count = self.steps.len();
        let surplus = ranges.get(count..).unwrap_or_default();
        let empty = |range: &Range<usize>| record[range.clone()].trim_ascii().is_empty();
        if ranges.len() < count || !surplus.iter().all(empty) {
            self.give_up(typed, 0);
            return Err(WRONG_FIELD_COUNT);
        }
        let mut readable = true;
        for (index, range) in ranges[..count].iter().enumerate() {
            let step = self.steps[index];
            let field = &record[range.clone()];
            if self.read_fast(typed, step, field, 0) == Some(field.len()) {
                continue;
            }
            let doubled = range.start > 0
                && record[range.start - 1] == b'"'
                && memchr::memmem::find(field, b"\"\"").is_some();
            readable &= if doubled {
                let text = field_text(field, true);
                self.read_field(typed, step, text.as_bytes())
            } else {
                self.read_field(typed, step, field)
            };
        }
        if readable { Ok(()) } else { Err(UNREADABLE) }
    }

    /// Reads a whole field any way it may be written; false where it is unreadable.
    fn read_field(&mut self, typed: &mut Typed, step: Step, field: &[u8]) -> bool {
        match step {
            Step::Skip => true,
            Step::Read { column, kind } => {
                push_field(typed, column, kind, field, &mut self.clock, &mut self.buffer)
            }
            Step::Alternative { column, kind } => {
                field.trim_ascii().is_empty()
                    || typed.take_back_null(column)
                        && push_field(typed, column, kind, field, &mut self.clock, &mut self.buffer)
            }
        }
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

/// Pushes a whole field onto a column, as null where it is empty or, answering false,
/// unreadable.
pub(super) fn push_field(
    typed: &mut Typed,
    column: usize,
    kind: Kind,
    field: &[u8],
    clock: &mut Clock,
    buffer: &mut Vec<u8>,
) -> bool {
    let pushed = match typed.values(column) {
        Values::Code(values) => {
            let words: &[(&str, i16)] = if let Kind::Code(words) = kind { words } else { &[] };
            push_value(values, code(field, words))
        }
        Values::Seconds(values) => push_value(values, narrow(fields::integer(field))),
        Values::Number(values) => push_value(values, fields::number(field)),
        Values::Time(values) => push_value(values, clock.time(field)),
        Values::Text(texts) => {
            let field = field.trim_ascii();
            if field.is_empty() {
                Field::Empty
            } else if field.contains(&0) || std::str::from_utf8(field).is_err() {
                Field::Unreadable
            } else {
                texts.push(spelled(kind, field, buffer));
                Field::Value(())
            }
        }
    };
    if !matches!(pushed, Field::Value(())) {
        typed.push_null(column);
    }
    !matches!(pushed, Field::Unreadable)
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

/// The canonical spelling of a text.
pub(super) fn spelled<'a>(kind: Kind, field: &'a [u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
    match (kind, field) {
        (Kind::Flag, b"1" | b"1.0" | b"y") => b"Y",
        (Kind::Flag, b"0" | b"0.0" | b"n") => b"N",
        (Kind::Base, _) if field.iter().any(u8::is_ascii_lowercase) => {
            buffer.clear();
            buffer.extend(field.iter().map(u8::to_ascii_uppercase));
            buffer
        }
        _ => field,
    }
}

/// Writes down the records of a piece that were rejected.
pub(super) fn set_aside(
    piece: &Piece,
    places: &[Place],
    rejected: &[(u32, u32)],
    rejects: &mut Rejects,
) {
    let mut ranges = Vec::new();
    for &(row, reasons) in rejected {
        let place = places[row as usize];
        let start = place.start as usize;
        let record = &piece.text[start..start + place.length as usize];
        split_fields(record, place.wellformed, &mut ranges);
        let fields = ranges.iter().map(|range| {
            let quoted = place.wellformed && range.start > 0 && record[range.start - 1] == b'"';
            Some(field_text(&record[range.clone()], quoted))
        });
        rejects.push(piece.lines_before + u64::from(place.line) + 1, reasons, fields);
    }
}
