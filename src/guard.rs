//! Whether an edition of a month may replace the stored one: two checks, made before anything is
//! replaced, in the lake and in the warehouses.
//!
//! They are the share of rows set aside because of the file, and the number of trips compared with
//! the stored edition. A file of another month, only a header, or a column in a new format fails at
//! least one of them by more than any real month.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use crate::flow::{Run, thousands};
use crate::trip::{Counts, Digest, Provenance, TripFile};

/// The rules whose rows are the fault of the file, whatever rules people choose.
pub const FAULTS: [&str; 4] =
    ["wrong_field_count", "unreadable", "no_pickup", "pickup_outside_month"];

/// The rules that people can change and that reject unless they do.
pub(crate) const REJECTING: [&str; 2] = ["dropoff_before_pickup", "distance_impossible"];

/// So many rows set aside, or trips fewer, never refuse an edition: a file of a few rows is made by
/// hand.
const FEW: u64 = 10;

/// So many rows set aside do not refuse an edition whose rows they are a quarter of at most. The
/// smallest real month has 35,612 rows: there it is 0.3 %.
const SMALL: u64 = 120;

/// A share of something, from 0 to 100 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// In hundredths of a percent.
    hundredths: u32,
}

/// A text that is not a share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a share: write it as 5% or 2.5%, from 0% to 100%")]
pub struct NotAShare(String);

/// The limits that an edition is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// The largest share of rows set aside because of the file; `None` if that is not asked, as for
    /// a month of the lake, which was asked there.
    pub max_set_aside: Option<Share>,
    /// By what share an edition may have fewer trips than the one that is there.
    pub max_shrink: Share,
    /// Whether an edition without a single row is refused even if nothing is there: its source is
    /// known to have the month.
    pub refuse_empty: bool,
    /// Whether an edition beyond a limit is taken all the same.
    pub force: bool,
}

/// The edition of a month that is there, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Its trips.
    pub kept: u64,
    /// Its rows by rule and the digest of its rules; `None` if they are not known.
    judged: Option<(Counts, Digest)>,
}

/// Why an edition of a month is refused, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    file: TripFile,
    counts: Counts,
    /// The limit on rows set aside, and whether the edition is beyond it.
    set_aside: Option<(Share, bool)>,
    shrink: Option<Shrink>,
}

/// How many trips an edition has beside the one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shrink {
    before: u64,
    after: u64,
    limit: Share,
    refused: bool,
}

impl Share {
    /// A share of so many percent; more than 100 is 100.
    pub const fn percent(percent: u32) -> Self {
        Self { hundredths: if percent > 100 { 10_000 } else { percent * 100 } }
    }

    /// This share of so many rows, rounded down.
    fn of(self, rows: u64) -> u64 {
        (u128::from(rows) * u128::from(self.hundredths) / 10_000) as u64
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:02}", self.hundredths / 100, self.hundredths % 100);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl FromStr for Share {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        let wrong = || NotAShare(text.to_owned());
        let number = text.trim().strip_suffix('%').ok_or_else(wrong)?.trim_end();
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 3 || part.len() > 2 || !digits(whole) || !digits(part)
        {
            return Err(wrong());
        }
        let hundredths: u32 = format!("{whole}{part:0<2}").parse().map_err(|_| wrong())?;
        if hundredths > 10_000 { Err(wrong()) } else { Ok(Self { hundredths }) }
    }
}

impl Guard {
    /// The same for a month that comes from the lake, which has asked what was set aside.
    #[must_use]
    pub const fn of_lake(self) -> Self {
        Self { max_set_aside: None, refuse_empty: false, ..self }
    }

    /// Holds an edition against the one that is there. An error refuses it; what `force` lets pass
    /// is returned, so that people are warned.
    pub fn judge(
        &self,
        edition: &Provenance,
        before: Option<&Before>,
    ) -> Result<Option<Box<Refusal>>, Box<Refusal>> {
        let counts = &edition.counts;
        let set_aside = self
            .max_set_aside
            .map(|limit| (limit, at_fault(counts) > bad_rows_tolerated(counts.rows_read, limit)));
        let shrink = before.map(|before| {
            let changed =
                before.judged.as_ref().filter(|(_, rules)| *rules != edition.rules_digest);
            let (before, after) = match changed {
                // Fewer trips may be what people asked for: what both editions would keep is held
                // against each other.
                Some((before, _)) => (comparable(before, counts), comparable(counts, before)),
                None => (before.kept, counts.rows_kept),
            };
            let lost = before.saturating_sub(after);
            let refused = lost > loss_tolerated(before, self.max_shrink) || after == 0 && lost > 0;
            Shrink { before, after, limit: self.max_shrink, refused }
        });
        let empty = counts.rows_read == 0 && before.is_none() && self.refuse_empty;
        let refused = set_aside.is_some_and(|(_, refused)| refused)
            || shrink.is_some_and(|shrink| shrink.refused)
            || empty;
        if !refused {
            return Ok(None);
        }
        let file = TripFile::new(edition.colour, edition.month);
        let refusal = Box::new(Refusal { file, counts: counts.clone(), set_aside, shrink });
        if self.force { Ok(Some(refusal)) } else { Err(refusal) }
    }
}

