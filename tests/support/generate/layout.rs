//! Which columns a file has, in which order, and which of them never hold a value.

use super::calendar::Month;
use super::column::{Column, Column::*};
use super::vintage::{self, Manner, Vintage};
use super::{Colour, Colour::*, Form, Recipe};

/// The columns of one file.
pub struct Layout {
    pub colour: Colour,
    pub month: Month,
    pub form: Form,
    pub nanoseconds: bool,
    /// Names as the file spells them; no column where the file repeats one or adds its own.
    pub fields: Vec<(&'static str, Option<Column>)>,
    /// The CSV's vintage; Parquet files have none.
    pub vintage: Option<&'static Vintage>,
}

const ALWAYS: Month = Month::new(9999, 1);
const FIRST: Month = Month::new(2009, 1);

/// Columns without any value, from one month until before another.
const EMPTY: &[(Colour, Column, Month, Month)] = &[
    (Yellow, RateCode, FIRST, Month::new(2010, 1)),
    (Yellow, MtaTax, FIRST, Month::new(2009, 11)),
    (Yellow, ImprovementSurcharge, FIRST, Month::new(2015, 1)),
    (Yellow, CongestionSurcharge, FIRST, Month::new(2019, 2)),
    (Yellow, AirportFee, FIRST, Month::new(2021, 4)),
    (Green, EhailFee, FIRST, ALWAYS),
    (Green, TripType, FIRST, Month::new(2014, 3)),
    (Green, ImprovementSurcharge, FIRST, Month::new(2015, 1)),
    (Green, CongestionSurcharge, FIRST, Month::new(2019, 2)),
    (Fhv, DropoffDatetime, FIRST, Month::new(2017, 1)),
    (Fhv, DropoffLocationId, FIRST, Month::new(2017, 1)),
    (Fhv, SrFlag, FIRST, Month::new(2017, 7)),
    (Fhv, SrFlag, Month::new(2020, 1), ALWAYS),
    (Fhvhv, AirportFee, FIRST, Month::new(2021, 1)),
];

const FHVHV: &str = "hvfhs_license_num,dispatching_base_num,originating_base_num,request_datetime,on_scene_datetime,pickup_datetime,dropoff_datetime,PULocationID,DOLocationID,trip_miles,trip_time,base_passenger_fare,tolls,bcf,sales_tax,congestion_surcharge,airport_fee,tips,driver_pay,shared_request_flag,shared_match_flag,access_a_ride_flag,wav_request_flag,wav_match_flag";

/// The Parquet files' columns from one month on: those of a CSV header, and more.
const PARQUET: &[(Colour, Month, &str, &[&str])] = &[
    (Yellow, FIRST, vintage::YELLOW_2009, &[]),
    (Yellow, Month::new(2010, 1), vintage::YELLOW_2010, &[]),
    (Yellow, Month::new(2010, 2), vintage::YELLOW_2010, &["__index_level_0__"]),
    (Yellow, Month::new(2010, 4), vintage::YELLOW_2010, &[]),
    (Yellow, Month::new(2011, 1), vintage::YELLOW_2019, &["airport_fee"]),
    (Yellow, Month::new(2023, 2), vintage::YELLOW_2019, &["Airport_fee"]),
    (Yellow, Month::new(2025, 1), vintage::YELLOW_2019, &["Airport_fee", "cbd_congestion_fee"]),
    (Green, Month::new(2013, 8), vintage::GREEN_2019, &[]),
    (Green, Month::new(2025, 1), vintage::GREEN_2019, &["cbd_congestion_fee"]),
    (Fhv, Month::new(2015, 1), vintage::FHV_2019_NEWER, &[]),
    (Fhvhv, Month::new(2019, 2), FHVHV, &[]),
    (Fhvhv, Month::new(2025, 1), FHVHV, &["cbd_congestion_fee"]),
];

impl Layout {
    pub fn of(recipe: &Recipe) -> Self {
        let Recipe { colour, month, form, nanoseconds, .. } = *recipe;
        let csv = form != Form::Parquet;
        assert!(!(csv && nanoseconds), "nanoseconds are for Parquet files");
        let vintage = csv.then(|| Vintage::of(colour, month, recipe.newer_edition));
        let (header, more) = vintage.map_or_else(|| parquet(colour, month), |it| (it.header, &[]));
        let mut fields: Vec<(&'static str, Option<Column>)> = Vec::new();
        for name in header.split(',').chain(more.iter().copied()) {
            let column = Column::named(name)
                .filter(|column| fields.iter().all(|(_, known)| *known != Some(*column)));
            fields.push((name, column));
        }
        Self { colour, month, form, nanoseconds, fields, vintage }
    }

    /// The file's columns that can hold a value.
    pub fn columns(&self) -> impl Iterator<Item = Column> {
        self.fields.iter().filter_map(|(_, column)| *column).filter(|column| !self.empty(*column))
    }

    pub fn has(&self, column: Column) -> bool {
        self.columns().any(|it| it == column)
    }

    /// Whether no row of the month has a value in this column.
    pub fn empty(&self, column: Column) -> bool {
        EMPTY.iter().any(|(colour, empty, from, until)| {
            *colour == self.colour && *empty == column && (*from..*until).contains(&self.month)
        })
    }

    /// Whether vendor and payment type are words.
    pub fn text_codes(&self) -> bool {
        match self.vintage {
            Some(vintage) => vintage.manner == Manner::Digits17,
            None => self.colour == Yellow && self.month < Month::new(2011, 1),
        }
    }
}

fn parquet(colour: Colour, month: Month) -> (&'static str, &'static [&'static str]) {
    PARQUET.iter().rfind(|(of, from, _, _)| *of == colour && *from <= month).map_or_else(
        || panic!("there is no Parquet file of {colour} {month}"),
        |(_, _, header, more)| (*header, *more),
    )
}
