use futures_util::StreamExt;
use serde::Serialize;

use crate::flow::{Failure, Progress, Run, Stop, TaskName};
use crate::lake::{Counted, LakeError};
use crate::pipeline::TaskError;
use crate::schema::Sums;
use crate::trip::{Colour, Month, Provenance, TripFile};

use super::judge::{Cell, CellState, alike};
use super::survey::{Facts, Survey, ledger_of};
use super::{Repairs, Store, Stores};

/// A month counted again in a store.
#[derive(Debug, Clone, Serialize)]
pub struct Count {
    /// The store.
    pub store: Store,
    /// What its rows come to; `None` if it does not have the month, or could not count it.
    pub sums: Option<Sums>,
}

/// Something wrong with a month in a store.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The store.
    pub store: Store,
    /// What, as a sentence.
    pub what: String,
    #[serde(skip)]
    repair: Option<Cell>,
}

/// A month counted again everywhere.
#[derive(Debug, Clone, Serialize)]
pub struct Verified {
    /// The colour.
    pub colour: Colour,
    /// The month.
    pub month: Month,
    /// What each store comes to, the lake first.
    pub counts: Vec<Count>,
    /// What disagrees; `None` if all is right.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// The month.
    pub const fn file(&self) -> TripFile {
        TripFile::new(self.colour, self.month)
    }
}

/// Counts months again in all stores, some at once, and holds the counts against what the
/// stores say and against one another. `facts` are what the survey was judged by.
pub async fn verify(
    run: &Run,
    stores: &Stores<'_>,
    facts: &Facts,
    survey: &Survey,
) -> Vec<Verified> {
    let jobs = stores.pipeline.settings().run.limits.jobs;
    let months = futures_util::stream::iter(&survey.files)
        .map(async |&file| month(run, stores, facts, survey, file).await);
    months.buffered(jobs).collect().await
}

/// The commands that make right what was found.
pub fn repairs(verified: &[Verified], survey: &Survey, settings: &[String]) -> Repairs {
    let months = verified.iter().filter(|month| !month.findings.is_empty());
    let found = months.map(|month| {
        let cells = survey.month(month.file()).into_iter().map(|(store, cell)| {
            let found = month.findings.iter().filter(|it| it.store == store);
            let mut repairs = found.filter_map(|finding| finding.repair.as_ref());
            let first = repairs.next();
            // What is stale elsewhere, or was never loaded, is for the status to tell.
            let cell = match first {
                Some(first) => repairs.find(|repair| repair.force).unwrap_or(first),
                None => cell,
            };
            (store, cell)
        });
        (month.file(), cells.collect::<Vec<_>>())
    });
    Repairs::of(found.collect::<Vec<_>>(), settings)
}

struct Findings(Vec<Finding>);

impl Findings {
    fn wrong(&mut self, store: Store, what: String, force: bool) {
        // What the store says of itself may have told it already.
        if !self.0.iter().any(|known| known.store == store && known.what == what) {
            let repair = Some(Cell::disagreeing("", force));
            self.0.push(Finding { store, what, repair });
        }
    }

    /// It could not be counted: what that takes is not known.
    fn failed(&mut self, store: Store, error: &TaskError) {
        let what = format!("could not be counted: {error}");
        self.0.push(Finding { store, what, repair: None });
    }
}