/// Rows set aside because of the file. A row has at most one of these reasons: one that cannot be
/// read has no other, and one without a pickup is not outside the month.
fn at_fault(counts: &Counts) -> u64 {
    let rows: u64 = FAULTS.iter().filter_map(|rule| counts.reasons.get(*rule)).sum();
    rows.min(counts.rows_quarantined)
}

/// The trips of an edition if only the rules had set rows aside that reject in both editions.
fn comparable(counts: &Counts, other: &Counts) -> u64 {
    let chosen = |rule: &str| {
        let flagged = counts.flags.contains_key(rule) || other.flags.contains_key(rule);
        let rejected = other.reasons.contains_key(rule) || REJECTING.contains(&rule);
        !FAULTS.contains(&rule) && (flagged || !rejected)
    };
    let in_both = counts.reasons.iter().filter(|(rule, _)| !chosen(rule));
    let rows: u64 = in_both.map(|(_, rows)| rows).sum();
    counts.rows_read.saturating_sub(rows.min(counts.rows_quarantined))
}

fn bad_rows_tolerated(read: u64, limit: Share) -> u64 {
    limit.of(read).max(SMALL.min(read / 4)).max(FEW)
}

/// However small the month, more than half of it is never lost.
fn loss_tolerated(before: u64, limit: Share) -> u64 {
    limit.of(before).max(FEW.min(before / 2))
}

impl Before {
    /// An edition of which the rows alone are known.
    pub const fn of_rows(rows: u64) -> Self {
        Self { kept: rows, judged: None }
    }
}

impl From<&Provenance> for Before {
    fn from(month: &Provenance) -> Self {
        Self {
            kept: month.counts.rows_kept,
            judged: Some((month.counts.clone(), month.rules_digest.clone())),
        }
    }
}

impl Refusal {
    /// The numbers, as a part of a sentence.
    fn numbers(&self) -> String {
        let mut parts = Vec::new();
        if self.counts.rows_read == 0 {
            parts.push("its file has no rows".to_owned());
        } else if let Some((limit, refused)) = self.set_aside {
            let rows = at_fault(&self.counts);
            let mut part = format!(
                "{} of its {} rows ({}) were set aside because of the file",
                thousands(rows),
                thousands(self.counts.rows_read),
                percent(rows, self.counts.rows_read)
            );
            if rows > 0 {
                part.push_str(": ");
                part.push_str(&reasons(&self.counts));
            }
            if let Some(columns) = self.counts.unreadable_columns() {
                // Writing to a String cannot fail.
                let _ = write!(part, "; unreadable columns: {columns}");
            }
            if refused {
                // Writing to a String cannot fail.
                let _ = write!(part, " (the limit is {limit})");
            }
            parts.push(part);
        }
        if let Some(Shrink { before, after, limit, refused }) = self.shrink {
            let mut part = format!(
                "it has {} trips, and the stored edition has {}",
                thousands(after),
                thousands(before)
            );
            if refused {
                let fewer = percent(before.saturating_sub(after), before);
                let _ = write!(part, " ({fewer} fewer, the limit is {limit})");
            }
            parts.push(part);
        }
        parts.join("; ")
    }

    /// Warns that the edition was taken all the same.
    pub fn warn(&self, run: &Run) {
        run.warn(self.file, &self.warning());
    }

    fn warning(&self) -> String {
        format!("accepted because of --force, although {}", self.numbers())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, shrink, .. } = self;
        let stays = match shrink {
            Some(_) => "the stored edition stays",
            None => "nothing was published",
        };
        let limits = match (self.set_aside, shrink) {
            // No limit lets nothing take the place of something.
            _ if self.counts.rows_kept == 0 => "",
            (Some(_), Some(_)) => ", or change the limits with --max-set-aside and --max-shrink",
            (Some(_), None) => ", or change the limit with --max-set-aside",
            (None, _) => ", or change the limit with --max-shrink",
        };
        write!(
            f,
            "{file} is refused, {stays}: {}. Is this another month's file, or has its format changed? If it is right, accept it with --force{limits}",
            self.numbers()
        )
    }
}

impl std::error::Error for Refusal {}

