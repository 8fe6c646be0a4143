/// What loading a month came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// It is there, with so many rows, counted by the server.
    Replaced(u64),
    /// It was there already.
    Unchanged,
}
