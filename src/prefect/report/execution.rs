//! A flow run of a Prefect server, from its claim to its end.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::flow::{Limits, Listener, Policy, Run, RunReport, State, row_sum};

use super::super::{Answer, Api, FlowRun, Id, NewState, PrefectError, StateType, Verdict};
use super::heartbeat::Heartbeat;
use super::lease::Lease;
use super::line::Mask;
use super::propose::propose;
use super::reporter::Reporter;
use super::watch::{Watch, Watched, Why};
use super::{orphans, tables};

/// How long the record is waited for if the run was told to stop. Whatever stops a program kills
/// it soon after: Docker, the hastiest, after 10 s, of which the end itself needs some.
const HURRY: Duration = Duration::from_secs(7);

/// The end itself is worth another try.
const LAST: Duration = Duration::from_secs(2);

/// A server that has just been started again is waited for before the run begins.
const PATIENCE: usize = 30;

/// The failing months that a message names.
const NAMED: usize = 10;

/// How a flow run is run.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How often the flow is tried again after it failed, where the run itself does not say.
    pub retries: u32,
    /// How long until then.
    pub retry_delay: Duration,
    /// How long the server is waited for at the end, until it has the whole record.
    pub deliver_for: Duration,
    /// How often the server is asked whether the run is to stop.
    pub ask_every: Duration,
    /// How often the server is told that the run is alive.
    pub heartbeat: Duration,
}

/// How a flow run ended.
#[derive(Debug)]
pub enum Outcome {
    /// It was not run: the server did not let it.
    NotRun(String),
    /// It ended, and the server knows how.
    Recorded,
    /// It ended, and the server could not be told.
    Lost {
        /// Whether all was well with it.
        ok: bool,
    },
}

/// What a try of the flow came to.
enum End {
    Completed(String),
    Failed { message: String, for_good: bool },
    Stopped(String),
}

impl End {
    const fn is_ok(&self) -> bool {
        matches!(self, Self::Completed(_))
    }
}

enum Claim {
    /// For the so many-th time; `lease` is its place among those that may run at once.
    Mine {
        attempt: u32,
        lease: Option<Id>,
    },
    NotMine(String),
}

/// A flow run to be run by this process.
#[derive(Debug)]
pub struct Execution {
    api: Api,
    run: FlowRun,
    flow: String,
    terms: Terms,
    mask: Mask,
}

impl Execution {
    /// Reads what is asked for.
    pub async fn find(api: Api, id: &Id, terms: Terms) -> Result<Self, PrefectError> {
        let api = api.patient(Policy {
            retries: PATIENCE,
            first_delay: Duration::from_millis(250),
            longest_delay: Duration::from_secs(5),
        });
        let mut run = api.flow_run(id).await?;
        run.parameters = api.asked_for(&run).await?;
        let flow: Value = api.get(&format!("flows/{}", run.flow_id)).await?;
        let flow = flow["name"].as_str().unwrap_or_default().to_owned();
        Ok(Self { api, run, flow, terms, mask: Mask::default() })
    }

    /// Hides these texts in all that is reported; of an address its password alone. The
    /// program's errors hold no secrets: this stands behind them.
    pub fn hide(&mut self, secrets: impl IntoIterator<Item = String>) {
        self.mask.hide(secrets.into_iter().chain(self.api.secrets()));
    }

    /// The name of the flow.
    pub fn flow(&self) -> &str {
        &self.flow
    }

    /// What is asked for.
    pub const fn parameters(&self) -> &Value {
        &self.run.parameters
    }

    /// Fails the run: what is asked for makes no sense, and no other try would help.
    pub async fn refuse(&self, why: &str) -> Result<Outcome, PrefectError> {
        let run = self.api.flow_run(&self.run.id).await?;
        let from = kind(&run);
        if from.is_final() {
            return Ok(Outcome::NotRun(format!("the flow run is {from:?} already")));
        }
        let state = NewState::new(StateType::Failed).saying(self.mask.over(why));
        self.propose(from, &state, true).await?;
        Ok(Outcome::Recorded)
    }

