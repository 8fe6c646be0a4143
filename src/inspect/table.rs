//! The output of `taxi verify`.

use std::fmt::Write;

use crate::flow::thousands;

use super::picture::Style;
use super::{Repairs, Store, Survey, Verified};

/// The months with the rows that each store counts, what disagrees, and what mends it.
pub fn verified_table(
    verified: &[Verified],
    survey: &Survey,
    repairs: &Repairs,
    style: Style,
) -> String {
    let mut text = String::new();
    let counts = || verified.iter().flat_map(|month| &month.counts);
    let stores = survey.stores.iter().map(|store| store.store);
    let stores: Vec<Store> = stores.filter(|it| counts().any(|count| count.store == *it)).collect();
    let _ = write!(text, "{:14}", "month");
    for store in &stores {
        let _ = write!(text, "  {store:>12}");
    }
    text.push('\n');
    let (mut agree, mut disagree, mut nothing) = (0, 0, 0);
    for month in verified {
        let nowhere = month.counts.iter().all(|count| count.sums.is_none());
        if nowhere && month.findings.is_empty() {
            nothing += 1;
            continue;
        }
        let _ = write!(text, "{:14}", month.file().to_string());
        for store in &stores {
            let count = month.counts.iter().find(|count| count.store == *store);
            let rows = count.and_then(|it| it.sums.as_ref()).map(|sums| thousands(sums.rows));
            let _ = write!(text, "  {:>12}", rows.as_deref().unwrap_or("-"));
        }
        let (tally, word) = if month.findings.is_empty() {
            (&mut agree, "agrees")
        } else {
            (&mut disagree, "disagrees")
        };
        *tally += 1;
        let _ = writeln!(text, "  {word}");
    }
    text.push('\n');
    for store in &survey.stores {
        if let Some(error) = &store.error {
            text.push_str(&style.lines(
                &format!("{} cannot be asked: {error}", store.store),
                "",
                "  ",
            ));
        }
    }
    for month in verified {
        for finding in &month.findings {
            let line = format!("{}, {}: {}", month.file(), finding.store, finding.what);
            text.push_str(&style.lines(&line, "", "  "));
        }
    }
    let counted = verified.len() - nothing;
    let months = if counted == 1 { "month" } else { "months" };
    let counts = [(agree, "agree"), (disagree, "disagree")].into_iter();
    let counts = counts.filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, word)| format!(" {count} {word}")).collect();
    let _ = write!(text, "{counted} {months} counted:{}", counts.join(","));
    if nothing > 0 {
        let _ = write!(text, "; {nothing} in no store");
    }
    text + &repairs.listed("To repair what disagrees")
}
