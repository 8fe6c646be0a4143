//! A table of `taxi.toml` and what is read from it.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::DeTable;

use super::keys::keys;

/// A table, and where it stands.
pub(super) type SpannedTable<'a> = Spanned<DeTable<'a>>;

/// A table of the file, and the lines it and its keys are in.
#[derive(Debug, Clone, Default)]
pub(super) struct Table<T> {
    pub(super) value: T,
    pub(super) line: usize,
    pub(super) lines: BTreeMap<String, usize>,
}

/// Tables by their names, as the file names them.
pub(super) type Named<T> = BTreeMap<String, Table<T>>;

/// What is read from a table: all of it, or side by side with others.
pub(super) trait FromTable: Sized {
    /// The keys that it has.
    fn keys() -> Vec<&'static str>;

    /// Takes its keys out of a table.
    fn take(table: &mut SpannedTable<'_>) -> Result<Self, toml::de::Error>;
}

impl<T: DeserializeOwned> FromTable for T {
    fn keys() -> Vec<&'static str> {
        keys::<T>().to_vec()
    }

    fn take(table: &mut SpannedTable<'_>) -> Result<Self, toml::de::Error> {
        let mut own = DeTable::new();
        for key in keys::<T>() {
            own.extend(table.get_mut().remove_entry(*key));
        }
        T::deserialize(toml::Deserializer::from(Spanned::new(table.span(), own)))
    }
}