    /// Runs the flow, and again where it failed and the server says so, and reports all of it.
    /// Told to stop, it ends at a safe point.
    pub async fn run(
        &self,
        listeners: &[Arc<dyn Listener>],
        stop: &CancellationToken,
        policy: Policy,
        limits: Limits,
        work: impl AsyncFn(&Run) -> Result<RunReport, Box<dyn std::error::Error>>,
    ) -> Result<Outcome, PrefectError> {
        let reporter = Reporter::start(&self.api, &self.run, policy.retries, self.mask.clone());
        let reporter = Arc::new(reporter);
        let mut listeners = listeners.to_vec();
        listeners.push(Arc::<Reporter>::clone(&reporter));
        let mut again = false;
        let mut heartbeat = None;
        let mut place: Option<Lease> = None;
        loop {
            let attempt = match self.claim(again, stop).await? {
                Claim::Mine { attempt, lease } => {
                    if let Some(lease) = lease
                        && place.as_ref().is_none_or(|place| *place.id() != lease)
                    {
                        place = Some(Lease::keep(&self.api, lease, self.terms.heartbeat));
                    }
                    attempt
                }
                Claim::NotMine(why) => return Ok(Outcome::NotRun(why)),
            };
            if attempt > 1
                && !again
                && let Err(error) = orphans::close(&self.api, &self.run.id).await
            {
                tracing::warn!("what an earlier try left open stays so in the record: {error}");
            }
            reporter.begin(attempt);
            heartbeat.get_or_insert_with(|| {
                Heartbeat::start(&self.api, &self.run, self.terms.heartbeat)
            });
            // A child, so that a signal after the server's word is the first and not the second.
            let told = stop.child_token();
            let watched = Watched { run: self.run.id.clone(), attempt };
            let watch = Watch::start(&self.api, watched, self.terms.ask_every, told.clone());
            let run = Run::new(listeners.clone(), told.clone(), policy, limits);
            let end = self.came_to(work(&run).await, &told);
            let limit = if told.is_cancelled() { HURRY } else { self.terms.deliver_for };
            let deadline = Instant::now() + limit;
            if !reporter.delivered(limit).await {
                let waiting = reporter.waiting();
                tracing::warn!("the record has gaps: {waiting} reports found no server in time");
            }
            if matches!(watch.seen(), Some(Why::Over | Why::Taken)) {
                return Ok(Outcome::NotRun("somebody else has ended the flow run".to_owned()));
            }
            drop(watch);
            let deadline = deadline.max(Instant::now() + LAST);
            let ended = tokio::time::timeout_at(deadline, self.end(&end, attempt)).await;
            let retry = match ended {
                Ok(Ok(retry)) => retry,
                Ok(Err(error)) => {
                    tracing::error!("the end of the flow run is not recorded: {error}");
                    return Ok(Outcome::Lost { ok: end.is_ok() });
                }
                Err(_) => {
                    tracing::error!("the end of the flow run is not recorded: no server in time");
                    return Ok(Outcome::Lost { ok: end.is_ok() });
                }
            };
            let Some(due) = retry else { return Ok(Outcome::Recorded) };
            if let Some(outcome) = self.wait(due, stop).await? {
                return Ok(outcome);
            }
            again = true;
        }
    }

    /// Makes the run this process's own.
    async fn claim(&self, again: bool, stop: &CancellationToken) -> Result<Claim, PrefectError> {
        let no = |why: String| Ok(Claim::NotMine(why));
        loop {
            let run = self.api.flow_run(&self.run.id).await?;
            let mut from = kind(&run);
            if from.is_final() {
                return no(format!("the flow run is {from:?} already"));
            }
            if from == StateType::Cancelling {
                let state = NewState::new(StateType::Cancelled).saying("cancelled before it began");
                self.propose(from, &state, false).await?;
                return no("the flow run was cancelled before it began".to_owned());
            }
            // What no worker has claimed takes its place among those that may run at once.
            if from == StateType::Scheduled && !again {
                let pending = NewState::new(StateType::Pending);
                let answer = self.propose(from, &pending, false).await?;
                if !answer.took(&pending) {
                    return no(reason(&answer));
                }
                from = StateType::Pending;
            }
            let mut running = NewState::new(StateType::Running);
            // The server keeps the place of a pending run by itself, but not of one that is tried
            // again: without it, the end would not free the place.
            let place = run.state.as_ref().map(|state| &state.state_details);
            let place = place.and_then(|details| details.deployment_concurrency_lease_id.clone());
            running.state_details.deployment_concurrency_lease_id = place;
            let answer = self.propose(from, &running, false).await?;
            if answer.took(&running) {
                if !again {
                    self.set_retries(&run).await?;
                }
                let details = answer.state.map(|state| state.state_details).unwrap_or_default();
                let lease = details.deployment_concurrency_lease_id;
                return Ok(Claim::Mine { attempt: run.run_count + 1, lease });
            }
            if answer.status != Verdict::Wait {
                return no(reason(&answer));
            }
            let delay = answer.details.delay_seconds.unwrap_or(1.0).clamp(0.1, 86_400.0);
            tracing::info!("the flow run is not due yet: waiting {delay:.0} s");
            tokio::select! {
                // Somebody may cancel it meanwhile.
                () = tokio::time::sleep(Duration::from_secs_f64(delay.min(10.0))) => {}
                () = stop.cancelled() => return no("told to stop before it was due".to_owned()),
            }
        }
    }

