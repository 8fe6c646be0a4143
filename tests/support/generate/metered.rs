//! Clean trips of yellow and green cabs.

use super::calendar::{DAY, Month};
use super::column::{Column, Column::*, Row, Value, Value::*};
use super::layout::Layout;
use super::random::Random;
use super::trips::Places;
use super::{Colour, Form};

/// What the trips of a month have in common.
pub struct Metered {
    month: Month,
    green: bool,
    text_codes: bool,
    degrees: bool,
    /// Coordinates went through 32-bit floats from 2015 on, and always in green files.
    narrow: bool,
    csv: bool,
    /// What a total adds up: the charges that the file has columns for.
    charges: Vec<Column>,
    distances: Vec<i64>,
    places: Places,
}

const VENDORS: [&str; 3] = ["CMT", "VTS", "DDS"];

/// Payment words from credit to unknown.
fn payments(month: Month, vendor: i64) -> [&'static str; 5] {
    let old = month.year == 2009;
    match vendor {
        _ if month >= Month::new(2010, 8) => ["CRD", "CSH", "NOC", "DIS", "UNK"],
        1 if old => ["Credit", "Cash", "No Charge", "Dispute", "Cash"],
        2 if old => ["Credit", "CASH", "No Charge", "Dispute", "CASH"],
        _ if old => ["CREDIT", "CASH", "No Charge", "Dispute", "CASH"],
        1 => ["Cre", "Cas", "NOC", "DIS", "NA "],
        2 => ["Cre", "CAS", "NOC", "DIS", "NA "],
        _ => ["CRE", "CAS", "NOC", "DIS", "NA "],
    }
}

impl Metered {
    pub fn new(layout: &Layout, random: &mut Random) -> Self {
        let green = layout.colour == Colour::Green;
        let miles = |random: &mut Random| (0.6 + 0.8 * random.normal()).exp().clamp(0.0, 40.0);
        Self {
            month: layout.month,
            green,
            text_codes: layout.text_codes(),
            degrees: layout.has(PickupLongitude),
            narrow: green || layout.month >= Month::new(2015, 1),
            csv: layout.form != Form::Parquet,
            charges: layout.columns().collect(),
            distances: (0..4096).map(|_| (miles(random) * 100.0) as i64).collect(),
            places: Places::new(random),
        }
    }

    pub fn fill(&self, row: &mut Row, mut pickup: i64, meterless: bool, random: &mut Random) {
        let Month { year, .. } = self.month;
        let vendor = self.vendor(random);
        let whole_minutes = self.text_codes && vendor == 2;
        let minutes = if whole_minutes { 60 } else { 1 };
        pickup -= pickup % minutes;
        let distance = if random.permille(8) { 0 } else { random.pick(&self.distances) };
        let rate = match random.below(1000) {
            0..970 => 1,
            970..985 => 2,
            985..988 => 3,
            988..991 => 4,
            991..999 => 5,
            _ if year >= 2015 => 99,
            _ => 6,
        };
        let seconds = 60 + distance * random.between(150, 400) / 100 + random.between(0, 240);
        row[PickupDatetime] = Time(pickup);
        row[DropoffDatetime] = Time(pickup + seconds - seconds % minutes);
        row[TripDistance] = Cents(distance);
        row[RateCode] = Whole(rate);
        row[TripType] = Whole(if rate == 5 { 2 } else { 1 });
        row[PassengerCount] = Whole(match random.below(100) {
            0..72 => 1,
            72..86 => 2,
            86..90 => 3,
            90..92 => 4,
            92..96 => 5,
            96..99 => 6,
            _ => 0,
        });
        row[PickupLocationId] = Whole(self.places.pick(random));
        row[DropoffLocationId] = Whole(self.places.pick(random));
        if self.degrees {
            self.coordinates(row, random);
        }

        let payment = match random.below(1000) {
            0..640 => 1,
            640..985 => 2,
            985..992 => 3,
            992..998 => 4,
            _ if self.text_codes && year == 2009 => 2,
            _ => 5,
        };
        row[VendorId] = Whole(vendor);
        row[PaymentType] = Whole(payment);
        row[StoreAndFwdFlag] = Text(if random.permille(5) { "Y" } else { "N" });
        if self.text_codes {
            row[VendorId] = Coded(vendor, VENDORS[vendor as usize - 1]);
            row[PaymentType] = Coded(payment, payments(self.month, vendor)[payment as usize - 1]);
            if vendor != 1 {
                row[StoreAndFwdFlag] = Null;
            } else if self.month < Month::new(2010, 8) {
                row[StoreAndFwdFlag] = Text(if random.permille(5) { "1" } else { "0" });
            }
        }
        self.charge(row, payment == 1, random);
        if meterless {
            self.take_meter(row);
        }
    }

