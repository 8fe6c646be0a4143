//! How files are cleaned, and which editions are refused.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::Value;

use crate::clean::{Changeable, Level, Rules};
use crate::guard::Share;

use super::error::SettingsError;
use super::layers::{Picker, Show, value_name};
use super::settings_group::SettingsGroup;
use super::values::{at_least_one, count, from_text};

/// The heading of its flags.
pub(super) const HEADING: &str = "Cleaning settings";

/// The options for cleaning.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
#[command(next_help_heading = HEADING)]
pub struct CleaningOptions {
    /// Quarantine records that match these rules
    #[serde(skip)]
    #[arg(long, value_name = "RULES", value_delimiter = ',', env = "TAXI_REJECT")]
    pub reject: Vec<Changeable>,

    /// Keep records that match these rules, and count them
    #[serde(skip)]
    #[arg(long, value_name = "RULES", value_delimiter = ',', env = "TAXI_FLAG")]
    pub flag: Vec<Changeable>,

    /// Disable these rules
    #[serde(skip)]
    #[arg(long, value_name = "RULES", value_delimiter = ',', env = "TAXI_OFF")]
    pub off: Vec<Changeable>,

    /// What to do with a column that the schema does not know [default: warn]
    #[arg(long, value_name = "WHAT", env = "TAXI_ON_NEW_COLUMN")]
    pub on_new_column: Option<NewColumn>,

    /// What to do if a file lacks a column that the month's files have [default: warn]
    #[arg(long, value_name = "WHAT", env = "TAXI_ON_MISSING_COLUMN")]
    pub on_missing_column: Option<MissingColumn>,

    /// The largest share of a file's rows that may be set aside as unreadable or as not of its
    /// month; a file above it is refused [default: 5%]
    #[arg(long, value_name = "SHARE", env = "TAXI_MAX_SET_ASIDE")]
    #[serde(deserialize_with = "from_text")]
    pub max_set_aside: Option<Share>,

    /// The largest share of trips by which a month may shrink compared with the edition it
    /// replaces; above it, the month is refused [default: 10%]
    #[arg(long, value_name = "SHARE", env = "TAXI_MAX_SHRINK")]
    #[serde(deserialize_with = "from_text")]
    pub max_shrink: Option<Share>,

    /// How many threads clean a month [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = at_least_one, env = "TAXI_THREADS")]
    #[serde(deserialize_with = "count")]
    pub threads: Option<usize>,
}

impl CleaningOptions {
    /// The levels of rules that flags and the environment say, and the flag of each.
    pub(super) fn levels(&self) -> impl Iterator<Item = (&Changeable, Level, &'static str)> {
        let levels = [
            ("reject", &self.reject, Level::Reject),
            ("flag", &self.flag, Level::Flag),
            ("off", &self.off, Level::Off),
        ];
        levels
            .into_iter()
            .flat_map(|(key, rules, level)| rules.iter().map(move |rule| (rule, level, key)))
    }
}

/// How files are cleaned.
#[derive(Debug, Clone)]
pub struct CleaningSettings {
    /// The rules with their levels.
    pub rules: Rules,
    /// What a column that the schema does not know means.
    pub on_new_column: NewColumn,
    /// What a column means that the month's edition has and the file lacks.
    pub on_missing_column: MissingColumn,
    /// The largest share of rows set aside because of the file.
    pub max_set_aside: Share,
    /// By what share an edition may have fewer trips than the one it replaces.
    pub max_shrink: Share,
    /// How many threads clean a month; `None` for the number of cores.
    pub threads: Option<usize>,
}

impl SettingsGroup for CleaningSettings {
    fn resolve(from: &mut Picker<'_>) -> Result<Self, SettingsError> {
        let five = Share::percent(5);
        let ten = Share::percent(10);
        Ok(Self {
            on_new_column: from.pick(
                "on_new_column",
                |o: &CleaningOptions| &o.on_new_column,
                NewColumn::default(),
            ),
            max_set_aside: from.pick("max_set_aside", |o: &CleaningOptions| &o.max_set_aside, five),
            max_shrink: from.pick("max_shrink", |o: &CleaningOptions| &o.max_shrink, ten),
            on_missing_column: from.pick(
                "on_missing_column",
                |o: &CleaningOptions| &o.on_missing_column,
                MissingColumn::default(),
            ),
            rules: from.rules(),
            threads: from.optional("threads", |o: &CleaningOptions| &o.threads),
        })
    }
}

/// What a column that the schema does not know means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NewColumn {
    /// Leave it out, and name it in a warning and in the footer.
    #[default]
    Warn,
    /// Add it to the month's file and to the warehouse's table.
    Keep,
    /// Fail the month.
    Fail,
}

/// What a column means that the month's edition has and the file lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingColumn {
    /// Set its values to null, and name it in a warning and in the footer.
    #[default]
    Warn,
    /// Fail the month.
    Fail,
}

impl Show for NewColumn {
    fn show(&self) -> Value {
        value_name(self)
    }
}

impl Show for MissingColumn {
    fn show(&self) -> Value {
        value_name(self)
    }
}
