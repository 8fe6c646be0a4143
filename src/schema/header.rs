use std::collections::HashSet;

use crate::support::text::shortened;
use crate::trip::{Colour, KeptColumn, TripFile};

use super::columns::same_name;
use super::{COLUMNS, Column, PICKUP, Vintage, columns, editions};

/// More columns than this are no header.
const MOST_COLUMNS: usize = 1000;

/// What becomes of each column of a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// For each source column, in its order: where its values go.
    pub targets: Vec<Target>,
    /// The names of the source columns, as spelled in the file.
    pub names: Vec<String>,
    /// The source columns the schema does not know, as spelled in the file.
    pub unknown: Vec<String>,
    /// Those of them that are kept, after the columns of the colour.
    pub kept: Vec<KeptColumn>,
    /// The columns that the month's edition has and the file lacks, as the edition spells them.
    pub missing: Vec<String>,
    /// How many empty fields may end a record beyond those of the header.
    pub surplus: usize,
    /// The columns that have a value in every month of the edition: the index of each in
    /// `columns`, and its name as the edition spells it.
    pub filled: Vec<(usize, String)>,
}

/// Where the values of one source column go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To the column of this index in `columns`, or behind them to one that is kept.
    Column(usize),
    /// To the same canonical column as an earlier source column, for the rows in which that one
    /// is empty or equal: the base number of the fhv files of 2018 is in either of two columns.
    Alternative(usize),
    /// Nowhere: a column the schema does not know, or the index column of a careless export.
    Unknown,
}

/// Why a header is not that of a file of trips.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The same name twice.
    #[error(
        "the header of {file} names the column '{name}' twice, so it is not clear which to read"
    )]
    Twice {
        /// The month.
        file: TripFile,
        /// The name as spelled in the file.
        name: String,
    },
    /// More columns than any file of trips has.
    #[error("{file} has {found} columns: this is not a trip file")]
    TooMany {
        /// The month.
        file: TripFile,
        /// How many.
        found: usize,
    },
    /// No column says when the trip began.
    #[error(
        "{file} has no pickup time among its columns ({found}){hint}: is this a file of {colour} \
         trips?",
        colour = file.colour
    )]
    NoPickup {
        /// The month.
        file: TripFile,
        /// The first column names of the file.
        found: String,
        /// What the file seems to be instead.
        hint: String,
    },
    /// Another colour's columns.
    #[error(
        "{file} has the columns of {other} trips ({found}): is this the address of {colour}?",
        colour = file.colour
    )]
    OtherColour {
        /// The month.
        file: TripFile,
        /// The colour the columns belong to.
        other: String,
        /// The column names that tell.
        found: String,
    },
    /// A column that no row of the schema knows, where the run asked to be told.
    #[error(
        "{file} has columns the schema does not know: {names}. Add them to src/schema/columns.rs, \
         or run with --on-new-column warn to leave them out"
    )]
    Unknown {
        /// The month.
        file: TripFile,
        /// Their names as spelled in the file.
        names: String,
    },
    /// A column that has a value in every month and has none here, if the run asked to be told.
    #[error(
        "{file} has columns without a value in any row: {names}. The files of that month have \
         values there. Check the file, or run with --on-missing-column warn to publish the month \
         without them"
    )]
    WithoutValue {
        /// The month.
        file: TripFile,
        /// Their names as the edition spells them.
        names: String,
    },
    /// A column of the month's edition that the file lacks, if the run asked to be told.
    #[error(
        "{file} lacks columns that the files of that month have: {names}. Check the file, or run \
         with --on-missing-column warn to publish the month without their values"
    )]
    Missing {
        /// The month.
        file: TripFile,
        /// Their names as the edition spells them.
        names: String,
    },
}

