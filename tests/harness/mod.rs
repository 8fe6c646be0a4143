//! Runs the program and looks at what it leaves: what the tests use, and no test.

pub mod month;
pub mod running;
pub mod taxi;
