//! Reads `taxi.toml`: every key is known, and every value knows its line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::clean::{Changeable, Level, RuleError};

use super::bigquery::BigQueryConnection;
use super::keys::{keys, suggestion};
use super::lake::LakeConnection;
use super::notify::NotifySettings;
use super::postgres::PostgresConnection;
use super::toml_error::sentence;
use super::{Options, SettingsError};

/// The file of settings looked for in the current folder.
const FILE: &str = "taxi.toml";

/// The tables of the file, beside the settings themselves.
pub(super) const TABLES: [&str; 6] =
    ["lakes", "postgres", "bigquery", "profiles", "rules", "notify"];

/// A table of the file, and the lines it and its keys are in.
#[derive(Debug, Clone, Default)]
pub(super) struct Table<T> {
    pub(super) value: T,
    pub(super) line: usize,
    pub(super) lines: BTreeMap<String, usize>,
}

/// Tables by their names, as the file names them.
pub(super) type Named<T> = BTreeMap<String, Table<T>>;

/// Settings of the file, at its top or in a profile.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    pub(super) options: Table<Options>,
    /// The levels of rules, and their lines.
    pub(super) rules: Vec<(Changeable, Level, usize)>,
}

/// What `taxi.toml` says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) top: Defaults,
    pub(super) profiles: BTreeMap<String, Defaults>,
    pub(super) lakes: Named<LakeConnection>,
    pub(super) postgres: Named<PostgresConnection>,
    pub(super) bigquery: Named<BigQueryConnection>,
    pub(super) notify: Table<NotifySettings>,
}

impl File {
    /// The file named, or the one in the current folder, or none.
    pub(super) fn read(named: Option<&Path>) -> Result<Self, SettingsError> {
        let path = named.unwrap_or(Path::new(FILE));
        match std::fs::read_to_string(path) {
            Ok(text) => Reader { path, text: &text }.file(),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { path: path.to_owned(), ..Self::default() })
            }
            Err(source) => Err(SettingsError::Read { path: path.to_owned(), source }),
        }
    }
}

/// What is read from a table: all of it, or side by side with others.
pub(super) trait FromTable: Sized {
    /// The keys that it has.
    fn keys() -> Vec<&'static str>;

    /// Takes its keys out of a table.
    fn take(table: &mut Part<'_>) -> Result<Self, toml::de::Error>;
}

impl<T: DeserializeOwned> FromTable for T {
    fn keys() -> Vec<&'static str> {
        keys::<T>().to_vec()
    }

