//! Writes records as a CSV file of a vintage, plain or as gzip.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::column::{Column, Kind, Row, Value};
use super::digits;
use super::layout::Layout;
use super::vintage::{Manner, Vintage};
use super::{Fault, Form, Sink};

const CHUNK: usize = 1 << 20;

/// Makes the file, compressing on a thread of its own, and gives back what `fill` returns.
pub fn write<W: Write + Send, T>(
    layout: &Layout,
    out: W,
    fill: impl FnOnce(&mut dyn Sink) -> T,
) -> io::Result<(W, T)> {
    let (sender, chunks) = sync_channel(4);
    let gzip = layout.form == Form::CsvGz;
    thread::scope(|scope| {
        let writer =
            scope.spawn(move || if gzip { deflate(&chunks, out) } else { copy(&chunks, out) });
        let mut lines = Lines::new(layout, sender);
        let result = fill(&mut lines);
        lines.flush();
        drop(lines);
        let out = writer.join().expect("the writer does not panic")?;
        Ok((out, result))
    })
}

fn copy<W: Write>(chunks: &Receiver<Vec<u8>>, mut out: W) -> io::Result<W> {
    for chunk in chunks {
        out.write_all(&chunk)?;
    }
    out.flush()?;
    Ok(out)
}

fn deflate<W: Write>(chunks: &Receiver<Vec<u8>>, out: W) -> io::Result<W> {
    let mut out = copy(chunks, GzEncoder::new(out, Compression::new(6)))?.finish()?;
    out.flush()?;
    Ok(out)
}

struct Lines<'a> {
    vintage: &'static Vintage,
    fields: &'a [(&'static str, Option<Column>)],
    sender: SyncSender<Vec<u8>>,
    buffer: Vec<u8>,
    /// The line on which the next record starts.
    next: u64,
    /// Where the last record starts: its line, and its place in the buffer.
    line: u64,
    start: usize,
}

impl<'a> Lines<'a> {
    fn new(layout: &'a Layout, sender: SyncSender<Vec<u8>>) -> Self {
        let vintage = layout.vintage.expect("a CSV file has a vintage");
        let head = [vintage.header, vintage.header_end, vintage.blank].concat();
        Self {
            vintage,
            fields: &layout.fields,
            sender,
            next: 1 + head.matches('\n').count() as u64,
            line: 1,
            start: 0,
            buffer: head.into_bytes(),
        }
    }

    /// Hands the buffer over. A writer that has failed says so itself when it is joined.
    fn flush(&mut self) {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK + 4096));
        let _ = self.sender.send(full);
    }

    fn begin(&mut self) {
        if self.buffer.len() >= CHUNK {
            self.flush();
        }
        self.line = self.next;
        self.start = self.buffer.len();
    }

    fn end(&mut self) {
        self.buffer.extend_from_slice(self.vintage.line_end.as_bytes());
        self.next += 1;
    }

    fn field(&mut self, column: Option<Column>, row: &Row) {
        let quote = self.vintage.quoted;
        if quote {
            self.buffer.push(b'"');
        }
        if let Some(column) = column {
            spell(&mut self.buffer, column, row[column], self.vintage.manner);
        }
        if quote {
            self.buffer.push(b'"');
        }
    }
}

impl Sink for Lines<'_> {
    fn record(&mut self, row: &Row, fault: &Fault) {
        self.begin();
        let (dropped, added) = match fault {
            Fault::DroppedFields(count) => (*count, ""),
            Fault::AddedField(text) => (0, text.as_str()),
            _ => (0, ""),
        };
        let fields = self.fields;
        for (index, (_, column)) in fields[..fields.len() - dropped].iter().enumerate() {
            if index > 0 {
                self.buffer.push(b',');
            }
            match fault {
                Fault::Written(faulty, text) if *column == Some(*faulty) => {
                    self.buffer.extend_from_slice(text.as_bytes());
                    self.next += text.matches('\n').count() as u64;
                }
                _ => self.field(*column, row),
            }
        }
        if dropped == 0 {
            let surplus = self.vintage.surplus.max(usize::from(!added.is_empty()));
            for index in 0..surplus {
                self.buffer.push(b',');
                if index == 0 {
                    self.buffer.extend_from_slice(added.as_bytes());
                }
            }
        }
        self.end();
    }

    fn blank_line(&mut self) {
        self.begin();
        self.end();
    }

    fn last(&self) -> (u64, String) {
        let text = String::from_utf8_lossy(&self.buffer[self.start..]).into_owned();
        (self.line, text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// A value as a vintage writes it.
fn spell(out: &mut Vec<u8>, column: Column, value: Value, manner: Manner) {
    match value {
        Value::Null => {}
        Value::Text(text) | Value::Coded(_, text) => out.extend_from_slice(text.as_bytes()),
        Value::Time(seconds) => digits::time(out, seconds),
        Value::Degrees(degrees) => digits::seventeen(out, degrees),
        Value::Whole(value) => {
            digits::whole(out, value);
            if manner == Manner::Pandas && column.kind() == Kind::Code {
                out.extend_from_slice(b".0");
            }
        }
        Value::Cents(cents) => match manner {
            Manner::Digits17 => digits::seventeen(out, cents as f64 / 100.0),
            Manner::Short if column == Column::TripDistance => digits::two_decimals(out, cents),
            Manner::Short | Manner::Pandas => digits::shortest(out, cents),
        },
    }
}
