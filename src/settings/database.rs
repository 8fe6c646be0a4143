use crate::warehouse::postgres::{ConnectError, Target};

use super::SettingsError;
use super::blocks::ReadBlocks;
use super::reference::DatabaseReference;
use super::secret::{Reference, Secret, SecretError};

/// A Postgres database, its secrets not yet looked up.
#[derive(Debug, Clone)]
pub struct Database {
    url: Option<DatabaseReference>,
    parts: Vec<(&'static str, Reference)>,
    /// Why it is not known.
    trouble: Option<String>,
}

impl From<DatabaseReference> for Database {
    fn from(url: DatabaseReference) -> Self {
        Self { url: Some(url), parts: Vec::new(), trouble: None }
    }
}

impl Database {
    /// The database of a URL, of parts by the names that `libpq` has for them, or of both.
    pub(super) const fn new(
        url: Option<DatabaseReference>,
        parts: Vec<(&'static str, Reference)>,
    ) -> Self {
        Self { url, parts, trouble: None }
    }

    /// The database, its secrets looked up; does not connect yet.
    pub fn target(&self) -> Result<Target, ConnectError> {
        let secret = |error: SecretError| ConnectError::Secret(error.to_string());
        if let Some(why) = &self.trouble {
            return Err(secret(SecretError::Elsewhere(why.clone())));
        }
        let text = match &self.url {
            Some(DatabaseReference::Url(url)) => Some(url.resolve().map_err(secret)?),
            Some(DatabaseReference::Block(block)) => {
                let unread = SettingsError::Block(block.clone()).to_string();
                return Err(secret(SecretError::Elsewhere(unread)));
            }
            None => None,
        };
        let mut parts = Vec::new();
        for (name, part) in &self.parts {
            parts.push((*name, part.resolve().map_err(secret)?));
        }
        let parts: Vec<_> = parts.iter().map(|(name, part)| (*name, part.reveal())).collect();
        Target::resolve(text.as_ref().map(Secret::reveal), &parts)
    }

    /// What must not be shown of it: its URL, and its passwords as they are and as they are
    /// written.
    pub(super) fn secrets(&self) -> Vec<String> {
        let url = match &self.url {
            Some(DatabaseReference::Url(url)) => url.resolve().ok(),
            _ => None,
        };
        let url = url.map(|url| url.reveal().to_owned());
        let passwords = self.target().map(|target| target.secrets().to_vec());
        url.into_iter().chain(passwords.unwrap_or_default()).collect()
    }

    /// The same with its URL from the block that it refers to, if it does. One whose block could
    /// not be read says so when it is asked.
    pub(super) fn with_block(self, blocks: &ReadBlocks) -> Result<Self, SettingsError> {
        let Some(DatabaseReference::Block(block)) = &self.url else { return Ok(self) };
        match block.among(blocks) {
            Ok(contents) => match contents.database_url.clone() {
                Some(url) => Ok(Self { url: Some(DatabaseReference::Url(url)), ..self }),
                None => {
                    Err(SettingsError::BlockSays { block: block.clone(), what: "database_url" })
                }
            },
            Err(error @ SettingsError::UnreadBlock { .. }) => {
                Ok(Self { url: None, parts: Vec::new(), trouble: Some(error.to_string()) })
            }
            Err(error) => Err(error),
        }
    }

    /// Host, port and database, else why they are not known.
    pub fn place(&self) -> String {
        if let Some(DatabaseReference::Block(block)) = &self.url {
            return block.to_string();
        }
        match self.target() {
            Ok(target) => target.place(),
            Err(ConnectError::Secret(error)) => format!("({error})"),
            Err(error) => format!("({error})"),
        }
    }
}
