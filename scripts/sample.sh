#!/usr/bin/env bash
# Makes the sample months of data/sample anew: small, made up, with a known number of each
# kind of dirt. The same bytes each time.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x target/release/support ] || cargo build --release --locked --bin support
make() {
    target/release/support generate --colour "$1" --month "$2" --rows "$3" --seed "$4" \
        --form csv.gz --dirt "$5" --meterless-percent 3 --out "data/sample/$1_tripdata_$2.csv.gz" >/dev/null
}
dirt=pickup_outside_month=4,dropoff_before_pickup=3,distance_impossible=2,unreadable=3,wrong_field_count=2
dirt=$dirt,no_pickup=1,negative_fare=6,duration_over_24h=2,unknown_code=2,passenger_count_over_9=1
mkdir -p data/sample
make green 2020-01 2500 11 "$dirt"
make green 2020-02 2200 12 pickup_outside_month=2,negative_fare=5
make yellow 2020-01 5000 13 "$dirt"
make yellow 2020-02 4500 14 pickup_outside_month=3,negative_fare=9
ls -l data/sample