    fn take(table: &mut Part<'_>) -> Result<Self, toml::de::Error> {
        let mut own = DeTable::new();
        for key in keys::<T>() {
            own.extend(table.get_mut().remove_entry(*key));
        }
        T::deserialize(toml::Deserializer::from(Spanned::new(table.span(), own)))
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

/// A table, and where it stands.
pub(super) type Part<'a> = Spanned<DeTable<'a>>;

impl Reader<'_> {
    fn file(&self) -> Result<File, SettingsError> {
        let mut whole = DeTable::parse(self.text).map_err(|error| self.refused(&error))?;
        let mut tables = BTreeMap::new();
        for name in TABLES {
            // `postgres = "local"` chooses one, `[postgres.local]` is one.
            let is_table =
                whole.get_ref().get(name).is_some_and(|value| value.get_ref().is_table());
            if is_table && let Some((key, value)) = whole.get_mut().remove_entry(name) {
                tables.insert(name, (self.line(&key.span()), table(value)));
            }
        }
        let mut part = |name| tables.remove(name).and_then(|(line, part)| Some((line, part?)));
        let rules = part("rules");
        let notify = match part("notify") {
            Some((line, part)) => self.table(part, line, &[])?,
            None => Table::default(),
        };
        Ok(File {
            path: self.path.to_owned(),
            lakes: self.named("lakes", &mut part, |part, line| self.table(part, line, &[]))?,
            postgres: self
                .named("postgres", &mut part, |part, line| self.table(part, line, &[]))?,
            bigquery: self
                .named("bigquery", &mut part, |part, line| self.table(part, line, &[]))?,
            profiles: self.named("profiles", &mut part, |mut part, line| {
                let rules = part.get_mut().remove_entry("rules");
                let rules =
                    rules.and_then(|(key, value)| Some((self.line(&key.span()), table(value)?)));
                self.defaults(part, line, rules, &["rules"])
            })?,
            notify,
            top: self.defaults(whole, 1, rules, &TABLES)?,
        })
    }

    /// The tables in a table.
    fn named<'a, T>(
        &self,
        of: &'static str,
        tables: &mut impl FnMut(&'static str) -> Option<(usize, Part<'a>)>,
        read: impl Fn(Part<'a>, usize) -> Result<T, SettingsError>,
    ) -> Result<BTreeMap<String, T>, SettingsError> {
        let mut all = BTreeMap::new();
        for (key, value) in tables(of).into_iter().flat_map(|(_, tables)| tables.into_inner()) {
            let (name, at) = (key.get_ref().to_string(), key.span());
            let part = table(value).ok_or_else(|| {
                self.fault(&at, format!("'{name}' is to be a table of its own: [{of}.{name}]"))
            })?;
            all.insert(name, read(part, self.line(&at))?);
        }
        Ok(all)
    }

    fn defaults(
        &self,
        part: Part<'_>,
        line: usize,
        rules: Option<(usize, Part<'_>)>,
        tables: &[&'static str],
    ) -> Result<Defaults, SettingsError> {
        let options = self.table(part, line, tables)?;
        let rules = rules.into_iter().flat_map(|(_, rules)| rules.into_inner());
        let rules = rules.map(|(key, level)| {
            let rule = key.get_ref().parse::<Changeable>().map_err(|error| {
                let what = match &error {
                    RuleError::Unknown(name) => {
                        format!(
                            "there is no rule '{name}'{}",
                            suggestion(name, Changeable::names())
                        )
                    }
                    RuleError::Fixed(_) | RuleError::Level => error.to_string(),
                };
                self.fault(&key.span(), what)
            })?;
            let level_named = level.get_ref().as_str().unwrap_or_default();
            let level = level_named
                .parse::<Level>()
                .map_err(|error| self.fault(&level.span(), error.to_string()))?;
            Ok((rule, level, self.line(&key.span())))
        });
        Ok(Defaults { options, rules: rules.collect::<Result<_, SettingsError>>()? })
    }

    /// Reads a table into its type, all keys of which are known: those of the type, and `more`.
    fn table<T: FromTable>(
        &self,
        mut part: Part<'_>,
        line: usize,
        more: &[&'static str],
    ) -> Result<Table<T>, SettingsError> {
        let known = T::keys();
        let (mut lines, mut places) = (BTreeMap::new(), Vec::new());
        for (key, value) in part.get_ref() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                if more.contains(&name) {
                    let what = format!("'{name}' is to be a table of its own");
                    return Err(self.fault(&key.span(), what));
                }
                let meant = suggestion(name, known.iter().chain(more).copied());
                let what = format!("there is no setting '{name}' here{meant}");
                return Err(self.fault(&key.span(), what));
            }
            lines.insert(name.to_owned(), self.line(&key.span()));
            places.push((name.to_owned(), value.span()));
        }
        let value = T::take(&mut part).map_err(|error| {
            let Some(at) = error.span() else {
                return self.at(line, sentence(None, error.message()));
            };
            let within = |place: &Range<usize>| place.start <= at.start && at.end <= place.end;
            let key = places.iter().find(|(_, place)| within(place)).map(|(key, _)| key.as_str());
            self.fault(&at, sentence(key, error.message()))
        })?;
        Ok(Table { value, line, lines })
    }

    fn refused(&self, error: &toml::de::Error) -> SettingsError {
        self.fault(&error.span().unwrap_or_default(), error.message().to_owned())
    }

    fn fault(&self, at: &Range<usize>, what: String) -> SettingsError {
        self.at(self.line(at), what)
    }

    fn at(&self, line: usize, what: String) -> SettingsError {
        SettingsError::Parse { path: self.path.to_owned(), line, what }
    }

    fn line(&self, at: &Range<usize>) -> usize {
        let before = self.text.get(..at.start).unwrap_or_default();
        before.matches('\n').count() + 1
    }
}

fn table(value: Spanned<DeValue<'_>>) -> Option<Part<'_>> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Some(Spanned::new(span, table)),
        _ => None,
    }
}
