//! How values are written, on the command line and in `taxi.toml`.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

/// A time such as `30s`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "write it as 500ms, 30s or 2m".to_owned())
}

pub(super) fn duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    time(&text).map(Some).map_err(Error::custom)
}

/// A time that is not zero.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("write a time longer than 0".to_owned()),
        time => Ok(time),
    }
}

pub(super) fn some_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    some_time(&text).map(Some).map_err(Error::custom)
}

const AT_LEAST_ONE: &str = "a whole number, 1 or more";

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| format!("write {AT_LEAST_ONE}"))
}

pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(Error::invalid_value(Unexpected::Unsigned(0), &AT_LEAST_ONE)),
        number => Ok(Some(number)),
    }
}

/// A value that has the same form on the command line.
pub(super) fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(Error::custom)
}
