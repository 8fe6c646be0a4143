//! The last line of defence for secrets: whatever was read as one is taken out of all that is
//! printed, logged, journalled or posted.
//!
//! The first line is the types: a secret is held by one that shows a mask. This one is for texts
//! that others write, such as a server that repeats what it was sent, or a library's trace log.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

use serde_json::Value;
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::support::http::percent_encoded;

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

static SECRETS: RwLock<Secrets> = RwLock::new(Secrets(Vec::new()));

/// Texts to be taken out of other texts, longest first: a whole goes before its parts.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// So short a text is also a part of common words.
    const SHORTEST: usize = 4;

    /// Those that are not so short that masking them would garble what is shown.
    #[must_use]
    pub fn without_short(mut self) -> Self {
        self.0.retain(|secret| secret.len() >= Self::SHORTEST);
        self
    }

    /// Whether a text has one of them in it.
    pub fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|secret| text.contains(secret.as_str()))
    }

    /// A text with a mask in the place of each.
    pub fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(text);
        for secret in &self.0 {
            if shown.contains(secret.as_str()) {
                shown = Cow::Owned(shown.replace(secret.as_str(), MASK));
            }
        }
        shown
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Extend<String> for Secrets {
    fn extend<I: IntoIterator<Item = String>>(&mut self, texts: I) {
        self.0.extend(texts.into_iter().filter(|text| !text.is_empty()));
        self.0.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.0.dedup();
    }
}

