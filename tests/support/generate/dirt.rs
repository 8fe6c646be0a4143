//! The kinds of dirt, and what each does to a record.

use std::fmt;
use std::str::FromStr;

use super::Form;
use super::calendar::{DAY, seconds};
use super::column::{Column, Column::*, Kind, Value};
use super::layout::Layout;

/// What can be planted: one kind for each rule, and what looks like dirt and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dirt {
    WrongFieldCount,
    TooFewFields,
    TooManyFields,
    /// A surplus field of so many bytes.
    LongLine(usize),
    UnclosedQuote,
    StrayQuote,
    Unreadable,
    NoPickup,
    PickupOutsideMonth,
    DropoffBeforePickup,
    DistanceImpossible,
    NegativeFare,
    /// The row before once more, with every amount negated.
    Refund,
    DurationOver24h,
    Year3019Dropoff,
    UnknownCode,
    UnknownLocation,
    PassengerCountOver9,
    MeterlessRow,
    ExactDuplicate,
    /// A blank line before the row.
    BlankLine,
    IntegerAsFloat,
    PaddedNumber,
    QuotedNewline,
}

/// What has to become of a row with a kind of dirt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Set aside, by this rule.
    Rejected(&'static str),
    /// Kept and counted, by this rule.
    Flagged(&'static str),
    Kept,
}

use Fate::*;

const NAMES: &[(Dirt, &str, Fate)] = &[
    (Dirt::WrongFieldCount, "wrong_field_count", Rejected("wrong_field_count")),
    (Dirt::TooFewFields, "too_few_fields", Rejected("wrong_field_count")),
    (Dirt::TooManyFields, "too_many_fields", Rejected("wrong_field_count")),
    (Dirt::LongLine(0), "long_line", Rejected("wrong_field_count")),
    (Dirt::UnclosedQuote, "unclosed_quote", Rejected("wrong_field_count")),
    (Dirt::StrayQuote, "stray_quote", Rejected("unreadable")),
    (Dirt::Unreadable, "unreadable", Rejected("unreadable")),
    (Dirt::NoPickup, "no_pickup", Rejected("no_pickup")),
    (Dirt::PickupOutsideMonth, "pickup_outside_month", Rejected("pickup_outside_month")),
    (Dirt::DropoffBeforePickup, "dropoff_before_pickup", Rejected("dropoff_before_pickup")),
    (Dirt::DistanceImpossible, "distance_impossible", Rejected("distance_impossible")),
    (Dirt::NegativeFare, "negative_fare", Flagged("negative_fare")),
    (Dirt::Refund, "refund", Flagged("negative_fare")),
    (Dirt::DurationOver24h, "duration_over_24h", Flagged("duration_over_24h")),
    (Dirt::Year3019Dropoff, "year_3019_dropoff", Flagged("duration_over_24h")),
    (Dirt::UnknownCode, "unknown_code", Flagged("unknown_code")),
    (Dirt::UnknownLocation, "unknown_location", Flagged("unknown_location")),
    (Dirt::PassengerCountOver9, "passenger_count_over_9", Flagged("passenger_count_over_9")),
    (Dirt::MeterlessRow, "meterless_row", Kept),
    (Dirt::ExactDuplicate, "exact_duplicate", Kept),
    (Dirt::BlankLine, "blank_line", Kept),
    (Dirt::IntegerAsFloat, "integer_as_float", Kept),
    (Dirt::PaddedNumber, "padded_number", Kept),
    (Dirt::QuotedNewline, "quoted_newline", Kept),
];

/// One way in which a kind of dirt changes a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Set(Column, Value),
    /// The value stands in the file as this text, quotes and all.
    Write(Column, Value, String),
    /// Moves the trip, drop-off and all.
    PickupAt(i64),
    DropoffAt(i64),
    DropoffAfter(i64),
    TakeMeter,
    RepeatBefore,
    RefundBefore,
    BlankLine,
    DropFields(usize),
    AddField(String),
}

use Change::*;

