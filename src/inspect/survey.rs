use std::collections::BTreeMap;
use std::fmt::Display;

use futures_util::future::join_all;
use serde::{Serialize, Serializer};

use crate::lake::Listed;
use crate::pipeline::Pipeline;
use crate::source::Availability;
use crate::trip::{Colour, Month, Months, Provenance, SourceFacts, TripFile};
use crate::warehouse::{Holding, WarehouseKind};

use super::judge::{self, Cell, LakeSide};
use super::source_cell::SourceCell;
use super::{Repairs, Store, Stores};

/// What a store said.
#[derive(Debug)]
pub(super) struct StoreAnswers<T> {
    /// By month, of the colours that it could be asked about.
    pub(super) months: BTreeMap<TripFile, T>,
    /// Why it could not be asked, by colour: a table of others spoils no other table.
    unasked: BTreeMap<Colour, String>,
}

impl<T> StoreAnswers<T> {
    /// Asks about colours, all at once.
    async fn ask<E: Display>(
        colours: &[Colour],
        ask: impl AsyncFn(Colour) -> Result<Vec<T>, E>,
        file: impl Fn(&T) -> TripFile,
    ) -> Self {
        let answers = join_all(colours.iter().map(|&colour| ask(colour))).await;
        let mut said = Self { months: BTreeMap::new(), unasked: BTreeMap::new() };
        for (&colour, answer) in colours.iter().zip(answers) {
            match answer {
                Ok(months) => said.months.extend(months.into_iter().map(|it| (file(&it), it))),
                Err(error) => drop(said.unasked.insert(colour, error.to_string())),
            }
        }
        said
    }

    /// Whether it could be asked about a colour.
    pub(super) fn tells_of(&self, colour: Colour) -> bool {
        !self.unasked.contains_key(&colour)
    }
}

/// What the stores say that they have.
#[derive(Debug)]
pub struct Facts {
    pub(super) lake: StoreAnswers<Listed>,
    pub(super) warehouses: Vec<(WarehouseKind, StoreAnswers<Holding>)>,
}

