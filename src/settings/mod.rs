//! What the user asks for: the parameters of a flow, the settings of the program, and the
//! tools made from them.

mod bigquery;
mod blocks;
mod composite;
mod connection;
mod database;
mod error;
mod file;
mod keys;
mod layers;
mod named_parameters;
mod notify;
mod options;
mod origin;
mod parameter_set;
mod parameters;
mod parent_parameters;
mod reference;
mod resolve;
mod secret;
mod source_conflict;
mod toml_error;
mod tools;

pub use blocks::{BlockError, BlockName, Blocks};
pub use connection::{Connection, ConnectionKind};
pub use database::Database;
pub use error::{SettingsError, TaskError};
pub(crate) use keys::suggestion;
pub use named_parameters::{NamedParameterError, read_named};
pub use notify::{NotifyOn, NotifySettings};
pub use options::{MissingColumn, NewColumn, Options};
pub use origin::{Effective, Origin, Place};
pub use parameter_set::ParameterSet;
pub use parameters::{ColourList, MonthList, ParameterError, Parameters, own_before_added};
pub use parent_parameters::ParentParameters;
pub use reference::LakeReference;
pub use resolve::Settings;
pub use secret::{Credentials, MASK, Reference, Secret, SecretError};
pub use source_conflict::SourceConflict;
pub use tools::{Ingested, Tools};

#[cfg(test)]
mod tests;