impl Dirt {
    fn entry(self) -> &'static (Self, &'static str, Fate) {
        let plain = if let Self::LongLine(_) = self { Self::LongLine(0) } else { self };
        NAMES.iter().find(|(dirt, _, _)| *dirt == plain).expect("every kind of dirt has a name")
    }

    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(dirt, _, _)| *dirt)
    }

    pub fn name(self) -> &'static str {
        self.entry().1
    }

    pub fn fate(self) -> Fate {
        self.entry().2
    }

    /// All the ways in which this dirt can be in such a file; none if it can't.
    pub fn changes(self, layout: &Layout) -> Vec<Change> {
        let csv = layout.form != Form::Parquet;
        let only_csv = |changes: Vec<Change>| if csv { changes } else { Vec::new() };
        let only_if = |column, changes: Vec<Change>| {
            if layout.has(column) { changes } else { Vec::new() }
        };
        let set = |column, values: &[i64]| -> Vec<Change> {
            only_if(column, values.iter().map(|it| Set(column, Value::Whole(*it))).collect())
        };
        let cents = |column, values: &[i64]| -> Vec<Change> {
            only_if(column, values.iter().map(|it| Set(column, Value::Cents(*it))).collect())
        };
        let write = |kind, value, text: &str| -> Vec<Change> {
            let columns = layout.columns().filter(|column| column.kind() == kind);
            let written = columns.filter(|column| kind != Kind::Code || is_number(layout, *column));
            only_csv(written.map(|column| Write(column, value, text.to_owned())).collect())
        };
        // A number in a quoted file stands in quotes as well.
        let mark = match layout.vintage {
            Some(vintage) if vintage.quoted => "\"",
            _ => "",
        };
        match self {
            Self::WrongFieldCount => only_csv(vec![DropFields(1), AddField("1".into())]),
            Self::TooFewFields => {
                let most = (layout.fields.len() - 1).min(3);
                only_csv((1..=most).map(DropFields).collect())
            }
            Self::TooManyFields => only_csv(vec![AddField("1".into()), AddField("1,2".into())]),
            Self::LongLine(bytes) => only_csv(vec![AddField("x".repeat(bytes.max(1)))]),
            Self::UnclosedQuote => write(Kind::Code, Value::Null, "\"1"),
            Self::StrayQuote => {
                [write(Kind::Code, Value::Null, "1\""), write(Kind::Amount, Value::Null, "2\".5")]
                    .concat()
            }
            Self::Unreadable => unreadable(layout, mark),
            Self::NoPickup => vec![Set(PickupDatetime, Value::Null)],
            Self::PickupOutsideMonth => vec![
                PickupAt(layout.month.start() - 1),
                PickupAt(layout.month.end()),
                PickupAt(seconds(2001, 1, 1) + 317),
                PickupAt(seconds(2008, 12, 31) + DAY - 1),
                PickupAt(seconds(2088, 1, 24) + 900),
            ],
            Self::DropoffBeforePickup => {
                only_if(DropoffDatetime, [-1, -3600, -40 * DAY].map(DropoffAfter).to_vec())
            }
            Self::DistanceImpossible => {
                let miles = [-1, -150, 100_001, 24_415_203];
                [cents(TripDistance, &miles), cents(TripMiles, &miles)].concat()
            }
            Self::NegativeFare => {
                let fares = [-1, -450, -5200];
                [cents(FareAmount, &fares), cents(BasePassengerFare, &fares)].concat()
            }
            Self::Refund => [FareAmount, BasePassengerFare]
                .into_iter()
                .flat_map(|column| only_if(column, vec![RefundBefore]))
                .collect(),
            Self::DurationOver24h => {
                only_if(DropoffDatetime, [DAY + 1, DAY + 3600, 30 * DAY].map(DropoffAfter).to_vec())
            }
            Self::Year3019Dropoff if layout.nanoseconds => Vec::new(),
            Self::Year3019Dropoff => {
                only_if(DropoffDatetime, vec![DropoffAt(seconds(3019, 2, 3) + 62_500)])
            }
            Self::UnknownCode => [
                (VendorId, &[5, 9][..]),
                (RateCode, &[0, 7, 98]),
                (PaymentType, &[7, 9]),
                (TripType, &[0, 3]),
            ]
            .into_iter()
            .filter(|(column, _)| is_number(layout, *column))
            .flat_map(|(column, values)| set(column, values))
            .collect(),
            Self::UnknownLocation => [PickupLocationId, DropoffLocationId]
                .into_iter()
                .flat_map(|column| set(column, &[0, 266, 999, -1]))
                .collect(),
            Self::PassengerCountOver9 => set(PassengerCount, &[10, 96, 208]),
            Self::MeterlessRow => only_if(PassengerCount, vec![TakeMeter]),
            Self::ExactDuplicate => vec![RepeatBefore],
            Self::BlankLine => only_csv(vec![BlankLine]),
            Self::IntegerAsFloat => write(Kind::Code, Value::Whole(1), &format!("{mark}1.0{mark}")),
            Self::PaddedNumber => write(Kind::Code, Value::Whole(1), &format!("{mark} 1 {mark}")),
            Self::QuotedNewline => {
                let written =
                    Write(DispatchingBaseNum, Value::Text("B02817"), "\"B02817\n\"".to_owned());
                only_csv(only_if(DispatchingBaseNum, vec![written]))
            }
        }
    }
}