async fn month(
    run: &Run,
    stores: &Stores<'_>,
    facts: &Facts,
    survey: &Survey,
    file: TripFile,
) -> Verified {
    let mut findings = Findings(Vec::new());
    for (store, cell) in survey.month(file) {
        if cell.state == CellState::Disagreeing {
            findings.wrong(store, cell.why.clone().unwrap_or_default(), cell.force);
        } else if store != Store::Lake && cell.state == CellState::InLake {
            findings.wrong(store, "it is not loaded".to_owned(), false);
        }
    }
    let mut counts = Vec::new();
    let mut known: Vec<(Store, Provenance, Sums)> = Vec::new();
    if facts.lake.tells_of(file.colour) {
        let counted = lake(run, stores, facts, file, &mut findings).await;
        counts.push(Count { store: Store::Lake, sums: counted.as_ref().map(|it| it.sums.clone()) });
        known.extend(counted.map(|it| (Store::Lake, it.provenance, it.sums)));
    }
    for ((kind, warehouse), (_, said)) in stores.warehouses.iter().zip(&facts.warehouses) {
        let Some(warehouse) = warehouse.as_ref().ok().filter(|_| said.tells_of(file.colour)) else {
            continue;
        };
        let store = Store::Warehouse(*kind);
        let there = said.months.get(&file).is_some_and(|holding| holding.there);
        let counting = run.task(count_task(store), file, async |progress: Progress| {
            Ok::<_, TaskError>(warehouse.sums(file, &progress).await?)
        });
        let counted = if there {
            counting.await.unwrap_or_else(|error| {
                findings.failed(store, &error);
                None
            })
        } else {
            None
        };
        if let (Some(sums), Some(ledger)) = (&counted, ledger_of(said, file)) {
            compare(&mut findings, store, ledger, sums, &known);
            known.push((store, ledger.clone(), sums.clone()));
        }
        counts.push(Count { store, sums: counted });
    }
    Verified { colour: file.colour, month: file.month, counts, findings: findings.0 }
}

const fn count_task(store: Store) -> TaskName {
    match store {
        Store::Lake => TaskName::CountLake,
        Store::Warehouse(kind) => kind.about().count_task,
    }
}

/// A month of the lake, read to its end and compared with its footer.
async fn lake(
    run: &Run,
    stores: &Stores<'_>,
    facts: &Facts,
    file: TripFile,
    findings: &mut Findings,
) -> Option<Counted> {
    let promised = facts.in_lake(file)?.counts.rows_kept;
    let pipeline = stores.pipeline;
    let counting = run.task(count_task(Store::Lake), file, async |progress: Progress| {
        let place = pipeline.reading_place(file);
        tokio::select! {
            sums = pipeline.lake().sums(file, &place, &progress) => Ok::<_, TaskError>(sums?),
            () = progress.cancelled() => Err(Stop::Interrupted.into()),
        }
    });
    match counting.await {
        Ok(Some(counted)) => {
            let found = counted.sums.rows;
            if found != promised {
                let what = format!("reading it gives {found} rows, its footer says {promised}");
                findings.wrong(Store::Lake, what, true);
            }
            Some(counted)
        }
        Ok(None) => {
            findings.wrong(Store::Lake, "it was just removed".to_owned(), false);
            None
        }
        Err(error @ TaskError::Lake(LakeError::Damaged { .. } | LakeError::OtherSchema { .. })) => {
            findings.wrong(Store::Lake, error.to_string(), true);
            None
        }
        Err(error) => {
            if !error.is_interruption() {
                findings.failed(Store::Lake, &error);
            }
            None
        }
    }
}

/// A month of a warehouse, compared with its ledger and against the first store that has the
/// same version.
fn compare(
    findings: &mut Findings,
    store: Store,
    ledger: &Provenance,
    sums: &Sums,
    known: &[(Store, Provenance, Sums)],
) {
    let kept = ledger.counts.rows_kept;
    if sums.rows != kept {
        let what = format!("it has {} rows, the ledger {kept}", sums.rows);
        findings.wrong(store, what, true);
        return;
    }
    let Some((other, _, known)) = known.iter().find(|(_, month, _)| alike(month, ledger)) else {
        return;
    };
    let differing: Vec<&str> = known
        .columns
        .iter()
        .filter(|(name, sum)| sums.columns.get(*name) != Some(sum))
        .map(|(name, _)| *name)
        .collect();
    if !differing.is_empty() {
        let what = format!("other sums than in the {other}: {}", differing.join(", "));
        findings.wrong(store, what, true);
    }
}
