//! Notifies people about the end of a run with a message to a webhook in Slack's format.

use std::fmt;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::json;
use url::Url;

use crate::flow::{MonthReport, RunReport, State, thousands};
use crate::redact::{Secrets, redacted};
use crate::support::error_chain::innermost;
use crate::support::text::shortened;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Slack takes so many characters in a block
/// (<https://docs.slack.dev/reference/block-kit/blocks/section-block>), and 40,000 in all.
const LONGEST_BLOCK: usize = 3_000;

/// An error longer than this is cut.
const LONGEST_ERROR: usize = 400;

/// Where a message is posted. Its address is a secret.
#[derive(Clone)]
pub struct Webhook(Url);

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Webhook").field(&self.0.host_str()).finish()
    }
}

/// Why nobody could be told.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// Its address is none.
    #[error("the notification was not sent: the webhook in [notify] has no address: {0}")]
    Address(String),
    /// It refuses.
    #[error("the notification was not sent: the webhook at {host} answers {status}")]
    Refused {
        /// Its host.
        host: String,
        /// Its answer.
        status: reqwest::StatusCode,
    },
    /// It cannot be reached.
    #[error("the notification was not sent: the webhook at {host} cannot be reached: {reason}")]
    Unreachable {
        /// Its host.
        host: String,
        /// What is wrong.
        reason: String,
    },
}

impl Webhook {
    /// A webhook at an address.
    pub fn new(address: &str) -> Result<Self, NotifyError> {
        let url = Url::parse(address.trim());
        let url = url.map_err(|error| NotifyError::Address(error.to_string()))?;
        match url.scheme() {
            "http" | "https" => Ok(Self(url)),
            _ => Err(NotifyError::Address("it does not begin with https://".to_owned())),
        }
    }

    /// Posts how a run ended, none of these secrets in it; once more where that fails in passing.
    pub async fn tell(
        &self,
        report: &RunReport,
        took: Duration,
        secrets: &[String],
    ) -> Result<(), NotifyError> {
        let secrets = secrets.iter().cloned().collect::<Secrets>().without_short();
        let message = message(report, took, &host(), &secrets);
        match self.post(&message).await {
            Err(NotifyError::Refused { status, .. })
                if status.is_server_error() || status.as_u16() == 429 => {}
            Err(NotifyError::Unreachable { .. }) => {}
            ended => return ended,
        }
        self.post(&message).await
    }

    async fn post(&self, message: &str) -> Result<(), NotifyError> {
        let host = || self.0.host_str().unwrap_or_default().to_owned();
        let unreachable = |error: reqwest::Error| {
            let reason = if error.is_timeout() {
                format!("no answer within {} s", PATIENCE.as_secs())
            } else {
                innermost(&error.without_url())
            };
            NotifyError::Unreachable { host: host(), reason }
        };
        let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(unreachable)?;
        let request = client.post(self.0.clone()).header("content-type", "application/json");
        let answer = request.body(message.to_owned()).send().await.map_err(unreachable)?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(NotifyError::Refused { host: host(), status }),
        }
    }
}

/// The name of this machine: as Linux has it, else as the command of other systems says it.
fn host() -> String {
    let known = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let said = || {
        let said = std::process::Command::new("hostname").output().ok()?;
        String::from_utf8(said.stdout).ok()
    };
    let name = known.or_else(said).unwrap_or_default();
    match name.trim() {
        "" => "this machine".to_owned(),
        name => name.to_owned(),
    }
}

/// The message: the same words as one text and in blocks, for those that show these better.
fn message(report: &RunReport, took: Duration, host: &str, secrets: &Secrets) -> String {
    let failed: Vec<&MonthReport> =
        report.months.iter().filter(|month| month.state == State::Failed).collect();
    let clean = |text: &str| escaped(&masked(text, secrets));
    let mut parts = vec![clean(&summary(report, failed.len(), took, host))];
    if !failed.is_empty() {
        let lines = failed.iter().map(|month| {
            // Masked before it is cut: half a secret is one too.
            let error = masked(&month.reason().unwrap_or_default(), secrets);
            clean(&format!("• {}: {}", month.file(), shortened(&error, LONGEST_ERROR)))
        });
        parts.push(fitting(lines, LONGEST_BLOCK));
    }
    let fence = "```\n".len() + "\n```".len();
    let lines = table(&report.months);
    let lines = lines.iter().map(|line| clean(line));
    parts.push(format!("```\n{}\n```", fitting(lines, LONGEST_BLOCK - fence)));
    let blocks = parts
        .iter()
        .map(|part| json!({ "type": "section", "text": { "type": "mrkdwn", "text": part } }));
    json!({ "text": parts.join("\n"), "blocks": blocks.collect::<Vec<_>>() }).to_string()
}

fn summary(report: &RunReport, failed: usize, took: Duration, host: &str) -> String {
    let months = report.months.len();
    let took = humantime::format_duration(Duration::from_secs(took.as_secs().max(1)));
    let (mark, ended) = match (failed, months) {
        (0, 1) => ("✅", "1 month done".to_owned()),
        (0, months) => ("✅", format!("{months} months done")),
        (failed, 1) => ("❌", format!("{failed} of 1 month failed")),
        (failed, months) => ("❌", format!("{failed} of {months} months failed")),
    };
    format!("{mark} *{}* on {host}: {ended}, in {took}", report.flow)
}

