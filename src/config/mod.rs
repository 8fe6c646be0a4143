//! What the user asks for: the parameters of a flow, and the settings of the program.

mod blocks;
mod composed;
mod connection;
mod database;
mod error;
mod file;
mod given;
mod keys;
mod layers;
mod notify;
mod options;
mod origin;
mod parameters;
mod parent;
mod secret;
mod settings;
mod source_conflict;
mod warehouses;
mod wrong;

pub use blocks::{BlockError, BlockName, Blocks};
pub use connection::{Connection, ConnectionKind};
pub use database::Database;
pub use error::SettingsError;
pub use given::{GivenError, read_given};
pub(crate) use keys::suggestion;
pub use notify::{NotifyOn, NotifySettings};
pub use options::{MissingColumn, NewColumn, Options};
pub use origin::{Effective, Origin, Place};
pub use parameters::{ColourList, MonthList, ParameterError, Parameters, own_before_added};
pub use parent::ParentParameters;
pub use secret::{Credentials, MASK, Reference, Secret, SecretError};
pub use settings::Settings;
pub use source_conflict::SourceConflict;
