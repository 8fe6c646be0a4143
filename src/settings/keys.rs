//! The keys that a part of `taxi.toml` may have, taken from the type that it is read into.

use serde::de::value::Error;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

/// The names of a type's fields, as the file spells them.
pub(super) fn keys<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &[&str] = &[];
    // It only looks, and so has nothing to make a value of.
    let _ = T::deserialize(Fields(&mut names));
    names
}

/// The known name that a wrong one is most like, where one is.
pub(super) fn closest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const ALIKE: f64 = 0.7;
    let likeness = |name: &str| strsim::jaro_winkler(&wrong.to_lowercase(), name);
    let best = known.into_iter().map(|name| (name, likeness(name)));
    let best = best.max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.filter(|(_, likeness)| *likeness > ALIKE).map(|(name, _)| name)
}

/// A sentence about a name that is none: what was meant, else what there is.
pub(crate) fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match closest(wrong, known.iter().copied()) {
        Some(name) => format!(": did you mean '{name}'?"),
        None if known.is_empty() => ": there are none".to_owned(),
        None => format!(": there are {}", known.join(", ")),
    }
}

struct Fields<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("nothing is read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_the_names_of_the_fields() {
        #[derive(Deserialize)]
        #[allow(dead_code)]
        struct Made {
            lake: String,
            #[serde(rename = "from")]
            source: String,
            #[serde(skip)]
            ours: u8,
        }
        assert_eq!(keys::<Made>(), ["lake", "from"]);
    }

    #[test]
    fn a_wrong_name_suggests_the_one_that_was_meant() {
        let known = ["lake", "source", "to_warehouse"];
        assert_eq!(suggestion("lakes", known), ": did you mean 'lake'?");
        assert_eq!(suggestion("Source", known), ": did you mean 'source'?");
        assert_eq!(suggestion("warehouse", known), ": did you mean 'to_warehouse'?");
        assert_eq!(suggestion("qq", known), ": there are lake, source, to_warehouse");
        assert_eq!(suggestion("qq", []), ": there are none");
    }
}
