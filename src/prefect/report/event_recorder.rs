//! What an event comes to in the record.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::flow::{Event, MonthReport, RunReport, State, Task, TaskName, row_sum};
use crate::trip::{Item, TripFile};

use super::super::{Id, NewState, StateType};
use super::home::Home;
use super::line::{Line, Mask};
use super::noted::{Far, Noted, Report};
use super::tables;
use super::task::{NewTask, TaskReport, TaskRun};

/// A task that has run for so long shows how far it is.
const LONG: TimeDelta = TimeDelta::seconds(5);

/// Turns events into reports. It asks nobody and knows no time but what it is told.
#[derive(Debug)]
pub(super) struct EventRecorder {
    /// Which try of the flow run this is, from 1.
    attempt: u32,
    retries: usize,
    mask: Mask,
    running: HashMap<Task, TaskRun>,
    /// The tasks that an item has behind it.
    done: HashMap<Item, Vec<(Task, Id)>>,
    /// How often a task was begun.
    begun: HashMap<Task, u32>,
    /// The task runs that have shown how far they are.
    shown: HashSet<Id>,
}

/// The order in which tasks build on one another: each on the nearest that is lower.
const fn rank(task: TaskName) -> u8 {
    use TaskName::{
        Ask, Clean, CountBigQuery, CountLake, CountPostgres, Drop, Fetch, Ingest, WriteBq,
        WriteGcs, WritePostgres,
    };
    match task {
        Fetch => 0,
        Clean | Ingest => 1,
        WriteGcs => 2,
        WritePostgres | WriteBq | Ask | CountLake | CountPostgres | CountBigQuery | Drop => 3,
    }
}

const fn home(item: Item) -> Home {
    match item {
        Item::Month(file) => Home::Month(file),
        Item::Zones => Home::Run,
    }
}

impl EventRecorder {
    /// An empty one; `retries` is how often a task may be tried again.
    pub(super) fn new(retries: usize, mask: Mask) -> Self {
        Self {
            attempt: 1,
            retries,
            mask,
            running: HashMap::new(),
            done: HashMap::new(),
            begun: HashMap::new(),
            shown: HashSet::new(),
        }
    }

    /// The flow run is tried for the so many-th time.
    pub(super) fn begin(&mut self, attempt: u32) {
        self.attempt = attempt;
        self.done.clear();
    }

    /// What is to be reported of an event.
    pub(super) fn note(&mut self, event: &Event<'_>, now: DateTime<Utc>) -> Noted {
        let mut noted = Noted::default();
        let (mut place, mut task_run) = (Home::Run, None);
        match event {
            Event::MonthStarted(file) => {
                place = Home::Month(*file);
                noted.reports.push(self.month_started(*file));
            }
            Event::TaskStarted(task) => {
                place = home(task.item);
                let run = self.task_started(*task, now);
                task_run = Some(run.task_run.clone());
                noted.reports.push(Report::Task(run));
            }
            Event::TaskProgress { task, done, total } => {
                noted.reports.extend(self.resumed(*task, now));
                noted.progress = self.progress(*task, *done, *total, now);
            }
            Event::TaskRetrying { task, error, wait } => {
                let why = self.mask.over(error.to_string());
                noted.reports.extend(self.resumed(*task, now));
                if let Some(run) = self.running.get_mut(task) {
                    (place, task_run) = (run.home(), Some(run.id.clone()));
                    noted.reports.push(Report::Task(run.waits(&why, *wait, now)));
                }
            }
            Event::TaskDone { task, .. } => {
                (place, task_run) =
                    self.task_ended(&mut noted, *task, StateType::Completed, None, now);
                if let Some(id) = &task_run {
                    self.done.entry(task.item).or_default().push((*task, id.clone()));
                }
            }
            Event::TaskFailed { task, error } => {
                let why = self.mask.over(error.to_string());
                (place, task_run) =
                    self.task_ended(&mut noted, *task, StateType::Failed, Some(&why), now);
            }
            Event::TaskStopped(task) => {
                let why = Some("stopped at a safe point");
                (place, task_run) =
                    self.task_ended(&mut noted, *task, StateType::Cancelled, why, now);
            }
            Event::TaskGivenUp(task) => {
                let why = Some("given up: it holds nothing up");
                (place, task_run) =
                    self.task_ended(&mut noted, *task, StateType::Cancelled, why, now);
            }
            Event::Warning { item, .. } => place = home(*item),
            Event::MonthDone(month) => {
                let file = month.file();
                place = Home::Month(file);
                self.done.remove(&Item::Month(file));
                noted.reports.push(Report::MonthDone { file, state: self.month_state(month) });
            }
            Event::RunDone(report) => noted.reports.extend(tables_of(report, &self.mask)),
            _ => {}
        }
        if let Some((level, text)) = event.line() {
            let text = self.mask.over(text);
            noted.lines.push(Line { home: place, task_run, level, text, at: now });
        }
        noted
    }

