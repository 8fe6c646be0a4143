use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::lake::GoogleCredentials;
use crate::redact::name_or_mask;

use super::block_name::BlockName;

pub use crate::redact::MASK;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// A secret as the settings give it: itself, or where it is kept, which is looked up only
/// where it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// The text itself.
    Text(Secret),
    /// A variable of the environment: `{ env = "PGPASSWORD_PROD" }`.
    Env(String),
    /// A file: `{ file = "/run/secrets/postgres" }`.
    File(PathBuf),
}

impl Reference {
    /// Whether it is a text of nothing.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.0.trim().is_empty())
    }

    /// The block that it names, if it does.
    pub(super) fn block(&self) -> Option<BlockName> {
        match self {
            Self::Text(text) => BlockName::of(&text.0),
            Self::Env(_) | Self::File(_) => None,
        }
    }

    /// The secret. A file's last line break is not part of it.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Text(secret) => Ok(secret.clone()),
            Self::Env(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Secret(value)),
                _ => Err(SecretError::NoVariable(name.clone())),
            },
            Self::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(Secret(text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(source) => Err(SecretError::Read { path: path.clone(), source }),
            },
        }
    }
}

/// Without a word of what it holds.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str(MASK),
            Self::Env(name) => write!(f, "${}", shown_variable(name)),
            Self::File(path) => f.write_str(&shown(path)),
        }
    }
}

/// What the names of files with a secret end in.
const ENDINGS: [&str; 5] = ["env", "json", "key", "pem", "txt"];

/// A path for people. What is too long for one, or has quotes or braces in it, is a secret that
/// was put in its place; so may be a bare word that is not the name of a file.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    let of_file = path.extension().and_then(|e| e.to_str()).is_some_and(|e| ENDINGS.contains(&e));
    let is_path = text.starts_with(['/', '.', '~']) || of_file || path.exists();
    if is_path { name_or_mask(&text).to_owned() } else { MASK.to_owned() }
}

/// The name of a variable for people. What is not written as such names are, and is not set, may
/// be a secret that was put in its place.
fn shown_variable(name: &str) -> &str {
    let marks = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_name = name.bytes().all(marks)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && (name.contains('_') || !name.contains(|c: char| c.is_ascii_digit()));
    if is_name || std::env::var_os(name).is_some() { name_or_mask(name) } else { MASK }
}

/// Why a secret is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable {} is not set", shown_variable(_0))]
    NoVariable(String),
    /// It is kept elsewhere, and that cannot be read.
    #[error("{0}")]
    Elsewhere(String),
    /// The file cannot be read.
    #[error("cannot read {}: {source}", shown(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl From<String> for Reference {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&str> for Reference {
    fn from(text: &str) -> Self {
        Self::Text(Secret(text.to_owned()))
    }
}

/// The credentials of Google: a key in any spelling, or where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// The key, or where it is looked up.
    Key(Reference),
    /// A block of a Prefect server.
    Block(BlockName),
}

impl Credentials {
    /// What may be said again on a command line: the path of their file, or the name of a block.
    pub fn public_name(&self) -> Option<String> {
        match self {
            Self::Key(Reference::File(path)) => Some(path.to_string_lossy().into_owned()),
            Self::Key(Reference::Text(_) | Reference::Env(_)) => None,
            Self::Block(block) => Some(block.to_string()),
        }
    }
}

/// A text is the JSON of a key in any spelling, or the path of a file that is there, or the name
/// of a block. Whatever else it is, it is kept as a secret: a key that was cut off, say.
impl From<Reference> for Credentials {
    fn from(given: Reference) -> Self {
        if let Some(block) = given.block() {
            return Self::Block(block);
        }
        let Reference::Text(text) = given else { return Self::Key(given) };
        Self::Key(match GoogleCredentials::of(&text.0) {
            Some(GoogleCredentials::File(path)) => Reference::File(path),
            Some(GoogleCredentials::Text(json)) => Reference::Text(Secret(json)),
            Some(GoogleCredentials::Missing(_)) | None => Reference::Text(text),
        })
    }
}

impl From<OsString> for Credentials {
    fn from(given: OsString) -> Self {
        match given.into_string() {
            Ok(text) => Reference::from(text).into(),
            Err(path) => Self::Key(Reference::File(path.into())),
        }
    }
}

impl<'de> Deserialize<'de> for Credentials {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reference::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Block(block) => block.fmt(f),
        }
    }
}

// By hand: what is derived shows the value that it refuses.
impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Given;

        const WANTED: &str = "a text in quotes, { env = \"NAME\" } or { file = \"PATH\" }";

        impl<'de> Visitor<'de> for Given {
            type Value = Reference;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(WANTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Reference, E> {
                Ok(text.into())
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Reference, E> {
                Err(E::custom(format!("write {WANTED}")))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Reference, E> {
                self.visit_bool(true)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Reference, E> {
                self.visit_bool(true)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Reference, E> {
                self.visit_bool(true)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Reference, A::Error> {
                let wanted = || A::Error::custom(format!("write {WANTED}"));
                let found = match map.next_key::<String>()?.as_deref() {
                    Some("env") => Reference::Env(map.next_value().map_err(|_| wanted())?),
                    Some("file") => Reference::File(map.next_value().map_err(|_| wanted())?),
                    _ => return Err(wanted()),
                };
                match map.next_key::<String>()? {
                    None => Ok(found),
                    Some(_) => Err(wanted()),
                }
            }
        }

        deserializer.deserialize_any(Given)
    }
}
