//! `taxi completions`: shell completions.

use clap::Command;
use clap_complete::Shell;

use super::exit::{Error, Exit};
use super::terminal::print;

/// Prints the script of a shell for this command line.
pub(super) fn completions(shell: Shell, mut taxi: Command) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut taxi, "taxi", &mut script);
    print(String::from_utf8(script)?.trim_end())?;
    Ok(Exit::Done)
}
