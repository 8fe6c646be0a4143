use futures_util::StreamExt;

use crate::flow::{Progress, Run, TaskName};
use crate::trip::TripFile;

use super::Stores;
use super::source_cell::SourceCell;
use super::survey::Facts;

/// How many months are asked for at once, over few connections to each host.
const ASKED_AT_ONCE: usize = 8;

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
            stores.pipeline.ask(file, known, &progress).await
        });
        let (answer, error) = match answer.await {
            Ok(answer) => (Some(answer), None),
            Err(error) => (None, Some(error.to_string())),
        };
        SourceCell { colour: file.colour, month: file.month, answer, error }
    });
    asked.buffered(ASKED_AT_ONCE).collect().await
}
