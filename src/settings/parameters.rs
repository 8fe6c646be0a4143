use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::trip::{Colour, Month, MonthError, Months, TripFile, UnknownColour};

const DEFAULT_YEAR: u32 = 2020;
const DEFAULT_MONTHS: [u32; 2] = [1, 2];

/// Which months of which colours a flow works on.
///
/// The same on the command line, in a deployment's stored parameters and in the form of an
/// orchestrator. Left empty it means what the flows have always meant: green, 2020, January
/// and February.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// Colours: yellow, green, fhv, fhvhv; several with commas [default: green]
    #[arg(long, alias = "color", value_name = "COLOURS", env = "TAXI_COLOUR")]
    #[serde(alias = "color", skip_serializing_if = "Option::is_none")]
    #[schemars(description = "Whose trips: one colour or several", extend("default" = "green"))]
    pub colour: Option<ColourList>,

    /// The year of --months [default: 2020]
    #[arg(long, value_name = "YYYY", env = "TAXI_YEAR")]
    #[schemars(
        description = "The year, with or without months [default: 2020]",
        range(min = 2009)
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<u32>,

    /// Months of --year: 1-3,7 [default: the whole year, or 1,2 without --year]
    #[arg(long, value_name = "MONTHS", env = "TAXI_MONTHS")]
    #[schemars(description = "Months of the year: 6, 7 [default: all, or 1 and 2 without a year]")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub months: Option<MonthList>,

    /// The first month, instead of --year and --months: 2019-01
    #[arg(long, value_name = "YYYY-MM", env = "TAXI_FROM")]
    #[schemars(
        description = "The first month, instead of year and months: 2019-01",
        with = "Option<String>",
        regex(pattern = r"^\d{4}-\d{2}$")
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Month>,

    /// The last month, with --from: 2021-07
    #[arg(long, value_name = "YYYY-MM", env = "TAXI_TO")]
    #[schemars(
        description = "The last month, together with from: 2021-07",
        with = "Option<String>",
        regex(pattern = r"^\d{4}-\d{2}$")
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Month>,

    /// The month N months before the current one, instead of the options above: 2 is the newest
    /// that the TLC has
    #[arg(long, value_name = "N", env = "TAXI_LAG_MONTHS")]
    #[schemars(
        description = "The month N months before the current one: 2 is the newest that the TLC has",
        range(max = 240)
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_months: Option<u16>,
}

/// The parameters that name months, and which of them belong together.
const WAYS: [(&str, u8); 5] =
    [("year", 0), ("months", 0), ("from", 1), ("to", 1), ("lag_months", 2)];

/// The other spellings of parameters.
pub(super) const SPELLINGS: [(&str, &str); 1] = [("color", "colour")];

/// The parameters of a run to which an orchestrator has added those of its deployment: an added
/// one gives way where the run itself names the months another way, or spells it otherwise.
pub fn own_before_added(
    mut run: serde_json::Map<String, serde_json::Value>,
    deployment: &serde_json::Map<String, serde_json::Value>,
) -> serde_json::Map<String, serde_json::Value> {
    let is_own = |name: &str| run.get(name).is_some_and(|own| deployment.get(name) != Some(own));
    let own_ways: Vec<u8> =
        WAYS.iter().filter(|(name, _)| is_own(name)).map(|(_, way)| *way).collect();
    let other_way =
        |name: &str| own_ways.iter().any(|way| WAYS.iter().any(|(n, w)| *n == name && w != way));
    let respelled = |name: &str| {
        SPELLINGS
            .iter()
            .any(|(one, other)| name == *one && is_own(other) || name == *other && is_own(one))
    };
    let gone: Vec<String> = run
        .keys()
        .filter(|name| !is_own(name) && (other_way(name) || respelled(name)))
        .cloned()
        .collect();
    run.retain(|name, _| !gone.contains(name));
    run
}

/// One colour or several: `green` or `["yellow", "green"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OneOrMore<Colour>", into = "Vec<Colour>")]
pub struct ColourList(Vec<Colour>);