/// The faults of the file by rule.
fn reasons(counts: &Counts) -> String {
    let rules = FAULTS.iter().filter_map(|rule| Some((rule, counts.reasons.get(*rule)?)));
    let rules = rules.map(|(rule, rows)| format!("{rule} {}", thousands(*rows)));
    rules.collect::<Vec<_>>().join(", ")
}

/// A share for people: `99.7%`.
fn percent(part: u64, whole: u64) -> String {
    let share = part as f64 / whole.max(1) as f64 * 100.0;
    let text = match share {
        _ if part > 0 && share < 0.05 => return "under 0.1%".to_owned(),
        _ if part < whole && share > 99.9 => "99.9".to_owned(),
        _ => format!("{share:.1}"),
    };
    format!("{}%", text.trim_end_matches(".0"))
}

#[cfg(test)]
mod tests {
    use crate::trip::{Colour, SourceFacts};

    use super::*;

    const GUARD: Guard = Guard {
        max_set_aside: Some(Share::percent(5)),
        max_shrink: Share::percent(10),
        refuse_empty: false,
        force: false,
    };

    /// An edition with so many trips, and so many rows set aside by each of these rules.
    fn edition(kept: u64, reasons: &[(&str, u64)]) -> Provenance {
        let quarantined = reasons.iter().map(|(_, rows)| rows).sum();
        Provenance {
            colour: Colour::Green,
            month: "2020-01".parse().unwrap(),
            source: SourceFacts {
                address: "https://h/x".into(),
                etag: None,
                last_modified: None,
                size: 1,
                sha256: Digest::of(b"x"),
            },
            counts: Counts {
                rows_read: kept + quarantined,
                rows_kept: kept,
                rows_quarantined: quarantined,
                reasons: reasons.iter().map(|(rule, rows)| ((*rule).to_owned(), *rows)).collect(),
                ..Counts::default()
            },
            unknown_columns: vec![],
            kept_columns: None,
            missing_columns: vec![],
            universal_times: vec![],
            quarantine: None,
            schema_digest: Digest::of(b"s"),
            rules_digest: Digest::of(b"r"),
            program: Provenance::PROGRAM.into(),
        }
    }

    fn passes(edition: &Provenance, before: Option<&Provenance>) -> bool {
        let before = before.map(Before::from);
        GUARD.judge(edition, before.as_ref()).is_ok()
    }

    #[test]
    fn a_file_of_another_month_is_refused_with_both_numbers() {
        let before = Before::from(&edition(1000, &[]));
        let other = edition(3, &[("pickup_outside_month", 1000)]);
        insta::assert_snapshot!(GUARD.judge(&other, Some(&before)).unwrap_err(), @"green 2020-01 is refused, the stored edition stays: 1,000 of its 1,003 rows (99.7%) were set aside because of the file: pickup_outside_month 1,000 (the limit is 5%); it has 3 trips, and the stored edition has 1,000 (99.7% fewer, the limit is 10%). Is this another month's file, or has its format changed? If it is right, accept it with --force, or change the limits with --max-set-aside and --max-shrink");
        insta::assert_snapshot!(GUARD.judge(&other, None).unwrap_err(), @"green 2020-01 is refused, nothing was published: 1,000 of its 1,003 rows (99.7%) were set aside because of the file: pickup_outside_month 1,000 (the limit is 5%). Is this another month's file, or has its format changed? If it is right, accept it with --force, or change the limit with --max-set-aside");
        let forced = Guard { force: true, ..GUARD }.judge(&other, Some(&before)).unwrap().unwrap();
        insta::assert_snapshot!(forced.warning(), @"accepted because of --force, although 1,000 of its 1,003 rows (99.7%) were set aside because of the file: pickup_outside_month 1,000 (the limit is 5%); it has 3 trips, and the stored edition has 1,000 (99.7% fewer, the limit is 10%)");
    }

    #[test]
    fn an_edition_without_a_row_never_replaces_trips() {
        let nothing = edition(0, &[]);
        for kept in [1, 3, 1000] {
            assert!(!passes(&nothing, Some(&edition(kept, &[]))), "{kept}");
        }
        assert!(passes(&nothing, Some(&nothing)));
        assert!(passes(&nothing, None));
        let expected = Guard { refuse_empty: true, ..GUARD };
        insta::assert_snapshot!(expected.judge(&nothing, None).unwrap_err(), @"green 2020-01 is refused, nothing was published: its file has no rows. Is this another month's file, or has its format changed? If it is right, accept it with --force");
        let of_lake = GUARD.of_lake().judge(&nothing, Some(&Before::of_rows(1000)));
        insta::assert_snapshot!(of_lake.unwrap_err(), @"green 2020-01 is refused, the stored edition stays: its file has no rows; it has 0 trips, and the stored edition has 1,000 (100% fewer, the limit is 10%). Is this another month's file, or has its format changed? If it is right, accept it with --force");
    }

