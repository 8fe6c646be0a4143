//! What the user asks for: the parameters of a flow, the settings of the program, and the
//! tools made from them.

mod error;
mod file;
mod options;
mod parameters;
mod parent;
mod secret;
mod settings;
mod tools;

pub use error::TaskError;
pub use options::{NewColumn, Options};
pub use parameters::{ColourList, MonthList, ParameterError, Parameters};
pub use parent::ParentParameters;
pub use secret::Secret;
pub use settings::{Settings, SettingsError};
pub use tools::Tools;
