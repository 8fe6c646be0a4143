//! Parses bytes that may be hostile: errors and panics of the parser mean that the file is damaged.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::clean::CleanError;
use crate::trip::TripFile;

/// A Parquet file whose bytes cannot be what was written.
pub(super) fn damaged(
    file: TripFile,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> CleanError {
    CleanError::Damaged { file, what: "Parquet", source: source.into() }
}

thread_local! {
    /// Whether a panic of this thread is one that is expected of hostile bytes.
    static CAREFUL: Cell<bool> = const { Cell::new(false) };
}

/// What the parser says; where hostile bytes bring it down, they are damaged, and nobody is shown
/// where in the parser that was.
pub(super) fn careful<T, E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    file: TripFile,
    parse: impl FnOnce() -> Result<T, E>,
) -> Result<T, CleanError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !CAREFUL.get() {
                shown(panic);
            }
        }));
    });
    let before = CAREFUL.replace(true);
    let parsed = catch_unwind(AssertUnwindSafe(parse));
    CAREFUL.set(before);
    match parsed {
        Ok(parsed) => parsed.map_err(|error| damaged(file, error)),
        Err(_) => Err(damaged(file, "it cannot be understood")),
    }
}
