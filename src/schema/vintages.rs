//! The editions of the CSV and Parquet files, by what their headers name.

use crate::trip::{Colour, Month, TripFile};

use Colour::{Fhv, Fhvhv, Green, Yellow};

/// An edition of the files of a colour: the months that share a header.
#[derive(Debug, Clone, Copy)]
pub struct Vintage {
    /// The colour.
    pub colour: Colour,
    /// Its first month.
    pub from: Month,
    /// Its last month; `None` while it continues.
    pub to: Option<Month>,
    /// The header as published, its names separated by commas.
    pub header: &'static str,
    /// How many empty fields end every record beyond those of the header.
    pub surplus: usize,
    /// The names in the header whose columns may be without a single value in a month.
    pub sparse: &'static str,
}

impl Vintage {
    /// The names in the header.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.header.split(',').map(str::trim)
    }

    /// The names in the header whose columns have a value in every month.
    pub fn filled(&self) -> impl Iterator<Item = &'static str> {
        self.columns().filter(|name| !self.sparse.split(',').any(|sparse| sparse == *name))
    }
}

const fn csv(
    colour: Colour,
    from: (u16, u8),
    to: Option<(u16, u8)>,
    header: &'static str,
) -> Vintage {
    let to = match to {
        Some((year, month)) => Some(Month::known(year, month)),
        None => None,
    };
    Vintage { colour, from: Month::known(from.0, from.1), to, header, surplus: 0, sparse: "" }
}

/// An edition whose records end in two empty fields more than the header has.
const fn surplus(edition: Vintage) -> Vintage {
    Vintage { surplus: 2, ..edition }
}

/// An edition of which some columns may be without a value.
const fn sparse(names: &'static str, edition: Vintage) -> Vintage {
    Vintage { sparse: names, ..edition }
}

