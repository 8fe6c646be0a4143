//! The table of columns.

use crate::trip::Colour;

use Colour::{Fhv, Fhvhv, Green, Yellow};

/// One column of the canonical schema.
#[derive(Debug)]
pub struct Column {
    /// Its name, in the spelling of BigQuery's public New York taxi tables.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// The colours that have it.
    pub colours: &'static [Colour],
    /// Its other names in source files, in lower case. If a file has several of them, a row's
    /// value is in whichever is not empty.
    pub aliases: &'static [&'static str],
    /// What it means, after the TLC's data dictionaries.
    pub about: &'static str,
}

impl Column {
    /// Whether a source column of this name fills it. Letters and digits alone matter, in any
    /// case: `PULocationID`, `pu_location_id` and `"PU Location ID"` are one name.
    pub fn is_called(&self, name: &str) -> bool {
        same_name(self.name, name) || self.aliases.iter().any(|alias| same_name(alias, name))
    }
}

/// Whether two names are the same except for case, blanks and punctuation, and not empty.
pub(super) fn same_name(one: &str, other: &str) -> bool {
    letters(one).eq(letters(other)) && letters(one).next().is_some()
}

/// The letters and digits of a name, in lower case.
fn letters(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

/// What the values of a column are, and so how they are read and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A small integer (16 bits), or one of these words in lower case that stands for it.
    Code(&'static [(&'static str, i16)]),
    /// A duration in whole seconds (32 bits).
    Seconds,
    /// An integer of 64 bits, in a column that the schema does not know and that is kept.
    Whole,
    /// A 64-bit float: dollars, miles or degrees.
    Number,
    /// A wall-clock time in New York, to the microsecond.
    Time,
    /// Text, trimmed.
    Text,
    /// The number of a base: text in upper case.
    Base,
    /// Y or N, or one of [`FLAG_WORDS`].
    Flag,
    /// Whatever a column holds that the schema does not know and that is kept, as text.
    Any,
}

impl Kind {
    /// The name and the version of the way in which such a column is read. A change of the
    /// reading is a new version, and months read by the old one are cleaned again.
    pub(super) const fn reading(self) -> (&'static str, u32) {
        match self {
            Self::Code(_) => ("code", 2),
            Self::Seconds => ("seconds", 2),
            Self::Number => ("number", 2),
            Self::Time => ("time", 3),
            Self::Text => ("text", 2),
            Self::Base => ("base", 2),
            Self::Flag => ("flag", 2),
            Self::Whole => ("whole", 1),
            Self::Any => ("any", 1),
        }
    }

    /// What a column of this kind is expected to hold, for people.
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Code(_) | Self::Whole => "a whole number",
            Self::Seconds => "a whole number of seconds",
            Self::Number => "a number",
            Self::Time => "a timestamp in New York wall-clock time",
            Self::Text | Self::Base | Self::Any => "text",
            Self::Flag => "text, a boolean, or 0 and 1",
        }
    }
}

/// The words that stand for a missing value in any column, in upper case; they are read in any
/// case. They are what databases, pandas, R and spreadsheets write.
pub const MISSING_WORDS: &[&str] =
    &["\\N", "NULL", "NAN", "-NAN", "NAT", "NONE", "NA", "N/A", "<NA>", "#N/A"];

/// The longest of them.
const LONGEST_MISSING_WORD: usize = 4;

/// Whether a field is one of the [`MISSING_WORDS`].
pub fn is_missing_word(field: &[u8]) -> bool {
    field.len() <= LONGEST_MISSING_WORD
        && MISSING_WORDS.iter().any(|word| field.eq_ignore_ascii_case(word.as_bytes()))
}

/// The words of a [`Kind::Flag`], in lower case, and whether each is Y.
pub const FLAG_WORDS: &[(&str, bool)] = &[
    ("y", true),
    ("n", false),
    ("yes", true),
    ("no", false),
    ("true", true),
    ("false", false),
    ("t", true),
    ("f", false),
];

const VENDORS: &[(&str, i16)] = &[("cmt", 1), ("vts", 2), ("dds", 3)];

const PAYMENTS: &[(&str, i16)] = &[
    ("credit", 1),
    ("cre", 1),
    ("crd", 1),
    ("cash", 2),
    ("cas", 2),
    ("csh", 2),
    ("no charge", 3),
    ("noc", 3),
    ("no", 3),
    ("dispute", 4),
    ("dis", 4),
    ("unknown", 5),
    ("unk", 5),
    ("na", 5),
];

/// The collection's fhvhv file of 2021-06 writes Y and N, all others write 1 or nothing.
const YES_NO: &[(&str, i16)] =
    &[("y", 1), ("n", 0), ("yes", 1), ("no", 0), ("true", 1), ("false", 0), ("t", 1), ("f", 0)];

