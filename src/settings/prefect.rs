//! A Prefect server: how its flow runs go.

use std::time::Duration;

use clap::Args;

use super::secret_names::SecretNames;

/// Where the secrets for the server are said.
pub(super) const SECRETS: SecretNames = SecretNames {
    variables: &["PREFECT_API_AUTH_STRING", "PREFECT_API_KEY"],
    addresses: &["PREFECT_API_URL"],
    ..SecretNames::NONE
};

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
