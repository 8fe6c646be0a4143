use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::trip::{Colour, Month, TripFile};
use crate::warehouse::WarehouseKind;

use super::{Cell, CellState, Store};

/// The commands that make right what is not.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Repairs(Vec<String>);

/// What is to be done to some months. Ordered as it is to be run: what brings months to the
/// lake goes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Repair {
    colour: Colour,
    to: RepairTarget,
    force: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum RepairTarget {
    Lake,
    LakeAnd(BTreeSet<WarehouseKind>),
    Warehouse(WarehouseKind),
}

impl Repair {
    fn command(&self, (first, last): (Month, Month), settings: &[String]) -> String {
        let (flow, warehouses) = match &self.to {
            RepairTarget::Lake => ("etl-web-to-gcs", None),
            RepairTarget::LakeAnd(kinds) => {
                let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
                ("etl-parent-flow", Some(kinds.join(",")))
            }
            RepairTarget::Warehouse(kind) => match kind.about().load_flow {
                Some(flow) => (flow, None),
                None => ("etl-parent-flow", Some(kind.as_str().to_owned())),
            },
        };
        let mut command =
            format!("taxi run {flow} --colour {} --from {first} --to {last}", self.colour);
        let named = |names| ["--to-warehouse".to_owned(), names];
        let warehouses = warehouses.map(named).into_iter().flatten();
        let force = self.force.then(|| "--force".to_owned());
        for word in warehouses.chain(force).chain(settings.iter().cloned()) {
            command.push(' ');
            command.push_str(&word);
        }
        command
    }
}

impl Repairs {
    /// The commands for months as the stores have them. `settings` are the flags that the stores
    /// were named with.
    pub fn of<'a>(
        months: impl IntoIterator<Item = (TripFile, Vec<(Store, &'a Cell)>)>,
        settings: &[String],
    ) -> Self {
        let mut repairs: BTreeMap<Repair, Vec<Month>> = BTreeMap::new();
        for (file, cells) in months {
            for (to, force) in needs(&cells) {
                let repair = Repair { colour: file.colour, to, force };
                repairs.entry(repair).or_default().push(file.month);
            }
        }
        let commands = repairs.iter().flat_map(|(repair, months)| {
            // A month that is right costs a run nothing, unless it is forced.
            let ranges = if repair.force { ranges(months) } else { span(months) };
            ranges.into_iter().map(|range| repair.command(range, settings))
        });
        Self(commands.collect())
    }

    /// The commands; empty if all is right.
    pub fn commands(&self) -> &[String] {
        &self.0
    }

    /// The commands below a heading; nothing where there are none.
    pub(super) fn listed(&self, heading: &str) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        format!("\n\n{heading}:\n  {}", self.0.join("\n  "))
    }
}

/// What a month needs, and whether by force.
fn needs(cells: &[(Store, &Cell)]) -> Vec<(RepairTarget, bool)> {
    use CellState::{Disagreeing, InLake, NotInLake, Stale};
    let lake = cells.iter().find(|(store, _)| *store == Store::Lake);
    // Where the lake could not be asked, who knows whether it has what a warehouse has not.
    let known = lake.is_some();
    let lake = lake.filter(|(_, cell)| matches!(cell.state, Stale | Disagreeing | NotInLake));
    let warehouses = cells.iter().filter_map(|(store, cell)| match store {
        Store::Warehouse(kind) => {
            let wrong = matches!(cell.state, InLake | Stale | Disagreeing)
                || cell.state == NotInLake && known;
            wrong.then_some((*kind, cell.force))
        }
        Store::Lake => None,
    });
    let warehouses: Vec<(WarehouseKind, bool)> = warehouses.collect();
    let Some((_, lake)) = lake else {
        return warehouses
            .into_iter()
            .map(|(kind, force)| (RepairTarget::Warehouse(kind), force))
            .collect();
    };
    if warehouses.is_empty() {
        return vec![(RepairTarget::Lake, lake.force)];
    }
    let force = lake.force || warehouses.iter().any(|(_, force)| *force);
    let kinds = warehouses.into_iter().map(|(kind, _)| kind).collect();
    vec![(RepairTarget::LakeAnd(kinds), force)]
}

