//! The vintages of the CSV files: what the publisher wrote in which years, byte for byte.

use super::calendar::Month;
use super::{Colour, Colour::*};

/// How a vintage spells its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Seventeen significant digits: 2.6299999999999999; codes as text.
    Digits17,
    /// Distances with two decimals and no leading zero, money as short as can be: .50, 0.5.
    Short,
    /// As pandas re-saves a file: ids with gaps become floats, 264.0.
    Pandas,
}

/// What the files of a colour look like from one month on, until the next row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Vintage {
    pub colour: Colour,
    pub from: Month,
    /// The header line without its end.
    pub header: &'static str,
    pub header_end: &'static str,
    /// What stands between the header line and the first record.
    pub blank: &'static str,
    /// Empty fields at the end of a record that the header does not name.
    pub surplus: usize,
    pub quoted: bool,
    pub manner: Manner,
    pub line_end: &'static str,
    /// A later edition of months that another row of the table has too.
    pub newer: bool,
}

const fn from(colour: Colour, year: u16, month: u8, header: &'static str) -> Vintage {
    Vintage {
        colour,
        from: Month::new(year, month),
        header,
        header_end: "\r\n",
        blank: "",
        surplus: 0,
        quoted: false,
        manner: Manner::Short,
        line_end: "\r\n",
        newer: false,
    }
}

/// A header that ends in LF alone, with a blank line after it.
const fn loose(vintage: Vintage) -> Vintage {
    Vintage { header_end: "\n", blank: "\r\n", ..vintage }
}

const fn digits17(vintage: Vintage) -> Vintage {
    Vintage { manner: Manner::Digits17, ..vintage }
}

const fn surplus(vintage: Vintage) -> Vintage {
    Vintage { surplus: 2, ..vintage }
}

const fn quoted(vintage: Vintage) -> Vintage {
    Vintage { quoted: true, ..vintage }
}

const fn newer(vintage: Vintage) -> Vintage {
    Vintage { header_end: "\n", line_end: "\n", manner: Manner::Pandas, newer: true, ..vintage }
}

pub const YELLOW_2009: &str = "vendor_name,Trip_Pickup_DateTime,Trip_Dropoff_DateTime,Passenger_Count,Trip_Distance,Start_Lon,Start_Lat,Rate_Code,store_and_forward,End_Lon,End_Lat,Payment_Type,Fare_Amt,surcharge,mta_tax,Tip_Amt,Tolls_Amt,Total_Amt";
pub const YELLOW_2010: &str = "vendor_id,pickup_datetime,dropoff_datetime,passenger_count,trip_distance,pickup_longitude,pickup_latitude,rate_code,store_and_fwd_flag,dropoff_longitude,dropoff_latitude,payment_type,fare_amount,surcharge,mta_tax,tip_amount,tolls_amount,total_amount";
const YELLOW_2014: &str = "vendor_id, pickup_datetime, dropoff_datetime, passenger_count, trip_distance, pickup_longitude, pickup_latitude, rate_code, store_and_fwd_flag, dropoff_longitude, dropoff_latitude, payment_type, fare_amount, surcharge, mta_tax, tip_amount, tolls_amount, total_amount";
const YELLOW_2015: &str = "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,pickup_longitude,pickup_latitude,RateCodeID,store_and_fwd_flag,dropoff_longitude,dropoff_latitude,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount";
const YELLOW_2015_07: &str = "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,pickup_longitude,pickup_latitude,RatecodeID,store_and_fwd_flag,dropoff_longitude,dropoff_latitude,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount";
const YELLOW_2016_07: &str = "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount";
pub const YELLOW_2019: &str = "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount,congestion_surcharge";
const GREEN_2013: &str = "VendorID,lpep_pickup_datetime,Lpep_dropoff_datetime,Store_and_fwd_flag,RateCodeID,Pickup_longitude,Pickup_latitude,Dropoff_longitude,Dropoff_latitude,Passenger_count,Trip_distance,Fare_amount,Extra,MTA_tax,Tip_amount,Tolls_amount,Ehail_fee,Total_amount,Payment_type,Trip_type ";
const GREEN_2015: &str = "VendorID,lpep_pickup_datetime,Lpep_dropoff_datetime,Store_and_fwd_flag,RateCodeID,Pickup_longitude,Pickup_latitude,Dropoff_longitude,Dropoff_latitude,Passenger_count,Trip_distance,Fare_amount,Extra,MTA_tax,Tip_amount,Tolls_amount,Ehail_fee,improvement_surcharge,Total_amount,Payment_type,Trip_type ";
const GREEN_2016_07: &str = "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID,PULocationID,DOLocationID,passenger_count,trip_distance,fare_amount,extra,mta_tax,tip_amount,tolls_amount,ehail_fee,improvement_surcharge,total_amount,payment_type,trip_type";
pub const GREEN_2019: &str = "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID,PULocationID,DOLocationID,passenger_count,trip_distance,fare_amount,extra,mta_tax,tip_amount,tolls_amount,ehail_fee,improvement_surcharge,total_amount,payment_type,trip_type,congestion_surcharge";
const FHV_2015: &str = "Dispatching_base_num,Pickup_date,locationID";
const FHV_2017: &str =
    "Dispatching_base_num,Pickup_DateTime,DropOff_datetime,PUlocationID,DOlocationID";
