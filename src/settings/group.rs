//! The groups of settings that commands show, and where their secrets are given.

use clap::Arg;

use crate::warehouse::WarehouseKind;

use super::secret_names::SecretNames;
use super::{cleaning, lake, prefect, run, source, warehouses};

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
    /// The folder for temporary files, of the same group as runs.
    Spool,
    /// All warehouses.
    Warehouses,
    /// One of them.
    Warehouse(WarehouseKind),
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Source, Self::Lake, Self::Cleaning, Self::Run, Self::Spool, Self::Warehouses];

    fn headings(self) -> Vec<&'static str> {
        let of = |kind: WarehouseKind| warehouses::group(kind).headings();
        match self {
            Self::Source => vec![source::HEADING],
            Self::Lake => lake::HEADINGS.to_vec(),
            Self::Cleaning => vec![cleaning::HEADING],
            Self::Run => run::HEADINGS.to_vec(),
            Self::Spool => vec![run::SPOOL],
            Self::Warehouses => WarehouseKind::all().flat_map(of).copied().collect(),
            Self::Warehouse(kind) => of(kind).to_vec(),
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

impl SecretNames {
    /// Those of all groups.
    pub fn all() -> impl Iterator<Item = Self> {
        let warehouses = WarehouseKind::all().map(|kind| warehouses::group(kind).secret_names());
        let others = [source::SECRETS, prefect::SECRETS];
        others.into_iter().chain(lake::SECRETS).chain(warehouses)
    }
}
