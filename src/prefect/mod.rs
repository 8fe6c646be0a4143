//! What is asked of a Prefect server, and told to it: its REST API, deployments, blocks.
//!
//! The API was measured on Prefect servers 3.8.8 and 3.9.1 (`/openapi.json` on a running server).

mod backfill;
mod blocks;
mod change;
mod client;
mod cron;
mod deploy;
mod error;
mod form;
mod manifest;
mod names;
mod pools;
mod profile;
mod recurrence;
pub mod report;
mod rrule;
mod runs;
mod schema;

pub use backfill::{Asking, Deployed, MonthRun};
pub use blocks::ServerBlocks;
pub use change::{Action, Change, Step};
pub use client::{Api, Id};
pub use deploy::{DeployError, Flows, Options as DeployOptions, deploy};
pub use error::{PrefectError, Refusal};
pub use form::form;
pub use manifest::{Collision, Deployment, Limit, Manifest, ManifestError, Schedule, WorkPool};
pub use pools::{Launch, PoolKind};
pub use profile::{Access, Auth};
pub use runs::{
    Answer, AnswerDetails, Artifact, FlowRun, LogLine, NewFlowRun, NewState, NewTaskRun,
    RetryPolicy, State, StateDetails, StateType, TaskRun, Verdict,
};
