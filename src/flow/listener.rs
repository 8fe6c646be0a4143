use tracing::Level;

use super::Event;

/// Someone who is told what happens in a run.
pub trait Listener: Send + Sync {
    /// Hears an event; must not block for long.
    fn hear(&self, event: &Event<'_>);
}

/// Tells the log: a line for all but progress.
#[derive(Debug, Default)]
pub struct LogLines;

impl Listener for LogLines {
    fn hear(&self, event: &Event<'_>) {
        match event.line() {
            Some((Level::ERROR, line)) => tracing::error!("{line}"),
            Some((Level::WARN, line)) => tracing::warn!("{line}"),
            Some((_, line)) => tracing::info!("{line}"),
            None => {}
        }
    }
}
