//! Google credentials in any form: recognized, checked by their type, and used if object_store
//! supports them.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use object_store::gcp::GoogleCloudStorageBuilder;
use serde_json::{Map, Value};

use crate::redact::MASK;

use super::LakeError;

/// The credentials of Google, as they are given.
#[derive(Clone, PartialEq, Eq)]
pub enum GoogleCredentials {
    /// The file of them.
    File(PathBuf),
    /// The text itself, in any spelling.
    Text(String),
    /// They cannot be read, for this reason, which is told when they are needed.
    Missing(String),
}

impl fmt::Debug for GoogleCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Text(_) => f.write_str(MASK),
            Self::Missing(why) => f.write_str(why),
        }
    }
}

/// Where Google's own libraries look for credentials.
const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// Other names that object_store knows for a key.
const OTHER_VARIABLES: [&str; 3] =
    ["GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT_KEY"];

/// Where gcloud leaves those of `gcloud auth application-default login`, below the home folder.
const LEFT_BY_GCLOUD: &str = ".config/gcloud/application_default_credentials.json";

/// Nobody has a longer path, and many a key is.
const LONGEST_PATH: usize = 255;

/// How many wrappings are taken off: base64 of a quoted text, say.
const WRAPPINGS: usize = 5;

impl GoogleCredentials {
    /// Credentials given as a text: a key in any spelling, or the path of a file that is there.
    /// `None` if it is neither.
    pub fn of(text: &str) -> Option<Self> {
        if let Some(json) = unwrapped(text) {
            return Some(Self::Text(json));
        }
        let path = short_path(text)?;
        Path::new(path).is_file().then(|| Self::File(path.into()))
    }

    /// The same; one that is neither is missing, with the reason. `by` says who gives it.
    pub fn given(text: &str, by: &str) -> Self {
        Self::of(text).unwrap_or_else(|| Self::Missing(format!("{} ({by})", why_none(text))))
    }
}

/// A text that can be a path, and is not so long that it can be something else.
fn short_path(text: &str) -> Option<&str> {
    let text = text.trim();
    let short = !text.is_empty() && text.len() <= LONGEST_PATH;
    (short && !text.contains(['\n', '\r', '\0'])).then_some(text)
}

/// The JSON object that a text holds: as it is, in quotes as `docker --env-file` leaves them,
/// with escaped quotes and line ends, with the line ends of its key as they are, in base64 of
/// either alphabet, or in percents.
pub fn unwrapped(text: &str) -> Option<String> {
    let mut text = text.trim_start_matches('\u{feff}').trim().to_owned();
    for _ in 0..WRAPPINGS {
        if object(&text).is_some() {
            return Some(text);
        }
        without_a_wrapping(&text)?.trim().clone_into(&mut text);
    }
    None
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

fn without_a_wrapping(text: &str) -> Option<String> {
    if let Ok(inner) = serde_json::from_str::<String>(text) {
        return Some(inner);
    }
    for mark in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(mark).and_then(|text| text.strip_suffix(mark)) {
            return Some(inner.to_owned());
        }
    }
    if text.starts_with('{') {
        let whole_lines = with_escaped_line_ends(text);
        if object(&whole_lines).is_some() {
            return Some(whole_lines);
        }
        // {\"type\": \"service_account\"}
        return serde_json::from_str(&format!("\"{whole_lines}\"")).ok();
    }
    if text.starts_with("%7B") || text.starts_with("%7b") {
        let pair = format!("x={}", text.replace('+', "%2B"));
        let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
        return pairs.next().map(|(_, value)| value.into_owned());
    }
    decoded(text)
}

/// A JSON text with the line ends within its strings escaped, as JSON wants them.
fn with_escaped_line_ends(text: &str) -> String {
    let (mut within, mut escaped) = (false, false);
    let mut whole = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if within => whole.push_str("\\n"),
            '\r' if within => whole.push_str("\\r"),
            '\t' if within => whole.push_str("\\t"),
            c => whole.push(c),
        }
        within ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    whole
}