impl Mapping {
    /// Matches the column names of a file to the canonical columns of its colour.
    pub fn of(file: TripFile, names: &[String]) -> Result<Self, HeaderError> {
        if names.len() > MOST_COLUMNS {
            return Err(HeaderError::TooMany { file, found: names.len() });
        }
        let known = columns(file.colour);
        let mut targets: Vec<Target> = Vec::with_capacity(names.len());
        let mut unknown = Vec::new();
        let keys: Vec<String> = names.iter().map(|name| name.trim().to_lowercase()).collect();
        let mut seen = HashSet::new();
        for (name, key) in names.iter().zip(&keys) {
            if !seen.insert(name.trim()) && !key.is_empty() {
                return Err(HeaderError::Twice { file, name: name.trim().to_owned() });
            }
            let called = |column: &&Column| column.is_called(key);
            let target = match known.iter().position(called) {
                Some(index) if targets.contains(&Target::Column(index)) => {
                    Target::Alternative(index)
                }
                Some(index) => Target::Column(index),
                None => {
                    if !key.is_empty() {
                        unknown.push(name.trim().to_owned());
                    }
                    Target::Unknown
                }
            };
            targets.push(target);
        }
        let pickup = known.iter().position(|column| column.name == PICKUP);
        if !pickup.is_some_and(|index| targets.contains(&Target::Column(index))) {
            return Err(HeaderError::NoPickup {
                file,
                found: first_few(names.iter().map(String::as_str)),
                hint: other_colour(file.colour, &keys)
                    .map(|(colour, _)| format!(", they are those of {colour} trips"))
                    .unwrap_or_default(),
            });
        }
        if let Some((other, found)) = other_colour(file.colour, &keys) {
            return Err(HeaderError::OtherColour { file, other, found });
        }
        let (missing, filled) = edition(file, &targets, &known);
        let surplus = editions(file).map(|edition| edition.surplus).max().unwrap_or_default();
        let names = names.iter().map(|name| name.trim().to_owned()).collect();
        Ok(Self { targets, names, unknown, kept: Vec::new(), missing, surplus, filled })
    }

    /// Whether these fields of a record are a header, and if so, whether it is this one again.
    pub fn is_header(&self, file: TripFile, fields: &[String]) -> Option<bool> {
        let known = columns(file.colour);
        let place = |name: &str| known.iter().position(|column| column.is_called(name));
        let field = |field: &String| place(&field.trim().to_lowercase());
        let found: Vec<Option<usize>> = fields.iter().map(field).collect();
        let pickup = found.iter().flatten().any(|index| known[*index].name == PICKUP);
        if !pickup || found.iter().flatten().count() < 2 {
            return None;
        }
        let named = fields.iter().zip(&found);
        let again =
            |((field, found), (name, target)): ((&String, &Option<usize>), (&String, &Target))| {
                match (found, target) {
                    (Some(found), Target::Column(index) | Target::Alternative(index)) => {
                        found == index
                    }
                    (None, _) => field.trim().eq_ignore_ascii_case(name),
                    (Some(_), Target::Unknown) => false,
                }
            };
        let alike = fields.len() == self.names.len();
        Some(alike && named.zip(self.names.iter().zip(&self.targets)).all(again))
    }

    /// The source columns that the schema does not know and that have a name: their places.
    pub fn unknown_places(&self) -> impl Iterator<Item = usize> + '_ {
        let unknown = |(at, target): &(usize, &Target)| {
            **target == Target::Unknown && !self.names[*at].is_empty()
        };
        self.targets.iter().enumerate().filter(unknown).map(|(at, _)| at)
    }

    /// Sends the values of these unknown source columns to columns of their own.
    pub fn keep(&mut self, colour: Colour, kept: &[KeptColumn]) {
        let first = columns(colour).len();
        for column in kept {
            let place = self.unknown_places().find(|at| self.names[*at] == column.source);
            if let Some(place) = place {
                self.targets[place] = Target::Column(first + self.kept.len());
                self.unknown.retain(|name| *name != column.source);
                self.kept.push(column.clone());
            }
        }
    }
}

