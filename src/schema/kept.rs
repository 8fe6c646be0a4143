//! Columns in addition to the canonical ones: those of a month's file that the schema does not know
//! and that are kept.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::trip::{Colour, KeptColumn, KeptType};

use super::{COLUMNS, Column, Kind, columns};

/// The columns of a month: those of its colour, then those that were kept.
pub fn columns_with(colour: Colour, kept: &[KeptColumn]) -> Vec<&'static Column> {
    let mut all = columns(colour);
    all.extend(kept.iter().map(column));
    all
}

/// The name for a source column that the schema does not know, different from every column of
/// the schema and from those `taken`; `None` if it is not to be kept.
pub fn name_for_kept(source: &str, taken: &[KeptColumn]) -> Option<String> {
    KeptColumn::name_for(source, |name| {
        let known = |column: &Column| column.is_called(name);
        COLUMNS.iter().any(known) || taken.iter().any(|column| column.name == name)
    })
}

/// What is said of a kept column, also in tables, where it tells that the column is one.
pub const ABOUT_KEPT: &str = "A column of the files that the schema does not know yet";

/// Whether a column is a kept one.
pub fn is_kept(column: &Column) -> bool {
    column.colours.is_empty()
}

/// What the values of a kept column are.
pub const fn kept_kind(kept: &KeptColumn) -> Kind {
    match kept.r#type {
        KeptType::Whole => Kind::Whole,
        KeptType::Number => Kind::Number,
        KeptType::Time => Kind::Time,
        KeptType::Text => Kind::Any,
    }
}

/// A kept column as a row of the schema. There are few, and each is made once in the life of
/// the program: all columns are static.
fn column(kept: &KeptColumn) -> &'static Column {
    static ALL: LazyLock<Mutex<HashMap<(String, KeptType), &'static Column>>> =
        LazyLock::new(Mutex::default);
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry((kept.name.clone(), kept.r#type)).or_insert_with(|| {
        let kind = kept_kind(kept);
        let name: &'static str = kept.name.clone().leak();
        Box::leak(Box::new(Column { name, kind, colours: &[], aliases: &[], about: ABOUT_KEPT }))
    })
}
