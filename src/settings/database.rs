use crate::warehouse::postgres::{ConnectError, Target};

use super::SettingsError;
use super::blocks::{BlockName, ReadBlocks};
use super::connection::PostgresConnection;
use super::secret::{Reference, Secret, SecretError};

/// A Postgres database, its secrets not yet looked up.
#[derive(Debug, Clone)]
pub struct Database {
    url: Option<Reference>,
    parts: Vec<(&'static str, Reference)>,
    /// Why it is not known.
    trouble: Option<String>,
}

impl From<Reference> for Database {
    fn from(url: Reference) -> Self {
        Self { url: Some(url), parts: Vec::new(), trouble: None }
    }
}

impl From<&PostgresConnection> for Database {
    fn from(given: &PostgresConnection) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(Reference::from);
        let parts = [
            ("host", text(&given.host)),
            ("port", given.port.map(|port| port.to_string().into())),
            ("dbname", text(&given.database)),
            ("user", text(&given.user)),
            ("password", given.password.clone()),
            ("sslmode", text(&given.sslmode)),
            ("sslrootcert", text(&given.sslrootcert)),
        ];
        let parts = parts.into_iter().filter_map(|(name, part)| Some((name, part?)));
        Self { url: given.url.clone(), parts: parts.collect(), trouble: None }
    }
}

impl Database {
    /// One that cannot be asked, for this reason.
    pub(super) const fn unknown(why: String) -> Self {
        Self { url: None, parts: Vec::new(), trouble: Some(why) }
    }

    /// The database, its secrets looked up; asks nobody yet.
    pub fn target(&self) -> Result<Target, ConnectError> {
        let secret = |error: SecretError| ConnectError::Secret(error.to_string());
        if let Some(why) = &self.trouble {
            return Err(secret(SecretError::Elsewhere(why.clone())));
        }
        let text = self.url.as_ref().map(Reference::resolve).transpose().map_err(secret)?;
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
        let url = self.url.iter().filter_map(|url| Some(url.resolve().ok()?.reveal().to_owned()));
        let passwords = self.target().map(|target| target.secrets().to_vec());
        url.chain(passwords.unwrap_or_default()).collect()
    }

    /// The block that its URL refers to, if it does.
    fn block(&self) -> Option<BlockName> {
        match &self.url {
            Some(Reference::Text(url)) => BlockName::of(url.reveal()),
            _ => None,
        }
    }

    /// The same with its URL from the block that it refers to, if it does.
    pub(super) fn with_block(self, blocks: &ReadBlocks) -> Result<Self, SettingsError> {
        let Some(block) = self.block() else { return Ok(self) };
        match &block.among(blocks)?.database_url {
            Some(url) => Ok(Self { url: Some(url.clone()), ..self }),
            None => Err(SettingsError::BlockSays { block, what: "database_url" }),
        }
    }

    /// Host, port and database, else why they are not known.
    pub fn place(&self) -> String {
        if let Some(block) = self.block() {
            return block.to_string();
        }
        match self.target() {
            Ok(target) => target.place(),
            Err(ConnectError::Secret(error)) => format!("({error})"),
            Err(error) => format!("({error})"),
        }
    }
}
