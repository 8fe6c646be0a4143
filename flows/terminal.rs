//! What the program has to do with its terminal: logs, signals, width, exit codes.

use std::io::IsTerminal;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// How the program ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Exit {
    /// All done, or nothing to do.
    Done = 0,
    /// Some month failed.
    Failed = 1,
    /// What was asked makes no sense.
    Usage = 2,
    /// Told to stop.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What was asked makes sense and could not be done: the program ends as when a month failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failed(pub(crate) String);

/// Anything that makes what is asked impossible, as a sentence.
pub(crate) type Error = Box<dyn std::error::Error>;

/// Whether people watch what is said on stderr.
pub(crate) fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Logs to stderr; on a terminal, where bars are shown, only what is wrong.
pub(crate) fn log(level: &str) -> Result<(), Error> {
    let quiet = on_terminal() && level == "info";
    let filter = match (quiet, level) {
        (true, _) => "error".to_owned(),
        (false, "error" | "warn" | "info" | "debug" | "trace") => {
            format!("warn,nyc_taxi_etl={level},taxi={level}")
        }
        (false, filter) => filter.to_owned(),
    };
    let colour = on_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .init();
    Ok(())
}

/// The first SIGINT or SIGTERM lets the running task reach a safe point; the second ends the
/// program at once.
pub(crate) fn cancelled_by_signal() -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};
    let cancelled = CancellationToken::new();
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return cancelled;
    };
    let token = cancelled.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if token.is_cancelled() {
                std::process::exit(Exit::Interrupted as i32);
            }
            tracing::warn!("stopping: waiting for a safe point; once more ends at once");
            token.cancel();
        }
    });
    cancelled
}

#[allow(clippy::print_stdout)]
pub(crate) fn print(text: &str) {
    println!("{text}");
}

/// The width of the terminal on stdout; none where it is none.
pub(crate) fn width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}
