//! Clean trips of for-hire vehicles.

use super::calendar::Month;
use super::column::{Column::*, Row, Value::*};
use super::layout::Layout;
use super::random::Random;
use super::trips::Places;
use super::{Colour, Form};

const BASES: &[&str] = &[
    "B00001", "B00008", "B00013", "B00021", "B00053", "B00112", "B00254", "B00310", "B00477",
    "B00856", "B01051", "B01145", "B01233", "B01239", "B01259", "B01312", "B01509", "B02510",
    "B02550", "B02598", "B02617", "B02735", "B02817", "B02877", "B02884", "B02914", "B03016",
    "B03035", "B03187",
];
const LOWER_CASE_BASES: &[&str] = &["b00056", "b00472", "b02598"];
const HIGH_VOLUME_BASES: &[&str] = &["B02764", "B02765", "B02867", "B02870", "B02879", "B02887"];

/// What the trips of a month have in common.
pub struct Hired {
    month: Month,
    high_volume: bool,
    parquet: bool,
    /// The header of 2021-06, where every shared-ride flag is a letter.
    letter_flags: bool,
    distances: Vec<i64>,
    places: Places,
}

impl Hired {
    pub fn new(layout: &Layout, random: &mut Random) -> Self {
        let miles = |random: &mut Random| (1.0 + 0.8 * random.normal()).exp().clamp(0.1, 60.0);
        let high_volume = layout.colour == Colour::Fhvhv;
        Self {
            month: layout.month,
            high_volume,
            parquet: layout.form == Form::Parquet,
            letter_flags: high_volume && layout.vintage.is_some() && !layout.has(HvfhsLicenseNum),
            distances: (0..4096).map(|_| (miles(random) * 100.0) as i64).collect(),
            places: Places::new(random),
        }
    }

    pub fn fill(&self, row: &mut Row, pickup: i64, random: &mut Random) {
        if self.high_volume {
            self.fill_high_volume(row, pickup, random);
        } else {
            self.fill_base(row, pickup, random);
        }
    }

    fn fill_base(&self, row: &mut Row, pickup: i64, random: &mut Random) {
        let month = self.month;
        let base = match month.year {
            2017 if month.number <= 6 && random.permille(30) => random.pick(LOWER_CASE_BASES),
            _ => random.pick(BASES),
        };
        let to_the_minute = month < Month::new(2017, 6);
        let pickup = if to_the_minute { pickup - pickup % 60 } else { pickup };
        // How many in a thousand rows have a drop-off, and how many know a zone.
        let (dropoffs, zones) = match month {
            month if month < Month::new(2017, 1) => (0, 450),
            month if month < Month::new(2017, 6) => (0, 300),
            month if month < Month::new(2019, 1) => (1000, 850),
            month if month == Month::new(2019, 1) => (1000, 400),
            _ => (1000, 700),
        };
        row[DispatchingBaseNum] = Text(base);
        row[AffiliatedBaseNum] = Text(base);
        row[PickupDatetime] = Time(pickup);
        row[DropoffDatetime] = Null;
        if random.permille(dropoffs) {
            row[DropoffDatetime] = Time(pickup + random.between(90, 5400));
        }
        for column in [PickupLocationId, DropoffLocationId] {
            row[column] = Null;
            if random.permille(zones) {
                row[column] = Whole(self.places.pick(random));
            }
        }
        row[SrFlag] = if random.permille(60) { Whole(1) } else { Null };
    }

    fn fill_high_volume(&self, row: &mut Row, pickup: i64, random: &mut Random) {
        let shared = random.permille(80);
        let yes_or_no = |yes: bool| Text(if yes { "Y" } else { "N" });
        let seconds = random.between(180, 3600);
        let uber = random.permille(740);
        let license = if uber { "HV0003" } else { "HV0005" };
        let base = if uber { random.pick(HIGH_VOLUME_BASES) } else { "B02510" };
        row[HvfhsLicenseNum] = Text(license);
        row[DispatchingBaseNum] = Text(base);
        row[PickupDatetime] = Time(pickup);
        row[DropoffDatetime] = Time(pickup + seconds);
        row[PickupLocationId] = Whole(self.places.pick(random));
        row[DropoffLocationId] = Whole(self.places.pick(random));
        row[AffiliatedBaseNum] = Text(base);
        row[SrFlag] = match (self.letter_flags, shared) {
            (true, shared) => yes_or_no(shared),
            (false, true) => Whole(1),
            (false, false) => Null,
        };
        if !self.parquet {
            return;
        }
        let miles = random.pick(&self.distances);
        let fare = 300 + miles * 2 + seconds / 3;
        row[OriginatingBaseNum] = if uber { Text(base) } else { Null };
        row[RequestDatetime] = Time(pickup - random.between(120, 900));
        row[OnSceneDatetime] = if uber { Time(pickup - random.between(0, 119)) } else { Null };
        row[TripMiles] = Cents(miles);
        row[TripTime] = Whole(seconds);
        for (column, cents) in [
            (BasePassengerFare, fare),
            (Tolls, if random.permille(40) { 612 } else { 0 }),
            (Bcf, fare * 25 / 1000),
            (SalesTax, fare * 8875 / 100_000),
            (CongestionSurcharge, if random.permille(350) { 275 } else { 0 }),
            (AirportFee, if random.permille(70) { 250 } else { 0 }),
            (CbdCongestionFee, if random.permille(300) { 150 } else { 0 }),
            (Tips, if random.permille(160) { fare * random.between(10, 25) / 100 } else { 0 }),
            (DriverPay, fare * 3 / 4),
        ] {
            row[column] = Cents(cents);
        }
        row[SharedRequestFlag] = yes_or_no(shared);
        row[SharedMatchFlag] = yes_or_no(shared && random.permille(300));
        row[AccessARideFlag] = Text(if uber { " " } else { "N" });
        row[WavRequestFlag] = yes_or_no(random.permille(2));
        row[WavMatchFlag] = yes_or_no(random.permille(60));
    }
}
