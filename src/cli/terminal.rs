//! The terminal: signals, width, tables.

use std::io::{IsTerminal, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use tokio_util::sync::CancellationToken;

use crate::inspect::Style;
use crate::redact::redacted;

use super::exit::{Error, Exit};

/// Whether people watch what is said on stderr.
pub(super) fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// The first SIGINT or SIGTERM lets the running tasks reach a safe point; the second ends the
/// program at once.
pub(super) fn cancelled_by_signal() -> CancellationToken {
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
            tracing::warn!(
                "stopping: waiting for a safe point; press Ctrl-C again to stop immediately"
            );
            token.cancel();
        }
    });
    cancelled
}

/// Warns of something that stops nothing. On a terminal the log is silent about it.
pub(super) fn warn(text: &str) {
    if on_terminal() {
        // A terminal that is gone hears nothing.
        let _ = writeln!(std::io::stderr(), "warning: {}", redacted(text));
    } else {
        tracing::warn!("{text}");
    }
}

/// Rows under their names, as wide as the terminal.
pub(super) fn table<const COLUMNS: usize>(
    names: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(names);
    if let Some(width) = width() {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.add_rows(rows);
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Prints the product. Who reads it may have had enough: that is not a failure.
pub(super) fn print(text: &str) -> Result<(), Error> {
    match writeln!(std::io::stdout().lock(), "{}", redacted(text)) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// How a picture is drawn on stdout: plainly where nobody watches, without colours where
/// `NO_COLOR` says so (<https://no-color.org>).
pub(super) fn style() -> Style {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let watched = std::io::stdout().is_terminal();
    let colours = watched && set("NO_COLOR").is_none() && set("TERM").is_none_or(|it| it != "dumb");
    Style { colours, rich: watched, width: width().unwrap_or(80).max(20).into() }
}

/// The width of the terminal on stdout; `None` if it is not a terminal.
pub(super) fn width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}