    /// A run from the UI's form never has retries of its own.
    async fn set_retries(&self, run: &FlowRun) -> Result<(), PrefectError> {
        let given = run.empirical_policy.retries.unwrap_or(0);
        if given > 0 || self.terms.retries == 0 {
            return Ok(());
        }
        let policy = json!({
            "retries": self.terms.retries,
            "retry_delay": self.terms.retry_delay.as_secs(),
        });
        self.api.update_flow_run(&run.id, &json!({ "empirical_policy": policy })).await
    }

    /// What a try of the flow came to.
    fn came_to(
        &self,
        done: Result<RunReport, Box<dyn std::error::Error>>,
        told: &CancellationToken,
    ) -> End {
        match done {
            Ok(report) if report.ok => End::Completed(completed(&report)),
            Ok(report) if told.is_cancelled() => End::Stopped(stopped(&report)),
            Ok(report) => End::Failed { message: self.mask.over(failed(&report)), for_good: false },
            Err(error) => {
                End::Failed { message: self.mask.over(error.to_string()), for_good: true }
            }
        }
    }

    /// Says how the run ended; when it is to be tried again, where the server wants that.
    async fn end(&self, end: &End, attempt: u32) -> Result<Option<DateTime<Utc>>, PrefectError> {
        let run = self.api.flow_run(&self.run.id).await?;
        let from = kind(&run);
        if matches!(Why::of(&run, attempt), Some(Why::Over | Why::Taken)) {
            return Ok(None);
        }
        let (state, force) = match end {
            End::Completed(message) => (NewState::new(StateType::Completed).saying(message), false),
            End::Failed { message, for_good } => {
                (NewState::new(StateType::Failed).saying(message), *for_good)
            }
            End::Stopped(message) => (NewState::new(StateType::Crashed).saying(message), false),
        };
        let cancelled = || NewState { kind: StateType::Cancelled, ..state.clone() };
        if from == StateType::Cancelling {
            self.propose(from, &cancelled(), false).await?;
            return Ok(None);
        }
        let answer = self.propose(from, &state, force).await?;
        if answer.took(&state) {
            return Ok(None);
        }
        match answer.state {
            Some(now) if now.kind == StateType::Cancelling => {
                self.propose(now.kind, &cancelled(), false).await?;
                Ok(None)
            }
            Some(now) if now.kind == StateType::Scheduled && matches!(end, End::Failed { .. }) => {
                Ok(Some(now.state_details.scheduled_time.unwrap_or_else(Utc::now)))
            }
            _ => {
                tracing::warn!("the flow run is not {:?}: {:?}", state.kind, answer.details.reason);
                Ok(None)
            }
        }
    }

