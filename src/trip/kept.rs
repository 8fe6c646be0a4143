use std::fmt;

use serde::{Deserialize, Serialize};

/// A column of a month's file that the schema does not know and that was kept all the same,
/// after the columns of its colour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptColumn {
    /// Its name in the lake and in tables: lower case letters, digits and underscores.
    pub name: String,
    /// Its name as the source spells it.
    pub source: String,
    /// What its values are.
    pub r#type: KeptType,
}

/// The type of a kept column, from what its values look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptType {
    /// 64-bit integers.
    Whole,
    /// 64-bit floats.
    Number,
    /// Wall-clock times to the microsecond.
    Time,
    /// Text.
    Text,
}

impl KeptType {
    /// The type that holds the values of both: numbers hold whole numbers, text holds all.
    #[must_use]
    pub fn widened(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Whole | Self::Number, Self::Whole | Self::Number) => Self::Number,
            _ => Self::Text,
        }
    }
}

impl fmt::Display for KeptType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Whole => "whole numbers",
            Self::Number => "numbers",
            Self::Time => "times",
            Self::Text => "text",
        })
    }
}

impl KeptColumn {
    /// The longest name that every store takes, in bytes (Postgres cuts longer ones).
    const LONGEST_NAME: usize = 63;

    /// The names that Postgres has for columns of its own.
    const RESERVED: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

    /// The name in the lake of a source column, unless it is the index of a data frame, whose
    /// values say nothing. `taken` tells which names are in use.
    pub fn name_for(source: &str, taken: impl Fn(&str) -> bool) -> Option<String> {
        let mut name = String::new();
        for letter in source.trim().chars() {
            match letter.to_ascii_lowercase() {
                letter if letter.is_ascii_alphanumeric() => name.push(letter),
                _ if name.ends_with('_') || name.is_empty() => {}
                _ => name.push('_'),
            }
        }
        let name = name.trim_end_matches('_');
        let index = name.strip_prefix("index_level_").or_else(|| name.strip_prefix("unnamed_"));
        let is_index = index.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        if name.is_empty() || name == "unnamed" || is_index {
            return None;
        }
        // No store takes a name that begins with a digit without quotes.
        let digit = name.as_bytes()[0].is_ascii_digit();
        let name = if digit { format!("column_{name}") } else { name.to_owned() };
        let cut = |room: usize| &name[..name.len().min(Self::LONGEST_NAME - room)];
        let numbered = (2..).map(|number| {
            let number = format!("_{number}");
            cut(number.len()).to_owned() + &number
        });
        std::iter::once(cut(0).to_owned())
            .chain(numbered)
            .find(|name| !taken(name) && !Self::RESERVED.contains(&name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_one_that_every_store_takes() {
        let name = |source| KeptColumn::name_for(source, |name| name == "extra");
        for (source, wanted) in [
            ("cbd_congestion_fee", Some("cbd_congestion_fee")),
            (" Moon Phase (%) ", Some("moon_phase")),
            ("2nd driver", Some("column_2nd_driver")),
            ("Extra", Some("extra_2")),
            ("ctid", Some("ctid_2")),
            ("XMIN", Some("xmin_2")),
            ("__index_level_0__", None),
            ("Unnamed: 0", None),
            ("", None),
            ("été", Some("t")),
            ("--", None),
        ] {
            assert_eq!(name(source).as_deref(), wanted, "{source}");
        }
        assert_eq!(name(&"x".repeat(90)).map(|name| name.len()), Some(63));
    }

    #[test]
    fn what_does_not_fit_becomes_text() {
        use KeptType::{Number, Text, Time, Whole};
        assert_eq!(Whole.widened(Number), Number);
        assert_eq!(Whole.widened(Whole), Whole);
        assert_eq!(Number.widened(Time), Text);
        assert_eq!(Time.widened(Text), Text);
    }

    proptest! {
        #[test]
        fn any_name_is_safe(source in "\\PC{0,80}") {
            if let Some(name) = KeptColumn::name_for(&source, |_| false) {
                prop_assert!(name.len() <= 63 && name.as_bytes()[0].is_ascii_lowercase());
                prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            }
        }
    }
}
