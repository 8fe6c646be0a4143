//! `taxi completions`: what completes the command line in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use super::exit::{Error, Exit};
use super::terminal::print;

/// Prints the script of a shell.
pub(super) fn completions(shell: Shell) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "taxi", &mut script);
    print(String::from_utf8(script)?.trim_end())?;
    Ok(Exit::Done)
}
