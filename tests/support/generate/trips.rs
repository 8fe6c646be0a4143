//! Clean trips of a month, roughly in the order of their pickups.

use super::Colour;
use super::Recipe;
use super::column::{Column, Row, Value};
use super::hired::Hired;
use super::layout::Layout;
use super::metered::Metered;
use super::random::Random;

/// Zones as they are travelled: most trips are between a few of them.
pub struct Places(Vec<i64>);

const BUSY: &[i64] =
    &[237, 161, 236, 162, 186, 170, 48, 230, 234, 142, 163, 79, 141, 239, 138, 132, 1, 264, 265];

impl Places {
    pub fn new(random: &mut Random) -> Self {
        let zone = |random: &mut Random| {
            if random.permille(600) { random.pick(BUSY) } else { random.between(1, 265) }
        };
        Self((0..4096).map(|_| zone(random)).collect())
    }

    pub fn pick(&self, random: &mut Random) -> i64 {
        random.pick(&self.0)
    }
}

enum Maker {
    Metered(Metered),
    Hired(Hired),
}

/// Makes one trip after the other. Nothing in them trips a rule.
pub struct Trips {
    random: Random,
    maker: Maker,
    start: i64,
    end: i64,
    rows: u64,
    meterless_permille: u64,
    empty: Vec<Column>,
}

impl Trips {
    pub fn new(recipe: &Recipe, layout: &Layout) -> Self {
        let mut random = Random::new(recipe.seed);
        let maker = match recipe.colour {
            Colour::Yellow | Colour::Green => Maker::Metered(Metered::new(layout, &mut random)),
            Colour::Fhv | Colour::Fhvhv => Maker::Hired(Hired::new(layout, &mut random)),
        };
        Self {
            random,
            maker,
            start: layout.month.start(),
            end: layout.month.end(),
            rows: recipe.rows,
            meterless_permille: u64::from(recipe.meterless_percent) * 10,
            empty: Column::ALL.iter().copied().filter(|it| layout.empty(*it)).collect(),
        }
    }

    /// The trip of a row, counted from 0. The first one starts the month, the last one ends it.
    pub fn trip(&mut self, index: u64) -> Row {
        let random = &mut self.random;
        let pickup = match index {
            0 => self.start,
            index if index + 1 == self.rows => self.end - 1,
            index => {
                let span = u128::from((self.end - self.start) as u64);
                let even = (u128::from(index) * span / u128::from(self.rows)) as i64;
                (self.start + even + random.between(-600, 600)).clamp(self.start, self.end - 1)
            }
        };
        let mut row = Row::empty();
        match &self.maker {
            Maker::Metered(metered) => {
                let meterless = random.permille(self.meterless_permille);
                metered.fill(&mut row, pickup, meterless, random);
            }
            Maker::Hired(hired) => hired.fill(&mut row, pickup, random),
        }
        for column in &self.empty {
            row[*column] = Value::Null;
        }
        row
    }

    /// Makes the trip one that no meter has recorded.
    pub fn take_meter(&self, row: &mut Row) {
        if let Maker::Metered(metered) = &self.maker {
            metered.take_meter(row);
        }
    }
}