const TAXIS: &[Colour] = &[Yellow, Green];
const HIRES: &[Colour] = &[Fhv, Fhvhv];
const ALL: &[Colour] = &[Yellow, Green, Fhv, Fhvhv];

const fn column(
    name: &'static str,
    kind: Kind,
    colours: &'static [Colour],
    aliases: &'static [&'static str],
    about: &'static str,
) -> Column {
    Column { name, kind, colours, aliases, about }
}

/// Every column of every colour. A colour's schema is its rows of this table, in this order.
/// Sources: the TLC's data dictionaries for yellow, green, FHV and high-volume FHV records
/// (<https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page>) and its user guide.
#[rustfmt::skip]
pub static COLUMNS: &[Column] = &[
    column("vendor_id", Kind::Code(VENDORS), TAXIS, &["vendor_name"],
        "The provider of the record: 1 Creative Mobile Technologies (CMT), 2 Curb, formerly VeriFone (VTS), 3 Digital Dispatch Systems (DDS), 6 Myle, 7 Helix"),
    column("hvfhs_license_num", Kind::Text, &[Fhvhv], &["hvfhs_license_number"],
        "The licence of the high-volume company: HV0002 Juno, HV0003 Uber, HV0004 Via, HV0005 Lyft"),
    column("dispatching_base_num", Kind::Base, HIRES, &["dispatching_base_number"],
        "The licence of the base that dispatched the trip"),
    column("originating_base_num", Kind::Base, &[Fhvhv], &["originating_base_number"],
        "The licence of the base that received the request"),
    column("affiliated_base_num", Kind::Base, HIRES, &["affiliated_base_number"],
        "The licence of the base the vehicle is affiliated with"),
    column("request_datetime", Kind::Time, &[Fhvhv], &[],
        "When the passenger asked to be picked up"),
    column("on_scene_datetime", Kind::Time, &[Fhvhv], &[],
        "When the driver arrived (accessible vehicles only)"),
    column("pickup_datetime", Kind::Time, ALL,
        &["tpep_pickup_datetime", "lpep_pickup_datetime", "trip_pickup_datetime", "pickup_date"],
        "When the meter was engaged, or the trip began"),
    column("dropoff_datetime", Kind::Time, ALL,
        &["tpep_dropoff_datetime", "lpep_dropoff_datetime", "trip_dropoff_datetime"],
        "When the meter was disengaged, or the trip ended"),
    column("passenger_count", Kind::Code(&[]), TAXIS, &[],
        "The passengers in the vehicle, as the driver entered it"),
    column("trip_distance", Kind::Number, TAXIS, &[],
        "The distance by the taximeter, in miles"),
    column("rate_code", Kind::Code(&[]), TAXIS, &["ratecodeid"],
        "The rate at the end of the trip: 1 standard, 2 JFK, 3 Newark, 4 Nassau or Westchester, 5 negotiated, 6 group ride, 99 unknown"),
    column("store_and_fwd_flag", Kind::Flag, TAXIS, &["store_and_forward"],
        "Y when the record was held in the vehicle's memory before it was sent, else N"),
    column("pickup_location_id", Kind::Code(&[]), ALL, &["pulocationid", "locationid"],
        "The taxi zone of the pickup (zones; 264 unknown, 265 outside the city)"),
    column("dropoff_location_id", Kind::Code(&[]), ALL, &["dolocationid"],
        "The taxi zone of the drop-off (zones; 264 unknown, 265 outside the city)"),
    column("pickup_longitude", Kind::Number, TAXIS, &["start_lon"],
        "Where the meter was engaged, in degrees"),
    column("pickup_latitude", Kind::Number, TAXIS, &["start_lat"],
        "Where the meter was engaged, in degrees"),
    column("dropoff_longitude", Kind::Number, TAXIS, &["end_lon"],
        "Where the meter was disengaged, in degrees"),
    column("dropoff_latitude", Kind::Number, TAXIS, &["end_lat"],
        "Where the meter was disengaged, in degrees"),
    column("payment_type", Kind::Code(PAYMENTS), TAXIS, &[],
        "How the passenger paid: 0 flex fare, 1 credit card, 2 cash, 3 no charge, 4 dispute, 5 unknown, 6 voided"),
    column("fare_amount", Kind::Number, TAXIS, &["fare_amt"],
        "The time-and-distance fare by the meter, in dollars"),
    column("extra", Kind::Number, TAXIS, &["surcharge"],
        "Extras and surcharges, in dollars"),
    column("mta_tax", Kind::Number, TAXIS, &[],
        "The MTA tax, in dollars"),
    column("tip_amount", Kind::Number, TAXIS, &["tip_amt"],
        "The tip, in dollars; cash tips are not recorded"),
    column("tolls_amount", Kind::Number, TAXIS, &["tolls_amt"],
        "All tolls of the trip, in dollars"),
    column("ehail_fee", Kind::Number, &[Green], &[],
        "The e-hail fee, in dollars"),
    column("improvement_surcharge", Kind::Number, TAXIS, &["imp_surcharge"],
        "The improvement surcharge, in dollars, levied since 2015"),
    column("total_amount", Kind::Number, TAXIS, &["total_amt"],
        "The total amount charged to the passenger, without cash tips, in dollars"),
    column("trip_type", Kind::Code(&[]), &[Green], &[],
        "1 street hail, 2 dispatch"),
    column("sr_flag", Kind::Code(YES_NO), HIRES, &[],
        "1 when the trip was part of a shared-ride chain, else null"),
    column("trip_miles", Kind::Number, &[Fhvhv], &[],
        "The passenger's trip, in miles"),
    column("trip_time", Kind::Seconds, &[Fhvhv], &[],
        "The passenger's trip, in seconds"),
    column("base_passenger_fare", Kind::Number, &[Fhvhv], &[],
        "The fare before tolls, tips, taxes and fees, in dollars"),
    column("tolls", Kind::Number, &[Fhvhv], &[],
        "All tolls of the trip, in dollars"),
    column("bcf", Kind::Number, &[Fhvhv], &[],
        "The amount collected for the Black Car Fund, in dollars"),
    column("sales_tax", Kind::Number, &[Fhvhv], &[],
        "The New York State sales tax, in dollars"),
    column("congestion_surcharge", Kind::Number, &[Yellow, Green, Fhvhv], &[],
        "The State's congestion surcharge, in dollars, levied since 2019"),
    column("airport_fee", Kind::Number, &[Yellow, Fhvhv], &[],
        "The fee for a pickup at LaGuardia or JFK, in dollars"),
    column("cbd_congestion_fee", Kind::Number, &[Yellow, Green, Fhvhv], &[],
        "The MTA's congestion relief zone charge, in dollars, since 2025-01-05"),
    column("tips", Kind::Number, &[Fhvhv], &[],
        "The tip, in dollars"),
    column("driver_pay", Kind::Number, &[Fhvhv], &[],
        "The driver's pay without tolls and tips, in dollars"),
    column("shared_request_flag", Kind::Flag, &[Fhvhv], &[],
        "Y when the passenger agreed to share the ride"),
    column("shared_match_flag", Kind::Flag, &[Fhvhv], &[],
        "Y when the ride was shared"),
    column("access_a_ride_flag", Kind::Flag, &[Fhvhv], &[],
        "Y when the trip was on behalf of the MTA"),
    column("wav_request_flag", Kind::Flag, &[Fhvhv], &[],
        "Y when a wheelchair-accessible vehicle was asked for"),
    column("wav_match_flag", Kind::Flag, &[Fhvhv], &[],
        "Y when the trip was in a wheelchair-accessible vehicle"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_in_the_spelling_of_every_tool() {
        let called = |column: &str, name: &str| {
            let column = COLUMNS.iter().find(|known| known.name == column).unwrap();
            column.is_called(name)
        };
        // BigQuery's public tables, and dlt's names for those of the TLC.
        for (column, names) in [
            ("improvement_surcharge", &["imp_surcharge", "improvement_surcharge"][..]),
            ("rate_code", &["rate_code", "rate_code_id", "ratecode_id", "RatecodeID"]),
            ("pickup_location_id", &["pu_location_id", "p_ulocation_id", "pickup_location_id"]),
            ("dropoff_location_id", &["do_location_id", "d_olocation_id", "DOLocationID"]),
            ("dropoff_datetime", &["drop_off_datetime", "DropOff_datetime"]),
            ("pickup_datetime", &["trip_pickup_date_time", "Pickup Date Time", "pickup-date"]),
            ("vendor_id", &["vendor_id", "VendorID", "'VendorID'", " Vendor ID "]),
            ("sr_flag", &["sr_flag", "SR_Flag"]),
        ] {
            for name in names {
                assert!(called(column, name), "{name}");
            }
        }
        for name in ["", " ", "--", "vendor", "vendor_id_2"] {
            assert!(!called("vendor_id", name), "{name}");
        }
    }

    #[test]
    fn missing_words_are_found_in_any_case_and_nothing_else_is() {
        for word in ["NULL", "null", "\\N", "NaN", "-nan", "None", "n/a", "<NA>", "NaT"] {
            assert!(is_missing_word(word.as_bytes()), "{word}");
        }
        for word in ["", "N", "Y", "nil!", "B00001", "NULLS", "nano"] {
            assert!(!is_missing_word(word.as_bytes()), "{word}");
        }
        let longest = MISSING_WORDS.iter().map(|word| word.len()).max();
        assert_eq!(longest, Some(LONGEST_MISSING_WORD));
    }
}