    #[test]
    fn what_real_months_and_small_samples_do_is_accepted() {
        // The largest difference between two editions of a month, green 2020-04.
        assert!(passes(&edition(35_612, &[]), Some(&edition(35_644, &[]))));
        // A few in a thousand set aside.
        let dirty = edition(35_500, &[("unreadable", 70), ("pickup_outside_month", 70)]);
        assert!(passes(&dirty, Some(&edition(35_644, &[]))));
        for (kept, bad) in [(1, 2), (2, 4), (90, 30), (600, 114)] {
            assert!(passes(&edition(kept, &[("unreadable", bad)]), None), "{kept} {bad}");
        }
        for (before, after) in [(3, 2), (20, 10), (100, 90), (1000, 900), (1000, 5000), (0, 0)] {
            assert!(passes(&edition(after, &[]), Some(&edition(before, &[]))), "{before} {after}");
        }
    }

    #[test]
    fn what_no_month_does_is_refused_whatever_its_size() {
        for (kept, bad) in [(1, 12), (30, 11), (70, 30), (700, 300), (5, 995), (33_000, 2_000)] {
            assert!(!passes(&edition(kept, &[("unreadable", bad)]), None), "{kept} {bad}");
        }
        for (before, after) in
            [(3, 1), (20, 9), (100, 89), (1000, 899), (1000, 0), (35_644, 32_000)]
        {
            assert!(!passes(&edition(after, &[]), Some(&edition(before, &[]))), "{before} {after}");
        }
    }

    #[test]
    fn rows_set_aside_by_rules_that_people_chose_are_not_the_files_fault() {
        let before = edition(1000, &[]);
        let chosen = edition(100, &[("negative_fare", 900)]);
        assert!(passes(&chosen, None));
        // By the same rules, so many fewer trips are a change of the file.
        assert!(!passes(&chosen, Some(&before)));
        let stricter = Provenance { rules_digest: Digest::of(b"other"), ..chosen };
        assert!(passes(&stricter, Some(&before)));
        let worse = Provenance {
            rules_digest: Digest::of(b"other"),
            ..edition(500, &[("unreadable", 100), ("negative_fare", 200)])
        };
        assert!(!passes(&worse, Some(&before)));
    }

    #[test]
    fn a_change_of_one_rule_does_not_hide_what_another_finds() {
        let rules = |edition: Provenance| Provenance { rules_digest: Digest::of(b"o"), ..edition };
        let before = edition(1000, &[]);
        // Distances in feet, in a run that rejects one more rule.
        let feet = rules(edition(10, &[("distance_impossible", 980), ("zero_passengers", 10)]));
        assert!(!passes(&feet, Some(&before)));
        let chosen = rules(edition(700, &[("zero_passengers", 300)]));
        assert!(passes(&chosen, Some(&before)));
        // What was flagged before and is rejected now is what people asked for.
        let mut flagged = edition(1000, &[]);
        flagged.counts.flags.insert("distance_impossible".to_owned(), 980);
        assert!(passes(&feet, Some(&flagged)));
        // Rejected in both.
        let both = edition(1000, &[("negative_fare", 10)]);
        assert!(!passes(&rules(edition(500, &[("negative_fare", 510)])), Some(&both)));
    }

    #[test]
    fn a_row_with_two_reasons_counts_once() {
        let mut both = edition(96, &[("pickup_outside_month", 10), ("dropoff_before_pickup", 10)]);
        (both.counts.rows_quarantined, both.counts.rows_read) = (10, 106);
        assert_eq!(
            (at_fault(&both.counts), comparable(&both.counts, &Counts::default())),
            (10, 96)
        );
        assert!(passes(&both, Some(&edition(100, &[]))));
    }

    #[test]
    fn a_share_is_written_with_its_percent_sign() {
        let read = |text: &str| text.parse::<Share>().map(|share| share.to_string());
        for (text, shown) in
            [("5%", "5%"), (" 2.50 %", "2.5%"), ("0.05%", "0.05%"), ("100%", "100%"), ("0%", "0%")]
        {
            assert_eq!(read(text).as_deref(), Ok(shown));
        }
        for wrong in ["5", "0.05", "", "%", "-1%", "100.01%", "101%", "1e1%", "0.001%", ".5%"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Share::percent(10).of(35_644), 3564);
        assert_eq!(percent(1, 100_000), "under 0.1%");
        assert_eq!(percent(99_999, 100_000), "99.9%");
    }
}
