//! The output of a survey: a table of years by months for each store.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::source::Availability;
use crate::trip::{Colour, Month, TripFile};

use super::repair::ranges;
use super::{CellState, Repairs, SourceCell, Survey};

/// How the picture is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Whether in colours.
    pub colours: bool,
    /// Whether in glyphs beyond ASCII.
    pub rich: bool,
    /// How many columns there are.
    pub width: usize,
}

/// How a cell is drawn, and what that means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    plain: char,
    rich: char,
    /// The parameters of its colour (ECMA-48, SGR).
    sgr: &'static str,
    meaning: &'static str,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const UNASKED: Mark = Mark { plain: '?', rich: '?', sgr: "31", meaning: "could not be asked" };

impl CellState {
    const fn mark(self) -> Mark {
        let (plain, rich, sgr) = match self {
            Self::Loaded => ('#', '●', "32"),
            Self::InLake => ('o', '○', "36"),
            Self::Stale => ('~', '◐', "33"),
            Self::Disagreeing => ('!', '✗', "1;31"),
            Self::NotInLake => ('.', '·', "0"),
            Self::Beyond => ('-', '-', "2"),
        };
        Mark { plain, rich, sgr, meaning: self.as_str() }
    }
}

impl SourceCell {
    const fn mark(&self) -> Mark {
        let (plain, rich, sgr, meaning) = match self.answer {
            Some(Availability::Published) => ('+', '+', "36", "published"),
            Some(Availability::Unchanged) => ('=', '=', "32", "as it was fetched"),
            Some(Availability::Changed) => ('*', '*', "33", "changed since"),
            Some(Availability::NotPublished) => ('_', '_', "2", "not published"),
            None => return UNASKED,
        };
        Mark { plain, rich, sgr, meaning }
    }
}

impl Style {
    fn glyph(self, mark: Mark) -> String {
        let glyph = if self.rich { mark.rich } else { mark.plain };
        if self.colours { format!("\x1b[{}m{glyph}\x1b[0m", mark.sgr) } else { glyph.to_string() }
    }

    /// What the marks mean, side by side as far as there is room.
    fn legend(self, marks: &[Mark]) -> String {
        let (mut text, mut length) = (String::new(), 0);
        for mark in marks {
            let next = mark.meaning.chars().count() + 2;
            if length > 0 {
                let fits = length + 3 + next <= self.width;
                text.push_str(if fits { "   " } else { "\n" });
                length = if fits { length + 3 } else { 0 };
            }
            let _ = write!(text, "{} {}", self.glyph(*mark), mark.meaning);
            length += next;
        }
        text
    }

