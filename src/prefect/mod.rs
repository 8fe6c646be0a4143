//! What is asked of a Prefect server, and told to it: its REST API, deployments, blocks.
//!
//! The API was measured on Prefect server 3.8.8 (`/openapi.json` on a running server).

mod client;
mod error;
mod profile;
mod runs;

pub use client::{Api, Id};
pub use error::PrefectError;
pub use profile::{Access, Auth};
pub use runs::{
    Answer, AnswerDetails, Artifact, FlowRun, LogLine, NewFlowRun, NewState, NewTaskRun,
    RetryPolicy, State, StateDetails, StateType, TaskInput, TaskRun, Verdict,
};