fn decoded(text: &str) -> Option<String> {
    let text = text.strip_prefix("base64:").unwrap_or(text);
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet =
        if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let bytes = GeneralPurpose::new(alphabet, config).decode(text).ok()?;
    String::from_utf8(bytes).ok()
}

/// Credentials that object_store can use.
enum Usable {
    /// The key of a service account.
    ServiceAccount(String),
    /// A user's, as gcloud keeps them.
    AuthorizedUser(String),
}

impl Usable {
    /// The credentials of a text, or what is wrong with them, without a word of what they hold.
    fn of(text: &str) -> Result<Self, String> {
        let json = unwrapped(text).ok_or("they are not the JSON of a key")?;
        let fields = object(&json).unwrap_or_default();
        let has = |name: &str| fields.get(name).and_then(Value::as_str).is_some();
        let lacking = |wanted: &[&str]| {
            let lacking = wanted.iter().filter(|name| !has(name));
            lacking.copied().collect::<Vec<_>>().join(", ")
        };
        let kind = fields.get("type").and_then(Value::as_str);
        let (wanted, usable): (&[&str], fn(String) -> Self) = match kind {
            Some("service_account") => {
                (&["client_email", "private_key", "private_key_id"], Self::ServiceAccount)
            }
            None if has("private_key") => {
                (&["client_email", "private_key", "private_key_id"], Self::ServiceAccount)
            }
            Some("authorized_user") => {
                (&["client_id", "client_secret", "refresh_token"], Self::AuthorizedUser)
            }
            kind => return Err(unsupported(kind, &fields)),
        };
        let lacking = lacking(wanted);
        if lacking.is_empty() {
            return Ok(usable(json));
        }
        let of = kind.unwrap_or("service_account");
        Err(format!("they are of the type '{of}' and lack {lacking}"))
    }
}

