//! Columns that the schema does not know: not decoded with the others, as they may be of any
//! size, but for the rows set aside, which keep all their fields.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, ListBuilder, RecordBatch, StringBuilder};
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::{
    ParquetRecordBatchReader, RowSelection, RowSelectionPolicy, RowSelector,
};

use super::careful::{careful, damaged};
use super::opened::{ONE_COLUMN, Opened, rows_of};
use crate::clean::{CleanError, Rejects, batch, rows};
use crate::trip::{Counts, quarantine};

/// How much of these columns is decoded at once, in bytes.
const STEP: u64 = 8 << 20;

/// How much text of rows set aside is handed on at once, in bytes.
const PART: usize = 8 << 20;

/// The columns of a file that were not read.
pub(in crate::clean) struct UnreadColumns {
    opened: Opened,
    roots: Vec<usize>,
}

impl UnreadColumns {
    pub(super) const fn new(opened: Opened, roots: Vec<usize>) -> Self {
        Self { opened, roots }
    }

    /// How to read these columns for rows set aside.
    pub(in crate::clean) fn completer(self) -> Result<Completer, CleanError> {
        let Self { opened, roots } = self;
        let pages = opened.pages(&roots)?;
        let at_once: u64 = pages.iter().map(|(_, pages)| pages.at_once()).sum();
        if at_once > ONE_COLUMN {
            let names = roots.iter().map(|root| opened.metadata.schema().field(*root).name());
            return Err(CleanError::PageTooLarge {
                file: opened.file,
                column: names.map(String::as_str).collect::<Vec<_>>().join(", "),
                size: at_once >> 20,
                limit: ONE_COLUMN >> 20,
            });
        }
        let rows = rows_of(STEP, pages.iter().map(|(_, pages)| pages.row).sum());
        let opened = opened.with_dictionaries(&pages)?;
        Ok(Completer { opened, roots, rows })
    }
}

/// Fills in the fields of rows set aside that were not read with the others.
pub(in crate::clean) struct Completer {
    opened: Opened,
    roots: Vec<usize>,
    rows: usize,
}

impl Completer {
    /// Completes rows of the quarantine, in the order of the file, and hands them on in parts.
    pub(in crate::clean) fn complete(
        &self,
        rejected: &RecordBatch,
        mut take: impl FnMut(&RecordBatch) -> Result<(), CleanError>,
    ) -> Result<(), CleanError> {
        let file = self.opened.file;
        let lost = || damaged(file, "rows set aside are not found again");
        let (Some(lines), Some(at)) = (
            rejected.column_by_name(quarantine::LINE),
            rejected.schema().column_with_name(quarantine::FIELDS).map(|(at, _)| at),
        ) else {
            return Err(lost());
        };
        let fields = rejected.column(at).as_list::<i32>();
        let lines = lines.as_primitive::<Int64Type>().values();
        let mut reader = self.reader(lines)?;
        let mut completed = Fields::new();
        let mut first = 0;
        let mut row = 0;
        while let Some(batch) = careful(file, || reader.next().transpose())? {
            // Written as every row set aside is.
            let mut written = Rejects::default();
            let all: Vec<_> = (0..batch.num_rows() as u32).map(batch::Refused::plain).collect();
            rows::set_aside(file, &batch, 0, &all, &mut written)?;
            let written = written.finish(&mut Counts::default())?;
            let written = written.column_by_name(quarantine::FIELDS).ok_or_else(lost)?;
            let written = written.as_list::<i32>();
            for of_row in 0..written.len() {
                if row == rejected.num_rows() {
                    return Err(lost());
                }
                completed.push(&fields.value(row), &written.value(of_row), &self.roots);
                row += 1;
                if completed.bytes > PART || row == rejected.num_rows() {
                    let mut columns = rejected.slice(first, row - first).columns().to_vec();
                    columns[at] = Arc::new(completed.finish());
                    take(&RecordBatch::try_new(Rejects::schema(), columns)?)?;
                    first = row;
                }
            }
        }
        if row == rejected.num_rows() { Ok(()) } else { Err(lost()) }
    }

    /// A reader of these lines alone, counted from 1.
    fn reader(&self, lines: &[i64]) -> Result<ParquetRecordBatchReader, CleanError> {
        let mut lines = lines.iter().map(|line| line - 1).peekable();
        let (mut groups, mut selectors) = (Vec::new(), Vec::new());
        let mut start = 0;
        for (group, metadata) in self.opened.parquet().row_groups().iter().enumerate() {
            let end = start + metadata.num_rows();
            if lines.peek().is_some_and(|line| (start..end).contains(line)) {
                groups.push(group);
                let mut at = start;
                while let Some(line) = lines.next_if(|line| (at..end).contains(line)) {
                    selectors.push(RowSelector::skip((line - at) as usize));
                    selectors.push(RowSelector::select(1));
                    at = line + 1;
                }
                selectors.push(RowSelector::skip((end - at) as usize));
            }
            start = end;
        }
        let builder = self.opened.builder(&self.roots, self.rows)?;
        let builder = builder
            .with_row_groups(groups)
            .with_row_selection(RowSelection::from(selectors))
            // A mask would decode all rows between those wanted.
            .with_row_selection_policy(RowSelectionPolicy::Selectors);
        careful(self.opened.file, || builder.build())
    }
}

/// The fields of rows, being completed.
struct Fields {
    builder: ListBuilder<StringBuilder>,
    bytes: usize,
}

impl Fields {
    fn new() -> Self {
        let builder = ListBuilder::new(StringBuilder::new()).with_field(batch::item(true));
        Self { builder, bytes: 0 }
    }

    /// Adds a row: the fields that it has, and those of the columns at these places.
    fn push(&mut self, has: &ArrayRef, unread: &ArrayRef, roots: &[usize]) {
        let (has, unread) = (has.as_string::<i32>(), unread.as_string::<i32>());
        for at in 0..has.len() {
            let (from, at) = match roots.binary_search(&at) {
                Ok(unread_at) => (unread, unread_at),
                Err(_) => (has, at),
            };
            let field = from.is_valid(at).then(|| from.value(at));
            self.bytes += field.map_or(1, |field| field.len() + 1);
            self.builder.values().append_option(field);
        }
        self.builder.append(true);
    }

    fn finish(&mut self) -> ListArray {
        self.bytes = 0;
        self.builder.finish()
    }
}
