//! Makes trip files as the publisher writes them, with dirt of which every row is known.
//!
//! A witness: nothing here uses the library that reads these files.
// Tables of columns and kinds read better without their type's name in every row.
#![allow(clippy::enum_glob_use, clippy::struct_excessive_bools)]

mod calendar;
mod cli;
mod column;
mod csv_file;
mod digits;
mod dirt;
mod hired;
mod layout;
mod made;
mod metered;
mod parquet_file;
mod plan;
pub mod random;
#[cfg(test)]
mod tests;
mod trips;
mod vintage;

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use clap::ValueEnum;

pub use calendar::Month;
pub use column::Column;
pub use dirt::Dirt;
// Not every user of this module takes all of it.
#[allow(unused_imports)]
pub use {
    cli::{Args, run},
    dirt::Fate,
    made::{Made, Planted, Sum, Total},
    vintage::{Manner, VINTAGES, Vintage},
};

use column::{Kind, Row, Value};
use dirt::Change;
use layout::Layout;
use made::Tally;
use trips::Trips;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    Yellow,
    Green,
    Fhv,
    Fhvhv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    Csv,
    #[value(name = "csv.gz")]
    CsvGz,
    Parquet,
}

/// What to make.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub colour: Colour,
    pub month: Month,
    /// Records in the file, dirty ones and all.
    pub rows: u64,
    pub seed: u64,
    pub dirt: Vec<(Dirt, usize)>,
    pub form: Form,
    /// Rows of a hundred that no meter has recorded, as from 2020 on.
    pub meterless_percent: u8,
    /// Timestamps of a Parquet file as pandas re-saves them.
    pub nanoseconds: bool,
    /// The later edition of fhv months from 2019 on.
    pub newer_edition: bool,
}

impl Recipe {
    /// A thousand clean rows as plain CSV.
    pub fn new(colour: Colour, year: u16, month: u8) -> Self {
        Self {
            colour,
            month: Month::new(year, month),
            rows: 1000,
            seed: 1,
            dirt: Vec::new(),
            form: Form::Csv,
            meterless_percent: 0,
            nanoseconds: false,
            newer_edition: false,
        }
    }

    pub fn rows(self, rows: u64) -> Self {
        Self { rows, ..self }
    }

    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Adds so many rows of a kind of dirt.
    pub fn dirt(mut self, dirt: Dirt, times: usize) -> Self {
        self.dirt.push((dirt, times));
        self
    }

    /// Adds so many rows of every kind of dirt that the file can have.
    pub fn every_dirt(self, times: usize) -> Self {
        let layout = Layout::of(&self);
        Dirt::all()
            .filter(|dirt| !dirt.changes(&layout).is_empty())
            .fold(self, |recipe, dirt| recipe.dirt(dirt, times))
    }

    pub fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    pub fn meterless_percent(self, meterless_percent: u8) -> Self {
        Self { meterless_percent, ..self }
    }

    pub fn nanoseconds(self) -> Self {
        Self { nanoseconds: true, ..self }
    }

    pub fn newer_edition(self) -> Self {
        Self { newer_edition: true, ..self }
    }

    /// Writes the file. Panics where it can't, and where the recipe asks for dirt that such a
    /// file can't have.
    pub fn write(&self, path: &Path) -> Made {
        self.try_write(path)
            .unwrap_or_else(|error| panic!("can't write {}: {error}", path.display()))
    }

    fn try_write(&self, path: &Path) -> io::Result<Made> {
        let layout = Layout::of(self);
        let (_, mut made) = self.pour(&layout, BufWriter::new(File::create(path)?))?;
        made.bytes = path.metadata()?.len();
        Ok(made)
    }

    /// The file's bytes.
    pub fn bytes(&self) -> (Vec<u8>, Made) {
        let poured = self.pour(&Layout::of(self), Vec::new());
        let (bytes, mut made) = poured.expect("memory takes every write");
        made.bytes = bytes.len() as u64;
        (bytes, made)
    }

