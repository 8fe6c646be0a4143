//! The rules a record is judged by, as a table. To add a rule is to add a row.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use polars::prelude::{Expr, col, lit};

use crate::schema::{self, PICKUP};
use crate::trip::{Colour, Digest, TripFile};

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name in counts, settings and quarantine.
    pub name: &'static str,
    /// What it does by default.
    pub default: Level,
    /// Whether its level may be changed: what makes a record no trip of its file may not.
    pub fixed: bool,
    /// What it means, for people.
    pub about: &'static str,
    /// The version of its test: a change of what it finds is a new one.
    version: u32,
    /// The limits and code lists that its test uses.
    parameters: fn() -> String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    /// Found while the record is read.
    Reading,
    /// An expression over the canonical columns, true for the records it concerns; none for a
    /// colour that lacks the columns.
    Columns(fn(TripFile) -> Option<Expr>),
}

/// What becomes of a record that a rule concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Set aside with its reason.
    Reject,
    /// Kept and counted.
    Flag,
    /// Kept.
    Off,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reject => "reject",
            Self::Flag => "flag",
            Self::Off => "off",
        })
    }
}

impl FromStr for Level {
    type Err = RuleError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let all = [Self::Reject, Self::Flag, Self::Off];
        all.into_iter().find(|level| level.to_string() == name).ok_or(RuleError::Level)
    }
}

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;
const LONGEST_MILES: f64 = 1_000.0;
const MOST_PASSENGERS: i16 = 9;
const ZONES: RangeInclusive<i16> = 1..=265;

/// The codes that the TLC's dictionaries know.
const KNOWN_CODES: &[(&str, &[RangeInclusive<i16>])] = &[
    ("vendor_id", &[1..=4, 6..=7]),
    ("rate_code", &[1..=6, 99..=99]),
    ("payment_type", &[0..=6]),
    ("trip_type", &[1..=2]),
];

/// The place in [`RULES`] of what reading finds.
pub(super) const WRONG_FIELD_COUNT: usize = 0;
/// The same.
pub(super) const UNREADABLE: usize = 1;

/// Every rule.
#[rustfmt::skip]
pub static RULES: &[Rule] = &[
    Rule { name: "wrong_field_count", default: Level::Reject, fixed: true, version: 2, parameters: String::new,
        test: Test::Reading,
        about: "fewer or more fields than the header, or quotes that do not close" },
    Rule { name: "unreadable", default: Level::Reject, fixed: true, version: 1, parameters: String::new,
        test: Test::Reading,
        about: "a non-empty field that is not a value of its column's type" },
    Rule { name: "no_pickup", default: Level::Reject, fixed: true, version: 1, parameters: String::new,
        test: Test::Columns(|_| Some(col(PICKUP).is_null())),
        about: "no pickup time" },
    Rule { name: "pickup_outside_month", default: Level::Reject, fixed: true, version: 1, parameters: String::new,
        test: Test::Columns(pickup_outside_month),
        about: "a pickup time outside the file's month" },
    Rule { name: "dropoff_before_pickup", default: Level::Reject, fixed: false, version: 1, parameters: String::new,
        test: Test::Columns(dropoff_before_pickup),
        about: "a drop-off earlier than the pickup" },
    Rule { name: "distance_impossible", default: Level::Reject, fixed: false, version: 1, parameters: || format!("{LONGEST_MILES:?}"),
        test: Test::Columns(distance_impossible),
        about: "a distance below 0 or above 1,000 miles" },
    Rule { name: "negative_fare", default: Level::Flag, fixed: false, version: 1, parameters: String::new,
        test: Test::Columns(negative_fare),
        about: "a fare below 0: a refund or a void" },
    Rule { name: "duration_over_24h", default: Level::Flag, fixed: false, version: 1, parameters: || format!("{MICROSECONDS_PER_DAY}"),
        test: Test::Columns(duration_over_24h),
        about: "a drop-off more than 24 hours after the pickup" },
    Rule { name: "unknown_code", default: Level::Flag, fixed: false, version: 1, parameters: || format!("{KNOWN_CODES:?}"),
        test: Test::Columns(unknown_code),
        about: "a vendor, rate, payment or trip type that the TLC's dictionary does not know" },
    Rule { name: "unknown_location", default: Level::Flag, fixed: false, version: 1, parameters: || format!("{ZONES:?}"),
        test: Test::Columns(unknown_location),
        about: "a taxi zone outside 1 to 265" },
    Rule { name: "passenger_count_over_9", default: Level::Flag, fixed: false, version: 1, parameters: || format!("{MOST_PASSENGERS}"),
        test: Test::Columns(passenger_count_over_9),
        about: "more than nine passengers" },
    Rule { name: "zero_passengers", default: Level::Off, fixed: false, version: 1, parameters: String::new,
        test: Test::Columns(zero_passengers),
        about: "a passenger count of 0" },
    Rule { name: "zero_distance", default: Level::Off, fixed: false, version: 1, parameters: String::new,
        test: Test::Columns(zero_distance),
        about: "a distance of 0" },
    Rule { name: "total_not_positive", default: Level::Off, fixed: false, version: 1, parameters: String::new,
        test: Test::Columns(total_not_positive),
        about: "a total amount of 0 or less" },
];

