//! A Prefect server: connections that are kept there as blocks, and how its flow runs go.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use clap::Args;

use crate::lake::LakeAddress;

use super::SettingsError;
use super::group::SecretNames;
use super::secret::Reference;

/// Where connections are kept that a setting only refers to: the blocks of a Prefect server.
#[async_trait]
pub trait Blocks: Send + Sync {
    /// What a block says.
    async fn read(&self, block: &BlockName) -> Result<BlockContents, BlockError>;
}

/// What a block says, in the words of the settings.
#[derive(Debug, Clone, Default)]
pub struct BlockContents {
    /// Where a lake is.
    pub lake: Option<LakeAddress>,
    /// The key of a Google service account.
    pub credentials: Option<Reference>,
    /// The URL of a database.
    pub database_url: Option<Reference>,
}

/// Why a block cannot be read.
pub type BlockError = Box<dyn Error + Send + Sync>;

/// The name of a block: `prefect:gcs-bucket/zoom-gcs`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockName {
    /// Its type: `gcs-bucket`.
    pub kind: String,
    /// Its name: `zoom-gcs`.
    pub name: String,
}

/// Blocks that were read, and why one could not be.
pub(super) type ReadBlocks = BTreeMap<BlockName, Result<BlockContents, String>>;

impl BlockName {
    /// The block that a setting refers to, if it does.
    pub fn of(text: &str) -> Option<Self> {
        let (kind, name) = text.strip_prefix("prefect:")?.split_once('/')?;
        Some(Self { kind: kind.to_owned(), name: name.to_owned() })
    }

    /// What it says, if it was read.
    pub(super) fn among<'a>(
        &self,
        read: &'a ReadBlocks,
    ) -> Result<&'a BlockContents, SettingsError> {
        match read.get(self) {
            Some(Ok(says)) => Ok(says),
            Some(Err(why)) => {
                Err(SettingsError::UnreadBlock { block: self.clone(), why: why.clone() })
            }
            None => Err(SettingsError::Block(self.clone())),
        }
    }
}

impl fmt::Display for BlockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "prefect:{}/{}", self.kind, self.name)
    }
}

/// Where the secrets for the server are said.
pub(super) const SECRETS: SecretNames =
    SecretNames { variables: &["PREFECT_API_AUTH_STRING", "PREFECT_API_KEY"], ..SecretNames::NONE };

/// How the flow runs of a server go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Prefect settings")]
pub struct FlowRunOptions {
    /// How often the flow is tried again after it failed, where the flow run does not say
    #[arg(long, value_name = "N", default_value_t = 0, env = "TAXI_FLOW_RETRIES")]
    pub flow_retries: u32,

    /// How long until then
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration, env = "TAXI_FLOW_RETRY_DELAY")]
    pub flow_retry_delay: Duration,

    /// How long a server that is away is waited for at the end, until it has the whole record
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration, env = "TAXI_DELIVER_FOR")]
    pub deliver_for: Duration,

    /// How many seconds between two signs of life: by them an automation tells a run that goes on
    /// from one whose machine is gone
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..), env = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY")]
    pub heartbeat: u64,
}
