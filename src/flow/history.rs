//! Past runs, read from the journal.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::trip::{Colour, Month, TripFile};

use super::journal::{files, is_locked};
use super::{MonthReport, State};

/// A run of the past, or one that still runs.
#[derive(Debug, Clone, Serialize)]
pub struct PastRun {
    /// Its name.
    pub run: String,
    /// The flow.
    pub flow: String,
    /// How it ended.
    pub ending: Ending,
    /// When it began.
    pub began: DateTime<Utc>,
    /// How long it took, or how long something was heard of it.
    pub seconds: f64,
    /// How many months it was asked for.
    pub asked: usize,
    /// The months it was asked for, as far as it came.
    pub months: Vec<MonthReport>,
    /// What it warned of.
    pub warnings: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All is well.
    Done,
    /// Some month failed.
    Failed,
    /// It was interrupted.
    Interrupted,
    /// It was cut off: the machine went down, or the program was killed.
    Killed,
    /// It has not ended.
    Running,
}

impl Ending {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Killed => "killed",
            Self::Running => "running",
        }
    }
}

/// Why a run of the past cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum PastRunError {
    /// The journal cannot be read.
    #[error("cannot read the journal in {}: {source}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no such run.
    #[error("there is no run '{name}' in {}: taxi runs lists all runs", folder.display())]
    Unknown {
        /// The name asked for.
        name: String,
        /// The folder of the journal.
        folder: PathBuf,
    },
    /// Several runs are named so.
    #[error("'{name}' is ambiguous, it could be any of {}: give more of the name", runs.join(", "))]
    Ambiguous {
        /// The name asked for.
        name: String,
        /// The runs whose names begin so.
        runs: Vec<String>,
    },
}

/// A line of the journal, as far as it is of use here.
#[derive(Deserialize)]
struct JournalLine {
    at: DateTime<Utc>,
    #[serde(flatten)]
    told: JournalEvent,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum JournalEvent {
    RunStarted {
        flow: String,
        months: Vec<String>,
    },
    MonthStarted {
        item: String,
    },
    TaskStarted {
        item: String,
        task: String,
    },
    TaskFailed {
        item: String,
        task: String,
        error: String,
    },
    TaskStopped {
        item: String,
    },
    Warning {
        item: String,
        text: String,
    },
    MonthDone(Box<MonthReport>),
    RunDone {
        ok: bool,
    },
    #[serde(other)]
    Other,
}

impl PastRun {
    /// All runs that the journal in a folder tells of, the newest first.
    pub fn all(folder: &Path) -> Result<Vec<Self>, PastRunError> {
        let files = list(folder)?;
        Ok(files.iter().rev().filter_map(|path| Self::read(path).ok().flatten()).collect())
    }

    /// The run of this name, the only one whose name begins so, or the `last`.
    pub fn named(folder: &Path, name: &str) -> Result<Self, PastRunError> {
        let files = list(folder)?;
        let unknown = || PastRunError::Unknown { name: name.to_owned(), folder: folder.to_owned() };
        if name == "last" {
            // A run that is killed as it begins leaves a file that tells nothing.
            return Self::all(folder)?.into_iter().next().ok_or_else(unknown);
        }
        let named = |path: &&PathBuf| !name.is_empty() && id(path).starts_with(name);
        let found: Vec<_> = files.iter().filter(named).collect();
        let path = match &found[..] {
            [] => return Err(unknown()),
            [path] => path,
            several => {
                let runs = several.iter().map(|path| id(path)).collect();
                return Err(PastRunError::Ambiguous { name: name.to_owned(), runs });
            }
        };
        let read = Self::read(path);
        read.map_err(|source| PastRunError::Io { path: (*path).clone(), source })?
            .ok_or_else(unknown)
    }

