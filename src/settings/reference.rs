//! What a setting that names a store refers to.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::lake::{LakeAddress, LakeError};
use crate::redact::MASK;

use super::block_name::BlockName;
use super::secret::{Reference, Secret};

/// A store as a setting gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreReference<A> {
    /// A connection of `taxi.toml`. If it has no lake of this name, a lake is a folder.
    Name(String),
    /// A block of a Prefect server.
    Block(BlockName),
    /// An address, which can be nothing else.
    Address(A),
}

/// A lake as a setting gives it.
pub type LakeReference = StoreReference<LakeAddress>;

/// A database as a setting gives it that wants a name: an address is refused, and may hold a
/// password.
pub type ConnectionReference = StoreReference<Secret>;

impl FromStr for LakeReference {
    type Err = LakeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Some(block) = BlockName::of(text) {
            return Ok(Self::Block(block));
        }
        let address: LakeAddress = text.parse()?;
        Ok(match address.as_folder() {
            Some(folder) if folder == Path::new(text) => Self::Name(text.to_owned()),
            _ => Self::Address(address),
        })
    }
}

impl FromStr for ConnectionReference {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match BlockName::of(text) {
            Some(block) => Self::Block(block),
            None if text.contains("://") || text.contains('=') => {
                Self::Address(text.to_owned().into())
            }
            None => Self::Name(text.to_owned()),
        })
    }
}

impl<'de, A> Deserialize<'de> for StoreReference<A>
where
    Self: FromStr<Err: fmt::Display>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<A> From<A> for StoreReference<A> {
    fn from(address: A) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for LakeReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Block(block) => block.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for ConnectionReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Block(block) => block.fmt(f),
            Self::Address(_) => f.write_str(MASK),
        }
    }
}

/// The URL of a database, or where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseReference {
    /// The URL, or where it is looked up.
    Url(Reference),
    /// A block of a Prefect server.
    Block(BlockName),
}

impl DatabaseReference {
    /// Whether it is a text of nothing.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Url(url) if url.is_empty())
    }
}

impl From<Reference> for DatabaseReference {
    fn from(given: Reference) -> Self {
        match given.block() {
            Some(block) => Self::Block(block),
            None => Self::Url(given),
        }
    }
}

impl From<&str> for DatabaseReference {
    fn from(text: &str) -> Self {
        Reference::from(text).into()
    }
}

impl<'de> Deserialize<'de> for DatabaseReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reference::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> BlockName {
        BlockName { kind: "gcs-bucket".to_owned(), name: "x".to_owned() }
    }

    #[test]
    fn a_lake_is_referred_to_by_a_name_a_block_or_an_address() {
        let found = |text: &str| text.parse::<LakeReference>().unwrap();
        for name in ["prod", "./data", "/x//y", "a/b:c"] {
            assert_eq!(found(name), LakeReference::Name(name.to_owned()));
        }
        assert_eq!(found(" prefect:gcs-bucket/x"), LakeReference::Block(block()));
        assert_eq!(found("file:///x"), LakeReference::Address(LakeAddress::folder("/x")));
        for text in ["gs://b/p", "prefect:gcs-bucket/x", "prod"] {
            assert_eq!(found(text).to_string(), text);
        }
        assert!("prefect:x".parse::<LakeReference>().is_err());
    }

    #[test]
    fn a_database_is_referred_to_by_a_name_or_a_block_and_an_address_is_not_shown() {
        let found = |text: &str| text.parse::<ConnectionReference>().unwrap();
        assert_eq!(found("prod"), ConnectionReference::Name("prod".to_owned()));
        assert_eq!(found("prefect:gcs-bucket/x"), ConnectionReference::Block(block()));
        for address in ["postgres://u:hush@h/d", "password=hush"] {
            let found = found(address);
            assert!(!format!("{found} {found:?}").contains("hush"), "{found}");
        }
    }
}
