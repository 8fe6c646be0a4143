//! What is shown on stderr: the progress of a run, and the log.

use std::fmt;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::flow::{JsonLines, Listener, LogLines, Terminal};
use crate::redact::Redacting;

use super::exit::Error;
use super::terminal::on_terminal;

/// How the progress of a run is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressForm {
    /// A progress bar for each month and one for the run.
    Bars,
    /// Log lines.
    Lines,
    /// Every event as a JSON object, one per line.
    Json,
}

#[derive(Debug, Args)]
pub(super) struct ProgressArgs {
    /// How progress is shown on stderr [default: bars on a terminal, otherwise lines]
    #[arg(long, display_order = 100, value_name = "FORM", env = "TAXI_PROGRESS")]
    pub(super) progress: Option<ProgressForm>,
}

/// Sets up the log, and says who is to be told of a run. Where lines are redrawn on a terminal,
/// the log stands above them and is of what is wrong only.
pub(super) fn listen(level: &str, form: Option<ProgressForm>) -> Result<Arc<dyn Listener>, Error> {
    let by_terminal = if on_terminal() { ProgressForm::Bars } else { ProgressForm::Lines };
    let form = form.unwrap_or(by_terminal);
    let filter = match (form, level) {
        (ProgressForm::Bars, "info") => "error,nyc_taxi_etl=warn".to_owned(),
        (_, "error" | "warn" | "info" | "debug" | "trace") => {
            format!("warn,nyc_taxi_etl={level}")
        }
        (_, filter) => of_program(filter),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_ansi(on_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false);
    match form {
        ProgressForm::Bars => {
            let terminal = Arc::new(Terminal::default());
            let above = Arc::clone(&terminal);
            log.with_writer(move || Redacting(above.above())).init();
            Ok(terminal)
        }
        ProgressForm::Lines => {
            log.with_writer(|| Redacting(std::io::stderr())).init();
            Ok(Arc::new(LogLines))
        }
        ProgressForm::Json => {
            log.with_writer(|| Redacting(std::io::stderr()))
                .with_ansi(false)
                .event_format(LogAsJson)
                .init();
            Ok(Arc::new(JsonLines))
        }
    }
}

/// A filter in which `taxi` is the whole program, whose crate has a longer name.
fn of_program(filter: &str) -> String {
    let directives = filter.split(',').map(|directive| match directive.strip_prefix("taxi") {
        Some(rest) if rest.is_empty() || rest.starts_with(['=', ':', '[']) => {
            format!("nyc_taxi_etl{rest}")
        }
        _ => directive.to_owned(),
    });
    directives.collect::<Vec<_>>().join(",")
}

/// The log among the events: `{"at":…,"event":"log","level":"warn","text":…}`.
struct LogAsJson;

impl<S, N> FormatEvent<S, N> for LogAsJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut message = Message(String::new());
        event.record(&mut message);
        let level = event.metadata().level().to_string().to_lowercase();
        writeln!(writer, "{}", JsonLines::log(&level, &message.0))
    }
}

/// The text of a line of the log.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::of_program;

    #[test]
    fn taxi_is_the_whole_program_in_a_filter() {
        assert_eq!(of_program("warn,taxi=debug"), "warn,nyc_taxi_etl=debug");
        assert_eq!(of_program("taxi::lake=trace,taxis=off"), "nyc_taxi_etl::lake=trace,taxis=off");
    }
}