    /// The tasks that run again, now that their wait is over.
    pub(super) fn due(&mut self, now: DateTime<Utc>) -> Vec<Report> {
        self.running.values_mut().filter_map(|run| run.resumes(now)).map(Report::Task).collect()
    }

    fn month_started(&self, file: TripFile) -> Report {
        let running = NewState::new(StateType::Running);
        Report::MonthStarted { file, attempt: self.attempt, task_run: Id::random(), running }
    }

    fn month_state(&self, month: &MonthReport) -> NewState {
        let kind = match month.state {
            State::Failed => StateType::Failed,
            State::Interrupted | State::NotBegun => StateType::Cancelled,
            _ => StateType::Completed,
        };
        let mut said = month.state.as_str().to_owned();
        if let Some(error) = tables::error(month) {
            error.clone_into(&mut said);
        } else if month.rows_read.is_some() {
            said = format!("{said}: {}", row_sum(std::slice::from_ref(month)));
        }
        NewState::new(kind).saying(self.mask.over(said))
    }

    fn task_started(&mut self, task: Task, now: DateTime<Utc>) -> TaskReport {
        let begun = self.begun.entry(task).or_default();
        *begun += 1;
        let done = self.done.get(&task.item).map_or(&[][..], Vec::as_slice);
        let before = done.iter().filter(|(before, _)| rank(before.name) < rank(task.name));
        let after = before.max_by_key(|(before, _)| rank(before.name));
        let mut run = TaskRun::new(NewTask {
            name: match task.item {
                Item::Month(_) => task.name.to_string(),
                Item::Zones => task.to_string(),
            },
            key: task.name,
            dynamic_key: format!("{}-{}-{begun}", self.attempt, task.item),
            home: home(task.item),
            after: after.map(|(before, id)| (before.name, id.clone())),
            retries: self.retries,
            attempt: self.attempt,
        });
        let report = run.runs(now);
        self.running.insert(task, run);
        report
    }

    fn resumed(&mut self, task: Task, now: DateTime<Utc>) -> Option<Report> {
        self.running.get_mut(&task)?.resumes(now).map(Report::Task)
    }

    fn task_ended(
        &mut self,
        noted: &mut Noted,
        task: Task,
        kind: StateType,
        why: Option<&str>,
        now: DateTime<Utc>,
    ) -> (Home, Option<Id>) {
        noted.reports.extend(self.resumed(task, now));
        let Some(mut run) = self.running.remove(&task) else {
            return (home(task.item), None);
        };
        noted.reports.push(Report::Task(run.ends(kind, why, now)));
        if self.shown.remove(&run.id) && kind == StateType::Completed {
            noted.progress = Some(Far { percent: 100.0, last: true, ..far(task, &run) });
        }
        (run.home(), Some(run.id))
    }

