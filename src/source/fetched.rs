use std::path::PathBuf;

use crate::trip::{Format, SourceFacts};

/// A month's file on the local disk.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Where.
    pub path: PathBuf,
    /// What it is.
    pub format: Format,
    /// Where it came from and what it was.
    pub facts: SourceFacts,
}

/// What asking for a month's file came to.
#[derive(Debug)]
pub enum Outcome {
    /// It is here.
    Fetched(Fetched),
    /// It has not changed since it was fetched last. Where the source says something new of the
    /// same bytes, as another tag: that, so that it need not be fetched again to learn so.
    Unchanged(Option<SourceFacts>),
    /// The source does not have it yet.
    NotPublished,
}