const FHV_2017_07: &str = r#""Dispatching_base_num","Pickup_DateTime","DropOff_datetime","PUlocationID","DOlocationID","SR_Flag""#;
const FHV_2018: &str = r#""Pickup_DateTime","DropOff_datetime","PUlocationID","DOlocationID","SR_Flag","Dispatching_base_number","Dispatching_base_num""#;
const FHV_2019: &str =
    "dispatching_base_num,pickup_datetime,dropoff_datetime,PULocationID,DOLocationID,SR_Flag";
pub const FHV_2019_NEWER: &str = "dispatching_base_num,pickup_datetime,dropOff_datetime,PUlocationID,DOlocationID,SR_Flag,Affiliated_base_number";
const FHV_2020_NEWER: &str = "dispatching_base_num,pickup_datetime,dropoff_datetime,PULocationID,DOLocationID,SR_Flag,Affiliated_base_number";
const FHVHV_2019: &str = "hvfhs_license_num,dispatching_base_num,pickup_datetime,dropoff_datetime,PULocationID,DOLocationID,SR_Flag";

pub const VINTAGES: &[Vintage] = &[
    loose(digits17(from(Yellow, 2009, 1, YELLOW_2009))),
    loose(digits17(from(Yellow, 2010, 1, YELLOW_2010))),
    loose(digits17(from(Yellow, 2014, 1, YELLOW_2014))),
    from(Yellow, 2015, 1, YELLOW_2015),
    from(Yellow, 2015, 7, YELLOW_2015_07),
    surplus(from(Yellow, 2016, 7, YELLOW_2016_07)),
    loose(from(Yellow, 2017, 1, YELLOW_2016_07)),
    from(Yellow, 2019, 1, YELLOW_2019),
    surplus(loose(from(Green, 2013, 8, GREEN_2013))),
    Vintage { blank: "\n\r\n", ..surplus(loose(from(Green, 2014, 1, GREEN_2013))) },
    surplus(from(Green, 2015, 1, GREEN_2015)),
    from(Green, 2015, 7, GREEN_2015),
    loose(from(Green, 2016, 1, GREEN_2015)),
    surplus(loose(from(Green, 2016, 7, GREEN_2016_07))),
    loose(from(Green, 2017, 1, GREEN_2016_07)),
    from(Green, 2019, 1, GREEN_2019),
    from(Fhv, 2015, 1, FHV_2015),
    from(Fhv, 2017, 1, FHV_2017),
    quoted(from(Fhv, 2017, 7, FHV_2017_07)),
    quoted(from(Fhv, 2018, 1, FHV_2018)),
    from(Fhv, 2019, 1, FHV_2019),
    newer(from(Fhv, 2019, 1, FHV_2019_NEWER)),
    newer(from(Fhv, 2020, 1, FHV_2020_NEWER)),
    from(Fhvhv, 2019, 2, FHVHV_2019),
    from(Fhvhv, 2021, 6, FHV_2020_NEWER),
    from(Fhvhv, 2021, 7, FHVHV_2019),
];

impl Vintage {
    /// The vintage of a month. The newer edition exists for fhv from 2019 on, and alone
    /// from 2020-07 on.
    pub fn of(colour: Colour, month: Month, newer: bool) -> &'static Self {
        let newer = colour == Fhv
            && (month >= Month::new(2020, 7) || newer && month >= Month::new(2019, 1));
        VINTAGES
            .iter()
            .rfind(|it| it.colour == colour && it.from <= month && it.newer == newer)
            .unwrap_or_else(|| panic!("there is no CSV of {colour} {month}"))
    }
}

