//! What a setting that names a store refers to, found out once.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::lake::{LakeAddress, LakeError};

use super::blocks::BlockName;

/// A lake as a setting gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LakeReference {
    /// A lake of `taxi.toml`; a folder if it has none of this name.
    Name(String),
    /// A block of a Prefect server.
    Block(BlockName),
    /// An address that can be nothing else.
    Address(LakeAddress),
}

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

impl From<LakeAddress> for LakeReference {
    fn from(address: LakeAddress) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lake_is_referred_to_by_a_name_a_block_or_an_address() {
        let found = |text: &str| text.parse::<LakeReference>().unwrap();
        for name in ["prod", "./data", "/x//y", "a/b:c"] {
            assert_eq!(found(name), LakeReference::Name(name.to_owned()));
        }
        let block = BlockName { kind: "gcs-bucket".to_owned(), name: "x".to_owned() };
        assert_eq!(found(" prefect:gcs-bucket/x"), LakeReference::Block(block));
        assert_eq!(found("file:///x"), LakeReference::Address(LakeAddress::folder("/x")));
        for text in ["gs://b/p", "prefect:gcs-bucket/x", "prod"] {
            assert_eq!(found(text).to_string(), text);
        }
        assert!("prefect:x".parse::<LakeReference>().is_err());
    }
}
