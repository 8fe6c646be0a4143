use serde::Serialize;

use crate::flow::plain;
use crate::guard::Before;
use crate::pipeline::Pipeline;
use crate::trip::{Colour, Month, TripFile};
use crate::warehouse::WarehouseKind;

use super::judge::{self, LakeSide};
use super::survey::{StoreSurvey, ledger_of};
use super::{Cell, CellState, Facts, Store, Stores, Survey};

/// The route that a flow's months take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// From the source to the lake, and from there on.
    ByLake,
    /// From the lake on.
    FromLake,
    /// From the source, without a lake.
    Straight,
}

/// What a run would do to months, and why. The source is not asked: what it would answer is not
/// known.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The flow.
    pub flow: &'static str,
    /// The months, in the order asked for.
    pub months: Vec<PlannedMonth>,
}

/// What a run would do to one month.
#[derive(Debug, Serialize)]
pub struct PlannedMonth {
    /// The colour.
    pub colour: Colour,
    /// The month.
    pub month: Month,
    /// What it would do in each store, in order.
    pub steps: Vec<Step>,
}

/// What a run would do to a month in one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The store.
    pub store: Store,
    /// What.
    pub act: Act,
    /// Why.
    pub why: String,
}

/// What a run does to a month in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// It fetches it, cleans it and puts it there.
    Fetch,
    /// It asks the source whether there is another edition, and has nothing else to do if not.
    Ask,
    /// It loads it from the lake.
    Load,
    /// Nothing.
    Nothing,
    /// It fails.
    Fail,
    /// The store cannot be asked.
    Unknown,
}

impl Act {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Ask => "ask",
            Self::Load => "load",
            Self::Nothing => "nothing",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

impl Plan {
    /// What a flow that takes this route would do to the months of a survey.
    pub fn of(
        flow: &'static str,
        route: Route,
        pipeline: &Pipeline,
        facts: &Facts,
        survey: &Survey,
    ) -> Self {
        let force = pipeline.settings().run.force;
        let months = survey.files.iter().map(|&file| {
            let mut steps: Vec<Step> = Vec::new();
            for store in &survey.stores {
                let (act, why) = match (store.store, route) {
                    (Store::Lake, Route::ByLake) => cell(store, file, |cell| bring(cell, force)),
                    (Store::Lake, Route::FromLake | Route::Straight) => continue,
                    (Store::Warehouse(kind), Route::Straight) => {
                        let said = facts.warehouses.iter().find(|(other, _)| *other == kind);
                        let found = said.and_then(|(_, said)| said.months.get(&file));
                        let current = |month: &_| pipeline.is_current(month);
                        let judged = judge::warehouse(LakeSide::Unknown, found, current);
                        cell(store, file, |_| bring(&judged, force))
                    }
                    (Store::Warehouse(kind), Route::ByLake | Route::FromLake) => {
                        let lake = steps.first().filter(|step| step.store == Store::Lake);
                        let lake = lake.map(|step| step.act);
                        let planned = cell(store, file, |cell| load(cell, lake, force));
                        match refusal(pipeline, facts, kind, file) {
                            Some(why) if planned.0 == Act::Load && lake != Some(Act::Fetch) => {
                                (Act::Fail, why)
                            }
                            _ => planned,
                        }
                    }
                };
                steps.push(Step { store: store.store, act, why });
            }
            PlannedMonth { colour: file.colour, month: file.month, steps }
        });
        Self { flow, months: months.collect() }
    }

    /// Asks the warehouses what would keep the months out that are to be loaded: that is what
    /// becomes of their steps. Whether nothing would.
    pub async fn check(&mut self, stores: &Stores<'_>, route: Route) -> bool {
        let mut good = true;
        for (kind, warehouse) in &stores.warehouses {
            let Ok(warehouse) = warehouse else { continue };
            let of = |step: &Step| {
                step.store == Store::Warehouse(*kind) && matches!(step.act, Act::Load | Act::Fetch)
            };
            let loads = |month: &&mut PlannedMonth| month.steps.iter().any(of);
            let mut months: Vec<_> = self.months.iter_mut().filter(loads).collect();
            if months.is_empty() {
                continue;
            }
            let files: Vec<TripFile> =
                months.iter().map(|month| TripFile::new(month.colour, month.month)).collect();
            let found = warehouse.check(&files, route == Route::Straight).await;
            let found = found.unwrap_or_else(|error| vec![Some(error.to_string()); files.len()]);
            for (month, why) in months.iter_mut().zip(found) {
                let Some(why) = why else { continue };
                good = false;
                for step in month.steps.iter_mut().filter(|step| of(step)) {
                    (step.act, step.why) = (Act::Fail, why.clone());
                }
            }
        }
        good
    }