/// Of the edition that a month's file is most like: the columns that the file lacks, and those that
/// have a value in every month.
fn edition(
    file: TripFile,
    targets: &[Target],
    known: &[&Column],
) -> (Vec<String>, Vec<(usize, String)>) {
    let index = |name: &str| known.iter().position(|column| column.is_called(name));
    let has = |name: &str| index(name).is_none_or(|index| targets.contains(&Target::Column(index)));
    let mut best: Option<(usize, Vec<&str>, &Vintage)> = None;
    for edition in editions(file) {
        let (there, missing): (Vec<&str>, Vec<&str>) =
            edition.columns().partition(|name| has(name));
        // As many points as columns are there, less those that are not; the first wins a draw.
        let points = |there: usize, missing: usize| there as i64 - missing as i64;
        let score = points(there.len(), missing.len());
        if best.as_ref().is_none_or(|(there, missing, _)| score > points(*there, missing.len())) {
            best = Some((there.len(), missing, edition));
        }
    }
    let Some((_, missing, edition)) = best else {
        return Default::default();
    };
    let filled = edition.filled().filter(|name| has(name));
    let filled = filled.filter_map(|name| Some((index(name)?, name.to_owned())));
    (missing.into_iter().map(str::to_owned).collect(), filled.collect())
}

/// The colour whose files these columns belong to when they cannot belong to `colour`'s: the
/// taxis' prefixes, or columns that only others have while some of `colour`'s own are missing.
fn other_colour(colour: Colour, keys: &[String]) -> Option<(String, String)> {
    const SIGNS: &[(&str, Colour)] = &[
        ("tpep_pickup_datetime", Colour::Yellow),
        ("lpep_pickup_datetime", Colour::Green),
        ("trip_pickup_datetime", Colour::Yellow),
        ("vendor_name", Colour::Yellow),
        ("hvfhs_license_num", Colour::Fhvhv),
    ];
    let sign = SIGNS
        .iter()
        .find(|(name, owner)| *owner != colour && keys.iter().any(|key| same_name(key, name)));
    if let Some((name, owner)) = sign {
        return Some((owner.to_string(), (*name).to_owned()));
    }
    let foreign: Vec<&str> = keys
        .iter()
        .filter(|key| {
            let mut owners = COLUMNS.iter().filter(|column| column.is_called(key)).peekable();
            owners.peek().is_some() && owners.all(|column| !column.colours.contains(&colour))
        })
        .map(String::as_str)
        .collect();
    if foreign.len() < 2 {
        return None;
    }
    let of =
        Colour::ALL.into_iter().rev().filter(|other| *other != colour).max_by_key(|other| {
            let all = columns(*other);
            foreign.iter().filter(|key| all.iter().any(|column| column.is_called(key))).count()
        })?;
    Some((of.to_string(), first_few(foreign.into_iter())))
}

