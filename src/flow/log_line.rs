use tracing::Level;

use super::{Event, MonthReport, State, thousands};

impl Event<'_> {
    /// The line of a log about it; `None` if that is not worth one.
    pub fn line(&self) -> Option<(Level, String)> {
        match self {
            Event::TaskStarted(task) => Some((Level::INFO, format!("{task}: started"))),
            Event::TaskRetrying { task, error, wait } => {
                let seconds = wait.as_secs_f64();
                Some((Level::WARN, format!("{task}: {error}; trying again in {seconds:.1} s")))
            }
            Event::TaskDone { task, took } => {
                Some((Level::INFO, format!("{task}: done in {:.2} s", took.as_secs_f64())))
            }
            Event::TaskFailed { task, error } => Some((Level::ERROR, format!("{task}: {error}"))),
            Event::TaskStopped(task) => Some((Level::WARN, format!("{task}: stopped"))),
            Event::Warning { item, text } => Some((Level::WARN, format!("{item}: {text}"))),
            Event::MonthDone(month) => {
                let came_to = came_to(month)?;
                Some((Level::INFO, format!("{}: {came_to}", month.file())))
            }
            Event::RunStarted { .. }
            | Event::MonthStarted(_)
            | Event::TaskProgress { .. }
            | Event::TaskGivenUp(_)
            | Event::RunDone(_) => None,
        }
    }
}

fn came_to(month: &MonthReport) -> Option<String> {
    let rows = |rows: Option<u64>| thousands(rows.unwrap_or_default());
    let before = month.replaced.map(|it| format!(", {} before", thousands(it.rows_before)));
    let before = before.unwrap_or_default();
    match month.state {
        State::Published => Some(format!(
            "{} rows read = {} kept + {} quarantined{before}",
            rows(month.rows_read),
            rows(month.rows_kept),
            rows(month.rows_quarantined),
        )),
        State::Loaded => Some(format!("{} rows loaded{before}", rows(month.rows_loaded))),
        State::Unchanged => Some("unchanged".to_owned()),
        State::NotPublished => Some("not published yet".to_owned()),
        // Said by the task that failed or stopped.
        State::Failed | State::Interrupted | State::NotBegun => None,
    }
}