/// Months of a year: `[6, 7]` or `1-3,7`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OneOrMore<u32>", into = "Vec<u32>")]
pub struct MonthList(Vec<u32>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore<T> {
    Many(Vec<T>),
    One(T),
    Text(String),
}

/// Why parameters make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Two ways to name the months at once.
    #[error(
        "{given} are given together: select months either by year and months, or by from and to, or by lag_months"
    )]
    Mixed {
        /// The parameters given.
        given: String,
    },
    /// Half a range.
    #[error("'{given}' is given without '{missing}': a range needs both ends")]
    HalfRange {
        /// The end given.
        given: &'static str,
        /// The end missing.
        missing: &'static str,
    },
    /// No colour at all.
    #[error("the list of colours is empty: name at least one")]
    NoColour,
    /// A colour that is none.
    #[error(transparent)]
    Colour(#[from] UnknownColour),
    /// A month that cannot be.
    #[error(transparent)]
    Month(#[from] MonthError),
}

impl Parameters {
    /// Forgets what the environment says of the months where a flag names them another way: a
    /// flag has precedence over the environment.
    pub fn prefer_flags(&mut self, matches: &clap::ArgMatches) {
        use clap::parser::ValueSource::{CommandLine, EnvVariable};
        let from = |name: &str, source| matches.value_source(name) == Some(source);
        let flagged: Vec<_> =
            WAYS.iter().filter(|(name, _)| from(name, CommandLine)).map(|(_, way)| *way).collect();
        if flagged.is_empty() {
            return;
        }
        for (name, way) in WAYS {
            if from(name, EnvVariable) && !flagged.contains(&way) {
                match name {
                    "year" => self.year = None,
                    "months" => self.months = None,
                    "from" => self.from = None,
                    "to" => self.to = None,
                    _ => self.lag_months = None,
                }
            }
        }
    }

    /// The colours named; `None` if none is.
    pub fn colours(&self) -> Option<&[Colour]> {
        self.colour.as_ref().map(|list| list.0.as_slice())
    }

    /// Whether months are named in any way.
    pub const fn name_months(&self) -> bool {
        self.year.is_some()
            || self.months.is_some()
            || self.from.is_some()
            || self.to.is_some()
            || self.lag_months.is_some()
    }

    /// The files these parameters name, colour by colour, earliest first.
    pub fn files(&self, this_month: Month) -> Result<Vec<TripFile>, ParameterError> {
        let months = self.months(this_month)?;
        let colours = self.colour.as_ref().map_or(&[Colour::Green][..], |list| &list.0);
        let mut files = Vec::new();
        for &colour in colours {
            for month in months.iter() {
                colour.check(month, this_month)?;
                files.push(TripFile::new(colour, month));
            }
        }
        Ok(files)
    }

    fn months(&self, this_month: Month) -> Result<Months, ParameterError> {
        let named = [
            self.year.is_some(),
            self.months.is_some(),
            self.from.is_some(),
            self.to.is_some(),
            self.lag_months.is_some(),
        ];
        let named = WAYS.iter().zip(named).map(|((name, way), given)| (*name, given, *way));
        let named: Vec<_> = named.collect();
        let given = || named.iter().filter(|(_, given, _)| *given);
        if given().any(|(_, _, way)| given().any(|(_, _, other)| other != way)) {
            let names: Vec<&str> = given().map(|(name, ..)| *name).collect();
            return Err(ParameterError::Mixed { given: names.join(", ") });
        }
        if let Some(lag) = self.lag_months {
            return Ok(Months::lagging(this_month, lag));
        }
        match (self.from, self.to) {
            (Some(from), Some(to)) => return Ok(Months::range(from, to)?),
            (Some(_), None) => {
                return Err(ParameterError::HalfRange { given: "from", missing: "to" });
            }
            (None, Some(_)) => {
                return Err(ParameterError::HalfRange { given: "to", missing: "from" });
            }
            (None, None) => {}
        }
        let year = self.year.unwrap_or(DEFAULT_YEAR);
        let numbers = match (&self.months, self.year) {
            (Some(list), _) => list.0.clone(),
            (None, None) => DEFAULT_MONTHS.to_vec(),
            // Of this year, what has begun.
            (None, Some(year)) if year == u32::from(this_month.year()) => {
                (1..=u32::from(this_month.number())).collect()
            }
            (None, Some(_)) => (1..=12).collect(),
        };
        Ok(Months::of_year(year, &numbers)?)
    }
}

impl FromStr for ColourList {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text.split(',').filter(|name| !name.trim().is_empty());
        Self::new(names.map(str::parse).collect::<Result<_, _>>()?)
    }
}

impl ColourList {
    fn new(colours: Vec<Colour>) -> Result<Self, ParameterError> {
        let mut once = Vec::new();
        for colour in colours {
            if !once.contains(&colour) {
                once.push(colour);
            }
        }
        if once.is_empty() { Err(ParameterError::NoColour) } else { Ok(Self(once)) }
    }
}

impl TryFrom<OneOrMore<Colour>> for ColourList {
    type Error = ParameterError;

    fn try_from(given: OneOrMore<Colour>) -> Result<Self, Self::Error> {
        match given {
            OneOrMore::Many(colours) => Self::new(colours),
            OneOrMore::One(colour) => Self::new(vec![colour]),
            OneOrMore::Text(text) => text.parse(),
        }
    }
}

impl From<ColourList> for Vec<Colour> {
    fn from(list: ColourList) -> Self {
        list.0
    }
}

impl FromStr for MonthList {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Months::numbers(text)?))
    }
}

impl TryFrom<OneOrMore<u32>> for MonthList {
    type Error = ParameterError;

