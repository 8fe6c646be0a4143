//! The last line of defence for secrets: whatever was read as one is taken out of all that is
//! printed, logged, journalled or posted.
//!
//! The first line is the types: a secret is held by one that shows a mask. This one is for texts
//! that others write, such as a server that repeats what it was sent, or a library's trace log.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

use serde_json::Value;
use url::form_urlencoded::byte_serialize;

/// What is shown of a secret.
pub const MASK: &str = "********";

/// A shorter text is also a common word, and would garble what is printed.
const SHORTEST: usize = 8;

/// A line of a secret shorter than this says nothing.
const SHORTEST_LINE: usize = 16;

/// A longer word is not the name of anything.
const LONGEST_NAME: usize = 80;

/// The fields of Google's credentials that are no secret.
const PUBLIC: [&str; 14] = [
    "type",
    "project_id",
    "quota_project_id",
    "client_email",
    "client_id",
    "auth_uri",
    "token_uri",
    "token_url",
    "auth_provider_x509_cert_url",
    "client_x509_cert_url",
    "universe_domain",
    "subject_token_type",
    "service_account_impersonation_url",
    "audience",
];

/// Longest first, so that a whole goes before its parts.
static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Takes a secret out of all that is shown from now on, in the forms that texts give it: as it
/// is, as JSON and as a part of a URL, and each long line of it. A secret that is a short or a
/// plain lower-case word is left to the types.
pub fn remember(secret: &str) {
    let secret = secret.trim();
    let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
    let whole = std::iter::once(secret).filter(|text| is_telling(text));
    let mut forms = Vec::new();
    for text in whole.chain(lines) {
        let encoded: String = byte_serialize(text.as_bytes()).collect();
        let json = Value::from(text).to_string();
        let json = json.trim_matches('"');
        // A JSON text within a JSON text, and how Rust shows one.
        let nested = Value::from(json).to_string();
        forms.extend([
            text.to_owned(),
            encoded.replace('+', "%20"),
            encoded,
            json.to_owned(),
            nested.trim_matches('"').to_owned(),
        ]);
    }
    if let Ok(Value::Object(fields)) = serde_json::from_str(secret) {
        for (name, value) in fields {
            match value {
                Value::String(text) if !PUBLIC.contains(&name.as_str()) => remember(&text),
                Value::Object(_) => remember(&value.to_string()),
                _ => {}
            }
        }
    }
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    secrets.extend(forms);
    secrets.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    secrets.dedup();
}

fn is_telling(text: &str) -> bool {
    text.len() >= SHORTEST && !text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// A text without the secrets that are known.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    let mut shown = Cow::Borrowed(text);
    for secret in secrets.iter() {
        if shown.contains(secret.as_str()) {
            shown = Cow::Owned(shown.replace(secret.as_str(), MASK));
        }
    }
    shown
}

/// A word for a message that names it: a mask instead, if it looks like something else than a
/// name, such as a key or an address with a password that was put in the wrong place.
pub fn name_or_mask(word: &str) -> &str {
    if is_plain(word) { word } else { MASK }
}

/// Whether a word of the command line can be repeated: a name, a number, a path, an address
/// without a user or a query.
pub fn is_plain(word: &str) -> bool {
    let steps = word.split(['/', ',']);
    let longest = steps.map(str::len).max().unwrap_or_default();
    let marks = ['{', '}', '"', '\'', '\n', '\r'];
    let template = word.replace("{colour}", "").replace("{year}", "").replace("{month}", "");
    let credentials = word.contains('@') || word.contains("://") && word.contains(['?', '#']);
    let pairs = word.to_lowercase();
    let pairs = ["password=", "passwd=", "pwd=", "token=", "secret=", "sig=", "signature="]
        .iter()
        .any(|key| pairs.contains(key));
    longest <= LONGEST_NAME && !template.contains(marks) && !credentials && !pairs
}

