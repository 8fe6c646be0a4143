//! Which row gets which dirt.

use super::Recipe;
use super::dirt::{Change, Dirt, changes_or_refuse};
use super::layout::Layout;
use super::random::Random;

/// A row that gets dirty, counted from 0.
pub struct Spot {
    pub row: u64,
    pub dirt: Dirt,
    pub change: Change,
}

/// The dirty rows in order. Each has a clean one before it, for dirt that repeats a row, and
/// open quotes come after all other dirt, so that no later quote closes one.
pub fn spots(recipe: &Recipe, layout: &Layout) -> Vec<Spot> {
    let mut random = Random::new(recipe.seed ^ 0xd1f7);
    let mut planted = Vec::new();
    for (dirt, times) in recipe.dirt.iter().filter(|(_, times)| *times > 0) {
        let changes = changes_or_refuse(*dirt, layout);
        planted.extend(changes.into_iter().cycle().take(*times).map(|change| (*dirt, change)));
    }
    random.shuffle(&mut planted);
    planted.sort_by_key(|(dirt, _)| *dirt == Dirt::UnclosedQuote);

    let pairs = recipe.rows / 2;
    let count = planted.len() as u64;
    assert!(count <= pairs, "{count} dirty rows need {} rows, not {}", count * 2, recipe.rows);
    let spot = |(index, (dirt, change))| {
        let edge = |index: u64| (u128::from(index) * u128::from(pairs) / u128::from(count)) as u64;
        let (low, high) = (edge(index), edge(index + 1));
        Spot { row: (low + random.below(high - low)) * 2 + 1, dirt, change }
    };
    (0..count).zip(planted).map(spot).collect()
}
