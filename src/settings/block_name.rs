use std::fmt;

/// The name of a block: `prefect:gcs-bucket/zoom-gcs`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockName {
    /// Its type: `gcs-bucket`.
    pub kind: String,
    /// Its name: `zoom-gcs`.
    pub name: String,
}

impl BlockName {
    /// The block that a setting refers to, if it does.
    pub fn of(text: &str) -> Option<Self> {
        let (kind, name) = text.strip_prefix("prefect:")?.split_once('/')?;
        Some(Self { kind: kind.to_owned(), name: name.to_owned() })
    }
}

impl fmt::Display for BlockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "prefect:{}/{}", self.kind, self.name)
    }
}