fn span(months: &[Month]) -> Vec<(Month, Month)> {
    let ends = months.iter().min().zip(months.iter().max());
    ends.map(|(first, last)| (*first, *last)).into_iter().collect()
}

/// Months in order as ranges without gaps.
pub(super) fn ranges(months: &[Month]) -> Vec<(Month, Month)> {
    let mut ranges: Vec<(Month, Month)> = Vec::new();
    for &month in months {
        match ranges.last_mut() {
            Some((_, last)) if last.next() == month => *last = month,
            _ => ranges.push((month, month)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A month, and its state in some stores, with whether it takes force.
    type Case<'a> = (&'a str, &'a [(Store, CellState, bool)]);

    fn repairs(months: &[Case<'_>]) -> String {
        let months: Vec<(TripFile, Vec<(Store, Cell)>)> = months
            .iter()
            .map(|(month, cells)| {
                let cells = cells.iter().map(|&(store, state, force)| {
                    (store, Cell { state, why: None, rows: None, force })
                });
                (TripFile::new(Colour::Green, month.parse().unwrap()), cells.collect())
            })
            .collect();
        let months = months.iter().map(|(file, cells)| {
            (*file, cells.iter().map(|(store, cell)| (*store, cell)).collect())
        });
        Repairs::of(months, &["--lake".to_owned(), "gs://b".to_owned()]).commands().join("\n")
    }

    const POSTGRES: Store = Store::Warehouse(WarehouseKind::Postgres);
    const BIGQUERY: Store = Store::Warehouse(WarehouseKind::BigQuery);

    #[test]
    fn one_command_mends_months_that_want_the_same() {
        use CellState::{Beyond, Disagreeing, InLake, Loaded, NotInLake, Stale};
        insta::assert_snapshot!(repairs(&[
            ("2020-01", &[(Store::Lake, InLake, false), (POSTGRES, Loaded, false)]),
            ("2020-02", &[(Store::Lake, InLake, false), (POSTGRES, InLake, false)]),
            ("2020-03", &[(Store::Lake, Beyond, false), (POSTGRES, Beyond, false)]),
            ("2020-04", &[(Store::Lake, InLake, false), (POSTGRES, Stale, false)]),
            ("2020-05", &[(Store::Lake, NotInLake, false), (POSTGRES, NotInLake, false), (BIGQUERY, Stale, false)]),
            ("2020-06", &[(Store::Lake, NotInLake, false), (POSTGRES, Loaded, false)]),
            ("2020-07", &[(Store::Lake, InLake, false), (POSTGRES, Disagreeing, true)]),
            ("2020-08", &[(Store::Lake, InLake, false), (BIGQUERY, Disagreeing, true)]),
            ("2020-09", &[(Store::Lake, InLake, false), (POSTGRES, Disagreeing, true)]),
            ("2020-10", &[(Store::Lake, Disagreeing, true), (POSTGRES, Loaded, false)]),
        ]), @r"
        taxi run etl-web-to-gcs --colour green --from 2020-06 --to 2020-06 --lake gs://b
        taxi run etl-web-to-gcs --colour green --from 2020-10 --to 2020-10 --force --lake gs://b
        taxi run etl-parent-flow --colour green --from 2020-05 --to 2020-05 --to-warehouse postgres,bigquery --lake gs://b
        taxi run etl-gcs-to-postgres --colour green --from 2020-02 --to 2020-04 --lake gs://b
        taxi run etl-gcs-to-postgres --colour green --from 2020-07 --to 2020-07 --force --lake gs://b
        taxi run etl-gcs-to-postgres --colour green --from 2020-09 --to 2020-09 --force --lake gs://b
        taxi run etl-gcs-to-bq --colour green --from 2020-08 --to 2020-08 --force --lake gs://b
        ");
    }

    #[test]
    fn where_all_is_right_there_is_nothing_to_run() {
        let right = [(Store::Lake, CellState::InLake, false), (POSTGRES, CellState::Loaded, false)];
        assert_eq!(repairs(&[("2020-01", &right)]), "");
    }

    #[test]
    fn what_a_lake_that_cannot_be_asked_may_not_have_is_for_no_command() {
        assert_eq!(repairs(&[("2020-01", &[(POSTGRES, CellState::NotInLake, false)])]), "");
    }
}
