use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::redact::redacted;
use crate::trip::Item;

use super::{Event, Listener, MonthReport, State, Task, TaskName};

/// Shows a line for each month in flight on a terminal, and one for the whole.
pub struct Terminal {
    bars: MultiProgress,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    lines: HashMap<Item, MonthLine>,
    whole: Option<RunLine>,
}

/// The line of a month, or of the zones.
struct MonthLine {
    bar: ProgressBar,
    /// Its tasks that run; how far the first is, is shown.
    tasks: Vec<TaskName>,
}

/// The line of the whole run.
struct RunLine {
    bar: ProgressBar,
    began: Instant,
    failed: u64,
}

const WAITING: &str = "{prefix:14} {msg}";
const OF_UNKNOWN: &str = "{prefix:14} {msg:14} {spinner} {decimal_bytes:>10}";
const OF_KNOWN: &str =
    "{prefix:14} {msg:14} {wide_bar} {decimal_bytes:>10}/{decimal_total_bytes:10} {eta:>4}";
const WHOLE: &str = "{prefix:14} {pos} of {len} done{msg}";

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

impl Default for Terminal {
    fn default() -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        Self { bars, shown: Mutex::default() }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}

impl Terminal {
    /// Writes to stderr, above what is shown.
    pub fn above(&self) -> impl Write + use<> {
        Above(self.bars.clone())
    }

    fn say(&self, text: &str) {
        // A terminal that is gone hears nothing.
        let _ = self.bars.println(redacted(text));
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Shown {
    fn line(&mut self, bars: &MultiProgress, item: Item) -> &mut MonthLine {
        self.lines.entry(item).or_insert_with(|| {
            let bar = ProgressBar::no_length();
            let bar = match &self.whole {
                Some(whole) => bars.insert_before(&whole.bar, bar),
                None => bars.add(bar),
            };
            bar.set_style(style(WAITING));
            bar.set_prefix(item.to_string());
            bar.set_message("waits");
            bar.enable_steady_tick(Duration::from_millis(120));
            MonthLine { bar, tasks: Vec::new() }
        })
    }

    fn progress(&mut self, task: Task, done: u64, total: u64) {
        let Some(line) = self.lines.get(&task.item) else {
            return;
        };
        if line.tasks.first() != Some(&task.name) {
            return;
        }
        if total > 0 && line.bar.length() != Some(total) {
            line.bar.set_length(total);
            line.bar.set_style(style(OF_KNOWN));
        }
        line.bar.set_position(done);
    }

    /// A task is over; with it the line of what has no month.
    fn end_task(&mut self, bars: &MultiProgress, task: Task) {
        if let Some(line) = self.lines.get_mut(&task.item) {
            line.tasks.retain(|running| *running != task.name);
            line.show();
            if line.tasks.is_empty() && !matches!(task.item, Item::Month(_)) {
                self.end_line(bars, task.item);
            }
        }
    }

    fn end_line(&mut self, bars: &MultiProgress, item: Item) {
        if let Some(line) = self.lines.remove(&item) {
            line.bar.finish_and_clear();
            bars.remove(&line.bar);
        }
    }

    fn end_month(&mut self, bars: &MultiProgress, month: &MonthReport) {
        self.end_line(bars, month.file().into());
        if let Some(whole) = &mut self.whole {
            whole.failed += u64::from(month.state == State::Failed);
            whole.bar.inc(1);
            whole.show();
        }
    }
}

impl MonthLine {
    /// Shows the first of its tasks, from its beginning.
    fn show(&self) {
        self.bar.set_length(0);
        self.bar.set_position(0);
        match self.tasks.first() {
            Some(task) => {
                self.bar.set_style(style(OF_UNKNOWN));
                self.bar.set_message(task.as_str());
                self.bar.reset_eta();
            }
            None => {
                self.bar.set_style(style(WAITING));
                self.bar.set_message("waits");
            }
        }
    }
}

impl RunLine {
    fn show(&self) {
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
        let mut text = String::new();
        if self.failed > 0 {
            let _ = write!(text, ", {} failed", self.failed);
        }
        if done > 0 && done < all {
            let left = self.began.elapsed().mul_f64((all - done) as f64 / done as f64);
            let _ = write!(text, ", about {:#} left", HumanDuration(left));
        }
        self.bar.set_message(text);
    }
}

impl Listener for Terminal {
    fn hear(&self, event: &Event<'_>) {
        let bars = &self.bars;
        match event {
            Event::RunStarted { files: [], .. } => {}
            Event::RunStarted { files, .. } => self.change(|shown| {
                let bar = bars.add(ProgressBar::new(files.len() as u64));
                bar.set_style(style(WHOLE));
                bar.set_prefix("months");
                bar.tick();
                shown.whole = Some(RunLine { bar, began: Instant::now(), failed: 0 });
            }),
            Event::MonthStarted(file) => self.change(|shown| {
                shown.line(bars, (*file).into());
            }),
            Event::TaskStarted(task) => self.change(|shown| {
                let line = shown.line(bars, task.item);
                line.tasks.push(task.name);
                if line.tasks.len() == 1 {
                    line.show();
                }
            }),
            Event::TaskProgress { task, done, total } => {
                self.change(|shown| shown.progress(*task, *done, *total));
            }
            Event::TaskRetrying { task, error, wait } => {
                self.say(&format!("{task}: {error}; trying again in {:.1} s", wait.as_secs_f64()));
            }
            Event::TaskDone { task, .. } | Event::TaskStopped(task) | Event::TaskGivenUp(task) => {
                self.change(|shown| shown.end_task(bars, *task));
            }
            Event::TaskFailed { task, error } => {
                self.change(|shown| shown.end_task(bars, *task));
                self.say(&format!("{task}: {error}"));
            }
            Event::Warning { item, text } => self.say(&format!("{item}: {text}")),
            Event::MonthDone(month) => self.change(|shown| shown.end_month(bars, month)),
            Event::RunDone(_) => self.change(|shown| {
                if let Some(whole) = shown.whole.take() {
                    whole.bar.finish_and_clear();
                    bars.remove(&whole.bar);
                }
            }),
        }
    }
}

/// Writes above the lines that are shown.
struct Above(MultiProgress);

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
