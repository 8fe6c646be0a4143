//! The columns of all trip files by one name each, and a record of their values.

use std::ops::{Index, IndexMut};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An id, a code or a count of 16 bits.
    Code,
    /// A whole number that needs more.
    Long,
    /// Dollars or miles.
    Amount,
    Degrees,
    Time,
    Text,
}

macro_rules! columns {
    ($($column:ident $name:literal $kind:ident [$($alias:literal)*],)*) => {
        /// A column, whatever its file calls it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Column { $($column),* }

        impl Column {
            pub const ALL: &[Self] = &[$(Self::$column),*];

            /// The canonical name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$column => $name),* }
            }

            pub fn kind(self) -> Kind {
                match self { $(Self::$column => Kind::$kind),* }
            }

            pub fn is_distance(self) -> bool {
                matches!(self, Self::TripDistance | Self::TripMiles)
            }

            /// The column that a header means by `name`, in whatever case.
            pub fn named(name: &str) -> Option<Self> {
                match name.trim().trim_matches('"').to_lowercase().as_str() {
                    $($name $(| $alias)* => Some(Self::$column),)*
                    _ => None,
                }
            }
        }
    };
}

columns! {
    VendorId "vendor_id" Code ["vendorid" "vendor_name"],
    PickupDatetime "pickup_datetime" Time ["trip_pickup_datetime" "tpep_pickup_datetime" "lpep_pickup_datetime" "pickup_date"],
    DropoffDatetime "dropoff_datetime" Time ["trip_dropoff_datetime" "tpep_dropoff_datetime" "lpep_dropoff_datetime"],
    PassengerCount "passenger_count" Code [],
    TripDistance "trip_distance" Amount [],
    RateCode "rate_code" Code ["ratecodeid"],
    StoreAndFwdFlag "store_and_fwd_flag" Text ["store_and_forward"],
    PickupLocationId "pickup_location_id" Code ["pulocationid" "locationid"],
    DropoffLocationId "dropoff_location_id" Code ["dolocationid"],
    PickupLongitude "pickup_longitude" Degrees ["start_lon"],
    PickupLatitude "pickup_latitude" Degrees ["start_lat"],
    DropoffLongitude "dropoff_longitude" Degrees ["end_lon"],
    DropoffLatitude "dropoff_latitude" Degrees ["end_lat"],
    PaymentType "payment_type" Code [],
    FareAmount "fare_amount" Amount ["fare_amt"],
    Extra "extra" Amount ["surcharge"],
    MtaTax "mta_tax" Amount [],
    TipAmount "tip_amount" Amount ["tip_amt"],
    TollsAmount "tolls_amount" Amount ["tolls_amt"],
    EhailFee "ehail_fee" Amount [],
    ImprovementSurcharge "improvement_surcharge" Amount [],
    TotalAmount "total_amount" Amount ["total_amt"],
    TripType "trip_type" Code [],
    CongestionSurcharge "congestion_surcharge" Amount [],
    AirportFee "airport_fee" Amount [],
    CbdCongestionFee "cbd_congestion_fee" Amount [],
    DispatchingBaseNum "dispatching_base_num" Text ["dispatching_base_number"],
    OriginatingBaseNum "originating_base_num" Text [],
    AffiliatedBaseNum "affiliated_base_num" Text ["affiliated_base_number"],
    HvfhsLicenseNum "hvfhs_license_num" Text [],
    RequestDatetime "request_datetime" Time [],
    OnSceneDatetime "on_scene_datetime" Time [],
    SrFlag "sr_flag" Text [],
    TripMiles "trip_miles" Amount [],
    TripTime "trip_time" Long [],
    BasePassengerFare "base_passenger_fare" Amount [],
    Tolls "tolls" Amount [],
    Bcf "bcf" Amount [],
    SalesTax "sales_tax" Amount [],
    Tips "tips" Amount [],
    DriverPay "driver_pay" Amount [],
    SharedRequestFlag "shared_request_flag" Text [],
    SharedMatchFlag "shared_match_flag" Text [],
    AccessARideFlag "access_a_ride_flag" Text [],
    WavRequestFlag "wav_request_flag" Text [],
    WavMatchFlag "wav_match_flag" Text [],
}

/// One value of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Null,
    Whole(i64),
    /// Hundredths of a dollar or of a mile.
    Cents(i64),
    Degrees(f64),
    /// Seconds since 1970.
    Time(i64),
    Text(&'static str),
    /// A code that its file writes as text.
    Coded(i64, &'static str),
}

/// One record: a value for each column, null where nothing was set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row([Value; Column::ALL.len()]);

impl Row {
    pub fn empty() -> Self {
        Self([Value::Null; Column::ALL.len()])
    }
}

impl Index<Column> for Row {
    type Output = Value;

    fn index(&self, column: Column) -> &Value {
        &self.0[column as usize]
    }
}

impl IndexMut<Column> for Row {
    fn index_mut(&mut self, column: Column) -> &mut Value {
        &mut self.0[column as usize]
    }
}