    /// A text cut into lines at its blanks, each with this before it.
    pub fn lines(self, text: &str, first: &str, next: &str) -> String {
        let mut lines = String::new();
        let mut line = first.to_owned();
        let mut empty = true;
        for word in text.split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > self.width {
                lines.push_str(&line);
                lines.push('\n');
                next.clone_into(&mut line);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        lines + &line + "\n"
    }
}

impl Survey {
    /// The picture for people.
    pub fn picture(&self, repairs: &Repairs, style: Style) -> String {
        let mut text = String::new();
        let mut used: Vec<Mark> = Vec::new();
        let mut colours: Vec<Colour> = self.files.iter().map(|file| file.colour).collect();
        colours.dedup();
        for colour in colours {
            for store in &self.stores {
                let place = store.place.as_deref().unwrap_or_default();
                let title = format!("{colour} trips, {} {place}", store.store);
                text.push_str(&style.lines(title.trim_end(), "", "  "));
                if let Some(error) = store.unasked.get(&colour) {
                    text.push_str(&style.lines(&format!("cannot be asked: {error}"), "  ", "  "));
                    text.push('\n');
                    continue;
                }
                let of_colour = || store.months.iter().filter(|(file, _)| file.colour == colour);
                let marks = of_colour().map(|(file, cell)| (file.month, cell.state.mark()));
                draw(&mut text, &marks.collect(), style, &mut used);
                let states = of_colour().map(|(_, cell)| cell.state.mark());
                text.push_str(&style.lines(&counted(states), "  ", "  "));
                let reasons = of_colour().filter_map(|(file, cell)| {
                    Some((*file, cell.state.as_str(), cell.why.as_deref()?))
                });
                explain(&mut text, reasons, style);
                text.push('\n');
            }
            let asked = self.source.iter().flatten().filter(|cell| cell.colour == colour);
            let asked: Vec<&SourceCell> = asked.collect();
            if !asked.is_empty() {
                let _ = writeln!(text, "{colour} trips, source");
                let marks = asked.iter().map(|cell| (cell.month, cell.mark())).collect();
                draw(&mut text, &marks, style, &mut used);
                let marks = asked.iter().map(|cell| cell.mark());
                text.push_str(&style.lines(&counted(marks), "  ", "  "));
                let reasons = asked
                    .iter()
                    .filter_map(|cell| Some((cell.file(), "not asked", cell.error.as_deref()?)));
                explain(&mut text, reasons, style);
                text.push('\n');
            }
        }
        if self.files.is_empty() {
            return self.nothing(style);
        }
        used.sort_by_key(|mark| {
            CellState::ALL
                .iter()
                .position(|state| state.mark() == *mark)
                .unwrap_or(CellState::ALL.len())
        });
        text + &style.legend(&used) + &repairs.listed("To repair")
    }
}

impl Survey {
    /// What there is to say where no store has a month.
    fn nothing(&self, style: Style) -> String {
        let mut text = String::new();
        for store in &self.stores {
            let what = match &store.error {
                Some(error) => format!("{} cannot be asked: {error}", store.store),
                None => format!(
                    "{} {}: no months",
                    store.store,
                    store.place.as_deref().unwrap_or_default()
                ),
            };
            text.push_str(&style.lines(&what, "", "  "));
        }
        text + "Publish some with taxi run etl-web-to-gcs"
    }
}

/// The narrowest terminal with room for the names of the months.
const WIDE: usize = 66;

/// Years by months.
fn draw(text: &mut String, marks: &BTreeMap<Month, Mark>, style: Style, used: &mut Vec<Mark>) {
    let wide = style.width >= WIDE;
    let _ = if wide {
        writeln!(text, "        {}", MONTHS.join("  "))
    } else {
        writeln!(text, "        {}", MONTHS.map(|month| &month[..1]).join("  "))
    };
    let mut years: Vec<u16> = marks.keys().map(|month| month.year()).collect();
    years.dedup();
    for year in years {
        let mut line = format!("  {year:04}");
        for number in 1..=12u32 {
            let mark = Month::new(year.into(), number).ok().and_then(|month| marks.get(&month));
            let glyph = mark.map_or_else(|| " ".to_owned(), |mark| style.glyph(*mark));
            let _ = if wide { write!(line, "   {glyph} ") } else { write!(line, "  {glyph}") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for mark in marks.values() {
        if !used.contains(mark) {
            used.push(*mark);
        }
    }
}

/// `31 months: 29 loaded, 1 stale, 1 not in the lake`
fn counted(marks: impl Iterator<Item = Mark>) -> String {
    let mut counts: Vec<(&str, usize)> = CellState::ALL.map(|state| (state.as_str(), 0)).to_vec();
    let mut all = 0;
    for mark in marks {
        all += 1;
        match counts.iter_mut().find(|(meaning, _)| *meaning == mark.meaning) {
            Some((_, count)) => *count += 1,
            None => counts.push((mark.meaning, 1)),
        }
    }
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts.map(|(meaning, count)| format!("{count} {meaning}")).collect();
    let months = if all == 1 { "month" } else { "months" };
    format!("{all} {months}: {}", counts.join(", "))
}

/// Why months are not right, those together that have the same reason.
fn explain<'a>(
    text: &mut String,
    months: impl Iterator<Item = (TripFile, &'a str, &'a str)>,
    style: Style,
) {
    let mut reasons: Vec<(&str, &str, Vec<Month>)> = Vec::new();
    for (file, what, why) in months {
        match reasons.iter_mut().find(|(_, known, _)| *known == why) {
            Some((.., months)) => months.push(file.month),
            None => reasons.push((what, why, vec![file.month])),
        }
    }
    for (what, why, months) in reasons {
        let ranges = ranges(&months).into_iter().map(|(first, last)| {
            if first == last { first.to_string() } else { format!("{first} to {last}") }
        });
        let months = ranges.collect::<Vec<_>>().join(", ");
        text.push_str(&style.lines(&format!("{months} {what}: {why}"), "  ", "    "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::{Cell, Store, StoreSurvey};
    use crate::trip::Months;
    use crate::warehouse::WarehouseKind;

    fn survey() -> Survey {
        let months = Months::range(Month::known(2019, 11), Month::known(2021, 2)).unwrap();
        let files: Vec<_> =
            months.iter().map(|month| TripFile::new(Colour::Green, month)).collect();
        let cell = |state, why: Option<&str>| Cell {
            state,
            why: why.map(str::to_owned),
            rows: None,
            force: false,
        };
        let states = |at: usize| match at {
            3 | 4 | 6 => cell(
                CellState::Disagreeing,
                Some("the partition exists, but is not in the ledger, and this is long"),
            ),
            5 => cell(CellState::Stale, Some("it was cleaned by other rules")),
            9 => cell(CellState::InLake, None),
            14.. => cell(CellState::Beyond, None),
            _ => cell(CellState::Loaded, None),
        };
        let months = files.iter().enumerate().map(|(at, &file)| (file, states(at))).collect();
        let lake = files.iter().map(|&file| (file, cell(CellState::InLake, None))).collect();
        let store = |store, months, error: Option<String>| StoreSurvey {
            store,
            place: Some("somewhere".to_owned()),
            months,
            unasked: error.iter().map(|error| (Colour::Green, error.clone())).collect(),
            error,
        };
        let stores = vec![
            store(Store::Lake, lake, None),
            store(Store::Warehouse(WarehouseKind::Postgres), months, None),
            store(
                Store::Warehouse(WarehouseKind::BigQuery),
                BTreeMap::new(),
                Some("no connection".to_owned()),
            ),
        ];
        Survey { files, stores, source: None }
    }

    #[test]
    fn a_picture_is_a_matrix_for_each_store() {
        let style = Style { colours: false, rich: false, width: 80 };
        let survey = survey();
        let picture = survey.picture(&survey.repairs(&[]), style);
        assert!(picture.is_ascii());
        insta::assert_snapshot!(picture, @"
        green trips, lake somewhere
                Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
          2019                                                     o    o
          2020   o    o    o    o    o    o    o    o    o    o    o    o
          2021   o    o
          16 months: 16 in the lake

        green trips, postgres somewhere
                Jan  Feb  Mar  Apr  May  Jun  Jul  Aug  Sep  Oct  Nov  Dec
          2019                                                     #    #
          2020   #    !    !    ~    !    #    #    o    #    #    #    #
          2021   -    -
          16 months: 9 loaded, 1 in the lake, 1 stale, 3 disagreeing, 2 beyond the
          source
          2020-02 to 2020-03, 2020-05 disagreeing: the partition exists, but is not in
            the ledger, and this is long
          2020-04 stale: it was cleaned by other rules

        green trips, bigquery somewhere
          cannot be asked: no connection

        # loaded   o in the lake   ~ stale   ! disagreeing   - beyond the source

        To repair:
          taxi run etl-gcs-to-postgres --colour green --from 2020-02 --to 2020-08
        ");
    }

    #[test]
    fn a_terminal_gets_glyphs_and_colours() {
        let survey = survey();
        let repairs = Repairs::default();
        let plain = survey.picture(&repairs, Style { colours: false, rich: true, width: 40 });
        insta::assert_snapshot!(plain, @"
        green trips, lake somewhere
                J  F  M  A  M  J  J  A  S  O  N  D
          2019                                ○  ○
          2020  ○  ○  ○  ○  ○  ○  ○  ○  ○  ○  ○  ○
          2021  ○  ○
          16 months: 16 in the lake

        green trips, postgres somewhere
                J  F  M  A  M  J  J  A  S  O  N  D
          2019                                ●  ●
          2020  ●  ✗  ✗  ◐  ✗  ●  ●  ○  ●  ●  ●  ●
          2021  -  -
          16 months: 9 loaded, 1 in the lake, 1
          stale, 3 disagreeing, 2 beyond the
          source
          2020-02 to 2020-03, 2020-05
            disagreeing: the partition exists,
            but is not in the ledger, and this
            is long
          2020-04 stale: it was cleaned by other
            rules

        green trips, bigquery somewhere
          cannot be asked: no connection

        ● loaded   ○ in the lake   ◐ stale
        ✗ disagreeing   - beyond the source
        ");
        let coloured = survey.picture(&repairs, Style { colours: true, rich: true, width: 40 });
        assert!(coloured.contains("\x1b[1;31m✗\x1b[0m"), "{coloured}");
        let without = ["\x1b[32m", "\x1b[36m", "\x1b[33m", "\x1b[1;31m", "\x1b[0m", "\x1b[2m"]
            .into_iter()
            .fold(coloured, |text, sgr| text.replace(sgr, ""));
        assert_eq!(without, plain);
    }
}
