use std::fmt;

use crate::trip::Item;

use super::TaskName;

/// A task of a run: what is done to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Task {
    /// What is done.
    pub name: TaskName,
    /// To what.
    pub item: Item,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.item, self.name)
    }
}
