//! The state of a month, from the facts about it: pure functions, each with a table of cases.

use serde::Serialize;

use crate::lake::Fault;
use crate::trip::Provenance;
use crate::warehouse::Holding;

/// The state of a month in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CellState {
    /// The warehouse has what the lake has, or has it straight from the source.
    Loaded,
    /// The lake has it, the warehouse does not.
    InLake,
    /// It was made by another schema or by other rules than those in force.
    Stale,
    /// The store contradicts itself or the lake.
    Disagreeing,
    /// The lake does not have it.
    NotInLake,
    /// The source does not have it.
    Beyond,
}

impl CellState {
    /// Every state, in the order of legends and summaries.
    pub const ALL: [Self; 6] =
        [Self::Loaded, Self::InLake, Self::Stale, Self::Disagreeing, Self::NotInLake, Self::Beyond];

    /// The words for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::InLake => "in the lake",
            Self::Stale => "stale",
            Self::Disagreeing => "disagreeing",
            Self::NotInLake => "not in the lake",
            Self::Beyond => "beyond the source",
        }
    }
}

/// A month in a store, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// What it comes to.
    pub state: CellState,
    /// Why, where that is not plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The rows that the store says it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Whether a run would take it for right, so that it takes `--force` to mend it.
    #[serde(skip)]
    pub force: bool,
}

impl Cell {
    const fn plain(state: CellState) -> Self {
        Self { state, why: None, rows: None, force: false }
    }

    fn because(state: CellState, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..Self::plain(state) }
    }

    /// A month found to disagree when it was counted.
    pub(super) fn disagreeing(why: impl Into<String>, force: bool) -> Self {
        Self { force, ..Self::because(CellState::Disagreeing, why) }
    }

    fn with_rows(self, rows: Option<u64>) -> Self {
        Self { rows, ..self }
    }
}

/// The lake's side of a month, as a warehouse is compared with it.
#[derive(Debug, Clone, Copy)]
pub enum LakeSide<'a> {
    /// The lake could not be asked.
    Unknown,
    /// It does not have the month; whether the source may.
    Missing {
        /// Whether the source may have it.
        may_come: bool,
    },
    /// It has something that is not to be trusted.
    Faulty,
    /// It has the month.
    Has(&'a Provenance),
}

/// Judges a month of the lake. `is_current` says whether it was made by the schema and the
/// rules in force.
pub fn lake(
    found: Option<&Result<Provenance, Fault>>,
    may_come: bool,
    is_current: impl Fn(&Provenance) -> bool,
) -> Cell {
    match found {
        None if may_come => Cell::plain(CellState::NotInLake),
        None => Cell::plain(CellState::Beyond),
        Some(Err(fault)) => Cell::disagreeing(fault.to_string(), fault.is_hidden()),
        Some(Ok(month)) => {
            let rows = Some(month.counts.rows_kept);
            if is_current(month) {
                Cell::plain(CellState::InLake).with_rows(rows)
            } else {
                stale().with_rows(rows)
            }
        }
    }
}

fn stale() -> Cell {
    Cell::because(CellState::Stale, "it was cleaned with another schema or other rules")
}

/// Judges a month of a warehouse, by itself first, then by what the lake has.
pub fn warehouse(
    lake: LakeSide<'_>,
    found: Option<&Holding>,
    is_current: impl Fn(&Provenance) -> bool,
) -> Cell {
    let found = found.filter(|holding| holding.there || holding.ledger.is_some());
    let Some(holding) = found else {
        return match lake {
            LakeSide::Unknown => Cell::because(CellState::NotInLake, "the lake could not be asked"),
            LakeSide::Faulty => {
                Cell::because(CellState::NotInLake, "the lake's copy is not reliable")
            }
            LakeSide::Missing { may_come: true } => Cell::plain(CellState::NotInLake),
            LakeSide::Missing { may_come: false } => Cell::plain(CellState::Beyond),
            LakeSide::Has(_) => Cell::plain(CellState::InLake),
        };
    };
    let loaded = match (&holding.ledger, holding.there) {
        (Some(loaded), true) => loaded,
        (Some(loaded), false) => {
            let why = "the month is in the ledger, but its partition is missing";
            return Cell::disagreeing(why, false).with_rows(Some(loaded.counts.rows_kept));
        }
        (None, _) => {
            let why = "the partition exists, but is not in the ledger";
            return Cell::disagreeing(why, false).with_rows(holding.rows);
        }
    };
    let rows = holding.rows.or(Some(loaded.counts.rows_kept));
    if let Some(found) = holding.rows.filter(|rows| *rows != loaded.counts.rows_kept) {
        let why = format!("it has {found} rows, the ledger {}", loaded.counts.rows_kept);
        return Cell::disagreeing(why, false).with_rows(rows);
    }
    if !holding.missing.is_empty() {
        let why = format!(
            "its table lacks {}: dropped or renamed since it was loaded",
            holding.missing.join(", ")
        );
        return Cell::disagreeing(why, true).with_rows(rows);
    }
    let current = is_current(loaded);
    let cell = match lake {
        LakeSide::Has(month) => match difference(month, loaded) {
            Some(Difference::Bytes) => {
                Cell::disagreeing("the lake has another edition of the month", false)
            }
            _ if !current => stale(),
            Some(Difference::Cleaning) => Cell::disagreeing(
                "the lake's edition was cleaned with another schema or other rules",
                false,
            ),
            Some(Difference::Rows) => {
                let (lake, loaded) = (month.counts.rows_kept, loaded.counts.rows_kept);
                let why = format!("{loaded} rows were loaded, the lake has {lake}");
                Cell::disagreeing(why, false)
            }
            None => Cell::plain(CellState::Loaded),
        },
        LakeSide::Unknown | LakeSide::Missing { .. } | LakeSide::Faulty => {
            if current {
                Cell::plain(CellState::Loaded)
            } else {
                stale()
            }
        }
    };
    cell.with_rows(rows)
}