    fn progress(&mut self, task: Task, done: u64, total: u64, now: DateTime<Utc>) -> Option<Far> {
        let run = self.running.get(&task)?;
        if total == 0 || now - run.started()? < LONG {
            return None;
        }
        self.shown.insert(run.id.clone());
        let percent = (done as f64 / total as f64 * 1000.0).round() / 10.0;
        Some(Far { percent: percent.clamp(0.0, 100.0), ..far(task, run) })
    }
}

fn far(task: Task, run: &TaskRun) -> Far {
    Far {
        task_run: run.id.clone(),
        home: run.home(),
        key: key(&format!("{} {}", task.name, task.item)),
        description: task.to_string(),
        percent: 0.0,
        last: false,
    }
}

/// A name as artifacts may have it: lower case with dashes.
fn key(name: &str) -> String {
    let dash = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(dash).collect()
}

fn tables_of(report: &RunReport, mask: &Mask) -> Vec<Report> {
    let table = |name, description: &str, rows| Report::Table {
        key: key(&format!("{} {name}", report.flow)),
        description: description.to_owned(),
        rows,
    };
    let months = tables::months(&report.months, mask);
    let mut tables = vec![table("months", "What became of each month", months)];
    if let Some(rules) = tables::rules(&report.months) {
        let about = "The rows set aside or flagged, by month and rule: \
                     `taxi quarantine` shows the rows themselves";
        tables.push(table("quarantine", about, rules));
    }
    tables
}

