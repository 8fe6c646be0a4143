use parquet::file::statistics::{Statistics, ValueStatistics};

use super::statistics::{bounds, float_bounds};

/// A number as Parquet stores it.
pub(super) trait Number: Copy {
    /// Its bits: a float that differs in them alone, as zeros do by their sign, is another.
    fn key(self) -> u64;

    /// The number of a key.
    fn of_key(key: u64) -> Self;

    /// Appends numbers plainly encoded.
    fn put(values: &[Self], out: &mut Vec<u8>);

    /// The statistics of a chunk that has these numbers, in any order and as often as wanted,
    /// and so many nulls.
    fn statistics(values: impl Iterator<Item = Self>, nulls: u64) -> Statistics;
}

macro_rules! number {
    ($number:ty, $bits:ty, $key:expr, $of_key:expr, $bounds:expr) => {
        impl Number for $number {
            #[inline]
            fn key(self) -> u64 {
                u64::from($key(self))
            }

            #[inline]
            fn of_key(key: u64) -> Self {
                $of_key(key as $bits)
            }

            fn put(values: &[Self], out: &mut Vec<u8>) {
                let before = out.len();
                out.resize(before + size_of_val(values), 0);
                let places = out[before..].chunks_exact_mut(size_of::<Self>());
                for (place, value) in places.zip(values) {
                    place.copy_from_slice(&value.to_le_bytes());
                }
            }

            fn statistics(values: impl Iterator<Item = Self>, nulls: u64) -> Statistics {
                let (least, greatest) = $bounds(values).unzip();
                ValueStatistics::new(least, greatest, None, Some(nulls), false)
                    .with_backwards_compatible_min_max(true)
                    .into()
            }
        }
    };
}

number!(i32, u32, i32::cast_unsigned, u32::cast_signed, bounds);
number!(i64, u64, i64::cast_unsigned, u64::cast_signed, bounds);
number!(f64, u64, f64::to_bits, f64::from_bits, float_bounds);
