//! Reads `taxi.toml`: every key is known, and every value knows its line.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::clean::{Changeable, Level, RuleError};
use crate::redact::{is_plain, name_or_mask};

use super::by_type::ByType;
use super::error::SettingsError;
use super::keys::suggestion;
use super::table::{FromTable, Named, SpannedTable, Table};
use super::toml_error::sentence;

/// The file of settings looked for in the current folder.
const FILE: &str = "taxi.toml";

/// The tables that every file may have, beside those of the groups.
const PROFILES: &str = "profiles";
const RULES: &str = "rules";

/// What a file may say, put together from all groups of settings.
pub(super) struct Shape {
    /// The keys of all settings.
    pub(super) keys: fn() -> Vec<&'static str>,
    /// Takes the settings of all groups out of a table.
    pub(super) options: fn(&mut SpannedTable<'_>) -> Result<ByType, toml::de::Error>,
    /// The tables that are not settings.
    pub(super) sections: &'static [Section],
}

/// Reads a connection's table, with the connections before it.
type ReadConnection = fn(
    &Reader<'_>,
    &'static str,
    (usize, SpannedTable<'_>),
    ByType,
) -> Result<ByType, SettingsError>;

/// A table of the file that belongs to a group.
pub(super) struct Section {
    name: &'static str,
    read: ReadConnection,
}

impl Section {
    /// The table of this name, read into its type.
    pub(super) const fn table<T: FromTable + Any + Send + Sync>(name: &'static str) -> Self {
        Self {
            name,
            read: |reader, _, (line, part), into| {
                Ok(into.with(reader.table::<T>(part, line, &[])?))
            },
        }
    }

    /// The connections of this name, each a table in its table.
    pub(super) const fn connections<T: FromTable + Any + Send + Sync>(name: &'static str) -> Self {
        Self {
            name,
            read: |reader, name, tables, into| {
                let read = |part: SpannedTable<'_>, line| reader.table::<T>(part, line, &[]);
                Ok(into.with::<Named<T>>(reader.named(name, Some(tables), read)?))
            },
        }
    }
}

/// Settings of the file, at its top or in a profile.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    pub(super) options: Table<ByType>,
    /// The levels of rules, and their lines.
    pub(super) rules: Vec<(Changeable, Level, usize)>,
}

/// What `taxi.toml` says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) top: Defaults,
    pub(super) profiles: BTreeMap<String, Defaults>,
    sections: ByType,
}

impl File {
    /// The file named, or the one in the current folder, or none.
    pub(super) fn read(named: Option<&Path>, shape: &Shape) -> Result<Self, SettingsError> {
        let path = named.unwrap_or(Path::new(FILE));
        match std::fs::read_to_string(path) {
            Ok(text) => Reader { path, text: &text, shape }.file(),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { path: path.to_owned(), ..Self::default() })
            }
            Err(source) => Err(SettingsError::Read { path: path.to_owned(), source }),
        }
    }

    /// The connections of a type, by their names.
    pub(super) fn connections<T: Any>(&self) -> &Named<T> {
        self.sections.get().unwrap_or(Empty::CONNECTIONS)
    }

    /// A table of its own.
    pub(super) fn section<T: Any>(&self) -> Option<&Table<T>> {
        self.sections.get()
    }
}

struct Empty<T>(T);

impl<T: 'static> Empty<T> {
    const CONNECTIONS: &'static Named<T> = &Named::new();
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    shape: &'a Shape,
}