impl Facts {
    /// Asks all stores at once about some colours.
    pub async fn gather(stores: &Stores<'_>, colours: &[Colour]) -> Self {
        let lake = StoreAnswers::ask(
            colours,
            |colour| stores.pipeline.lake().list(colour),
            |month| month.file,
        );
        let warehouses = stores.warehouses.iter().map(async |(kind, warehouse)| {
            let ask = async |colour| match warehouse {
                Ok(warehouse) => {
                    warehouse.holdings(colour).await.map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            (*kind, StoreAnswers::ask(colours, ask, |month| month.file).await)
        });
        let (lake, warehouses) = tokio::join!(lake, join_all(warehouses));
        Self { lake, warehouses }
    }

    /// Every month from the first that any store has of a colour to the last.
    pub fn range(&self) -> Vec<TripFile> {
        let lake = self.lake.months.keys();
        let warehouses = self.warehouses.iter().flat_map(|(_, said)| said.months.keys());
        let mut ends: BTreeMap<Colour, (Month, Month)> = BTreeMap::new();
        for file in lake.chain(warehouses) {
            let (first, last) = ends.entry(file.colour).or_insert((file.month, file.month));
            (*first, *last) = ((*first).min(file.month), (*last).max(file.month));
        }
        let ranges = ends.into_iter().filter_map(|(colour, (first, last))| {
            let months = Months::range(first, last).ok()?;
            Some(months.iter().map(|month| TripFile::new(colour, month)).collect::<Vec<_>>())
        });
        ranges.flatten().collect()
    }

    /// What a month is known to have come from, by the lake or else by a ledger.
    pub(super) fn source_of(&self, file: TripFile) -> Option<&SourceFacts> {
        let lake = self.in_lake(file);
        let loaded = || self.warehouses.iter().find_map(|(_, said)| ledger_of(said, file));
        lake.or_else(loaded).map(|month| &month.source)
    }

    /// A month of the lake that is to be trusted.
    pub(super) fn in_lake(&self, file: TripFile) -> Option<&Provenance> {
        self.lake.months.get(&file)?.said.as_ref().ok()
    }
}

/// What a warehouse's ledger says of a month.
pub(super) fn ledger_of(said: &StoreAnswers<Holding>, file: TripFile) -> Option<&Provenance> {
    said.months.get(&file)?.ledger.as_ref()
}

/// A store with its months judged.
#[derive(Debug, Serialize)]
pub struct StoreSurvey {
    /// The store.
    pub store: Store,
    /// Where it is, for people; `None` if it cannot even be named.
    pub place: Option<String>,
    /// Its months.
    #[serde(serialize_with = "as_list")]
    pub months: BTreeMap<TripFile, Cell>,
    /// Why it could not be asked, be it about one colour.
    pub error: Option<String>,
    /// The same by colour.
    #[serde(skip)]
    pub unasked: BTreeMap<Colour, String>,
}

fn as_list<S: Serializer>(
    months: &BTreeMap<TripFile, Cell>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Judged<'a> {
        colour: Colour,
        month: Month,
        #[serde(flatten)]
        cell: &'a Cell,
    }
    serializer.collect_seq(months.iter().map(|(file, cell)| Judged {
        colour: file.colour,
        month: file.month,
        cell,
    }))
}

/// Every store with its months judged.
#[derive(Debug, Serialize)]
pub struct Survey {
    /// The months asked for.
    #[serde(skip)]
    pub files: Vec<TripFile>,
    /// The stores: the lake first.
    pub stores: Vec<StoreSurvey>,
    /// What the source says, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Vec<SourceCell>>,
}

impl Survey {
    /// Judges months by what the stores, and the source if it was asked, say of them.
    pub fn judge(
        stores: &Stores<'_>,
        facts: &Facts,
        files: Vec<TripFile>,
        source: Option<Vec<SourceCell>>,
    ) -> Self {
        let pipeline = stores.pipeline;
        // That a table of one colour holds no other is no trouble where no other is asked for.
        let unasked = |unasked: &BTreeMap<Colour, String>| -> BTreeMap<Colour, String> {
            let of = |colour| files.is_empty() || files.iter().any(|file| file.colour == colour);
            let of_these = unasked.iter().filter(|(colour, _)| of(**colour));
            of_these.map(|(colour, error)| (*colour, error.clone())).collect()
        };
        let may_come = |file| {
            let asked = source.iter().flatten().find(|cell| cell.file() == file);
            asked.and_then(SourceCell::is_there).unwrap_or_else(|| may_have(pipeline, file))
        };
        let current = |month: &Provenance| pipeline.is_current(month);
        let lake = StoreSurvey {
            store: Store::Lake,
            place: Some(pipeline.lake().address().to_string()),
            months: cells(&files, &facts.lake, |file, found| {
                let said = found.map(|listed| &listed.said);
                judge::lake(said, may_come(file), current)
            }),
            error: None,
            unasked: unasked(&facts.lake.unasked),
        };
        let side = |file: TripFile| match facts.lake.months.get(&file).map(|month| &month.said) {
            _ if !facts.lake.tells_of(file.colour) => LakeSide::Unknown,
            None => LakeSide::Missing { may_come: may_come(file) },
            Some(Err(_)) => LakeSide::Faulty,
            Some(Ok(month)) => LakeSide::Has(month),
        };
        let warehouses = stores.warehouses.iter().zip(&facts.warehouses);
        let warehouses = warehouses.map(|((kind, warehouse), (_, said))| StoreSurvey {
            store: Store::Warehouse(*kind),
            place: warehouse.as_ref().ok().map(|warehouse| warehouse.address()),
            months: cells(&files, said, |file, found| judge::warehouse(side(file), found, current)),
            error: None,
            unasked: unasked(&said.unasked),
        });
        let all = std::iter::once(lake).chain(warehouses).map(|store| {
            let error = store.unasked.values().next().cloned();
            StoreSurvey { error, ..store }
        });
        let all = all.collect();
        Self { files, stores: all, source }
    }

    /// Whether every store answered.
    pub fn is_whole(&self) -> bool {
        self.stores.iter().all(|store| store.error.is_none())
            && self.source.iter().flatten().all(|cell| cell.error.is_none())
    }

    /// The commands that make right what is not. `settings` are the flags that the stores were
    /// named with.
    pub fn repairs(&self, settings: &[String]) -> Repairs {
        let renewed = Cell::disagreeing("the source has another edition of the month", false);
        let changed = |file| {
            let asked = self.source.iter().flatten().find(|cell| cell.file() == file);
            asked.is_some_and(|cell| cell.answer == Some(Availability::Changed))
        };
        let months = self.files.iter().map(|&file| {
            let mut cells = self.month(file);
            if changed(file) {
                // What the stores have of it is old, however right it is.
                for (_, cell) in cells.iter_mut().filter(|(_, cell)| !cell.force) {
                    *cell = &renewed;
                }
            }
            (file, cells)
        });
        Repairs::of(months.collect::<Vec<_>>(), settings)
    }

    /// A month in the lake and in each warehouse, of the stores that answered.
    pub(super) fn month(&self, file: TripFile) -> Vec<(Store, &Cell)> {
        let cells = self.stores.iter();
        cells.filter_map(|store| Some((store.store, store.months.get(&file)?))).collect()
    }
}

fn may_have(pipeline: &Pipeline, file: TripFile) -> bool {
    pipeline.settings().source.source.may_have(file, Month::current())
}

fn cells<T>(
    files: &[TripFile],
    said: &StoreAnswers<T>,
    judge: impl Fn(TripFile, Option<&T>) -> Cell,
) -> BTreeMap<TripFile, Cell> {
    let files = files.iter().filter(|file| said.tells_of(file.colour));
    files.map(|&file| (file, judge(file, said.months.get(&file)))).collect()
}
