//! What a month has to be, whatever was done to its file.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use flate2::read::MultiGzDecoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use taxi_test_support::generate::Form;

/// The rows of a good month.
pub struct Truth {
    form: Form,
    /// The published rows, in the order of the file.
    rows: Vec<String>,
    /// What each line of the text becomes.
    lines: HashMap<Vec<u8>, String>,
    header: Vec<u8>,
}

/// A published month: each row as text.
pub fn rows(path: &Path) -> Vec<String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let options = FormatOptions::new().with_null("null");
    let mut rows = Vec::new();
    for batch in builder.build().unwrap() {
        let batch = batch.unwrap();
        let columns = batch.columns().iter();
        let columns: Vec<_> =
            columns.map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        rows.extend((0..batch.num_rows()).map(|row| {
            let values = columns.iter().map(|column| column.value(row).to_string());
            values.collect::<Vec<_>>().join("|")
        }));
    }
    rows
}

/// A file as text, as an independent decoder reads it; `None` if it cannot be inflated.
fn text(form: Form, bytes: &[u8]) -> Option<Vec<u8>> {
    match form {
        Form::Csv => Some(bytes.to_vec()),
        Form::CsvGz => {
            // Padding after the last member is not part of it.
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            (0..=8.min(bytes.len() - end)).find_map(|zeros| {
                let mut text = Vec::new();
                let mut decoder = MultiGzDecoder::new(&bytes[..end + zeros]);
                decoder.read_to_end(&mut text).ok().map(|_| text)
            })
        }
        Form::Parquet => None,
    }
}

/// The lines that are not blank, without what ends them.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = |line: &[u8]| line.len() - line.iter().rev().take_while(|it| **it == b'\r').count();
    let lines = text.split(|byte| *byte == b'\n').map(move |line| &line[..end(line)]);
    lines.filter(|line| !line.trim_ascii().is_empty())
}

impl Truth {
    pub fn new(form: Form, bytes: &[u8], rows: Vec<String>) -> Self {
        let text = text(form, bytes).unwrap_or_default();
        let mut all = lines(&text);
        let header = all.next().unwrap_or_default().to_vec();
        let records: HashMap<_, _> = all.map(<[u8]>::to_vec).zip(rows.iter().cloned()).collect();
        Self { form, rows, lines: records, header }
    }

    /// What is wrong with the published rows of a damaged file; `counts` are rows read, kept and
    /// set aside.
    pub fn check(&self, damaged: &[u8], published: &[String], counts: [u64; 3]) -> Option<String> {
        let [read, kept, set_aside] = counts;
        if read != kept + set_aside || kept != published.len() as u64 {
            return Some(format!(
                "{read} read, {kept} kept, {set_aside} set aside, {} published",
                published.len()
            ));
        }
        if published == self.rows && set_aside == 0 {
            return None;
        }
        let Some(text) = text(self.form, damaged) else {
            return Some(self.differences(published));
        };
        let mut all = lines(&text);
        // Under another header the values mean something else.
        let header = all.next().unwrap_or_default();
        let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header);
        if header != self.header {
            return None;
        }
        let mut expected: HashMap<&str, i64> = HashMap::new();
        let mut torn = Vec::new();
        let mut records = 0;
        for line in all {
            records += 1;
            match self.lines.get(line) {
                Some(row) => *expected.entry(row).or_default() += 1,
                None => torn.push(line),
            }
        }
        // A quote may join lines: then their number says nothing.
        let joined = torn.iter().any(|line| line.contains(&b'"'));
        if !joined && read != records {
            return Some(format!("{read} rows read of {records}"));
        }
        let mut strangers = 0;
        for row in published {
            match expected.get_mut(row.as_str()) {
                Some(left) if *left > 0 => *left -= 1,
                _ => strangers += 1,
            }
        }
        let lost: i64 = expected.values().sum();
        let blamed = torn.len();
        if !joined && (lost > 0 || strangers > blamed) {
            return Some(format!(
                "{lost} good rows lost, {strangers} others for {blamed} damaged lines"
            ));
        }
        None
    }

    /// What is wrong with the published rows of a file that must be whole.
    pub fn whole(&self, published: &[String], counts: [u64; 3]) -> Option<String> {
        let rows = published.len() as u64;
        // What follows a text is read as one more of its records, and set aside.
        let more = if self.form == Form::Csv { counts[2] } else { 0 };
        if published == self.rows && counts == [rows + more, rows, more] {
            return None;
        }
        Some(self.differences(published))
    }

    fn differences(&self, published: &[String]) -> String {
        let pairs = self.rows.iter().zip(published).enumerate();
        let first = pairs
            .filter(|(_, (one, other))| one != other)
            .map(|(at, (one, other))| format!("row {at} is\n  {other} for\n  {one}"));
        let first = first.take(1).collect::<String>();
        format!("{} rows published for {}; {first}", published.len(), self.rows.len())
    }
}