    fn pour<W: Write + Send>(&self, layout: &Layout, out: W) -> io::Result<(W, Made)> {
        let fill = |sink: &mut dyn Sink| self.fill(layout, sink);
        match self.form {
            Form::Csv | Form::CsvGz => csv_file::write(layout, out, fill),
            Form::Parquet => parquet_file::write(layout, out, fill),
        }
    }

    fn fill(&self, layout: &Layout, sink: &mut dyn Sink) -> Made {
        let mut spots = plan::spots(self, layout).into_iter().peekable();
        let mut trips = Trips::new(self, layout);
        let mut tally = Tally::new(layout);
        let mut before = Row::empty();
        for index in 0..self.rows {
            let mut row = trips.trip(index);
            match spots.next_if(|spot| spot.row == index) {
                None => {
                    sink.record(&row, &Fault::None);
                    tally.kept(&row);
                }
                Some(spot) if spot.change == Change::BlankLine => {
                    sink.blank_line();
                    let (line, text) = sink.last();
                    sink.record(&row, &Fault::None);
                    tally.dirty(spot.dirt, &row, line, text);
                }
                Some(spot) => {
                    let fault = spoil(&mut row, spot.change, &before, &trips);
                    sink.record(&row, &fault);
                    let (line, text) = sink.last();
                    tally.dirty(spot.dirt, &row, line, text);
                }
            }
            before = row;
        }
        tally.finish()
    }
}

/// What is wrong with a record beyond its values.
#[derive(Clone, Debug, PartialEq)]
enum Fault {
    None,
    /// This text stands for the column's value.
    Written(Column, String),
    DroppedFields(usize),
    AddedField(String),
}

/// Takes the records of a file, in order.
trait Sink {
    fn record(&mut self, row: &Row, fault: &Fault);

    fn blank_line(&mut self);

    /// Where the last record or blank line stands, and its text.
    fn last(&self) -> (u64, String);
}

/// Changes a row's values, and says what else the file gets wrong about it.
fn spoil(row: &mut Row, change: Change, before: &Row, trips: &Trips) -> Fault {
    let (pickup, dropoff) = (row[Column::PickupDatetime], row[Column::DropoffDatetime]);
    match change {
        Change::Set(column, value) => row[column] = value,
        Change::Write(column, value, text) => {
            row[column] = value;
            return Fault::Written(column, text);
        }
        Change::PickupAt(moment) => {
            row[Column::PickupDatetime] = Value::Time(moment);
            if let (Value::Time(pickup), Value::Time(dropoff)) = (pickup, dropoff) {
                row[Column::DropoffDatetime] = Value::Time(moment + dropoff - pickup);
            }
        }
        Change::DropoffAt(moment) => row[Column::DropoffDatetime] = Value::Time(moment),
        Change::DropoffAfter(seconds) => {
            if let Value::Time(pickup) = pickup {
                row[Column::DropoffDatetime] = Value::Time(pickup + seconds);
            }
        }
        Change::TakeMeter => trips.take_meter(row),
        Change::RepeatBefore => *row = *before,
        Change::RefundBefore => {
            *row = *before;
            for column in Column::ALL.iter().filter(|column| column.kind() == Kind::Amount) {
                if let (Value::Cents(cents), false) = (row[*column], column.is_distance()) {
                    row[*column] = Value::Cents(-cents);
                }
            }
        }
        Change::DropFields(count) => return Fault::DroppedFields(count),
        Change::AddField(text) => return Fault::AddedField(text),
        Change::BlankLine => unreachable!("a blank line changes no row"),
    }
    Fault::None
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yellow => "yellow",
            Self::Green => "green",
            Self::Fhv => "fhv",
            Self::Fhvhv => "fhvhv",
        })
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "csv",
            Self::CsvGz => "csv.gz",
            Self::Parquet => "parquet",
        })
    }
}
