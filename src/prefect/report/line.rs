//! A line of the log of a flow run.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use tracing::Level;
use url::Url;

use crate::redact::{Secrets, without_passwords};
use crate::support::text::within;

use super::super::Id;
use super::home::Home;

/// A longer line is cut.
const LONGEST: usize = 8 << 10;

/// A line of a log.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) home: Home,
    pub(super) task_run: Option<Id>,
    pub(super) level: Level,
    pub(super) text: String,
    pub(super) at: DateTime<Utc>,
}

/// A level as Python counts.
pub(super) const fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        _ => 10,
    }
}

/// A text that is no longer than the server should be told, however long it is.
pub(super) fn cut(text: Cow<'_, str>) -> String {
    match text.len().checked_sub(LONGEST) {
        Some(left) if left > 0 => format!("{}… ({left} bytes more)", within(&text, LONGEST)),
        _ => text.into_owned(),
    }
}

/// Hides secrets in what is told to the server. The program's errors hold none; this stands
/// behind them.
#[derive(Debug, Clone, Default)]
pub(super) struct Mask {
    secrets: Secrets,
}

impl Mask {
    /// Hides these texts too; of an address its password alone. One so short that it is a part
    /// of many words is none.
    pub(super) fn hide(&mut self, secrets: impl IntoIterator<Item = String>) {
        let secrets = secrets.into_iter().filter_map(|secret| match Url::parse(&secret) {
            Ok(url) if url.has_host() => url.password().map(str::to_owned),
            _ => Some(secret),
        });
        self.secrets.extend(secrets.collect::<Secrets>().without_short());
    }

    /// The text without secrets, cut where it is too long.
    pub(super) fn over(&self, text: impl AsRef<str>) -> String {
        cut(without_passwords(&self.secrets.masked(text.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden() {
        let secrets = ["pnu_123456", "admin:hunter22", "postgres://u:p4ssw0rd@h/d", "x"];
        let mut mask = Mask::default();
        mask.hide(secrets.map(str::to_owned));
        assert_eq!(
            mask.over("key pnu_123456, pair admin:hunter22, 'p4ssw0rd' at postgres://u@h/d, x"),
            "key ********, pair ********, '********' at postgres://u@h/d, x"
        );
        assert_eq!(
            mask.over("cannot reach ftp://me:other@host/x and http://host/a:b@c"),
            "cannot reach ftp://me:********@host/x and http://host/a:b@c"
        );
        assert!(!format!("{mask:?}").contains("pnu"));
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let text = Mask::default().over("é".repeat(LONGEST));
        assert!(text.len() < LONGEST + 40, "{}", text.len());
        assert!(text.ends_with("… (8192 bytes more)"), "{}", &text[text.len() - 40..]);
    }
}
