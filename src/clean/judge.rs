//! Judges a batch by the rules, with Polars, and splits what is kept from what is not.

use std::collections::BTreeMap;

use polars::prelude::*;

use super::Batch;
use super::batch::{Marks, Refused, names};
use super::rules::{Level, RULES, Rules};
use super::typed::all_but;
use crate::schema::Column as Canonical;
use crate::trip::{Counts, TripFile};

/// The rules of one month, ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Judge {
    schema: Vec<&'static Canonical>,
    tests: Vec<(usize, Level)>,
    expressions: Vec<Expr>,
}

/// A batch, judged.
#[derive(Debug)]
pub(super) struct Judged {
    /// The trips.
    pub(super) kept: DataFrame,
    /// The rows that are not, in order.
    pub(super) rejected: Vec<Refused>,
    /// The columns that have times marked as universal.
    pub(super) universal: Marks,
    /// The columns that have a value in any row that could be read, as bits by their place.
    pub(super) filled: Marks,
    /// All rows, counted.
    pub(super) counts: Counts,
}

impl Judge {
    pub(super) fn new(file: TripFile, schema: Vec<&'static Canonical>, rules: &Rules) -> Self {
        let (tests, expressions) = rules
            .tests(file)
            .into_iter()
            .map(|(at, level, test)| {
                ((at, level), test.fill_null(lit(false)).alias(RULES[at].name))
            })
            .unzip();
        Self { schema, tests, expressions }
    }

    pub(super) fn judge(&self, batch: Batch) -> PolarsResult<Judged> {
        let Batch { typed, failed, universal } = batch;
        let rows = typed.rows();
        let frame = typed.into_frame(&self.schema)?;
        let has_value = |(at, column): (usize, &Column)| {
            (column.null_count() < rows).then(|| 1 << at.min(Marks::BITS as usize - 1))
        };
        let filled = frame.columns().iter().enumerate().filter_map(has_value);
        let filled = filled.fold(0, |all: Marks, bit: Marks| all | bit);
        let verdicts = frame.clone().lazy().select(self.expressions.clone()).collect()?;
        let masks = (self.tests.iter().zip(verdicts.columns()))
            .map(|((at, level), column)| Ok((*at, *level, column.bool()?)))
            .collect::<PolarsResult<Vec<_>>>()?;

        let rejected = rejected(failed, &masks);
        let kept = if rejected.is_empty() {
            frame
        } else {
            let keep = all_but(rejected.iter().map(|refused| refused.row), rows);
            frame.filter_seq(&BooleanChunked::from_bitmap("keep".into(), keep))?
        };

        let mut counts = Counts {
            rows_read: rows as u64,
            rows_kept: kept.height() as u64,
            rows_quarantined: rejected.len() as u64,
            ..Counts::default()
        };
        for refused in &rejected {
            count(&mut counts.reasons, names(refused.reasons), 1);
        }
        for (at, _, mask) in masks.iter().filter(|(_, level, _)| *level == Level::Flag) {
            let all = u64::from(mask.sum().unwrap_or(0));
            let set_aside = rejected.iter().filter(|refused| is_true(mask, refused.row));
            let set_aside = set_aside.count() as u64;
            if all > set_aside {
                count(&mut counts.flags, std::iter::once(RULES[*at].name), all - set_aside);
            }
        }
        Ok(Judged { kept, rejected, universal, filled, counts })
    }
}

fn count(sums: &mut BTreeMap<String, u64>, rules: impl Iterator<Item = &'static str>, rows: u64) {
    for rule in rules {
        match sums.get_mut(rule) {
            Some(sum) => *sum += rows,
            None => _ = sums.insert(rule.to_owned(), rows),
        }
    }
}

fn is_true(mask: &BooleanChunked, row: u32) -> bool {
    mask.get(row as usize) == Some(true)
}

/// The rows that a rejecting rule concerns, beside those that could not be read. A row that
/// could not be read has no other reason: its values are not known.
fn rejected(failed: Vec<Refused>, masks: &[(usize, Level, &BooleanChunked)]) -> Vec<Refused> {
    let mut refused: BTreeMap<u32, Refused> = BTreeMap::new();
    for (at, _, mask) in masks.iter().filter(|(_, level, _)| *level == Level::Reject) {
        if mask.any() {
            let rows = mask.iter().enumerate().filter(|(_, verdict)| *verdict == Some(true));
            for (row, _) in rows {
                let row = row as u32;
                let refused = refused.entry(row).or_insert(Refused { row, ..Refused::default() });
                refused.reasons |= 1_u32 << at;
            }
        }
    }
    refused.extend(failed.into_iter().map(|failed| (failed.row, failed)));
    refused.into_values().collect()
}