/// Every edition, as the heads of the published files show it. Some months have several.
#[rustfmt::skip]
pub static VINTAGES: &[Vintage] = &[
    sparse("Rate_Code,store_and_forward,mta_tax", csv(Yellow, (2009, 1), Some((2009, 12)),
        "vendor_name,Trip_Pickup_DateTime,Trip_Dropoff_DateTime,Passenger_Count,Trip_Distance,Start_Lon,Start_Lat,Rate_Code,store_and_forward,End_Lon,End_Lat,Payment_Type,Fare_Amt,surcharge,mta_tax,Tip_Amt,Tolls_Amt,Total_Amt")),
    sparse("store_and_fwd_flag", csv(Yellow, (2010, 1), Some((2014, 12)),
        "vendor_id,pickup_datetime,dropoff_datetime,passenger_count,trip_distance,pickup_longitude,pickup_latitude,rate_code,store_and_fwd_flag,dropoff_longitude,dropoff_latitude,payment_type,fare_amount,surcharge,mta_tax,tip_amount,tolls_amount,total_amount")),
    csv(Yellow, (2015, 1), Some((2016, 6)),
        "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,pickup_longitude,pickup_latitude,RateCodeID,store_and_fwd_flag,dropoff_longitude,dropoff_latitude,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount"),
    surplus(csv(Yellow, (2016, 7), Some((2016, 12)),
        "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount")),
    csv(Yellow, (2017, 1), Some((2018, 12)),
        "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount"),
    sparse("congestion_surcharge", csv(Yellow, (2019, 1), Some((2019, 1)),
        "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount,congestion_surcharge")),
    csv(Yellow, (2019, 2), Some((2021, 7)),
        "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount,congestion_surcharge"),
    sparse("Airport_fee", csv(Yellow, (2021, 8), Some((2022, 12)),
        "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount,congestion_surcharge,Airport_fee")),
    csv(Yellow, (2023, 1), Some((2024, 12)),
        "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount,congestion_surcharge,Airport_fee"),
    csv(Yellow, (2025, 1), None,
        "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount,congestion_surcharge,Airport_fee,cbd_congestion_fee"),
    sparse("Ehail_fee,Trip_type", surplus(csv(Green, (2013, 8), Some((2014, 12)),
        "VendorID,lpep_pickup_datetime,Lpep_dropoff_datetime,Store_and_fwd_flag,RateCodeID,Pickup_longitude,Pickup_latitude,Dropoff_longitude,Dropoff_latitude,Passenger_count,Trip_distance,Fare_amount,Extra,MTA_tax,Tip_amount,Tolls_amount,Ehail_fee,Total_amount,Payment_type,Trip_type"))),
    sparse("Ehail_fee", surplus(csv(Green, (2015, 1), Some((2015, 6)),
        "VendorID,lpep_pickup_datetime,Lpep_dropoff_datetime,Store_and_fwd_flag,RateCodeID,Pickup_longitude,Pickup_latitude,Dropoff_longitude,Dropoff_latitude,Passenger_count,Trip_distance,Fare_amount,Extra,MTA_tax,Tip_amount,Tolls_amount,Ehail_fee,improvement_surcharge,Total_amount,Payment_type,Trip_type"))),
    sparse("Ehail_fee", csv(Green, (2015, 7), Some((2016, 6)),
        "VendorID,lpep_pickup_datetime,Lpep_dropoff_datetime,Store_and_fwd_flag,RateCodeID,Pickup_longitude,Pickup_latitude,Dropoff_longitude,Dropoff_latitude,Passenger_count,Trip_distance,Fare_amount,Extra,MTA_tax,Tip_amount,Tolls_amount,Ehail_fee,improvement_surcharge,Total_amount,Payment_type,Trip_type")),
    sparse("ehail_fee", surplus(csv(Green, (2016, 7), Some((2016, 12)),
        "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID,PULocationID,DOLocationID,passenger_count,trip_distance,fare_amount,extra,mta_tax,tip_amount,tolls_amount,ehail_fee,improvement_surcharge,total_amount,payment_type,trip_type"))),
    sparse("ehail_fee", csv(Green, (2017, 1), Some((2018, 12)),
        "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID,PULocationID,DOLocationID,passenger_count,trip_distance,fare_amount,extra,mta_tax,tip_amount,tolls_amount,ehail_fee,improvement_surcharge,total_amount,payment_type,trip_type")),
    sparse("ehail_fee,congestion_surcharge", csv(Green, (2019, 1), Some((2019, 1)),
        "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID,PULocationID,DOLocationID,passenger_count,trip_distance,fare_amount,extra,mta_tax,tip_amount,tolls_amount,ehail_fee,improvement_surcharge,total_amount,payment_type,trip_type,congestion_surcharge")),
    sparse("ehail_fee", csv(Green, (2019, 2), Some((2024, 12)),
        "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID,PULocationID,DOLocationID,passenger_count,trip_distance,fare_amount,extra,mta_tax,tip_amount,tolls_amount,ehail_fee,improvement_surcharge,total_amount,payment_type,trip_type,congestion_surcharge")),
    sparse("ehail_fee", csv(Green, (2025, 1), None,
        "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID,PULocationID,DOLocationID,passenger_count,trip_distance,fare_amount,extra,mta_tax,tip_amount,tolls_amount,ehail_fee,improvement_surcharge,total_amount,payment_type,trip_type,congestion_surcharge,cbd_congestion_fee")),
    sparse("locationID", csv(Fhv, (2015, 1), Some((2016, 12)),
        "Dispatching_base_num,Pickup_date,locationID")),
    sparse("DropOff_datetime,PUlocationID,DOlocationID", csv(Fhv, (2017, 1), Some((2017, 6)),
        "Dispatching_base_num,Pickup_DateTime,DropOff_datetime,PUlocationID,DOlocationID")),
    sparse("DropOff_datetime,PUlocationID,DOlocationID,SR_Flag", csv(Fhv, (2017, 7), Some((2017, 12)),
        "Dispatching_base_num,Pickup_DateTime,DropOff_datetime,PUlocationID,DOlocationID,SR_Flag")),
    sparse("PUlocationID,DOlocationID,SR_Flag,Dispatching_base_num", csv(Fhv, (2018, 1), Some((2018, 12)),
        "Pickup_DateTime,DropOff_datetime,PUlocationID,DOlocationID,SR_Flag,Dispatching_base_number,Dispatching_base_num")),
    sparse("PULocationID,SR_Flag", csv(Fhv, (2019, 1), Some((2020, 12)),
        "dispatching_base_num,pickup_datetime,dropoff_datetime,PULocationID,DOLocationID,SR_Flag")),
    sparse("PUlocationID,SR_Flag", csv(Fhv, (2019, 1), None,
        "dispatching_base_num,pickup_datetime,dropOff_datetime,PUlocationID,DOlocationID,SR_Flag,Affiliated_base_number")),
    sparse("SR_Flag", csv(Fhvhv, (2019, 2), Some((2021, 12)),
        "hvfhs_license_num,dispatching_base_num,pickup_datetime,dropoff_datetime,PULocationID,DOLocationID,SR_Flag")),
    sparse("SR_Flag,Affiliated_base_number", csv(Fhvhv, (2021, 6), Some((2021, 6)),
        "dispatching_base_num,pickup_datetime,dropoff_datetime,PULocationID,DOLocationID,SR_Flag,Affiliated_base_number")),
    sparse("originating_base_num,on_scene_datetime,airport_fee,access_a_ride_flag,wav_match_flag", csv(Fhvhv, (2020, 7), Some((2024, 12)),
        "hvfhs_license_num,dispatching_base_num,originating_base_num,request_datetime,on_scene_datetime,pickup_datetime,dropoff_datetime,PULocationID,DOLocationID,trip_miles,trip_time,base_passenger_fare,tolls,bcf,sales_tax,congestion_surcharge,airport_fee,tips,driver_pay,shared_request_flag,shared_match_flag,access_a_ride_flag,wav_request_flag,wav_match_flag")),
    sparse("originating_base_num,on_scene_datetime,access_a_ride_flag,wav_match_flag", csv(Fhvhv, (2025, 1), None,
        "hvfhs_license_num,dispatching_base_num,originating_base_num,request_datetime,on_scene_datetime,pickup_datetime,dropoff_datetime,PULocationID,DOLocationID,trip_miles,trip_time,base_passenger_fare,tolls,bcf,sales_tax,congestion_surcharge,airport_fee,tips,driver_pay,shared_request_flag,shared_match_flag,access_a_ride_flag,wav_request_flag,wav_match_flag,cbd_congestion_fee")),
];