enum Difference {
    Bytes,
    Cleaning,
    Rows,
}

/// What tells two versions of a month apart, the weightiest first.
fn difference(one: &Provenance, other: &Provenance) -> Option<Difference> {
    if one.source.sha256 != other.source.sha256 {
        return Some(Difference::Bytes);
    }
    if one.schema_digest != other.schema_digest || one.rules_digest != other.rules_digest {
        return Some(Difference::Cleaning);
    }
    (one.counts.rows_kept != other.counts.rows_kept).then_some(Difference::Rows)
}

/// Whether two versions of a month hold the same rows, so that their sums can be compared.
pub(super) fn alike(one: &Provenance, other: &Provenance) -> bool {
    difference(one, other).is_none()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::trip::{Colour, Counts, Digest, Month, SourceFacts, TripFile};

    /// A version of a month: its bytes, its rules (`n` are those in force), its rows.
    fn version(bytes: &str, rules: &str, rows: u64) -> Provenance {
        Provenance {
            colour: Colour::Green,
            month: Month::known(2020, 1),
            source: SourceFacts {
                address: "http://h/x".to_owned(),
                etag: None,
                last_modified: None,
                size: 1,
                sha256: Digest::of(bytes.as_bytes()),
            },
            counts: Counts { rows_read: rows, rows_kept: rows, ..Counts::default() },
            unknown_columns: Vec::new(),
            kept_columns: None,
            missing_columns: Vec::new(),
            universal_times: Vec::new(),
            quarantine: None,
            schema_digest: Digest::of(b"schema"),
            rules_digest: Digest::of(rules.as_bytes()),
            program: "taxi".to_owned(),
        }
    }

    fn is_current(month: &Provenance) -> bool {
        month.rules_digest == Digest::of(b"n")
    }

    fn said(cell: &Cell) -> String {
        let force = if cell.force { ", by force" } else { "" };
        let why = cell.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{}{why}{force}", cell.state.as_str())
    }

    #[test]
    fn a_month_of_the_lake_is_one_of_these() {
        let file = TripFile::new(Colour::Yellow, Month::known(2020, 2));
        let cases: [(&str, Option<Result<Provenance, Fault>>); 8] = [
            ("nothing", None),
            ("current", Some(Ok(version("a", "n", 9)))),
            ("old rules", Some(Ok(version("a", "o", 9)))),
            ("cut off", Some(Err(Fault::Unreadable))),
            ("foreign", Some(Err(Fault::Foreign))),
            ("misplaced", Some(Err(Fault::Misplaced(file)))),
            ("rows", Some(Err(Fault::Rows { found: 8, promised: 9 }))),
            ("quarantine", Some(Err(Fault::QuarantineGone("q".to_owned())))),
        ];
        let mut table = String::new();
        for (name, found) in &cases {
            for may_come in [true, false] {
                let cell = lake(found.as_ref(), may_come, is_current);
                let source = if may_come { "in its range" } else { "beyond it" };
                writeln!(table, "{name}, {source} => {}", said(&cell)).unwrap();
            }
        }
        insta::assert_snapshot!(table, @r"
        nothing, in its range => not in the lake
        nothing, beyond it => beyond the source
        current, in its range => in the lake
        current, beyond it => in the lake
        old rules, in its range => stale: it was cleaned with another schema or other rules
        old rules, beyond it => stale: it was cleaned with another schema or other rules
        cut off, in its range => disagreeing: the object cannot be read: it is truncated, or not a Parquet file
        cut off, beyond it => disagreeing: the object cannot be read: it is truncated, or not a Parquet file
        foreign, in its range => disagreeing: the object has no provenance: another program wrote it
        foreign, beyond it => disagreeing: the object has no provenance: another program wrote it
        misplaced, in its range => disagreeing: the object says that it is yellow 2020-02, by force
        misplaced, beyond it => disagreeing: the object says that it is yellow 2020-02, by force
        rows, in its range => disagreeing: the object has 8 rows, but its footer says 9, by force
        rows, beyond it => disagreeing: the object has 8 rows, but its footer says 9, by force
        quarantine, in its range => disagreeing: the rows set aside are missing: q was not found, by force
        quarantine, beyond it => disagreeing: the rows set aside are missing: q was not found, by force
        ");
    }

    /// Every ledger with every partition with every lake.
    #[test]
    fn a_month_of_a_warehouse_is_one_of_these() {
        let month = version("a", "n", 9);
        let lakes = [
            ("unknown", LakeSide::Unknown),
            ("missing", LakeSide::Missing { may_come: true }),
            ("beyond", LakeSide::Missing { may_come: false }),
            ("faulty", LakeSide::Faulty),
            ("there", LakeSide::Has(&month)),
        ];
        let ledgers = [
            ("no ledger", None),
            ("same", Some(version("a", "n", 9))),
            ("same but old rules", Some(version("a", "o", 9))),
            ("other bytes", Some(version("b", "n", 9))),
            ("other bytes, old rules", Some(version("b", "o", 9))),
            ("other rows", Some(version("a", "n", 8))),
        ];
        let partitions =
            [("gone", false, None), ("there", true, None), ("with 5 rows", true, Some(5))];
        let mut table = String::new();
        for (ledger_name, ledger) in &ledgers {
            for (partition, there, rows) in partitions {
                let file = TripFile::new(Colour::Green, Month::known(2020, 1));
                let ledger = ledger.clone();
                let holding = Holding { ledger, there, rows, ..Holding::of(file) };
                let mut judged: Vec<(String, Vec<&str>)> = Vec::new();
                for (lake_name, lake) in &lakes {
                    let cell = said(&warehouse(*lake, Some(&holding), is_current));
                    match judged.iter_mut().find(|(known, _)| *known == cell) {
                        Some((_, lakes)) => lakes.push(lake_name),
                        None => judged.push((cell, vec![lake_name])),
                    }
                }
                writeln!(table, "{ledger_name}, partition {partition}").unwrap();
                for (cell, names) in judged {
                    let all = names.len() == lakes.len();
                    let names = if all { "whatever the lake".to_owned() } else { names.join(", ") };
                    writeln!(table, "  {names} => {cell}").unwrap();
                }
            }
        }
        insta::assert_snapshot!(table, @r"
        no ledger, partition gone
          unknown => not in the lake: the lake could not be asked
          missing => not in the lake
          beyond => beyond the source
          faulty => not in the lake: the lake's copy is not reliable
          there => in the lake
        no ledger, partition there
          whatever the lake => disagreeing: the partition exists, but is not in the ledger
        no ledger, partition with 5 rows
          whatever the lake => disagreeing: the partition exists, but is not in the ledger
        same, partition gone
          whatever the lake => disagreeing: the month is in the ledger, but its partition is missing
        same, partition there
          whatever the lake => loaded
        same, partition with 5 rows
          whatever the lake => disagreeing: it has 5 rows, the ledger 9
        same but old rules, partition gone
          whatever the lake => disagreeing: the month is in the ledger, but its partition is missing
        same but old rules, partition there
          whatever the lake => stale: it was cleaned with another schema or other rules
        same but old rules, partition with 5 rows
          whatever the lake => disagreeing: it has 5 rows, the ledger 9
        other bytes, partition gone
          whatever the lake => disagreeing: the month is in the ledger, but its partition is missing
        other bytes, partition there
          unknown, missing, beyond, faulty => loaded
          there => disagreeing: the lake has another edition of the month
        other bytes, partition with 5 rows
          whatever the lake => disagreeing: it has 5 rows, the ledger 9
        other bytes, old rules, partition gone
          whatever the lake => disagreeing: the month is in the ledger, but its partition is missing
        other bytes, old rules, partition there
          unknown, missing, beyond, faulty => stale: it was cleaned with another schema or other rules
          there => disagreeing: the lake has another edition of the month
        other bytes, old rules, partition with 5 rows
          whatever the lake => disagreeing: it has 5 rows, the ledger 9
        other rows, partition gone
          whatever the lake => disagreeing: the month is in the ledger, but its partition is missing
        other rows, partition there
          unknown, missing, beyond, faulty => loaded
          there => disagreeing: 8 rows were loaded, the lake has 9
        other rows, partition with 5 rows
          whatever the lake => disagreeing: it has 5 rows, the ledger 8
        ");
    }

    #[test]
    fn a_lake_with_old_rules_and_a_warehouse_with_new_ones_disagree() {
        let old = version("a", "o", 9);
        let new = version("a", "n", 9);
        let holding = |ledger: &Provenance| Holding {
            ledger: Some(ledger.clone()),
            there: true,
            rows: Some(9),
            ..Holding::of(TripFile::new(Colour::Green, Month::known(2020, 1)))
        };
        let judged =
            |lake, ledger| warehouse(LakeSide::Has(lake), Some(&holding(ledger)), is_current).state;
        assert_eq!(judged(&old, &new), CellState::Disagreeing);
        assert_eq!(judged(&old, &old), CellState::Stale);
        assert_eq!(judged(&new, &old), CellState::Stale);
        assert_eq!(judged(&new, &new), CellState::Loaded);
        assert_eq!(warehouse(LakeSide::Has(&new), None, is_current).state, CellState::InLake);
    }
}
