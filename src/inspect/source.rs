use futures_util::StreamExt;
use serde::Serialize;

use crate::flow::{Progress, Run, TaskName};
use crate::source::Answer;
use crate::trip::{Colour, Month, TripFile};

use super::Stores;
use super::survey::Facts;

/// How many months are asked for at once, over few connections to each host.
const ASKED_AT_ONCE: usize = 8;

/// What the source says of a month.
#[derive(Debug, Clone, Serialize)]
pub struct SourceCell {
    /// The colour.
    pub colour: Colour,
    /// The month.
    pub month: Month,
    /// What it says; none where it could not be asked.
    pub answer: Option<Answer>,
    /// Why it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl SourceCell {
    /// The month.
    pub const fn file(&self) -> TripFile {
        TripFile::new(self.colour, self.month)
    }

    /// Whether the source has it; none where it could not be asked.
    pub fn is_there(&self) -> Option<bool> {
        self.answer.map(|answer| answer != Answer::NotPublished)
    }
}

/// Asks the source for each month, whether it has it and whether it has changed.
pub async fn ask_source(
    run: &Run,
    stores: &Stores<'_>,
    facts: &Facts,
    files: &[TripFile],
) -> Vec<SourceCell> {
    let asked = futures_util::stream::iter(files).map(async |&file| {
        let known = facts.source_of(file);
        let answer = run.task(TaskName::Ask, file, async |progress: Progress| {
            stores.tools.ask(file, known, &progress).await
        });
        let (answer, error) = match answer.await {
            Ok(answer) => (Some(answer), None),
            Err(error) => (None, Some(error.to_string())),
        };
        SourceCell { colour: file.colour, month: file.month, answer, error }
    });
    asked.buffered(ASKED_AT_ONCE).collect().await
}