/// The Parquet editions of months whose CSV had other columns: they have the names of the
/// newest CSV of their colour. Columns that a later law brought hold no value there, and are
/// not listed.
#[rustfmt::skip]
pub static PARQUET_EDITIONS: &[Vintage] = &[
    sparse("store_and_fwd_flag,improvement_surcharge", csv(Yellow, (2011, 1), Some((2016, 6)),
        "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount")),
    sparse("ehail_fee,trip_type,improvement_surcharge", csv(Green, (2013, 8), Some((2016, 6)),
        "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime,store_and_fwd_flag,RatecodeID,PULocationID,DOLocationID,passenger_count,trip_distance,fare_amount,extra,mta_tax,tip_amount,tolls_amount,ehail_fee,improvement_surcharge,total_amount,payment_type,trip_type")),
    sparse("dropOff_datetime,PUlocationID,DOlocationID,SR_Flag,Affiliated_base_number", csv(Fhv, (2015, 1), Some((2018, 12)),
        "dispatching_base_num,pickup_datetime,dropOff_datetime,PUlocationID,DOlocationID,SR_Flag,Affiliated_base_number")),
    sparse("originating_base_num,on_scene_datetime,airport_fee,congestion_surcharge,access_a_ride_flag,wav_match_flag", csv(Fhvhv, (2019, 2), Some((2020, 6)),
        "hvfhs_license_num,dispatching_base_num,originating_base_num,request_datetime,on_scene_datetime,pickup_datetime,dropoff_datetime,PULocationID,DOLocationID,trip_miles,trip_time,base_passenger_fare,tolls,bcf,sales_tax,congestion_surcharge,airport_fee,tips,driver_pay,shared_request_flag,shared_match_flag,access_a_ride_flag,wav_request_flag,wav_match_flag")),
];

/// The editions that a month's file may be of.
pub fn editions(file: TripFile) -> impl Iterator<Item = &'static Vintage> {
    VINTAGES.iter().chain(PARQUET_EDITIONS).filter(move |edition| {
        edition.colour == file.colour
            && edition.from <= file.month
            && edition.to.is_none_or(|to| file.month <= to)
    })
}
