use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::Level;

use super::{Event, TaskName};

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

/// Shows a bar for each task on a terminal.
pub struct Terminal {
    bars: MultiProgress,
    running: Mutex<HashMap<TaskName, ProgressBar>>,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

impl Default for Terminal {
    fn default() -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        Self { bars, running: Mutex::default() }
    }
}

impl Terminal {
    fn line(&self, text: &str) {
        // A terminal that is gone hears nothing.
        let _ = self.bars.println(text);
    }

    fn finish(&self, task: &TaskName) {
        let bar = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(task);
        if let Some(bar) = bar {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}

impl Listener for Terminal {
    fn hear(&self, event: &Event<'_>) {
        match event {
            Event::TaskStarted(task) => {
                let bar = self.bars.add(ProgressBar::no_length());
                bar.set_style(style("{prefix:24} {spinner} {bytes:>11}"));
                bar.set_prefix(task.to_string());
                bar.enable_steady_tick(Duration::from_millis(120));
                self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(*task, bar);
            }
            Event::TaskProgress { task, done, total } => {
                let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(bar) = running.get(task) {
                    if *total > 0 && bar.length() != Some(*total) {
                        bar.set_length(*total);
                        bar.set_style(style(
                            "{prefix:24} {wide_bar} {bytes:>10}/{total_bytes} {eta:>4}",
                        ));
                    }
                    bar.set_position(*done);
                }
            }
            Event::TaskRetrying { task, error, wait } => {
                self.line(&format!("{task}: {error}; trying again in {:.1} s", wait.as_secs_f64()));
            }
            Event::TaskDone { task, .. } | Event::TaskStopped(task) => self.finish(task),
            Event::TaskFailed { task, error } => {
                self.finish(task);
                self.line(&format!("{task}: {error}"));
            }
            Event::Warning { item, text } => self.line(&format!("{item}: {text}")),
            Event::RunStarted { .. }
            | Event::MonthStarted(_)
            | Event::MonthDone(_)
            | Event::RunDone(_) => {}
        }
    }
}
