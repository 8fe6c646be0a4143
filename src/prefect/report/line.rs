//! A line of the log of a flow run.

use chrono::{DateTime, Utc};
use tracing::Level;
use url::Url;

use super::super::Id;
use super::Home;

/// A longer line is cut.
const LONGEST: usize = 8 << 10;

/// What stands for a secret.
const MASKED: &str = "********";

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
pub(super) fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let left = text.len() - LONGEST;
        let at = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(at);
        return format!("{text}… ({left} bytes more)");
    }
    text
}

/// Hides secrets in what is told to the server. The program's errors hold none; this stands
/// behind them.
#[derive(Clone, Default)]
pub(super) struct Mask {
    secrets: Vec<String>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mask").finish_non_exhaustive()
    }
}

impl Mask {
    /// Hides these texts too; of an address its password alone. One so short that it is a part
    /// of many words is none.
    pub(super) fn hide(&mut self, secrets: impl IntoIterator<Item = String>) {
        for secret in secrets {
            match Url::parse(&secret) {
                Ok(url) if url.has_host() => {
                    self.secrets.extend(url.password().map(str::to_owned));
                }
                _ => self.secrets.push(secret),
            }
        }
        self.secrets.retain(|secret| secret.len() >= 4);
        // The longest first: one may be a part of another.
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// The text without secrets, cut where it is too long.
    pub(super) fn over(&self, text: impl Into<String>) -> String {
        let mut text = text.into();
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), MASKED);
            }
        }
        cut(without_passwords(text))
    }
}

/// Hides the password of each `scheme://user:password@host`.
fn without_passwords(text: String) -> String {
    if !text.contains("://") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'');
        let authority = &after[..after.find(ends).unwrap_or(after.len())];
        rest = after;
        if let Some((user, _)) = authority.rsplit_once('@')
            && let Some((name, _)) = user.split_once(':')
        {
            out.push_str(name);
            out.push(':');
            out.push_str(MASKED);
            rest = &after[user.len()..];
        }
    }
    out.push_str(rest);
    out
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
