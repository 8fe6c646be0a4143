use url::form_urlencoded::byte_serialize;

use crate::warehouse::postgres::Target;

use super::SettingsError;
use super::blocks::{BlockName, ReadBlocks};
use super::connection::PostgresConnection;
use super::secret::{Reference, Secret, SecretError};

/// A Postgres database, its secrets not yet looked up.
#[derive(Debug, Clone)]
pub struct Database {
    url: Option<Reference>,
    parts: Vec<(&'static str, Reference)>,
}

impl From<Reference> for Database {
    fn from(url: Reference) -> Self {
        Self { url: Some(url), parts: Vec::new() }
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
        Self { url: given.url.clone(), parts: parts.collect() }
    }
}

impl Database {
    /// Its URL.
    pub fn url(&self) -> Result<Secret, SecretError> {
        let mut url = match &self.url {
            Some(url) => url.resolve()?.reveal().to_owned(),
            None => "postgres://".to_owned(),
        };
        for (name, part) in &self.parts {
            let value = part.resolve()?;
            // The driver knows %20 and no plus sign.
            let value: String = byte_serialize(value.reveal().as_bytes()).collect();
            let mark = if url.contains('?') { '&' } else { '?' };
            url = format!("{url}{mark}{name}={}", value.replace('+', "%20"));
        }
        Ok(url.into())
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
        match self.url() {
            Ok(url) => match Target::resolve(Some(url.reveal())) {
                Ok(target) => target.place(),
                Err(error) => format!("({error})"),
            },
            Err(error) => format!("({error})"),
        }
    }
}