/// A line for the columns, and one for each month; those that failed first.
fn table(months: &[MonthReport]) -> Vec<String> {
    let mut months: Vec<&MonthReport> = months.iter().collect();
    months.sort_by_key(|month| month.state != State::Failed);
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["month", "state", "read", "kept", "set aside", "loaded"]);
    for month in months {
        let number = |rows: Option<u64>| rows.map_or_else(|| "-".to_owned(), thousands);
        table.add_row([
            month.file().to_string(),
            month.state.as_str().to_owned(),
            number(month.rows_read),
            number(month.rows_kept),
            number(month.rows_quarantined),
            month.loaded().into_iter().map(number).collect::<Vec<_>>().join(" / "),
        ]);
    }
    table.lines().map(|line| line.trim().to_owned()).collect()
}

/// As many lines as fit, and how many are left out.
fn fitting(lines: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    const ROOM_FOR_THE_REST: usize = 40;
    let all = lines.len();
    let mut text = String::new();
    for (at, line) in lines.enumerate() {
        let length = text.chars().count() + 1 + line.chars().count();
        if length + ROOM_FOR_THE_REST > most {
            return format!("{text}… and {} more", all - at);
        }
        text.push_str(&line);
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

fn masked(text: &str, secrets: &Secrets) -> String {
    redacted(&secrets.masked(text)).into_owned()
}

/// As Slack wants what is no markup
/// (<https://docs.slack.dev/messaging/formatting-message-text#escaping>).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::flow::LoadReport;
    use crate::trip::{Colour, Month, TripFile};

    fn report(months: u16, failing: u16, error: &str) -> RunReport {
        let first = Month::new(2010, 1).unwrap();
        let mut files = Vec::new();
        let all = crate::trip::Months::range(first, Month::new(2026, 12).unwrap()).unwrap();
        for (at, month) in (0..months).zip(all.iter()) {
            let file = TripFile::new(Colour::Yellow, month);
            files.push(if at >= months - failing {
                MonthReport {
                    error: Some(error.to_owned()),
                    ..MonthReport::new(file, State::Failed)
                }
            } else {
                MonthReport { rows_read: Some(1234), ..MonthReport::new(file, State::Published) }
            });
        }
        RunReport::new("etl-web-to-gcs", files)
    }

    fn said(report: &RunReport, secrets: &[String]) -> Value {
        let secrets = secrets.iter().cloned().collect();
        let message = message(report, Duration::from_secs(75), "here", &secrets);
        serde_json::from_str(&message).unwrap()
    }

    #[test]
    fn the_message_says_what_failed_and_shows_the_months() {
        let report = report(2, 1, "h answers <410>: s3cret");
        let message = said(&report, &["s3cret".to_owned()]);
        insta::assert_snapshot!(message["text"].as_str().unwrap(), @"
            ❌ *etl-web-to-gcs* on here: 1 of 2 months failed, in 1m 15s
            • yellow 2010-02: h answers &lt;410&gt;: ********
            ```
            month           state      read   kept  set aside  loaded
            yellow 2010-02  failed     -      -     -          -
            yellow 2010-01  published  1,234  -     -          -
            ```
            ");
        assert_eq!(message["blocks"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_month_that_fails_in_a_warehouse_says_why_and_what_was_loaded() {
        let file = TripFile::new(Colour::Green, Month::known(2020, 1));
        let load = |to: &'static str, rows: Option<u64>, error: Option<&str>| LoadReport {
            to: to.into(),
            place: String::new(),
            state: if error.is_some() { State::Failed } else { State::Loaded },
            rows_loaded: rows,
            error: error.map(str::to_owned),
            replaced: None,
        };
        let month =
            MonthReport { rows_kept: Some(1234), ..MonthReport::new(file, State::Published) };
        let (fine, broken) =
            (load("postgres", Some(1234), None), load("bigquery", None, Some("no")));
        let both = vec![fine.clone(), load("bigquery", Some(1234), None)];
        let months = vec![
            month.clone().with_loads(vec![fine.clone(), broken]),
            month.clone().with_loads(vec![fine]),
            month.with_loads(both),
        ];
        let message = said(&RunReport::new("etl-parent-flow", months), &[]);
        insta::assert_snapshot!(message["text"].as_str().unwrap(), @"
            ❌ *etl-parent-flow* on here: 1 of 3 months failed, in 1m 15s
            • green 2020-01: bigquery: no
            ```
            month          state      read  kept   set aside  loaded
            green 2020-01  failed     -     1,234  -          1,234 / -
            green 2020-01  published  -     1,234  -          1,234
            green 2020-01  published  -     1,234  -          1,234
            ```
            ");
    }

    #[test]
    fn a_message_of_many_months_fits_and_counts_what_it_leaves_out() {
        let message = said(&report(200, 150, &"long ".repeat(200)), &[]);
        for block in message["blocks"].as_array().unwrap() {
            let text = block["text"]["text"].as_str().unwrap();
            assert!(text.chars().count() <= LONGEST_BLOCK, "{}", text.len());
        }
        let text = message["text"].as_str().unwrap();
        assert_eq!(text.matches("… and ").count(), 2, "{text}");
        assert!(text.chars().count() < 40_000);
    }
}
