//! Errors about the command line.

use std::ffi::OsString;
use std::io::Write;

use crate::lake::unwrapped;
use crate::redact::{Secrets, is_plain, redacted};
use crate::settings::SecretNames;

/// Ends the program with what is wrong with the command line, without a word of it that may be a
/// secret: `taxi` is what it should have been.
pub(super) fn exit(error: &clap::Error, taxi: &clap::Command) -> ! {
    let mut words: Vec<String> = Vec::new();
    let secret_flags: Vec<&str> =
        SecretNames::all().flat_map(|names| names.flags.iter().copied()).collect();
    let mut follows_secret = false;
    for word in std::env::args().skip(1) {
        let (flag, value) = word.split_once('=').unwrap_or((&word, ""));
        if follows_secret || !is_plain(&word) || unwrapped(&word).is_some() {
            words.push(word.clone());
        }
        let secret = secret_flags.contains(&flag) || !is_plain(value);
        if flag.starts_with("--") && (secret || unwrapped(value).is_some()) {
            words.push(value.to_owned());
        }
        follows_secret = secret_flags.contains(&word.as_str());
    }
    for variable in taxi.get_subcommands().flat_map(variables) {
        let value = std::env::var(variable).unwrap_or_default();
        if !is_plain(&value) {
            words.push(value);
        }
    }
    let words = words.into_iter().collect::<Secrets>().without_short();
    let said = error.render().to_string();
    if !error.use_stderr() || !words.are_in(&said) {
        error.exit();
    }
    // Nobody hears it if stderr is gone.
    let _ = write!(std::io::stderr(), "{}", redacted(&words.masked(&said)));
    std::process::exit(error.exit_code());
}

/// The variables that the flags of a command and of those below it are taken from.
fn variables(command: &clap::Command) -> Vec<OsString> {
    let own = command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_owned()));
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}
