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
    /// How often the flow is retried after a failure, if the flow run does not say
    #[arg(long, value_name = "N", default_value_t = 0, env = "TAXI_FLOW_RETRIES")]
    pub flow_retries: u32,

    /// The delay before each retry
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration, env = "TAXI_FLOW_RETRY_DELAY")]
    pub flow_retry_delay: Duration,

    /// How long to wait at the end for an unreachable server, until it has the complete record
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration, env = "TAXI_DELIVER_FOR")]
    pub deliver_for: Duration,

    /// The time between two heartbeats, in seconds; an automation uses them to find runs whose
    /// machine has died
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..), env = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY")]
    pub heartbeat: u64,
}
