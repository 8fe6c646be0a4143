//! The order of precedence of every setting: flags, the environment, a connection, a profile, the
//! rest of `taxi.toml`, the defaults.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::clean::{Changeable, Level, Rules};
use crate::guard::Share;
use crate::lake::LakeAddress;
use crate::redact::without_secrets;
use crate::warehouse::WarehouseKind;

use super::blocks::ReadBlocks;
use super::by_type::ByType;
use super::file::{Defaults, File};
use super::origin::{Effective, FileLine, Origin};
use super::reference::ConnectionReference;
use super::secret::Credentials;

/// The settings that one side says.
pub(super) struct Layer {
    groups: ByType,
    rules: Vec<(Changeable, Level, Origin)>,
    origin: Box<dyn Fn(&str) -> Origin>,
}

impl Layer {
    /// What flags and the environment say.
    pub(super) fn asked(
        groups: ByType,
        rules: Vec<(Changeable, Level, Origin)>,
        origin: impl Fn(&str) -> Origin + 'static,
    ) -> Self {
        Self { groups, rules, origin: Box::new(origin) }
    }

    /// What it says of a group.
    pub(super) fn group<G: Any>(&self) -> Option<&G> {
        self.groups.get()
    }

    /// Where a setting of this layer comes from.
    pub(super) fn origin(&self, key: &str) -> Origin {
        (self.origin)(key)
    }

    /// What a connection says.
    pub(super) fn connection(groups: ByType, origin: Origin) -> Self {
        Self { groups, rules: Vec::new(), origin: Box::new(move |_| origin.clone()) }
    }

    /// What the file says at its top, or in a profile.
    pub(super) fn file(path: &Path, profile: Option<&str>, defaults: &Defaults) -> Self {
        let (path, profile) = (path.to_owned(), profile.map(str::to_owned));
        let at = move |line| {
            let place = FileLine::new(&path, line);
            match &profile {
                Some(name) => Origin::Profile { name: name.clone(), place },
                None => Origin::File { place },
            }
        };
        let rules = defaults.rules.iter();
        let rules = rules.map(|(rule, level, line)| (rule.clone(), *level, at(*line))).collect();
        let lines = defaults.options.lines.clone();
        let origin = move |key: &str| at(lines.get(key).copied().unwrap_or_default());
        Self { groups: defaults.options.value.clone(), rules, origin: Box::new(origin) }
    }
}

/// Picks each setting from the first layer that says it, and notes which that was.
pub(super) struct Picker<'a> {
    /// What is asked on the command line, and what the file says: the first goes first.
    layers: Vec<Layer>,
    /// The connection whose settings are being picked: it goes after what is asked.
    pub(super) connection: Option<Layer>,
    pub(super) picked: Vec<Effective>,
    /// The file, for its connections.
    pub(super) file: &'a File,
    /// The blocks that were read.
    pub(super) blocks: &'a ReadBlocks,
}

impl<'a> Picker<'a> {
    pub(super) const fn new(layers: Vec<Layer>, file: &'a File, blocks: &'a ReadBlocks) -> Self {
        Self { layers, connection: None, picked: Vec::new(), file, blocks }
    }

    /// What the first layer that says a setting says of it.
    pub(super) fn find<G: Any, T: Clone>(
        &self,
        key: &str,
        of: impl Fn(&G) -> &Option<T>,
    ) -> Option<(T, Origin)> {
        let (asked, file) = self.layers.split_at(1);
        let mut layers = asked.iter().chain(&self.connection).chain(file);
        layers.find_map(|layer| Some((of(layer.group()?).clone()?, layer.origin(key))))
    }

    /// A setting that has a default.
    pub(super) fn pick<G: Any, T: Clone + Show>(
        &mut self,
        key: &str,
        of: impl Fn(&G) -> &Option<T>,
        default: T,
    ) -> T {
        let (value, origin) = self.find(key, of).unwrap_or((default, Origin::Default));
        self.note(key, value.show(), origin);
        value
    }

    /// A setting that may be left out.
    pub(super) fn optional<G: Any, T: Clone + Show>(
        &mut self,
        key: &str,
        of: impl Fn(&G) -> &Option<T>,
    ) -> Option<T> {
        self.named(key, key, of)
    }

    /// The same under the name that it has for the connection in hand.
    pub(super) fn named<G: Any, T: Clone + Show>(
        &mut self,
        name: &str,
        key: &str,
        of: impl Fn(&G) -> &Option<T>,
    ) -> Option<T> {
        let found = self.find(key, of);
        let (value, origin) = found.map_or((None, Origin::Default), |(v, o)| (Some(v), o));
        self.note(name, value.as_ref().map_or(Value::Null, Show::show), origin);
        value
    }

    /// A setting that only a variable of the environment says.
    pub(super) fn variable(&mut self, key: &str, variable: &str) -> Option<String> {
        let value = std::env::var(variable).ok().filter(|value| !value.is_empty())?;
        let shown = without_secrets(&value);
        self.note(key, json!(shown), Origin::Environment { name: variable.to_owned() });
        Some(value)
    }

    /// The rules with their levels.
    pub(super) fn rules(&mut self) -> Rules {
        let mut rules = Rules::default();
        let mut origins = BTreeMap::new();
        for layer in self.layers.iter().rev() {
            for (rule, level, origin) in &layer.rules {
                rules.set(rule, *level);
                origins.insert(rule.name(), origin.clone());
            }
        }
        for (rule, level) in rules.iter() {
            let origin = origins.remove(rule.name).unwrap_or(Origin::Default);
            self.note(&format!("rules.{}", rule.name), level.to_string().into(), origin);
        }
        rules
    }

    /// Notes a setting in force.
    pub(super) fn note(&mut self, key: &str, value: Value, from: Origin) {
        self.picked.push(Effective { key: key.to_owned(), value, from });
    }
}

/// A value as people may see it.
pub(super) trait Show {
    fn show(&self) -> Value;
}

impl Show for String {
    fn show(&self) -> Value {
        json!(self)
    }
}

impl Show for bool {
    fn show(&self) -> Value {
        json!(self)
    }
}

impl Show for usize {
    fn show(&self) -> Value {
        json!(self)
    }
}

impl Show for Duration {
    fn show(&self) -> Value {
        json!(humantime::format_duration(*self).to_string())
    }
}

impl Show for Share {
    fn show(&self) -> Value {
        json!(self.to_string())
    }
}

impl Show for PathBuf {
    fn show(&self) -> Value {
        json!(self.display().to_string())
    }
}

impl Show for ConnectionReference {
    fn show(&self) -> Value {
        json!(self.to_string())
    }
}

impl Show for LakeAddress {
    fn show(&self) -> Value {
        json!(self.to_string())
    }
}

impl Show for Credentials {
    fn show(&self) -> Value {
        json!(self.to_string())
    }
}

impl Show for Vec<WarehouseKind> {
    fn show(&self) -> Value {
        json!(self)
    }
}

/// The name of a value that flags spell.
pub(super) fn value_name<T: ValueEnum>(value: &T) -> Value {
    json!(value.to_possible_value().map(|value| value.get_name().to_owned()))
}