/// Whether a code column holds codes, not words.
fn is_number(layout: &Layout, column: Column) -> bool {
    !(layout.text_codes() && matches!(column, VendorId | PaymentType))
}

/// Values that are no value of their column's type. In a Parquet file they have to be values
/// of the type that the file has.
fn unreadable(layout: &Layout, mark: &str) -> Vec<Change> {
    let month = layout.month;
    let times = [
        format!("{}-02-30 10:00:00", month.year),
        format!("{month}-05 25:00:00"),
        format!("{:02}/05/{} 10:00", month.number, month.year),
    ];
    let columns: Vec<Column> = layout.columns().collect();
    let mut changes = Vec::new();
    for round in 0..4 {
        for column in &columns {
            let texts: &[&str] = match (layout.form, column.kind()) {
                (_, Kind::Time) if layout.time_is_text() => &[&times[0], &times[1], &times[2]],
                (_, Kind::Code) if !is_number(layout, *column) => &[],
                (Form::Parquet, Kind::Code) => &["99999", "-40000"],
                (_, Kind::Code) => &["1.5", "abc", "99999", "-40000"],
                (Form::Parquet, Kind::Amount | Kind::Degrees) => &["inf", "-inf"],
                (_, Kind::Amount | Kind::Degrees) => &["x", "--1", "inf"],
                _ => &[],
            };
            if let Some(text) = texts.get(round) {
                changes.push(Write(*column, Value::Null, format!("{mark}{text}{mark}")));
            }
        }
    }
    changes
}

impl fmt::Display for Dirt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dirt {
    type Err = String;

    /// A name; `long_line:200000` has its length with it.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, length) = text.split_once(':').unwrap_or((text, ""));
        let known = NAMES.iter().find(|(_, known, _)| *known == name);
        match known.map(|(dirt, _, _)| *dirt) {
            Some(Self::LongLine(_)) => length
                .parse()
                .map(Self::LongLine)
                .map_err(|_| "long_line takes its bytes: long_line:200000".to_owned()),
            Some(dirt) if length.is_empty() => Ok(dirt),
            _ => {
                let names: Vec<_> = NAMES.iter().map(|(_, name, _)| *name).collect();
                Err(format!("{text:?} is no kind of dirt; there are {}", names.join(", ")))
            }
        }
    }
}

/// The changes of one kind of dirt, for a file that can have it.
pub fn changes_or_refuse(dirt: Dirt, layout: &Layout) -> Vec<Change> {
    let changes = dirt.changes(layout);
    let Layout { colour, month, form, .. } = layout;
    assert!(!changes.is_empty(), "{dirt} can't be in {colour} {month} as {form}");
    changes
}
