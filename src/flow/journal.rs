//! The journal: a file of events for each run, written line by line, so that it shows how far a
//! killed run got.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Event, Listener, RunId, json_lines};

/// What the name of a run's file ends in.
pub(super) const ENDING: &str = "jsonl";

/// Keeps the events of a run, all but how far its tasks are, in a file of its own. That it
/// cannot be written is told once and fails no run.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    keep: usize,
    /// Locked while the run lives: by that a killed run is told from a running one.
    file: Mutex<Option<File>>,
}

impl Journal {
    /// A journal in a folder, which is created when needed, of the last `keep` runs.
    pub fn new(folder: impl Into<PathBuf>, keep: usize) -> Self {
        Self { folder: folder.into(), keep, file: Mutex::new(None) }
    }

    fn begin(&self, run: &RunId) -> io::Result<File> {
        std::fs::create_dir_all(&self.folder)?;
        self.prune();
        let path = self.folder.join(format!("{run}.{ENDING}"));
        let file = File::options().append(true).create_new(true).open(path)?;
        match file.try_lock() {
            // A file system without locks: a killed run looks as if it ran on.
            Ok(()) | Err(TryLockError::WouldBlock | TryLockError::Error(_)) => Ok(file),
        }
    }

    /// Leaves room for one more.
    fn prune(&self) {
        let runs = files(&self.folder).unwrap_or_default();
        let most = self.keep.saturating_sub(1);
        let old = &runs[..runs.len().saturating_sub(most)];
        for path in old.iter().filter(|path| !is_locked(path)) {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Listener for Journal {
    fn hear(&self, event: &Event<'_>) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = match event {
            Event::TaskProgress { .. } => return,
            Event::RunStarted { run, .. } if self.keep > 0 => {
                self.begin(run).map(|begun| *file = Some(begun))
            }
            _ => Ok(()),
        };
        let written = begun.and_then(|()| match &mut *file {
            // In one piece: a killed run leaves whole lines.
            Some(file) => file.write_all(json_lines::line(event).as_bytes()),
            None => Ok(()),
        });
        if let Err(error) = written {
            let folder = self.folder.display();
            tracing::warn!(
                "the journal in {folder} cannot be written, so this run is not recorded: {error}"
            );
            *file = None;
        }
        if matches!(event, Event::RunDone(_)) {
            *file = None;
        }
    }
}

/// The files of the runs in a folder, earliest first.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether the run of a file still lives.
pub(super) fn is_locked(path: &Path) -> bool {
    let opened = File::open(path);
    opened.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{PastRun, RunReport};
    use crate::trip::{Colour, Month, TripFile};

    fn run(journal: &Journal) -> RunId {
        let run = RunId::now();
        let files = [TripFile::new(Colour::Green, Month::known(2020, 1))];
        journal.hear(&Event::RunStarted { run: &run, flow: "f", files: &files });
        run
    }

    #[test]
    fn the_oldest_runs_go_and_none_that_lives() {
        let folder = tempfile::tempdir().unwrap();
        let living = Journal::new(folder.path(), 3);
        let first = run(&living);
        let mut runs = Vec::new();
        for _ in 0..5 {
            let journal = Journal::new(folder.path(), 3);
            runs.push(run(&journal));
            journal.hear(&Event::RunDone(&RunReport::new("f", vec![])));
        }
        let names = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let kept: Vec<_> = files(folder.path()).unwrap().iter().map(names).collect();
        assert!(kept.contains(&first.to_string()), "{kept:?}");
        assert!(kept.len() <= 4, "{kept:?}");
        drop(living);
        let past = PastRun::named(folder.path(), first.as_str()).unwrap();
        assert_eq!(past.ending.as_str(), "killed");
    }

    #[test]
    fn a_journal_that_cannot_be_written_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("runs");
        std::fs::write(&in_the_way, "").unwrap();
        let journal = Journal::new(&in_the_way, 3);
        run(&journal);
        journal.hear(&Event::RunDone(&RunReport::new("f", vec![])));
        assert_eq!(std::fs::read(in_the_way).unwrap(), b"");
    }
}
