//! What the user asks for: the parameters of a flow, the settings of the program, and the
//! tools made from them.

mod error;
mod parameters;
mod parent;
mod settings;
mod tools;

pub use error::TaskError;
pub use parameters::{ColourList, MonthList, ParameterError, Parameters};
pub use parent::ParentParameters;
pub use settings::{NewColumn, Options, Secret, Settings, SettingsError};
pub use tools::Tools;
