//! The connection that a name refers to.

use crate::redact::is_plain;

use super::block_name::BlockName;
use super::by_type::ByType;
use super::connection_kind::ConnectionKind;
use super::error::SettingsError;
use super::file::File;
use super::keys::suggestion;
use super::origin::{FileLine, Origin};
use super::reference::ConnectionReference;
use super::table::{Named, Table};

/// The connection in force where none is named.
pub(super) const DEFAULT: &str = "default";

/// A connection in force: where it leads, the settings that come with it, where it is said.
pub(super) struct ResolvedConnection<T> {
    pub(super) to: T,
    pub(super) groups: ByType,
    pub(super) origin: Origin,
}

/// What the name of a database leads to.
pub(super) enum ConnectionTarget<'a, T> {
    /// A connection of the file, and its name.
    Table(&'a str, &'a Table<T>),
    /// A block.
    Block(&'a BlockName),
}

impl File {
    /// What a reference leads to among these connections. A name that is not there is refused.
    pub(super) fn find<'a, T>(
        &self,
        kind: ConnectionKind,
        among: &'a Named<T>,
        reference: &'a ConnectionReference,
        by: &Origin,
    ) -> Result<ConnectionTarget<'a, T>, SettingsError> {
        let by_whom = || Box::new(by.clone());
        match reference {
            ConnectionReference::Block(block) => Ok(ConnectionTarget::Block(block)),
            ConnectionReference::Address(_) => Err(SettingsError::NotAName { kind, by: by_whom() }),
            ConnectionReference::Name(name) => match among.get(name) {
                Some(table) => Ok(ConnectionTarget::Table(name, table)),
                None if !is_plain(name) => Err(SettingsError::NotAName { kind, by: by_whom() }),
                None => {
                    let meant = suggestion(name, among.keys().map(String::as_str));
                    Err(self.no_connection(kind, name, by, meant))
                }
            },
        }
    }

    pub(super) fn says(
        &self,
        kind: ConnectionKind,
        name: &str,
        by: &Origin,
        line: usize,
    ) -> Origin {
        Origin::Connection {
            name: format!("{}.{name}", kind.table()),
            by: Box::new(by.clone()),
            place: Some(FileLine::new(&self.path, line)),
        }
    }

    pub(super) fn no_connection(
        &self,
        kind: ConnectionKind,
        name: &str,
        by: &Origin,
        meant: String,
    ) -> SettingsError {
        SettingsError::NoConnection {
            kind,
            name: name.to_owned(),
            by: Box::new(by.clone()),
            path: self.path.clone(),
            meant,
        }
    }
}