fn has(colour: Colour, name: &str) -> bool {
    schema::columns(colour).iter().any(|column| column.name == name)
}

/// The first of these columns that a colour has.
fn one_of(colour: Colour, names: &[&'static str]) -> Option<Expr> {
    names.iter().find(|name| has(colour, name)).map(|name| col(*name))
}

/// True where any of the tests is; `None` if there is none.
fn any(tests: impl Iterator<Item = Expr>) -> Option<Expr> {
    tests.reduce(Expr::or)
}

fn pickup_outside_month(file: TripFile) -> Option<Expr> {
    let month = file.month.micros();
    any([col(PICKUP).lt(lit(month.start)), col(PICKUP).gt_eq(lit(month.end))].into_iter())
}

fn dropoff_before_pickup(file: TripFile) -> Option<Expr> {
    Some(one_of(file.colour, &["dropoff_datetime"])?.lt(col(PICKUP)))
}

fn duration_over_24h(file: TripFile) -> Option<Expr> {
    let duration = one_of(file.colour, &["dropoff_datetime"])? - col(PICKUP);
    Some(duration.gt(lit(MICROSECONDS_PER_DAY)))
}

fn distance_impossible(file: TripFile) -> Option<Expr> {
    let miles = one_of(file.colour, &["trip_distance", "trip_miles"])?;
    Some(miles.clone().lt(lit(0.0)).or(miles.gt(lit(LONGEST_MILES))))
}

fn negative_fare(file: TripFile) -> Option<Expr> {
    Some(one_of(file.colour, &["fare_amount", "base_passenger_fare"])?.lt(lit(0.0)))
}

fn unknown_code(file: TripFile) -> Option<Expr> {
    let codes = KNOWN_CODES.iter().filter(|(name, _)| has(file.colour, name));
    any(codes.filter_map(|(name, known)| {
        let ranges = known.iter().map(|range| within(name, range));
        Some(any(ranges)?.not())
    }))
}

fn unknown_location(file: TripFile) -> Option<Expr> {
    let zones = ["pickup_location_id", "dropoff_location_id"];
    any(zones
        .into_iter()
        .filter(|name| has(file.colour, name))
        .map(|name| within(name, &ZONES).not()))
}

fn zero_passengers(file: TripFile) -> Option<Expr> {
    Some(one_of(file.colour, &["passenger_count"])?.eq(lit(0_i16)))
}

fn zero_distance(file: TripFile) -> Option<Expr> {
    Some(one_of(file.colour, &["trip_distance", "trip_miles"])?.eq(lit(0.0)))
}

fn total_not_positive(file: TripFile) -> Option<Expr> {
    Some(one_of(file.colour, &["total_amount"])?.gt(lit(0.0)).not())
}

fn passenger_count_over_9(file: TripFile) -> Option<Expr> {
    Some(one_of(file.colour, &["passenger_count"])?.gt(lit(MOST_PASSENGERS)))
}

fn within(name: &str, range: &RangeInclusive<i16>) -> Expr {
    col(name).gt_eq(lit(*range.start())).and(col(name).lt_eq(lit(*range.end())))
}

/// The rules with the levels in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(Vec<Level>);

/// Why a level cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No rule has this name.
    #[error("unknown rule '{0}'; expected one of {names}", names = names())]
    Unknown(String),
    /// The rule's level is fixed.
    #[error(
        "the rule '{0}' always rejects, because such a record is not a trip of its file; these rules can be changed: {changeable}",
        changeable = changeable()
    )]
    Fixed(String),
    /// A level that is none.
    #[error("the level of a rule must be reject, flag or off")]
    Level,
}

fn names() -> String {
    RULES.iter().map(|rule| rule.name).collect::<Vec<_>>().join(", ")
}

fn changeable() -> String {
    Changeable::names().collect::<Vec<_>>().join(", ")
}

/// The name of a rule whose level may be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changeable(usize);

impl Changeable {
    /// The names of all of them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RULES.iter().filter(|rule| !rule.fixed).map(|rule| rule.name)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        RULES[self.0].name
    }
}

impl FromStr for Changeable {
    type Err = RuleError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match RULES.iter().position(|rule| rule.name == name.trim()) {
            None => Err(RuleError::Unknown(name.trim().to_owned())),
            Some(at) if RULES[at].fixed => Err(RuleError::Fixed(name.trim().to_owned())),
            Some(at) => Ok(Self(at)),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self(RULES.iter().map(|rule| rule.default).collect())
    }
}