/// The parts of an address that let in who knows them: a password, and the values of a query.
pub fn url_secrets(address: &str) -> Vec<String> {
    let mut found = Vec::new();
    let Some((scheme, rest)) = address.split_once("://") else { return found };
    // The words of a connection string say what is wanted of it, but for these.
    let words = scheme.starts_with("postgres").then_some(["password", "sslpassword"]);
    let (place, query) = rest.split_once('?').map_or((rest, ""), |(place, query)| (place, query));
    if let Some((user, _)) = place.rsplit_once('@') {
        if words.is_none() {
            found.push(user.to_owned());
        }
        if let Some((_, password)) = user.split_once(':') {
            found.push(password.to_owned());
        }
    }
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if !value.contains('{') && words.is_none_or(|words| words.contains(&name)) {
            found.push(value.to_owned());
        }
    }
    let decoded: Vec<String> = found
        .iter()
        .filter(|text| text.contains('%'))
        .filter_map(|text| {
            let pair = format!("x={text}");
            let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
            pairs.next().map(|(_, value)| value.into_owned())
        })
        .collect();
    found.extend(decoded);
    found
}

/// Writes on, without the secrets that are known. A secret that is written in two pieces is not
/// found: it is for those who write a line at once.
#[derive(Debug)]
pub struct Redacting<W>(pub W);

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.write_all(redacted(text).as_bytes()),
            Err(_) => self.0.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_in_every_form_that_texts_give_it() {
        let key = "{\"type\": \"service_account\", \"private_key\": \
                   \"-----BEGIN KEY-----\\nMARKmarkMARKmark01+/\\n-----END KEY-----\\n\"}";
        remember(key);
        remember("s3cret p&ss:MARK");
        for text in [
            key.to_owned(),
            format!("the answer repeats MARKmarkMARKmark01+/ of it {key:?}"),
            "postgres://u:s3cret%20p%26ss%3AMARK@h".to_owned(),
            "p=s3cret+p%26ss%3AMARK".to_owned(),
            "-----BEGIN KEY-----\\nMARKmarkMARKmark01+/\\n".to_owned(),
        ] {
            let shown = redacted(&text);
            assert!(!shown.contains("MARK") && shown.contains(MASK), "{shown}");
        }
        assert_eq!(redacted("service_account"), "service_account");
        let mut written = Vec::new();
        Redacting(&mut written).write_all(b"a s3cret p&ss:MARK\n").unwrap();
        assert_eq!(written, b"a ********\n");
    }

    #[test]
    fn common_words_are_left_alone() {
        remember("postgres");
        remember("root");
        assert_eq!(redacted("root of postgres"), "root of postgres");
    }

    #[test]
    fn what_is_not_a_name_is_not_repeated() {
        let plain =
            ["green", "2020-01", "./data/x", "gs://b/p", "https://h/{colour}/{year}-{month}"];
        for word in plain.into_iter().chain(["s3://bucket", "3-1", "x y", "büro/trips"]) {
            assert_eq!(name_or_mask(word), word);
        }
        let long = "eyJ0eXBlIjoi".repeat(20);
        for word in [
            "{\"type\":",
            "\"private_key\":",
            "s3://key:secret@bucket",
            "https://h/x?sig=abc",
            "host=h password=x",
            "-----BEGIN\nMII",
            &long,
        ] {
            assert_eq!(name_or_mask(word), MASK, "{word}");
        }
    }

    #[test]
    fn the_secrets_of_an_address_are_its_password_and_the_values_of_its_query() {
        let found = url_secrets("https://me:p%40ss@h/{year}?sig=a%2Fb&m={month}");
        assert_eq!(found, ["me:p%40ss", "p%40ss", "a%2Fb", "me:p@ss", "p@ss", "a/b"]);
        assert_eq!(url_secrets("gs://b/p"), Vec::<String>::new());
        assert_eq!(url_secrets("./x"), Vec::<String>::new());
    }
}
