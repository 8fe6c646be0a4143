//! Where the value of a setting comes from.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::block_name::BlockName;

/// Where the value of a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Origin {
    /// A flag.
    Flag {
        /// `--lake`
        name: String,
    },
    /// The environment.
    Environment {
        /// `TAXI_LAKE`
        name: String,
    },
    /// A connection.
    Connection {
        /// `lakes.prod`, or the name of a block.
        name: String,
        /// What names the connection.
        by: Box<Origin>,
        /// Where it is.
        #[serde(flatten)]
        place: Option<FileLine>,
    },
    /// A profile.
    Profile {
        /// Its name.
        name: String,
        /// Where it says so.
        #[serde(flatten)]
        place: FileLine,
    },
    /// The top of the file of settings.
    File {
        /// Where it says so.
        #[serde(flatten)]
        place: FileLine,
    },
    /// The default.
    Default,
}

/// A line of the file of settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileLine {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
}

impl FileLine {
    pub(super) fn new(path: &Path, line: usize) -> Self {
        Self { path: path.to_owned(), line }
    }
}

impl Origin {
    /// A block that something names.
    pub(super) fn block(block: &BlockName, by: &Self) -> Self {
        Self::Connection { name: block.to_string(), by: Box::new(by.clone()), place: None }
    }

    /// The place in the file, for the end of a sentence; nothing where it is not there.
    pub(super) fn in_file(&self) -> String {
        match self {
            Self::Connection { .. } | Self::Profile { .. } | Self::File { .. } => {
                format!(" ({self})")
            }
            Self::Flag { .. } | Self::Environment { .. } | Self::Default => String::new(),
        }
    }

    /// The smaller goes first.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Flag { .. } => 0,
            Self::Environment { .. } => 1,
            Self::Connection { .. } => 2,
            Self::Profile { .. } => 3,
            Self::File { .. } => 4,
            Self::Default => 5,
        }
    }
}

impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.path.display(), self.line)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag { name } | Self::Environment { name } => f.write_str(name),
            Self::Connection { name, by, place: Some(place) } => match **by {
                Self::Default => write!(f, "{place} ({name})"),
                _ => write!(f, "{place} ({name}, named by {by})"),
            },
            Self::Connection { name, by, place: None } => write!(f, "{name}, named by {by}"),
            Self::Profile { name, place } => write!(f, "{place} (profile {name})"),
            Self::File { place } => place.fmt(f),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting in force.
#[derive(Debug, Clone, Serialize)]
pub struct Effective {
    /// Its name.
    pub key: String,
    /// Its value, secrets masked; null for none.
    pub value: Value,
    /// Where it comes from.
    pub from: Origin,
}

/// The first of these settings that something says.
pub(super) fn said<'a>(effective: &'a [Effective], keys: &[&str]) -> Option<&'a Effective> {
    let mut said = effective.iter().filter(|setting| !setting.value.is_null());
    said.find(|setting| keys.contains(&setting.key.as_str()))
}