impl Rules {
    /// Changes the level of a rule.
    pub fn set(&mut self, rule: &Changeable, level: Level) {
        self.0[rule.0] = level;
    }

    /// Each rule with its level.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Rule, Level)> + '_ {
        RULES.iter().zip(self.0.iter().copied())
    }

    /// The digest of what the rules in force do: equal digests judge alike. It is made of names,
    /// levels, versions and parameters, not of what is said about them to people.
    pub fn digest(&self) -> Digest {
        let in_force = self.iter().filter(|(_, level)| *level != Level::Off);
        let text: Vec<String> = in_force
            .map(|(rule, level)| {
                format!("{} {level} {} {}", rule.name, rule.version, (rule.parameters)())
            })
            .collect();
        Digest::of(text.join("\n").as_bytes())
    }

    /// The rules in force that need the columns of this month: their place in [`RULES`],
    /// their level and the expression that is true for the records they concern.
    pub(super) fn tests(&self, file: TripFile) -> Vec<(usize, Level, Expr)> {
        let in_force = self.iter().enumerate().filter(|(_, (_, level))| *level != Level::Off);
        in_force
            .filter_map(|(at, (rule, level))| match rule.test {
                Test::Reading => None,
                Test::Columns(test) => Some((at, level, test(file)?)),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{FAULTS, REJECTING};

    #[test]
    fn the_guard_names_the_rules_of_the_table() {
        let named = |fixed: bool| {
            let rules =
                RULES.iter().filter(move |it| it.fixed == fixed && it.default == Level::Reject);
            rules.map(|rule| rule.name).collect::<Vec<_>>()
        };
        assert_eq!((named(true), named(false)), (FAULTS.to_vec(), REJECTING.to_vec()));
    }

    #[test]
    fn a_changed_level_changes_the_digest() {
        let mut rules = Rules::default();
        let before = rules.digest();
        rules.set(&"negative_fare".parse().unwrap(), Level::Reject);
        assert_ne!(rules.digest(), before);
        rules.set(&"negative_fare".parse().unwrap(), Level::Flag);
        assert_eq!(rules.digest(), before);
    }

    #[test]
    fn a_rule_that_is_off_is_not_in_the_digest() {
        let mut rules = Rules::default();
        let before = rules.digest();
        rules.set(&"zero_distance".parse().unwrap(), Level::Flag);
        assert_ne!(rules.digest(), before);
        rules.set(&"zero_distance".parse().unwrap(), Level::Off);
        assert_eq!(rules.digest(), before);
    }

    #[test]
    fn limits_and_code_lists_are_parameters() {
        let parameters = |name: &str| {
            let rule = RULES.iter().find(|rule| rule.name == name).unwrap();
            (rule.parameters)()
        };
        assert_eq!(parameters("distance_impossible"), "1000.0");
        assert!(parameters("unknown_code").contains("vendor_id"));
        assert_eq!(parameters("unknown_location"), "1..=265");
        assert_eq!(parameters("no_pickup"), "");
    }

    #[test]
    fn names_that_cannot_be_set_are_refused_with_a_sentence() {
        insta::assert_snapshot!(
            ["no_fare", "no_pickup"]
                .map(|name| name.parse::<Changeable>().unwrap_err().to_string())
                .join("\n"),
            @r"
        unknown rule 'no_fare'; expected one of wrong_field_count, unreadable, no_pickup, pickup_outside_month, dropoff_before_pickup, distance_impossible, negative_fare, duration_over_24h, unknown_code, unknown_location, passenger_count_over_9, zero_passengers, zero_distance, total_not_positive
        the rule 'no_pickup' always rejects, because such a record is not a trip of its file; these rules can be changed: dropoff_before_pickup, distance_impossible, negative_fare, duration_over_24h, unknown_code, unknown_location, passenger_count_over_9, zero_passengers, zero_distance, total_not_positive
        "
        );
    }

    #[test]
    fn the_table_in_docs_is_this_one() {
        let docs = include_str!("../../docs/lake.md");
        let rows = RULES.iter().map(|rule| {
            let always = if rule.fixed { "always " } else { "" };
            format!("| `{}` | {always}{} | {} |\n", rule.name, rule.default, rule.about)
        });
        let table = rows.collect::<String>();
        assert!(docs.contains(&table), "docs/lake.md should have:\n{table}");
    }

    #[test]
    fn every_rule_fits_every_colour_or_leaves_it_alone() {
        for colour in Colour::ALL {
            let tests = Rules::default().tests(TripFile::new(colour, colour.first_month()));
            assert!(tests.len() >= 5, "{colour}");
        }
    }
}