/// The recorder, even if a thread that held it panicked.
pub(super) fn lock(recorder: &Mutex<EventRecorder>) -> MutexGuard<'_, EventRecorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::trip::{Colour, Month};

    const FILE: TripFile = TripFile::new(Colour::Green, Month::known(2020, 1));

    #[derive(Debug, thiserror::Error)]
    #[error("http://u:hunter22@h answers 503")]
    struct Answered;

    fn task(name: TaskName) -> Task {
        Task { name, item: FILE.into() }
    }

    fn second(at: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_517_112 + at, 0).unwrap()
    }

    fn recorder() -> EventRecorder {
        EventRecorder::new(5, Mask::default())
    }

    /// The reports as lines: what, its state, its message.
    fn told(noted: &Noted) -> Vec<String> {
        let reports = noted.reports.iter().map(|report| match report {
            Report::MonthStarted { file, attempt, .. } => format!("{file} begins, try {attempt}"),
            Report::MonthDone { file, state } => {
                format!("{file} {:?} {}", state.kind, state.message.clone().unwrap_or_default())
            }
            Report::Task(task) => {
                let payload = &task.event["payload"];
                let message = payload["validated_state"]["message"].as_str().unwrap_or_default();
                let name = payload["validated_state"]["name"].as_str().unwrap();
                format!("{} {name} {message}", payload["task_run"]["name"].as_str().unwrap())
            }
            Report::Table { key, .. } => format!("table {key}"),
        });
        let lines = noted.lines.iter().map(|line| format!("{} {}", line.level, line.text));
        reports.chain(lines).map(|line| line.trim_end().to_owned()).collect()
    }

    #[test]
    fn a_month_is_a_subflow_with_its_tasks() {
        let mut recorder = recorder();
        recorder.begin(2);
        let mut all = Vec::new();
        let mut note = |event: Event<'_>| all.extend(told(&recorder.note(&event, second(0))));
        note(Event::MonthStarted(FILE));
        note(Event::TaskStarted(task(TaskName::Fetch)));
        note(Event::TaskDone { task: task(TaskName::Fetch), took: Duration::from_secs(2) });
        note(Event::TaskStarted(task(TaskName::Clean)));
        note(Event::TaskFailed { task: task(TaskName::Clean), error: &Answered });
        let mut month = MonthReport::new(FILE, State::Failed);
        month.error = Some(Answered.to_string());
        note(Event::MonthDone(&month));
        note(Event::RunDone(&RunReport::new("etl-web-to-gcs", vec![month])));
        insta::assert_snapshot!(all.join("\n"), @r"
        green 2020-01 begins, try 2
        fetch Running
        INFO green 2020-01 fetch: started
        fetch Completed
        INFO green 2020-01 fetch: done in 2.00 s
        clean Running
        INFO green 2020-01 clean: started
        clean Failed http://u:********@h answers 503
        ERROR green 2020-01 clean: http://u:********@h answers 503
        green 2020-01 Failed http://u:********@h answers 503
        table etl-web-to-gcs-months
        ");
    }

    #[test]
    fn a_task_comes_after_the_nearest_one_below_it_and_not_beside_it() {
        use TaskName::{Clean, Fetch, WriteBq, WriteGcs, WritePostgres};
        let mut recorder = recorder();
        let mut ids = HashMap::new();
        let mut edges = Vec::new();
        for name in [Fetch, Clean, WriteGcs, WritePostgres, WriteBq] {
            let noted = recorder.note(&Event::TaskStarted(task(name)), second(0));
            let Report::Task(report) = &noted.reports[0] else { panic!("{noted:?}") };
            ids.insert(report.task_run.to_string(), name);
            let inputs = &report.event["payload"]["task_run"]["task_inputs"];
            let input = inputs.as_object().unwrap().iter().next();
            edges.push(input.map_or("nothing".to_owned(), |(as_, inputs)| {
                let before: TaskName = ids[inputs[0]["id"].as_str().unwrap()];
                assert_eq!(before.as_str(), as_);
                as_.clone()
            }));
            recorder.note(&Event::TaskDone { task: task(name), took: Duration::ZERO }, second(0));
        }
        assert_eq!(edges, ["nothing", "fetch", "clean", "write-gcs", "write-gcs"]);
    }

    #[test]
    fn a_task_runs_again_when_its_wait_is_over_though_no_event_says_so() {
        let mut recorder = recorder();
        recorder.note(&Event::TaskStarted(task(TaskName::Fetch)), second(0));
        let wait = Duration::from_secs(30);
        let retrying = Event::TaskRetrying { task: task(TaskName::Fetch), error: &Answered, wait };
        assert_eq!(
            told(&recorder.note(&retrying, second(1)))[0],
            "fetch AwaitingRetry http://u:********@h answers 503"
        );
        assert!(recorder.due(second(30)).is_empty());
        let due = Noted { reports: recorder.due(second(32)), ..Noted::default() };
        assert_eq!(told(&due), ["fetch Retrying"]);
        assert!(recorder.due(second(33)).is_empty());
        let done =
            recorder.note(&Event::TaskDone { task: task(TaskName::Fetch), took: wait }, second(34));
        assert_eq!(told(&done)[0], "fetch Completed");
    }

    #[test]
    fn a_task_stopped_while_it_waits_was_never_tried_again() {
        let mut recorder = recorder();
        recorder.note(&Event::TaskStarted(task(TaskName::Fetch)), second(0));
        let wait = Duration::from_secs(30);
        let retrying = Event::TaskRetrying { task: task(TaskName::Fetch), error: &Answered, wait };
        recorder.note(&retrying, second(1));
        let stopped = recorder.note(&Event::TaskStopped(task(TaskName::Fetch)), second(2));
        assert_eq!(told(&stopped)[0], "fetch Cancelled stopped at a safe point");
    }

    #[test]
    fn only_a_long_task_shows_how_far_it_is() {
        let mut recorder = recorder();
        recorder.note(&Event::TaskStarted(task(TaskName::Clean)), second(0));
        let far = |done| Event::TaskProgress { task: task(TaskName::Clean), done, total: 300 };
        assert_eq!(recorder.note(&far(10), second(1)).progress, None);
        let shown = recorder.note(&far(100), second(6)).progress.unwrap();
        assert_eq!((shown.key.as_str(), shown.percent), ("clean-green-2020-01", 33.3));
        let done = Event::TaskDone { task: task(TaskName::Clean), took: Duration::ZERO };
        let last = recorder.note(&done, second(7)).progress.unwrap();
        assert!(last.last && last.percent > 99.9);
    }
}