    /// The months as a table for people, with how often each is done below it.
    pub fn table(&self, width: Option<u16>) -> String {
        let stores: Vec<Store> = match self.months.first() {
            Some(month) => month.steps.iter().map(|step| step.store).collect(),
            None => Vec::new(),
        };
        let names = stores.iter().map(|store| store.as_str().to_owned());
        let header = ["month".to_owned()].into_iter().chain(names).chain(["why".to_owned()]);
        let rows = self.months.iter().map(|month| {
            let file = TripFile::new(month.colour, month.month);
            let acts = month.steps.iter().map(|step| step.act.as_str().to_owned());
            let why = month.steps.iter().map(|step| match month.steps.len() {
                1 => step.why.clone(),
                _ => format!("{}: {}", step.store, step.why),
            });
            let why = why.collect::<Vec<_>>().join("\n");
            [file.to_string()].into_iter().chain(acts).chain([why]).collect()
        });
        let table = plain(header.collect(), rows.collect(), width);
        let count = |act| {
            let steps = self.months.iter().flat_map(|month| &month.steps);
            steps.filter(|step| step.act == act).count()
        };
        format!(
            "{table}\n {} to fetch, {} to check at the source, {} to load: nothing was done",
            count(Act::Fetch),
            count(Act::Ask),
            count(Act::Load)
        )
    }
}

/// Why the lake's edition of a month must not take the place of a warehouse's.
fn refusal(
    pipeline: &Pipeline,
    facts: &Facts,
    kind: WarehouseKind,
    file: TripFile,
) -> Option<String> {
    let (_, said) = facts.warehouses.iter().find(|(other, _)| *other == kind)?;
    let before = Before::from(ledger_of(said, file)?);
    let guard = pipeline.settings().guard(file).of_lake();
    guard.judge(facts.in_lake(file)?, Some(&before)).err().map(|refusal| refusal.to_string())
}

/// What is to be done by a cell; that its store could not be asked, where it has none.
fn cell(
    store: &StoreSurvey,
    file: TripFile,
    judge: impl FnOnce(&Cell) -> (Act, String),
) -> (Act, String) {
    match store.months.get(&file) {
        Some(cell) => judge(cell),
        None => (Act::Unknown, store.unasked.get(&file.colour).cloned().unwrap_or_default()),
    }
}

/// What is done where a month comes from the source.
fn bring(cell: &Cell, force: bool) -> (Act, String) {
    let why = || cell.why.clone().unwrap_or_default();
    let (act, why) = match cell.state {
        _ if force => (Act::Fetch, "--force".to_owned()),
        CellState::NotInLake => (Act::Fetch, "it is not there".to_owned()),
        CellState::Beyond => (Act::Ask, "the source may not have it yet".to_owned()),
        CellState::InLake | CellState::Loaded => (Act::Ask, "it is there".to_owned()),
        CellState::Stale | CellState::Disagreeing if !cell.force => (Act::Fetch, why()),
        CellState::Stale | CellState::Disagreeing => {
            (Act::Ask, format!("{}: needs --force to repair", why()))
        }
    };
    (act, why)
}

/// What is done where a month comes from the lake; `lake` is what is done there before.
fn load(cell: &Cell, lake: Option<Act>, force: bool) -> (Act, String) {
    let why = || cell.why.clone().unwrap_or_default();
    let again = lake == Some(Act::Fetch);
    match cell.state {
        CellState::NotInLake | CellState::Beyond if lake.is_none() => {
            (Act::Fail, "it is not in the lake".to_owned())
        }
        CellState::Beyond => (Act::Nothing, "unless the source has it".to_owned()),
        CellState::InLake | CellState::NotInLake => (Act::Load, "it is not there".to_owned()),
        _ if force => (Act::Load, "--force".to_owned()),
        CellState::Loaded | CellState::Stale if again => {
            (Act::Load, "if what is fetched differs".to_owned())
        }
        CellState::Loaded => (Act::Nothing, "it is what the lake has".to_owned()),
        CellState::Stale => (Act::Nothing, "it is as old as the lake's".to_owned()),
        CellState::Disagreeing if cell.force => {
            (Act::Nothing, format!("{}: needs --force to repair", why()))
        }
        CellState::Disagreeing => (Act::Load, why()),
    }
}
