//! Asking for a state of the flow run itself.

use super::super::{Answer, AnswerDetails, Api, Id, NewState, PrefectError, StateType, Verdict};
use super::uploader::{may_pass, once, pause};

/// Asks for a state until the server answers. An answer that is lost is not asked for blindly
/// again: a run that has failed may wait for its next try by now, and failing that too would
/// take the try away. `from` is the state it was in.
pub(super) async fn propose(
    api: &Api,
    run: &Id,
    from: StateType,
    state: &NewState,
    force: bool,
) -> Result<Answer, PrefectError> {
    let api = once(api);
    let mut tries = 0;
    loop {
        let error = match api.set_flow_run_state(run, state, force).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        loop {
            if !may_pass(&error, tries) {
                return Err(error);
            }
            tokio::time::sleep(pause(&error, tries)).await;
            tries += 1;
            let Ok(found) = api.flow_run(run).await else { continue };
            let Some(now) = found.state else { break };
            let mine = now.state_details.transition_id == state.state_details.transition_id;
            if mine || now.kind != from {
                let status = if mine { Verdict::Accept } else { Verdict::Reject };
                return Ok(Answer { status, state: Some(now), details: AnswerDetails::default() });
            }
            break;
        }
    }
}