impl Reader<'_> {
    fn file(&self) -> Result<File, SettingsError> {
        let mut whole = DeTable::parse(self.text).map_err(|error| self.refused(&error))?;
        let names: Vec<&'static str> =
            self.shape.sections.iter().map(|section| section.name).collect();
        let names = [names.as_slice(), &[PROFILES, RULES]].concat();
        let mut tables = BTreeMap::new();
        for name in &names {
            // `postgres = "local"` chooses one, `[postgres.local]` is one.
            let is_table =
                whole.get_ref().get(*name).is_some_and(|value| value.get_ref().is_table());
            if is_table && let Some((key, value)) = whole.get_mut().remove_entry(*name) {
                tables.insert(*name, (self.line(&key.span()), table(value)));
            }
        }
        let mut part = |name| tables.remove(name).and_then(|(line, part)| Some((line, part?)));
        let mut sections = ByType::default();
        for Section { name, read } in self.shape.sections {
            if let Some(table) = part(*name) {
                sections = read(self, name, table, sections)?;
            }
        }
        let rules = part(RULES);
        Ok(File {
            path: self.path.to_owned(),
            sections,
            profiles: self.named(PROFILES, part(PROFILES), |mut part, line| {
                let rules = part.get_mut().remove_entry(RULES);
                let rules =
                    rules.and_then(|(key, value)| Some((self.line(&key.span()), table(value)?)));
                self.defaults(part, line, rules, &[RULES])
            })?,
            top: self.defaults(whole, 1, rules, &names)?,
        })
    }

    /// The tables in a table.
    fn named<T>(
        &self,
        of: &'static str,
        tables: Option<(usize, SpannedTable<'_>)>,
        read: impl Fn(SpannedTable<'_>, usize) -> Result<T, SettingsError>,
    ) -> Result<BTreeMap<String, T>, SettingsError> {
        let mut all = BTreeMap::new();
        for (key, value) in tables.into_iter().flat_map(|(_, tables)| tables.into_inner()) {
            let (name, at) = (key.get_ref().to_string(), key.span());
            if !is_plain(&name) {
                let what = format!("expected a table with a name here: [{of}.NAME]");
                return Err(self.fault(&at, what));
            }
            let part = table(value).ok_or_else(|| {
                self.fault(&at, format!("'{name}' must be a table: [{of}.{name}]"))
            })?;
            all.insert(name, read(part, self.line(&at))?);
        }
        Ok(all)
    }

    fn defaults(
        &self,
        part: SpannedTable<'_>,
        line: usize,
        rules: Option<(usize, SpannedTable<'_>)>,
        tables: &[&'static str],
    ) -> Result<Defaults, SettingsError> {
        let options = self.read(part, line, tables, &(self.shape.keys)(), self.shape.options)?;
        let rules = rules.into_iter().flat_map(|(_, rules)| rules.into_inner());
        let rules = rules.map(|(key, level)| {
            let rule = key.get_ref().parse::<Changeable>().map_err(|error| {
                let what = match &error {
                    RuleError::Unknown(name) => {
                        format!(
                            "there is no rule '{}'{}",
                            name_or_mask(name),
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
        part: SpannedTable<'_>,
        line: usize,
        more: &[&'static str],
    ) -> Result<Table<T>, SettingsError> {
        self.read(part, line, more, &T::keys(), T::take)
    }

    fn read<T>(
        &self,
        mut part: SpannedTable<'_>,
        line: usize,
        more: &[&'static str],
        known: &[&'static str],
        take: impl FnOnce(&mut SpannedTable<'_>) -> Result<T, toml::de::Error>,
    ) -> Result<Table<T>, SettingsError> {
        let (mut lines, mut places) = (BTreeMap::new(), Vec::new());
        for (key, value) in part.get_ref() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                if more.contains(&name) {
                    let what = format!("'{name}' must be a table");
                    return Err(self.fault(&key.span(), what));
                }
                let meant = suggestion(name, known.iter().chain(more).copied());
                let what = format!("there is no setting '{}' here{meant}", name_or_mask(name));
                return Err(self.fault(&key.span(), what));
            }
            lines.insert(name.to_owned(), self.line(&key.span()));
            places.push((name.to_owned(), value.span()));
        }
        let value = take(&mut part).map_err(|error| {
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

fn table(value: Spanned<DeValue<'_>>) -> Option<SpannedTable<'_>> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Some(Spanned::new(span, table)),
        _ => None,
    }
}
