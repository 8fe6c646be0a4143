//! `taxi flow-run`: flow runs of a Prefect server.

mod create;
mod execute;

use std::sync::Arc;

use clap::{ArgMatches, Subcommand};

use crate::flow::Listener;

use super::examples;
use super::exit::{Error, Exit};
use create::CreateArgs;
use execute::ExecuteArgs;

#[derive(Debug, Subcommand)]
pub(super) enum FlowRunArgs {
    /// Create a flow run of a deployment for each month and colour
    #[command(after_help = examples::FLOW_RUN_CREATE)]
    Create(Box<CreateArgs>),
    /// Execute a flow run of a Prefect server and report to it; started by a worker
    #[command(after_help = examples::FLOW_RUN_EXECUTE)]
    Execute(Box<ExecuteArgs>),
}

impl FlowRunArgs {
    pub(super) async fn execute(self, listener: Arc<dyn Listener>) -> Result<Exit, Error> {
        match self {
            Self::Create(args) => create::create(*args).await,
            Self::Execute(args) => Box::pin(execute::execute(*args, listener)).await,
        }
    }

    /// Heeds what comes from the command line before what comes from the environment.
    pub(super) fn prefer_flags(&mut self, matches: &ArgMatches) {
        if let Self::Create(args) = self {
            args.prefer_flags(matches);
        }
    }
}
