//! What a group of settings is: flags and keys of its own, values in force, secrets.

use clap::Arg;

use super::SettingsError;
use super::layers::Picker;
use super::{bigquery, cleaning, lake, postgres, prefect, run, source};

/// Settings that belong together, with their values in force.
pub(super) trait SettingsGroup: Sized {
    /// Picks its values from the layers, and notes where each comes from.
    fn resolve(from: &mut Picker<'_>) -> Result<Self, SettingsError>;

    /// What must not be shown of it, wherever it may turn up.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A group of settings that have flags. A command shows those that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Where files come from.
    Source,
    /// Where months go, and the stores that a lake can be in.
    Lake,
    /// How files are cleaned, and which editions are refused.
    Cleaning,
    /// How runs go, and where they leave what they make.
    Run,
    /// The folder for what is on its way, of the same group as runs.
    Spool,
    /// A Postgres database.
    Postgres,
    /// A dataset of BigQuery.
    BigQuery,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Source,
        Self::Lake,
        Self::Cleaning,
        Self::Run,
        Self::Spool,
        Self::Postgres,
        Self::BigQuery,
    ];

    const fn headings(self) -> &'static [&'static str] {
        match self {
            Self::Source => &[source::HEADING],
            Self::Lake => lake::HEADINGS,
            Self::Cleaning => &[cleaning::HEADING],
            Self::Run => run::HEADINGS,
            Self::Spool => &[run::SPOOL],
            Self::Postgres => postgres::HEADINGS,
            Self::BigQuery => bigquery::HEADINGS,
        }
    }

    fn has(self, arg: &Arg) -> bool {
        arg.get_help_heading().is_some_and(|heading| self.headings().contains(&heading))
    }

    /// Hides the flags of all groups but these, as `mut_args` of a command takes it. What the
    /// environment says of the others is heeded all the same: it is there for every command.
    pub fn only(read: &'static [Self]) -> impl FnMut(Arg) -> Arg {
        |arg| {
            let has = |group: &Self| group.has(&arg);
            let unread = Self::ALL.iter().any(has) && !read.iter().any(has);
            if unread { arg.hide(true) } else { arg }
        }
    }
}

/// Where the secrets of a group are said outside `taxi.toml`.
#[derive(Debug, Clone, Copy)]
pub struct SecretNames {
    /// Variables that hold a secret and nothing else.
    pub variables: &'static [&'static str],
    /// Variables that hold a key, or the path of one.
    pub keys: &'static [&'static str],
    /// Variables that hold an address, which may have a secret in it.
    pub addresses: &'static [&'static str],
    /// Flags whose values may be secrets.
    pub flags: &'static [&'static str],
}

impl SecretNames {
    pub(super) const NONE: Self = Self { variables: &[], keys: &[], addresses: &[], flags: &[] };

    /// Those of all groups.
    pub fn all() -> impl Iterator<Item = Self> {
        [source::SECRETS, postgres::SECRETS, prefect::SECRETS].into_iter().chain(lake::SECRETS)
    }
}