    /// What a file tells; `None` if it is no run's.
    fn read(path: &Path) -> io::Result<Option<Self>> {
        let living = is_locked(path);
        let mut run: Option<Reading> = None;
        for line in BufReader::new(std::fs::File::open(path)?).split(b'\n') {
            // A line of a later program, or half a line, be it cut within a letter.
            let Ok(line) = serde_json::from_slice::<JournalLine>(&line?) else {
                continue;
            };
            match (line.told, &mut run) {
                (JournalEvent::RunStarted { flow, months }, None) => {
                    let asked = months.iter().filter_map(|name| file(name)).collect();
                    run = Some(Reading::new(flow, line.at, asked));
                }
                (told, Some(run)) => run.hear(line.at, told),
                _ => {}
            }
        }
        Ok(run.map(|run| run.done(id(path), living)))
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, PastRunError> {
    match files(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(|source| PastRunError::Io { path: folder.to_owned(), source }),
    }
}

/// The run of a file.
fn id(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The month that is written so: `green 2020-01`.
fn file(name: &str) -> Option<TripFile> {
    let (colour, month) = name.split_once(' ')?;
    Some(TripFile::new(colour.parse::<Colour>().ok()?, month.parse::<Month>().ok()?))
}

/// A run, as far as its file is read.
struct Reading {
    flow: String,
    began: DateTime<Utc>,
    heard: DateTime<Utc>,
    asked: Vec<TripFile>,
    /// What each month that began was last at; none before its first task.
    begun: Vec<(TripFile, Option<String>)>,
    done: Vec<MonthReport>,
    warnings: Vec<String>,
    /// Whether a task of something else than a month was interrupted.
    stopped: bool,
    ok: Option<bool>,
}

impl Reading {
    fn new(flow: String, began: DateTime<Utc>, asked: Vec<TripFile>) -> Self {
        let (begun, done, warnings) = (Vec::new(), Vec::new(), Vec::new());
        Self { flow, began, heard: began, asked, begun, done, warnings, stopped: false, ok: None }
    }

    fn hear(&mut self, at: DateTime<Utc>, told: JournalEvent) {
        self.heard = at;
        match told {
            JournalEvent::MonthStarted { item } => {
                self.begun.extend(file(&item).map(|file| (file, None)));
            }
            JournalEvent::TaskStarted { item, task } => {
                let item = file(&item);
                if let Some((_, at)) = self.begun.iter_mut().find(|(file, _)| Some(*file) == item) {
                    *at = Some(task);
                }
            }
            // That of a month is in its report.
            JournalEvent::TaskFailed { item, task, error } if self.asked.is_empty() => {
                self.warnings.push(format!("{item}, {task}: {error}"));
            }
            JournalEvent::TaskStopped { item } if file(&item).is_none() => self.stopped = true,
            JournalEvent::Warning { item, text } => self.warnings.push(format!("{item}: {text}")),
            JournalEvent::MonthDone(month) => self.done.push(*month),
            JournalEvent::RunDone { ok } => self.ok = Some(ok),
            JournalEvent::RunStarted { .. }
            | JournalEvent::TaskFailed { .. }
            | JournalEvent::TaskStopped { .. }
            | JournalEvent::Other => {}
        }
    }

    fn done(self, run: String, living: bool) -> PastRun {
        let stopped = self.asked.is_empty() && self.stopped
            || self.done.iter().any(|month| month.state == State::Interrupted)
            || self.done.len() < self.asked.len();
        let ending = match self.ok {
            Some(true) => Ending::Done,
            Some(false) if stopped => Ending::Interrupted,
            Some(false) => Ending::Failed,
            None if living => Ending::Running,
            None => Ending::Killed,
        };
        let months = self.asked.iter().filter_map(|&file| {
            if let Some(done) = self.done.iter().find(|month| month.file() == file) {
                return Some(done.clone());
            }
            let begun = self.begun.iter().find(|(begun, _)| *begun == file);
            match (ending, begun) {
                // It may yet be done.
                (Ending::Running, _) => None,
                (_, None) => Some(MonthReport::new(file, State::NotBegun)),
                (_, Some((_, at))) => {
                    let error = at.as_ref().map(|task| format!("cut off in {task}"));
                    Some(MonthReport { error, ..MonthReport::new(file, State::Interrupted) })
                }
            }
        });
        let months = months.collect();
        let took = self.heard.signed_duration_since(self.began);
        PastRun {
            run,
            flow: self.flow,
            ending,
            began: self.began,
            seconds: took.num_milliseconds() as f64 / 1000.0,
            asked: self.asked.len(),
            months,
            warnings: self.warnings,
        }
    }
}
