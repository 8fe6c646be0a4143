use std::collections::BTreeMap;

use serde::Serialize;

use crate::trip::Colour;

use super::{Column, columns};

/// The columns that are summed up to compare stores, of those that a colour has.
pub const SUMMED: [&str; 6] = [
    "pickup_location_id",
    "passenger_count",
    "trip_distance",
    "total_amount",
    "trip_time",
    "base_passenger_fare",
];

/// A larger value, or none at all, is left out of a sum: it stays exact so.
const LARGEST: f64 = 1e9;

/// A month counted again, for comparing stores.
///
/// A column's sum is that of its values in hundredths, each rounded down, over the values of
/// at most 1e9 in size: a sum of whole numbers, the same in any order they are added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Rows.
    pub rows: u64,
    /// The sums of [`SUMMED`], by column, in hundredths.
    pub columns: BTreeMap<&'static str, i128>,
}

/// The columns of [`SUMMED`] that a colour has.
pub fn summed(colour: Colour) -> Vec<&'static Column> {
    columns(colour).into_iter().filter(|column| SUMMED.contains(&column.name)).collect()
}

impl Sums {
    /// Nothing yet, of a colour.
    pub fn of(colour: Colour) -> Self {
        let columns = summed(colour).into_iter().map(|column| (column.name, 0)).collect();
        Self { rows: 0, columns }
    }

    /// Adds values of a column.
    pub fn add(&mut self, column: &'static str, values: impl Iterator<Item = f64>) {
        let sum: i128 = values.filter_map(hundredths).map(i128::from).sum();
        *self.columns.entry(column).or_default() += sum;
    }
}

fn hundredths(value: f64) -> Option<i64> {
    (value.abs() <= LARGEST).then(|| (value * 100.0).floor() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_exact_in_whatever_order() {
        let values = [0.1, 1e9, -3.005, 1e300, f64::NAN, f64::INFINITY, 0.2, -0.0, 7.0];
        let (mut on, mut back) = (Sums::of(Colour::Green), Sums::of(Colour::Green));
        on.add("total_amount", values.into_iter());
        back.add("total_amount", values.into_iter().rev());
        assert_eq!(on, back);
        assert_eq!(on.columns["total_amount"], 10 + 100_000_000_000 - 301 + 20 + 700);
        assert_eq!(on.columns["trip_distance"], 0);
    }

    #[test]
    fn every_colour_has_a_column_to_sum_up() {
        for colour in Colour::ALL {
            assert!(!summed(colour).is_empty(), "{colour}");
        }
    }
}