impl IntoIterator for Secrets {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<String> for Secrets {
    fn from_iter<I: IntoIterator<Item = String>>(texts: I) -> Self {
        let mut secrets = Self::default();
        secrets.extend(texts);
        secrets
    }
}

/// Takes a secret out of all that is shown from now on, in the forms that texts give it: as it
/// is, as JSON and as a part of a URL, and each long line of it. A secret that is a short or a
/// plain lower-case word is left to the types.
pub fn remember(secret: &str) {
    let secret = secret.trim();
    let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
    let whole = std::iter::once(secret).filter(|text| is_telling(text));
    let mut forms = Vec::new();
    for text in whole.chain(lines) {
        let form: String = byte_serialize(text.as_bytes()).collect();
        let json = Value::from(text).to_string();
        let json = json.trim_matches('"');
        // A JSON text within a JSON text, and how Rust shows one.
        let nested = Value::from(json).to_string();
        forms.extend([
            text.to_owned(),
            form.replace('+', "%20"),
            form,
            percent_encoded(text),
            json.to_owned(),
            nested.trim_matches('"').to_owned(),
        ]);
        forms.extend(as_password(text));
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
    SECRETS.write().unwrap_or_else(PoisonError::into_inner).extend(forms);
}

/// A text as a URL has it for a password, where more stands for itself than elsewhere.
fn as_password(text: &str) -> Option<String> {
    let mut url = Url::parse("http://host").ok()?;
    url.set_password(Some(text)).ok()?;
    url.password().map(str::to_owned)
}

fn is_telling(text: &str) -> bool {
    text.len() >= SHORTEST && !text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// A text without the secrets that are known.
pub fn redacted(text: &str) -> Cow<'_, str> {
    SECRETS.read().unwrap_or_else(PoisonError::into_inner).masked(text)
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

/// What stands before the `@` of an address, whose query is cut off, and where its host begins.
/// A password may have an '@' in it, and even a slash, with which it is no address.
fn user_of(open: &str) -> Option<(&str, usize)> {
    let start = open.find("://").map(|at| at + 3);
    let rest = &open[start.unwrap_or_default()..];
    if start.is_none() && rest.starts_with(['.', '/', '~']) {
        return None;
    }
    let host = rest.split('/').next().unwrap_or_default();
    let is_none = || start.is_some() && Url::parse(open).is_err();
    let end = match host.rfind('@') {
        None if is_none() || start.is_none() && host.contains(':') => rest.rfind('@'),
        end => end,
    }?;
    Some((&rest[..end], start.unwrap_or_default() + end + 1))
}

/// Whether a text is an address to which the scheme is missing: `user:password@host/path`.
pub fn lacks_scheme(text: &str) -> bool {
    !text.contains("://") && user_of(text).is_some_and(|(user, _)| user.contains(':'))
}

/// The parts of an address that let in who knows them: a password, and the values of a query.
pub fn url_secrets(address: &str) -> Vec<String> {
    let mut found = Vec::new();
    let scheme = address.split_once("://").map(|(scheme, _)| scheme);
    // The words of a connection string say what is wanted of it, but for these.
    let words =
        scheme.filter(|scheme| scheme.starts_with("postgres")).map(|_| ["password", "sslpassword"]);
    let (place, query) = address.split_once('?').unwrap_or((address, ""));
    let user = user_of(place).map(|(user, _)| user);
    if let Some(user) = user.filter(|user| scheme.is_some() || user.contains(':')) {
        if words.is_none() {
            found.push(user.to_owned());
        }
        if let Some((_, password)) = user.split_once(':') {
            found.push(password.to_owned());
        }
    }
    let query = if scheme.is_some() { query } else { "" };
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

/// Takes the secrets of an address out of all that is shown from now on. A password that is a
/// short or a plain word is masked in an address, after its user.
pub fn remember_address(address: &str) {
    for secret in url_secrets(address) {
        remember(&secret);
    }
    let open = address.split(['?', '#']).next().unwrap_or_default();
    let written = user_of(open).map(|(user, _)| user.to_owned());
    let with_scheme = if open.contains("://") { open.to_owned() } else { format!("http://{open}") };
    let parsed = Url::parse(&with_scheme).ok();
    let parsed = parsed.and_then(|url| Some(format!("{}:{}", url.username(), url.password()?)));
    let users = written.into_iter().chain(parsed).filter(|user| user.contains(':'));
    let users: Vec<String> = users.map(|user| format!("//{user}")).collect();
    SECRETS.write().unwrap_or_else(PoisonError::into_inner).extend(users);
}

/// What is given as an address, without its user, password, query and fragment.
pub fn without_secrets(text: &str) -> String {
    let open = text.split(['?', '#']).next().unwrap_or_default();
    let Some((_, host)) = user_of(open) else { return open.to_owned() };
    let scheme = open.split_once("://").map_or(String::new(), |(scheme, _)| format!("{scheme}://"));
    format!("{scheme}{}", &open[host..])
}

/// An address without its user, password, query and fragment.
pub fn url_without_secrets(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// A text with a mask in the place of the password of each `scheme://user:password@host`.
pub fn without_passwords(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
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
            out.push_str(MASK);
            rest = &after[user.len()..];
        }
    }
    out.push_str(rest);
    out.into()
}

/// What the name of a secret has in it.
const SECRET_WORDS: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "api_key",
    "api-key",
    "apikey",
    "auth",
];

/// Whether something of this name is a secret.
pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// A text of the settings of others, such as the command line of a worker, as it may be shown:
/// without the passwords of addresses, and without what is given to a name of a secret, as in
/// `PGPASSWORD=x`, `--token x` and `"password": "x"`.
pub fn public(text: &str) -> String {
    let text = without_passwords(text);
    let in_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let (mut out, mut rest) = (String::with_capacity(text.len()), &*text);
    while let Some(start) = rest.find(in_name) {
        let name = &rest[start..];
        let name = &name[..name.find(|c| !in_name(c)).unwrap_or(name.len())];
        let after = &rest[start + name.len()..];
        out.push_str(&rest[..start + name.len()]);
        rest = after;
        if !names_a_secret(name) {
            continue;
        }
        // `=` or `:`, and after a flag a blank alone.
        let value = after.trim_start_matches(['"', '\'', '\\']).trim_start();
        let value = match value.strip_prefix(['=', ':']) {
            Some(value) => value.trim_start(),
            None if name.starts_with('-') && after.starts_with(char::is_whitespace) => value,
            None => continue,
        };
        let open = value.trim_start_matches('\\');
        let quote = open.chars().next().filter(|c| "\"'".contains(*c));
        let inner = quote.map_or(value, |quote| &open[quote.len_utf8()..]);
        let end = match quote {
            Some(quote) => inner.find(quote),
            None => inner.find(|c: char| c.is_whitespace() || "&;,\"'}".contains(c)),
        };
        let end = end.unwrap_or(inner.len());
        // What names a secret that is kept elsewhere is none.
        if inner[..end].is_empty() || inner.starts_with("{{") || inner.starts_with('$') {
            continue;
        }
        out.push_str(&after[..after.len() - inner.len()]);
        out.push_str(MASK);
        rest = &inner[end..];
    }
    out.push_str(rest);
    out
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
    fn a_secret_in_an_address_is_taken_out_however_it_is_written_there() {
        let secret = "MARK~p*s(s) w!rd/1";
        remember(secret);
        let mut url = Url::parse("https://host/").unwrap();
        url.set_password(Some(secret)).unwrap();
        url.query_pairs_mut().append_pair("key", secret);
        url.path_segments_mut().unwrap().push(secret);
        for text in [url.to_string(), format!("https://host/{}/x", percent_encoded(secret))] {
            let shown = redacted(&text);
            assert!(!shown.contains("MARK"), "{shown}");
        }
    }

    #[test]
    fn of_two_secrets_the_one_that_holds_the_other_is_masked_whole() {
        let secrets = ["hunter2", "admin:hunter2", "abc", ""].map(str::to_owned);
        let secrets = Secrets::from_iter(secrets);
        assert_eq!(secrets.masked("admin:hunter2, hunter2, abc"), "********, ********, ********");
        let secrets = secrets.without_short();
        assert_eq!(secrets.masked("abc of hunter2"), "abc of ********");
        assert!(secrets.are_in("hunter2!") && !secrets.are_in("abc"));
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }

    #[test]
    fn the_passwords_of_addresses_in_a_text_are_masked() {
        assert_eq!(
            without_passwords("cannot reach ftp://me:other@host/x and http://host/a:b@c"),
            "cannot reach ftp://me:********@host/x and http://host/a:b@c"
        );
    }

    #[test]
    fn a_shown_address_keeps_no_secret() {
        for text in ["https://me:p@w@h/x", "https://me:p/w@h/x", "ftp://me:p@w/x@h/x?s=a"] {
            let shown = without_secrets(text);
            assert!(!shown.contains("me:") && shown.ends_with("/x"), "{shown}");
        }
        assert_eq!(without_secrets("https://h/@a/{year}"), "https://h/@a/{year}");
        for text in ["me:pw@h/x", "me:p/w@h/x", "me:p@w@h/x", "me@h/x", "https:me:pw@h/x"] {
            assert_eq!(without_secrets(text), "h/x", "{text}");
        }
        for text in ["./me:pw@h/x", "/me:pw@h/x", "a/me@h/x", "h:1/x"] {
            assert_eq!(without_secrets(text), text);
        }
        let url = Url::parse("https://me:pw@h/p/f.csv?X-Goog-Signature=abc#x").unwrap();
        assert_eq!(url_without_secrets(&url), "https://h/p/f.csv");
    }

    #[test]
    fn a_short_password_is_masked_in_its_address() {
        remember_address("http://me:pw@h:1");
        remember_address("you:it@h:2");
        assert_eq!(redacted("GET http://me:pw@h:1/x, pw"), "GET http:********@h:1/x, pw");
        assert_eq!(redacted("GET http://you:it@h:2/x, it"), "GET http:********@h:2/x, it");
    }

    #[test]
    fn what_is_given_to_the_name_of_a_secret_is_masked() {
        for (given, shown) in [
            ("PGPASSWORD=hush taxi run", "PGPASSWORD=******** taxi run"),
            ("env PGPASSWORD='a hush' taxi", "env PGPASSWORD='********' taxi"),
            ("taxi --token hush --x y", "taxi --token ******** --x y"),
            ("taxi --api-key=hush", "taxi --api-key=********"),
            (
                "taxi --database-url postgres://me:hush@h/d",
                "taxi --database-url postgres://me:********@h/d",
            ),
            ("host=h password = hush user=u", "host=h password = ******** user=u"),
            ("{\"password\": \"hush\", \"a\": 1}", "{\"password\": \"********\", \"a\": 1}"),
            ("{\\\"secret\\\":\\\"hush\\\"}", "{\\\"secret\\\":\\\"********\"}"),
            ("https://h/x?auth_token=hush&a=b", "https://h/x?auth_token=********&a=b"),
            ("password", "password"),
            ("taxi --password", "taxi --password"),
            (
                "PGPASSWORD={{ prefect.blocks.secret.pg }}",
                "PGPASSWORD={{ prefect.blocks.secret.pg }}",
            ),
            ("PGPASSWORD=$SECRET taxi", "PGPASSWORD=$SECRET taxi"),
            ("taxi flow-run execute", "taxi flow-run execute"),
        ] {
            assert_eq!(public(given), shown, "{given}");
        }
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