fn first_few<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.map(str::trim).collect();
    let more = names.len().saturating_sub(6);
    names.truncate(6);
    let names = names.join(", ");
    let text = shortened(&names, 200);
    if more > 0 { format!("{text}, and {more} more") } else { text.into_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{PARQUET_EDITIONS, VINTAGES};
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn file(colour: Colour) -> TripFile {
        TripFile::new(colour, "2020-01".parse().unwrap())
    }

    fn error(colour: Colour, header: &str) -> String {
        Mapping::of(file(colour), &names(header)).unwrap_err().to_string()
    }

    #[test]
    fn every_header_ever_published_is_known_from_end_to_end() {
        for vintage in VINTAGES.iter().chain(PARQUET_EDITIONS) {
            let header: Vec<String> = vintage.columns().map(str::to_owned).collect();
            let mapping = Mapping::of(TripFile::new(vintage.colour, vintage.from), &header)
                .unwrap_or_else(|e| panic!("{} {}: {e}", vintage.colour, vintage.from));
            assert_eq!(
                mapping.unknown,
                Vec::<String>::new(),
                "{} {}",
                vintage.colour,
                vintage.from
            );
            assert_eq!(mapping.missing, Vec::<String>::new(), "{}", vintage.header);
        }
    }

    #[test]
    fn a_column_of_the_edition_that_a_file_lacks_is_named() {
        for vintage in VINTAGES.iter().chain(PARQUET_EDITIONS) {
            let header: Vec<String> = vintage.columns().map(str::to_owned).collect();
            let file = TripFile::new(vintage.colour, vintage.from);
            let others: Vec<Vec<&str>> =
                editions(file).map(|edition| edition.columns().collect()).collect();
            for at in 0..header.len() {
                let mut fewer = header.clone();
                let gone = fewer.remove(at);
                let Ok(mapping) = Mapping::of(file, &fewer) else { continue };
                let known = columns(vintage.colour);
                let column = known.iter().find(|column| column.is_called(&gone)).unwrap();
                let still = fewer.iter().any(|name| column.is_called(name));
                let optional = others.iter().any(|names| {
                    !names.iter().any(|name| column.is_called(name)) && fewer.len() == names.len()
                });
                if still || optional {
                    continue;
                }
                assert_eq!(mapping.missing.len(), 1, "{} {gone}", vintage.from);
                assert!(others.len() > 1 || mapping.missing == [gone]);
            }
        }
    }

    #[test]
    fn a_file_of_a_few_columns_lacks_all_others() {
        let lacks = |month: &str, header: &str| {
            let file = TripFile::new(Colour::Fhvhv, month.parse().unwrap());
            Mapping::of(file, &names(header)).unwrap().missing
        };
        let old = "hvfhs_license_num,dispatching_base_num,pickup_datetime,dropoff_datetime,PULocationID,DOLocationID,SR_Flag";
        assert_eq!(lacks("2020-04", old), Vec::<String>::new());
        assert_eq!(lacks("2021-06", old), Vec::<String>::new());
        assert_eq!(lacks("2023-01", old).len(), 18);
        assert_eq!(
            lacks("2020-04", "hvfhs_license_num,pickup_datetime,dropoff_datetime,SR_Flag"),
            ["dispatching_base_num", "PULocationID", "DOLocationID"]
        );
    }

    #[test]
    fn the_base_number_of_fhv_2018_has_two_columns() {
        let header = names("Pickup_DateTime,Dispatching_base_number,Dispatching_base_num");
        let mapping = Mapping::of(file(Colour::Fhv), &header).unwrap();
        let base = columns(Colour::Fhv)
            .iter()
            .position(|column| column.name == "dispatching_base_num")
            .unwrap();
        assert_eq!(mapping.targets[1], Target::Column(base));
        assert_eq!(mapping.targets[2], Target::Alternative(base));
    }

    #[test]
    fn two_spellings_of_one_column_are_columns_of_one_meaning() {
        let header = names("tpep_pickup_datetime,airport_fee,Airport_fee");
        let mapping = Mapping::of(file(Colour::Yellow), &header).unwrap();
        let fee = columns(Colour::Yellow).iter().position(|it| it.name == "airport_fee").unwrap();
        assert_eq!(mapping.targets[1..], [Target::Column(fee), Target::Alternative(fee)]);
    }

    #[test]
    fn a_record_that_is_a_header_again_is_told_from_another_header() {
        let header = names("VendorID,lpep_pickup_datetime,Moon,fare_amount");
        let mapping = Mapping::of(file(Colour::Green), &header).unwrap();
        for (record, wanted) in [
            ("VendorID,lpep_pickup_datetime,Moon,fare_amount", Some(true)),
            (" vendor_id,LPEP_pickup_datetime,moon,Fare_Amount ", Some(true)),
            ("fare_amount,lpep_pickup_datetime,Moon,VendorID", Some(false)),
            ("VendorID,lpep_pickup_datetime,Sun,fare_amount", Some(false)),
            ("VendorID,lpep_pickup_datetime,Moon,fare_amount,extra", Some(false)),
            ("VendorID,lpep_pickup_datetime", Some(false)),
            ("VendorID,2020-01-05 10:00:00,Moon,fare_amount", None),
            ("2,lpep_pickup_datetime,x,9", None),
        ] {
            assert_eq!(mapping.is_header(file(Colour::Green), &names(record)), wanted, "{record}");
        }
    }

    #[test]
    fn records_end_in_as_many_empty_fields_as_the_edition_has() {
        for (colour, month, surplus) in [
            (Colour::Yellow, "2016-06", 0),
            (Colour::Yellow, "2016-07", 2),
            (Colour::Yellow, "2017-01", 0),
            (Colour::Green, "2014-12", 2),
            (Colour::Green, "2015-06", 2),
            (Colour::Green, "2015-07", 0),
            (Colour::Green, "2016-12", 2),
            (Colour::Green, "2020-01", 0),
        ] {
            let file = TripFile::new(colour, month.parse().unwrap());
            let header = editions(file).next().unwrap().header;
            assert_eq!(Mapping::of(file, &names(header)).unwrap().surplus, surplus, "{month}");
        }
    }

    #[test]
    fn columns_that_may_be_without_a_value_are_columns_of_their_edition() {
        for edition in VINTAGES.iter().chain(PARQUET_EDITIONS) {
            let sparse = edition.sparse.split(',').filter(|name| !name.is_empty());
            for name in sparse {
                assert!(edition.columns().any(|column| column == name), "{name}");
            }
            assert!(edition.filled().any(|name| name.to_lowercase().contains("pickup")));
        }
    }

    #[test]
    fn an_unknown_column_is_named() {
        let mapping =
            Mapping::of(file(Colour::Green), &names("lpep_pickup_datetime, Moon_phase ")).unwrap();
        assert_eq!(mapping.unknown, ["Moon_phase"]);
        assert_eq!(mapping.targets[1], Target::Unknown);
    }

    #[test]
    fn headers_of_no_use_are_explained() {
        insta::assert_snapshot!(
            [
                error(Colour::Green, "lpep_pickup_datetime,extra, extra "),
                error(Colour::Green, "VendorID,tpep_pickup_datetime,fare_amount"),
                error(Colour::Yellow, "<!DOCTYPE html>"),
                error(Colour::Fhv, "hvfhs_license_num,pickup_datetime,trip_miles"),
                error(Colour::Fhv, "pickup_datetime,fare_amount,mta_tax,trip_type"),
            ]
            .join("\n"),
            @r"
        the header of green 2020-01 names the column 'extra' twice, so it is not clear which to read
        green 2020-01 has the columns of yellow trips (tpep_pickup_datetime): is this the address of green?
        yellow 2020-01 has no pickup time among its columns (<!DOCTYPE html>): is this a file of yellow trips?
        fhv 2020-01 has the columns of fhvhv trips (hvfhs_license_num): is this the address of fhv?
        fhv 2020-01 has the columns of green trips (fare_amount, mta_tax, trip_type): is this the address of fhv?
        "
        );
    }

    proptest! {
        #[test]
        fn case_and_padding_of_a_header_do_not_matter(upper in any::<u64>(), pad in 0usize..3) {
            for vintage in VINTAGES {
                let file = TripFile::new(vintage.colour, vintage.from);
                let plain: Vec<String> = vintage.columns().map(str::to_owned).collect();
                let odd: Vec<String> = plain.iter().enumerate().map(|(i, name)| {
                    let name = if upper >> (i % 64) & 1 == 1 { name.to_uppercase() } else { name.to_lowercase() };
                    format!("{}{name}{}", " ".repeat(pad), "\t".repeat(pad))
                }).collect();
                prop_assert_eq!(Mapping::of(file, &plain).unwrap().targets, Mapping::of(file, &odd).unwrap().targets);
            }
        }

        #[test]
        fn any_header_maps_or_is_explained(header in "\\PC{0,80}") {
            match Mapping::of(file(Colour::Yellow), &names(&header)) {
                Ok(mapping) => prop_assert_eq!(mapping.targets.len(), names(&header).len()),
                Err(error) => prop_assert!(error.to_string().contains("yellow 2020-01")),
            }
        }
    }
}
