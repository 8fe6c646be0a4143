//! The selection of `taxi status` and `taxi verify`: months, warehouses, settings.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};

use crate::inspect::{Facts, Stores};
use crate::redact::is_plain;
use crate::settings::{Credentials, Options, ParentParameters, Settings};
use crate::trip::{Colour, Month, TripFile};
use crate::warehouse::WarehouseKind;

use super::exit::Error;
use super::output::OutputArgs;

#[derive(Debug, Args)]
pub(super) struct MonthSelection {
    #[command(flatten)]
    parameters: ParentParameters,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) options: Options,
    /// The flags that name stores and rules, as they were given: a command that mends needs
    /// them too.
    #[arg(skip)]
    pub(super) settings: Vec<String>,
}

/// These flags are part of what is asked. The credentials among them are only those that are in a
/// file: no other of these may hold a secret.
fn settings() -> impl Iterator<Item = &'static str> {
    let before = ["config", "profile", "lake", "credentials", "spool"];
    let after = ["table", "reject", "flag", "off"];
    before.into_iter().chain(Settings::warehouse_keys()).chain(after)
}

impl MonthSelection {
    /// Heeds what comes from the command line before what comes from the environment.
    pub(super) fn prefer_flags(&mut self, matches: &ArgMatches) {
        self.parameters.months.prefer_flags(matches);
        let flagged =
            settings().filter(|name| matches.value_source(name) == Some(ValueSource::CommandLine));
        for name in flagged {
            let values = matches.get_raw(name).into_iter().flatten();
            let mut values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            if name == "credentials" {
                let given = self.options.lake.stores.google.credentials.as_ref();
                let name = given.and_then(Credentials::public_name);
                values = name.into_iter().map(Into::into).collect();
            }
            let values = values.join(",");
            if !values.is_empty() && is_plain(&values) {
                self.settings.extend([format!("--{name}"), quoted(&values)]);
            }
        }
    }

    /// The stores asked for, and what they say. Where no months are named, all that any of them
    /// has; where no colour is named either, all colours.
    pub(super) async fn gather(
        &self,
        stores: &Stores<'_>,
    ) -> Result<(Facts, Vec<TripFile>), Error> {
        let months = &self.parameters.months;
        let named = if months.name_months() { Some(months.files(Month::current())?) } else { None };
        let colours = match (&named, months.colours()) {
            (_, Some(colours)) => colours.to_vec(),
            (Some(files), None) => {
                let mut colours: Vec<_> = files.iter().map(|file| file.colour).collect();
                colours.dedup();
                colours
            }
            (None, None) => Colour::ALL.to_vec(),
        };
        let facts = Facts::gather(stores, &colours).await;
        let files = named.unwrap_or_else(|| facts.range());
        Ok((facts, files))
    }

    /// The warehouses asked for beside the lake; those of the settings where none is.
    pub(super) fn warehouses<'a>(&'a self, settings: &'a Settings) -> &'a [WarehouseKind] {
        settings.warehouses(&self.parameters.to_warehouse)
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