    /// Waits until the next try is due. The server hands such a run to nobody else.
    async fn wait(
        &self,
        due: DateTime<Utc>,
        stop: &CancellationToken,
    ) -> Result<Option<Outcome>, PrefectError> {
        tracing::warn!("the flow failed and is tried again at {due}");
        loop {
            let left = (due - Utc::now()).to_std().unwrap_or(Duration::ZERO);
            tokio::select! {
                () = tokio::time::sleep(left.min(self.terms.ask_every)) => {}
                () = stop.cancelled() => {
                    let message = "told to stop while it waited for its next try";
                    let state = NewState::new(StateType::Crashed).saying(message);
                    let asked = self.propose(StateType::Scheduled, &state, false);
                    let recorded = tokio::time::timeout(HURRY, asked).await;
                    return Ok(Some(match recorded {
                        Ok(Ok(_)) => Outcome::Recorded,
                        _ => Outcome::Lost { ok: false },
                    }));
                }
            }
            if Utc::now() >= due {
                return Ok(None);
            }
            if let Ok(run) = self.api.flow_run(&self.run.id).await
                && kind(&run).is_final()
            {
                let ended = format!("the flow run is {:?} now", kind(&run));
                return Ok(Some(Outcome::NotRun(ended)));
            }
        }
    }

    async fn propose(
        &self,
        from: StateType,
        state: &NewState,
        force: bool,
    ) -> Result<Answer, PrefectError> {
        propose(&self.api, &self.run.id, from, state, force).await
    }
}

fn kind(run: &FlowRun) -> StateType {
    run.state.as_ref().map_or(StateType::Pending, |state| state.kind)
}

/// Why the server does not let it run.
fn reason(answer: &Answer) -> String {
    let now = answer.state.as_ref().map(|state| {
        let name = state.name.clone().unwrap_or_else(|| format!("{:?}", state.kind));
        format!("the flow run is {name}")
    });
    let now = now.unwrap_or_else(|| "the server does not let the flow run begin".to_owned());
    match &answer.details.reason {
        Some(reason) => format!("{now}: {reason}"),
        None => now,
    }
}

fn count(months: usize) -> String {
    if months == 1 { "1 month".to_owned() } else { format!("{months} months") }
}

fn completed(report: &RunReport) -> String {
    let months = count(report.months.len());
    if report.months.iter().any(|month| month.rows_read.is_some()) {
        format!("{months}: {}", row_sum(&report.months))
    } else {
        months
    }
}

fn failed(report: &RunReport) -> String {
    let failed: Vec<_> = report.months.iter().filter(|month| !month.state.is_ok()).collect();
    let mut named: Vec<String> = failed
        .iter()
        .take(NAMED)
        .map(|month| format!("{} ({})", month.file(), tables::error(month).unwrap_or("no reason")))
        .collect();
    if failed.len() > NAMED {
        named.push(format!("and {} more", failed.len() - NAMED));
    }
    format!("{} of {} failed: {}", failed.len(), count(report.months.len()), named.join("; "))
}

fn stopped(report: &RunReport) -> String {
    let done = report.months.iter().filter(|month| month.state.is_ok()).count();
    let open = report
        .months
        .iter()
        .filter(|month| matches!(month.state, State::Interrupted | State::NotBegun));
    format!(
        "stopped at a safe point: {done} of {} done, {} open",
        count(report.months.len()),
        open.count()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::MonthReport;
    use crate::trip::{Colour, Counts, Month, TripFile};

    fn month(number: u32, state: State) -> MonthReport {
        MonthReport::new(TripFile::new(Colour::Green, Month::known(2020, number as u8)), state)
    }

    #[test]
    fn the_end_of_a_run_is_told_in_a_sentence() {
        let counts =
            Counts { rows_read: 3000, rows_kept: 2990, rows_quarantined: 10, ..Counts::default() };
        let done = month(1, State::Published).counted(&counts);
        let mut gone = month(2, State::Failed);
        gone.error = Some("http://h/x.csv answers 410".to_owned());
        let report = |months| RunReport::new("etl-web-to-gcs", months);
        assert_eq!(
            completed(&report(vec![done.clone()])),
            "1 month: 3,000 rows read = 2,990 kept + 10 set aside"
        );
        assert_eq!(completed(&report(vec![month(2, State::NotPublished); 2])), "2 months");
        assert_eq!(
            failed(&report(vec![done.clone(), gone.clone()])),
            "1 of 2 months failed: green 2020-02 (http://h/x.csv answers 410)"
        );
        assert!(failed(&report(vec![gone; 12])).ends_with("; and 2 more"));
        assert_eq!(
            stopped(&report(vec![done, month(2, State::Interrupted), month(3, State::NotBegun)])),
            "stopped at a safe point: 1 of 3 months done, 2 open"
        );
    }
}