    fn vendor(&self, random: &mut Random) -> i64 {
        match random.below(100) {
            0..40 if self.green => 2,
            0..40 => 1,
            98.. if self.text_codes && self.month.year < 2011 => 3,
            99 if !self.green && self.month.year >= 2025 => 7,
            98 if !self.green && self.month.year >= 2025 => 6,
            98 if !self.green && self.month.year == 2018 => 4,
            90.. if self.green => 1,
            _ => 2,
        }
    }

    fn charge(&self, row: &mut Row, credit: bool, random: &mut Random) {
        let (Time(pickup), Time(dropoff), Cents(distance)) =
            (row[PickupDatetime], row[DropoffDatetime], row[TripDistance])
        else {
            return;
        };
        let (start, mile, step) = match self.month {
            month if month < Month::new(2012, 9) => (250, 200, 40),
            month if month < Month::new(2023, 1) => (250, 250, 50),
            _ => (300, 350, 70),
        };
        let metered = distance * mile / 100 + (dropoff - pickup) * 20 / 60;
        let fare = if row[RateCode] == Whole(2) { 5200 } else { start + metered / step * step };
        let extra = match pickup.rem_euclid(DAY) / 3600 {
            16..20 => 100,
            20..24 | 0..6 => 50,
            _ => 0,
        };
        let improvement = match self.month.year {
            ..2015 => 0,
            2015..2023 => 30,
            _ => 100,
        };
        let zone_fee = if self.green { 275 } else { 250 };
        let congestion = if random.permille(700) { zone_fee } else { 0 };
        let airport = if random.permille(80) { 175 } else { 0 };
        let cbd = if random.permille(600) { 75 } else { 0 };
        let toll = if random.permille(30) { 576 } else { 0 };
        let tip = if credit { fare * random.between(10, 28) / 100 } else { 0 };
        let total = [
            (FareAmount, fare),
            (Extra, extra),
            (MtaTax, 50),
            (TipAmount, tip),
            (TollsAmount, toll),
            (ImprovementSurcharge, improvement),
            (CongestionSurcharge, congestion),
            (AirportFee, airport),
            (CbdCongestionFee, cbd),
        ]
        .into_iter()
        .filter(|(column, _)| self.charges.contains(column))
        .map(|(column, cents)| {
            row[column] = Cents(cents);
            cents
        })
        .sum();
        row[TotalAmount] = Cents(total);
    }

    fn coordinates(&self, row: &mut Row, random: &mut Random) {
        let unknown = if self.green && self.month.year == 2013 { 500 } else { 15 };
        for [longitude, latitude] in
            [[PickupLongitude, PickupLatitude], [DropoffLongitude, DropoffLatitude]]
        {
            let known = !random.permille(unknown);
            let mut degrees = |from: i64| {
                let degrees = random.between(from, from + 120_000) as f64 / 1e6;
                let degrees = if self.narrow { f64::from(degrees as f32) } else { degrees };
                Degrees(if known { degrees } else { 0.0 })
            };
            row[longitude] = degrees(-74_020_000);
            row[latitude] = degrees(40_680_000);
        }
    }

    /// Makes the trip one that no meter has recorded.
    pub fn take_meter(&self, row: &mut Row) {
        for column in [
            PassengerCount,
            RateCode,
            StoreAndFwdFlag,
            PaymentType,
            TripType,
            CongestionSurcharge,
            AirportFee,
        ] {
            row[column] = Value::Null;
        }
        if self.csv {
            row[VendorId] = Value::Null;
        }
    }
}