/// Why credentials of another type are refused, and what to do instead.
fn unsupported(kind: Option<&str>, fields: &Map<String, Value>) -> String {
    let instead = "run on Google Cloud with this account attached and leave the credentials out";
    match kind {
        Some("external_account") => format!(
            "they are of the type 'external_account' (workload identity federation), which is not \
             supported: {instead}, or use a key"
        ),
        Some("external_account_authorized_user") => {
            "they are of the type 'external_account_authorized_user' (workforce identity \
             federation), which is not supported: use a key, or log in with: gcloud auth \
             application-default login"
                .to_owned()
        }
        Some("impersonated_service_account") => format!(
            "they are of the type 'impersonated_service_account' (impersonation), which is not \
             supported: {instead}, or log in without --impersonate-service-account"
        ),
        Some("gdch_service_account") => "they are of the type 'gdch_service_account' (Google \
             Distributed Cloud), which is not supported"
            .to_owned(),
        Some(other) if is_name(other) => {
            format!("they are of the type '{other}', which is not supported")
        }
        _ if fields.contains_key("installed") || fields.contains_key("web") => {
            "they are an OAuth client id, which does not grant access by itself".to_owned()
        }
        _ => "they do not say their type".to_owned(),
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
}

/// A store's builder with the credentials, and the file that they are in, which has to be
/// there until the store is built.
pub(super) fn builder(
    credentials: Option<&GoogleCredentials>,
) -> Result<(GoogleCloudStorageBuilder, Option<File>), LakeError> {
    let Some((which, text)) = in_force(credentials)? else {
        return Ok((GoogleCloudStorageBuilder::from_env(), None));
    };
    // Not of the environment, whose other credentials would stand beside these.
    let builder = GoogleCloudStorageBuilder::new();
    let refused = |what| unusable(which.clone(), what);
    match Usable::of(&text).map_err(refused)? {
        Usable::ServiceAccount(json) => Ok((builder.with_service_account_key(json), None)),
        Usable::AuthorizedUser(json) => {
            let (path, file) = nameless(&json)
                .map_err(|error| refused(format!("they cannot be passed on: {error}")))?;
            Ok((builder.with_application_credentials(path), Some(file)))
        }
    }
}

/// Where the credentials come from, and their text; `None` for those of the machine.
pub(super) fn in_force(
    credentials: Option<&GoogleCredentials>,
) -> Result<Option<(String, String)>, LakeError> {
    let refused = |which: &str, what| Err(unusable(which.to_owned(), what));
    match credentials {
        Some(GoogleCredentials::File(path)) => read(path).map(Some),
        Some(GoogleCredentials::Text(text)) => Ok(Some(("given as text".to_owned(), text.clone()))),
        Some(GoogleCredentials::Missing(why)) => refused("of the settings", why.clone()),
        None => {
            let given = std::env::var(VARIABLE).unwrap_or_default();
            if !given.trim().is_empty() {
                return match GoogleCredentials::of(&given) {
                    Some(GoogleCredentials::Text(text)) => {
                        Ok(Some((format!("in {VARIABLE}"), text)))
                    }
                    Some(GoogleCredentials::File(path)) => read(&path).map(Some),
                    _ => refused(&format!("in {VARIABLE}"), why_none(&given)),
                };
            }
            let set = |name| std::env::var_os(name).is_some_and(|it| !it.is_empty());
            if OTHER_VARIABLES.into_iter().any(set) {
                return Ok(None);
            }
            let home = std::env::var_os("HOME").map(PathBuf::from);
            let left = home.map(|home| home.join(LEFT_BY_GCLOUD));
            left.filter(|path| path.is_file()).map(|path| read(&path)).transpose()
        }
    }
}

/// What to do if credentials cannot be used.
const NAME_A_KEY: &str = "Name the JSON key of a service account with --credentials or \
                          GOOGLE_APPLICATION_CREDENTIALS";

/// What is wrong with credentials of this name.
pub(super) const fn unusable(which: String, what: String) -> LakeError {
    LakeError::Credentials { which, what, remedy: NAME_A_KEY }
}

/// What is wrong with a text that is neither a key nor a path, without a word of it.
fn why_none(text: &str) -> String {
    let found = short_path(text).map(std::fs::metadata);
    let why = match found {
        Some(Err(error)) => format!(" ({error})"),
        Some(Ok(_)) => " (it is a folder)".to_owned(),
        None => String::new(),
    };
    format!("they are neither the JSON of a key nor the path of an existing file{why}")
}

fn read(path: &Path) -> Result<(String, String), LakeError> {
    let which = match path.to_str().and_then(short_path) {
        Some(path) => format!("in {path}"),
        None => "of the settings".to_owned(),
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((which, text)),
        Err(error) => Err(unusable(which, error.to_string())),
    }
}

/// object_store takes a user's credentials by the path of a file alone: one without a name, which
/// only this process can open.
fn nameless(json: &str) -> io::Result<(String, File)> {
    let mut file = tempfile::tempfile()?;
    file.write_all(json.as_bytes())?;
    file.rewind()?;
    Ok((format!("/dev/fd/{}", file.as_raw_fd()), file))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = r#"{"type": "service_account", "client_email": "a@b", "private_key_id": "1",
        "private_key": "-----BEGIN PRIVATE KEY-----\nMIIMARK/+=\n-----END PRIVATE KEY-----\n"}"#;

    fn encoded(text: &str, alphabet: &alphabet::Alphabet, padded: bool) -> String {
        let config = GeneralPurposeConfig::new().with_encode_padding(padded);
        GeneralPurpose::new(alphabet, config).encode(text)
    }

    #[test]
    fn a_key_is_found_in_every_spelling() {
        let one_line = KEY.replace('\n', " ");
        let base64 = encoded(KEY, &alphabet::STANDARD, true);
        let wrapped: Vec<&str> =
            base64.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let percents: String = url::form_urlencoded::byte_serialize(KEY.as_bytes()).collect();
        let cases = [
            KEY.to_owned(),
            format!("\u{feff}  {KEY}\n"),
            format!("'{one_line}'"),
            format!("\"{one_line}\""),
            serde_json::to_string(KEY).unwrap(),
            format!("'{}'", serde_json::to_string(KEY).unwrap()),
            one_line.replace('\\', "\\\\").replace('"', "\\\""),
            one_line.replace("\\n", "\n"),
            base64.clone(),
            wrapped.join("\n"),
            encoded(KEY, &alphabet::STANDARD, false),
            encoded(KEY, &alphabet::URL_SAFE, true),
            encoded(KEY, &alphabet::URL_SAFE, false),
            format!("\"{base64}\""),
            format!("'{base64}'\n"),
            encoded(&serde_json::to_string(KEY).unwrap(), &alphabet::STANDARD, true),
            encoded(&base64, &alphabet::STANDARD, true),
            percents.replace('+', "%20"),
        ];
        let wanted = object(KEY).unwrap();
        for case in cases {
            let found = unwrapped(&case).unwrap_or_else(|| panic!("{case}"));
            assert_eq!(object(&found).unwrap(), wanted, "{case}");
        }
    }

    #[test]
    fn what_is_neither_a_key_nor_a_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        std::fs::write(&file, KEY).unwrap();
        let path = file.to_str().unwrap();
        assert_eq!(GoogleCredentials::of(path), Some(GoogleCredentials::File(file.clone())));
        let folder = folder.path().to_str().unwrap().to_owned();
        let long = "x".repeat(400);
        for text in
            ["", "  ", "no-such-key.json", "AIzaSyMARK", "[1]", "{\"type\":", &folder, &long]
        {
            assert_eq!(GoogleCredentials::of(text), None, "{text}");
            assert_eq!(unwrapped(text), None, "{text}");
        }
    }

    #[test]
    fn credentials_are_used_or_refused_by_their_type() {
        assert!(matches!(Usable::of(KEY), Ok(Usable::ServiceAccount(_))));
        let user = r#"{"type": "authorized_user", "client_id": "i", "client_secret": "MARK",
            "refresh_token": "MARK"}"#;
        assert!(matches!(Usable::of(user), Ok(Usable::AuthorizedUser(_))));
        let said = [
            r#"{"type": "external_account", "audience": "MARK"}"#,
            r#"{"type": "external_account_authorized_user", "refresh_token": "MARK"}"#,
            r#"{"type": "impersonated_service_account", "source_credentials": {"x": "MARK"}}"#,
            r#"{"type": "gdch_service_account", "private_key": "MARK"}"#,
            r#"{"type": "new_kind"}"#,
            r#"{"type": "MARK MARK"}"#,
            r#"{"installed": {"client_secret": "MARK"}}"#,
            r#"{"type": "service_account", "private_key": "MARK"}"#,
            r#"{"type": "authorized_user", "refresh_token": "MARK"}"#,
            "MARK",
        ]
        .map(|text| Usable::of(text).err().unwrap());
        insta::assert_snapshot!(said.join("\n"), @"
        they are of the type 'external_account' (workload identity federation), which is not supported: run on Google Cloud with this account attached and leave the credentials out, or use a key
        they are of the type 'external_account_authorized_user' (workforce identity federation), which is not supported: use a key, or log in with: gcloud auth application-default login
        they are of the type 'impersonated_service_account' (impersonation), which is not supported: run on Google Cloud with this account attached and leave the credentials out, or log in without --impersonate-service-account
        they are of the type 'gdch_service_account' (Google Distributed Cloud), which is not supported
        they are of the type 'new_kind', which is not supported
        they do not say their type
        they are an OAuth client id, which does not grant access by itself
        they are of the type 'service_account' and lack client_email, private_key_id
        they are of the type 'authorized_user' and lack client_id, client_secret
        they are not the JSON of a key
        ");
    }
}
