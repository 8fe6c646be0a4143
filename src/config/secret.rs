use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What is shown of a secret.
pub const MASK: &str = "********";

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
            Self::Env(name) => write!(f, "${name}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Why a secret is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the variable {0} of the environment is not set")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
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

/// The key of a Google service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials(pub Reference);

impl Credentials {
    /// A text is the file's name, or the JSON that such a file holds.
    pub(super) fn of(reference: Reference) -> Self {
        match reference {
            Reference::Text(text) if !text.0.trim_start().starts_with('{') => {
                Self(Reference::File(text.0.into()))
            }
            kept => Self(kept),
        }
    }
}

impl From<OsString> for Credentials {
    fn from(given: OsString) -> Self {
        match given.into_string() {
            Ok(text) => Self::of(Reference::from(text)),
            Err(path) => Self(Reference::File(path.into())),
        }
    }
}

impl<'de> Deserialize<'de> for Credentials {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reference::deserialize(deserializer).map(Self::of)
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
