//! What the user asks for: the parameters of a flow, the settings of the program, and the
//! tools made from them.

mod bigquery;
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
mod parameter_set;
mod parameters;
mod parent;
mod secret;
mod settings;
mod source_conflict;
mod tools;
mod wrong;

pub use blocks::{BlockError, BlockName, Blocks};
pub use connection::{Connection, ConnectionKind};
pub use database::Database;
pub use error::{SettingsError, TaskError};
pub use given::{GivenError, read_given};
pub(crate) use keys::suggestion;
pub use notify::{NotifyOn, NotifySettings};
pub use options::{MissingColumn, NewColumn, Options};
pub use origin::{Effective, Origin, Place};
pub use parameter_set::ParameterSet;
pub use parameters::{ColourList, MonthList, ParameterError, Parameters, own_before_added};
pub use parent::ParentParameters;
pub use secret::{Credentials, MASK, Reference, Secret, SecretError};
pub use settings::Settings;
pub use source_conflict::SourceConflict;
pub use tools::{Ingested, Tools};