    fn try_from(given: OneOrMore<u32>) -> Result<Self, Self::Error> {
        match given {
            OneOrMore::Many(numbers) => Ok(Self(numbers)),
            OneOrMore::One(number) => Ok(Self(vec![number])),
            OneOrMore::Text(text) => text.parse(),
        }
    }
}

impl From<MonthList> for Vec<u32> {
    fn from(list: MonthList) -> Self {
        list.0
    }
}

impl JsonSchema for ColourList {
    fn schema_name() -> Cow<'static, str> {
        "Colours".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let colour = generator.subschema_for::<Colour>();
        json_schema!({
            "anyOf": [colour, { "type": "array", "items": colour, "minItems": 1, "uniqueItems": true }]
        })
    }
}

impl JsonSchema for MonthList {
    fn schema_name() -> Cow<'static, str> {
        "Months".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": { "type": "integer", "minimum": 1, "maximum": 12 },
            "minItems": 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(json: &str) -> Result<String, String> {
        let parameters: Parameters = serde_json::from_str(json).map_err(|e| e.to_string())?;
        let files = parameters.files(Month::new(2026, 11).unwrap()).map_err(|e| e.to_string())?;
        Ok(files.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn a_bare_run_does_what_the_flows_have_always_done() {
        assert_eq!(files("{}").unwrap(), "green 2020-01, green 2020-02");
    }

    #[test]
    fn months_may_be_a_list_a_text_or_a_number() {
        for months in ["[6, 7]", "\"6-7\"", "\"6,7\""] {
            let json = format!("{{\"year\": 2019, \"months\": {months}}}");
            assert_eq!(files(&json).unwrap(), "green 2019-06, green 2019-07");
        }
        assert_eq!(files("{\"months\": 3}").unwrap(), "green 2020-03");
        assert_eq!(files("{\"year\": 2026}").unwrap().split(", ").count(), 11);
        assert_eq!(files("{\"lag_months\": 2}").unwrap(), "green 2026-09");
    }

    #[test]
    fn what_a_run_asks_for_goes_before_what_its_deployment_does() {
        let merged = |run: &str, deployment: &str| {
            let [run, deployment] = [run, deployment].map(|t| serde_json::from_str(t).unwrap());
            let own = own_before_added(run, &deployment);
            files(&serde_json::Value::from(own).to_string()).unwrap()
        };
        let monthly = r#"{"lag_months": 2, "colour": "yellow"}"#;
        let june = r#"{"lag_months": 2, "colour": "yellow", "year": 2019, "months": [6]}"#;
        assert_eq!(merged(june, monthly), "yellow 2019-06");
        assert_eq!(merged(monthly, monthly), "yellow 2026-09");
        let later = r#"{"lag_months": 3, "colour": "yellow", "color": "green"}"#;
        assert_eq!(merged(later, monthly), "green 2026-08");
        let year = r#"{"year": 2019, "months": [7]}"#;
        assert_eq!(merged(year, r#"{"year": 2019}"#), "green 2019-07");
    }

    #[test]
    fn colours_may_be_one_or_several_and_be_spelled_either_way() {
        let all = "yellow 2020-01, yellow 2020-02, green 2020-01, green 2020-02";
        assert_eq!(files("{\"color\": [\"yellow\", \"green\"]}").unwrap(), all);
        assert_eq!(files("{\"colour\": \"yellow,green,yellow\"}").unwrap(), all);
        assert_eq!(files("{\"color\": \"yellow\", \"months\": [1]}").unwrap(), "yellow 2020-01");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_sentence() {
        insta::assert_snapshot!(
            [
                "{\"year\": 2020, \"from\": \"2020-01\", \"to\": \"2020-02\"}",
                "{\"months\": [1], \"lag_months\": 2}",
                "{\"from\": \"2020-01\"}",
                "{\"from\": \"2020-02\", \"to\": \"2020-01\"}",
                "{\"months\": [13]}",
                "{\"months\": []}",
                "{\"colour\": []}",
                "{\"year\": 2012, \"months\": [5]}",
                "{\"year\": 2027, \"months\": [1]}",
                "{\"year\": 1999, \"months\": [1]}",
                "{\"month\": [1]}",
            ]
            .map(|json| files(json).unwrap_err())
            .join("\n"),
            @r"
            year, from, to are given together: select months either by year and months, or by from and to, or by lag_months
            months, lag_months are given together: select months either by year and months, or by from and to, or by lag_months
            'from' is given without 'to': a range needs both ends
            the months 2020-02 to 2020-01 are in the wrong order: put the earlier one first
            there is no month 13: months go from 1 to 12
            the list of months is empty: name at least one
            the list of colours is empty: name at least one at line 1 column 14
            there are no green trips for 2012-05: green records begin in 2013-08
            there are no green trips for 2027-01 yet: it is now 2026-11
            there is no year 1999 of trip records: they begin in 2009
            unknown field `month`, expected one of `color`, `colour`, `year`, `months`, `from`, `to`, `lag_months` at line 1 column 8
            "
        );
    }
}