#[cfg(test)]
mod tests {
    use flate2::Crc;

    use super::super::Recipe;
    use super::*;

    type Start = (Colour, (u16, u8), usize, u32, usize);

    /// What real files start with, up to the first record: a month, the bytes until there and
    /// their CRC-32, and the commas of that record.
    const REAL: &[Start] = &[
        (Yellow, (2009, 1), 219, 1_360_529_020, 17),
        (Yellow, (2009, 12), 219, 1_360_529_020, 17),
        (Yellow, (2010, 1), 252, 4_058_267_897, 17),
        (Yellow, (2013, 12), 252, 4_058_267_897, 17),
        (Yellow, (2014, 1), 269, 4_197_756_922, 17),
        (Yellow, (2014, 12), 269, 4_197_756_922, 17),
        (Yellow, (2015, 1), 279, 1_159_834_101, 18),
        (Yellow, (2015, 6), 279, 1_159_834_101, 18),
        (Yellow, (2015, 7), 279, 1_137_162_148, 18),
        (Yellow, (2016, 6), 279, 1_137_162_148, 18),
        (Yellow, (2016, 7), 237, 1_063_579_646, 18),
        (Yellow, (2016, 12), 237, 1_063_579_646, 18),
        (Yellow, (2017, 1), 238, 585_317_669, 16),
        (Yellow, (2018, 12), 238, 585_317_669, 16),
        (Yellow, (2019, 1), 258, 598_528_666, 17),
        (Yellow, (2020, 6), 258, 598_528_666, 17),
        (Green, (2013, 8), 279, 2_332_087_116, 21),
        (Green, (2013, 12), 279, 2_332_087_116, 21),
        (Green, (2014, 1), 280, 121_146_297, 21),
        (Green, (2014, 12), 280, 121_146_297, 21),
        (Green, (2015, 1), 300, 1_981_163_296, 22),
        (Green, (2015, 6), 300, 1_981_163_296, 22),
        (Green, (2015, 7), 300, 1_981_163_296, 20),
        (Green, (2015, 12), 300, 1_981_163_296, 20),
        (Green, (2016, 1), 301, 1_136_767_038, 20),
        (Green, (2016, 6), 301, 1_136_767_038, 20),
        (Green, (2016, 7), 258, 1_886_776_850, 20),
        (Green, (2016, 12), 258, 1_886_776_850, 20),
        (Green, (2017, 1), 258, 1_886_776_850, 18),
        (Green, (2018, 12), 258, 1_886_776_850, 18),
        (Green, (2019, 1), 278, 1_329_622_190, 19),
        (Green, (2020, 6), 278, 1_329_622_190, 19),
        (Fhv, (2015, 1), 45, 1_817_648_101, 2),
        (Fhv, (2016, 12), 45, 1_817_648_101, 2),
        (Fhv, (2017, 1), 81, 1_544_957_059, 4),
        (Fhv, (2017, 6), 81, 1_544_957_059, 4),
        (Fhv, (2017, 7), 101, 214_547_079, 5),
        (Fhv, (2017, 12), 101, 214_547_079, 5),
        (Fhv, (2018, 1), 127, 377_252_605, 6),
        (Fhv, (2018, 12), 127, 377_252_605, 6),
        (Fhv, (2019, 1), 89, 4_251_753_492, 5),
        (Fhv, (2020, 6), 89, 4_251_753_492, 5),
        (Fhvhv, (2019, 2), 107, 1_396_457_126, 6),
        (Fhvhv, (2020, 6), 107, 1_396_457_126, 6),
    ];

    #[test]
    fn files_start_as_the_real_ones() {
        for (colour, (year, month), length, checksum, commas) in REAL {
            let (bytes, _) = Recipe::new(*colour, *year, *month).rows(9).bytes();
            let (head, body) = bytes.split_at(*length);
            let mut crc = Crc::new();
            crc.update(head);
            let first = body.split_inclusive(|byte| *byte == b'\n').next().unwrap();
            let found = std::str::from_utf8(first).unwrap().matches(',').count();
            assert_eq!((crc.sum(), found), (*checksum, *commas), "{colour} {year}-{month}");
            assert!(first.len() > 10 && first.ends_with(b"\r\n"), "{colour} {year}-{month}");
        }
    }
}
