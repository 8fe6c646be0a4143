//! `deployments.yaml`: deployments in the shape of Prefect's `prefect.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime};
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use serde_saphyr::{Error as YamlError, Spanned};

use crate::settings::suggestion;

use super::names::Named;
use super::{PoolKind, cron, rrule};

/// Longer intervals are beyond the calendar of the server.
const LONGEST_INTERVAL: f64 = 100.0 * 366.0 * 86_400.0;

/// The server counts in 32 bits.
const HIGHEST_LIMIT: u32 = i32::MAX as u32;

/// A file of deployments.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Where it was read.
    pub path: PathBuf,
    /// What it describes.
    pub deployments: Vec<Deployment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// A place for YAML anchors.
    #[serde(default, rename = "definitions")]
    _definitions: Option<IgnoredAny>,
    deployments: Vec<Written>,
}

/// A deployment, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<Text>,
    flow: Text,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    tags: Vec<Text>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    schedules: Vec<Spanned<WrittenSchedule>>,
    #[serde(default)]
    concurrency_limit: Option<WrittenLimit>,
    work_pool: Spanned<WorkPool>,
}

/// A text that must be there: YAML's `~` is not one.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            Some(text) => Ok(Self(text)),
            None => Err(D::Error::custom(NO_TEXT)),
        }
    }
}

const NO_TEXT: &str =
    "a text is wanted here, and there is none: put it in quotes if it is 'null' or '~'";

#[derive(Deserialize)]
#[serde(untagged, expecting = "an interval is a number of seconds")]
enum Seconds {
    Number(f64),
    Text(String),
}

/// A schedule, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSchedule {
    #[serde(default)]
    cron: Option<String>,
    #[serde(default)]
    day_or: Option<bool>,
    #[serde(default)]
    interval: Option<Seconds>,
    #[serde(default)]
    anchor_date: Option<String>,
    #[serde(default)]
    rrule: Option<String>,
    #[serde(default)]
    timezone: Option<String>,
    #[serde(default)]
    active: Option<bool>,
    #[serde(default)]
    slug: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "concurrency_limit is a number, or limit with collision_strategy: ENQUEUE or CANCEL_NEW"
)]
enum WrittenLimit {
    Number(u32),
    Full(Limit),
}

/// A deployment: a flow, what it is asked for, when, and where it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The line of the file it is on.
    pub line: u64,
    /// Its name, without the flow's.
    pub name: String,
    /// Its flow.
    pub flow: String,
    /// What it is for, in Markdown.
    pub description: Option<String>,
    /// Its version; none for the program's.
    pub version: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// What its runs are asked for.
    pub parameters: Map<String, Value>,
    /// When it runs.
    pub schedules: Vec<Schedule>,
    /// How many of its runs may go on at once.
    pub limit: Option<Limit>,
    /// Where it runs.
    pub work_pool: WorkPool,
    /// The line on which that is said.
    pub pool_line: u64,
}

/// When a deployment runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The line of the file it is on.
    pub line: u64,
    /// Its name: by it, it is found again.
    pub slug: String,
    /// Whether it is on; none where that is for people to say: on when it is new.
    pub active: Option<bool>,
    /// When, as Prefect writes it.
    pub when: Value,
    /// Parameters that go before the deployment's.
    pub parameters: Map<String, Value>,
}

/// How many runs of a deployment may go on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// So many.
    pub limit: u32,
    /// What becomes of one more.
    #[serde(default)]
    pub collision_strategy: Collision,
    /// How many seconds a slot is kept for a run that does not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period_seconds: Option<u32>,
}

/// What becomes of a run over the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Collision {
    /// It waits.
    #[default]
    Enqueue,
    /// It is cancelled.
    CancelNew,
}

/// Where a deployment runs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkPool {
    /// The pool.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// What its workers start; none for what the pool is, or what is asked for new ones.
    #[serde(default, rename = "type")]
    pub kind: Option<PoolKind>,
    /// The queue in it; none for `default`.
    #[serde(default)]
    pub work_queue_name: Option<String>,
    /// What goes before the pool's own settings.
    #[serde(default)]
    pub job_variables: Map<String, Value>,
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Text::deserialize(deserializer).map(|text| text.0)
}

/// Why a file of deployments cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It cannot be read.
    #[error("cannot read the deployments in {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not understood.
    #[error("{}, line {line}: {what}", path.display())]
    Understand {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A deployment that was asked for is not in it.
    #[error("{} has no deployment '{name}': it has {}", path.display(), known.join(", "))]
    NoDeployment {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
}

impl Manifest {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let wrong = |line, what| ManifestError::Understand { path: path.to_owned(), line, what };
        let file: File = serde_saphyr::from_str(text).map_err(|error| {
            let error = error.without_snippet();
            let line = error.location().map_or(1, |at| at.line());
            wrong(line, sentence(error))
        })?;
        let mut deployments: Vec<Deployment> = Vec::new();
        for written in file.deployments {
            let line = written.name.referenced.line();
            let deployment =
                written.checked().map_err(|(at, what)| wrong(at.unwrap_or(line), what))?;
            if deployments.iter().any(|other| other.full_name() == deployment.full_name()) {
                let what = format!("there are two deployments {}", deployment.full_name());
                return Err(wrong(line, what));
            }
            deployments.push(deployment);
        }
        Ok(Self { path: path.to_owned(), deployments })
    }

    /// With these deployments alone, by their names with the flow's or without.
    pub fn only(mut self, names: &[String]) -> Result<Self, ManifestError> {
        for name in names {
            if !self.deployments.iter().any(|known| known.is_called(name)) {
                let known = self.deployments.iter().map(Deployment::full_name).collect();
                return Err(ManifestError::NoDeployment {
                    path: self.path,
                    name: name.clone(),
                    known,
                });
            }
        }
        if !names.is_empty() {
            self.deployments.retain(|known| names.iter().any(|name| known.is_called(name)));
        }
        Ok(self)
    }

    /// The error of something that is wrong on a line of the file.
    pub fn wrong(&self, line: u64, what: String) -> ManifestError {
        ManifestError::Understand { path: self.path.clone(), line, what }
    }
}

impl Deployment {
    /// `etl-parent-flow/monthly`
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.flow, self.name)
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.full_name() == name
    }
}

type Wrong = (Option<u64>, String);

impl Written {
    fn checked(self) -> Result<Deployment, Wrong> {
        let line = self.name.referenced.line();
        let name = self.name.value.0;
        Named::Deployment.check(&name).map_err(|what| (None, what))?;
        let pool_line = self.work_pool.referenced.line();
        let work_pool = self.work_pool.value;
        let wrong_pool = |what| (Some(pool_line), what);
        Named::WorkPool.check(&work_pool.name).map_err(wrong_pool)?;
        if let Some(queue) = &work_pool.work_queue_name {
            Named::WorkQueue.check(queue).map_err(wrong_pool)?;
        }
        let taken = self.schedules.iter().filter_map(|written| written.value.slug.clone());
        let mut slugs = Slugs { taken: taken.collect(), counts: BTreeMap::new() };
        let mut schedules: Vec<Schedule> = Vec::new();
        for written in self.schedules {
            let at = written.referenced.line();
            let line = Some(at);
            let schedule = written.value.checked(at, &mut slugs).map_err(|what| (line, what))?;
            if schedules.iter().any(|other| other.slug == schedule.slug) {
                return Err((line, format!("two schedules have the slug '{}'", schedule.slug)));
            }
            schedules.push(schedule);
        }
        let limit = self.concurrency_limit.map(|limit| match limit {
            WrittenLimit::Full(limit) => limit,
            WrittenLimit::Number(limit) => Limit {
                limit,
                collision_strategy: Collision::default(),
                grace_period_seconds: None,
            },
        });
        if let Some(limit) = limit {
            limit.check().map_err(|what| (None, what))?;
        }
        Ok(Deployment {
            line,
            name,
            flow: self.flow.0,
            description: self.description.map(|text| text.trim().to_owned()),
            version: self.version,
            tags: self.tags.into_iter().map(|tag| tag.0).collect(),
            parameters: self.parameters,
            schedules,
            limit,
            work_pool,
            pool_line,
        })
    }
}

impl Limit {
    fn check(&self) -> Result<(), String> {
        if !(1..=HIGHEST_LIMIT).contains(&self.limit) {
            return Err(format!("concurrency_limit must be from 1 to {HIGHEST_LIMIT}"));
        }
        if self.grace_period_seconds.is_some_and(|grace| !(60..=86_400).contains(&grace)) {
            return Err("grace_period_seconds must be from 60 to 86400".to_owned());
        }
        Ok(())
    }
}

/// The names of schedules that have none of their own: `cron`, `cron-2`, ..., but for those that
/// others were given.
struct Slugs {
    taken: BTreeSet<String>,
    counts: BTreeMap<&'static str, u32>,
}

impl Slugs {
    fn next(&mut self, kind: &'static str) -> String {
        let count = self.counts.entry(kind).or_default();
        loop {
            *count += 1;
            let slug = if *count == 1 { kind.to_owned() } else { format!("{kind}-{count}") };
            if !self.taken.contains(&slug) {
                return slug;
            }
        }
    }
}

impl WrittenSchedule {
    fn checked(self, line: u64, slugs: &mut Slugs) -> Result<Schedule, String> {
        let timezone = self.timezone.unwrap_or_else(|| "UTC".to_owned());
        rrule::time_zone(&timezone)?;
        let (kind, when) = match (self.cron, self.interval, self.rrule) {
            (Some(cron), None, None) => {
                let day_or = self.day_or.unwrap_or(true);
                cron::check(&cron, day_or)?;
                ("cron", json!({ "cron": cron, "timezone": timezone, "day_or": day_or }))
            }
            (None, Some(interval), None) => {
                let mut when = json!({ "interval": interval.checked()?, "timezone": timezone });
                if let Some(anchor) = &self.anchor_date {
                    if time(anchor).is_none() {
                        return Err(format!(
                            "anchor_date '{anchor}' is not a time: write it as \
                             2026-01-31T06:00:00Z or 2026-01-31"
                        ));
                    }
                    when["anchor_date"] = json!(anchor);
                }
                ("interval", when)
            }
            (None, None, Some(rule)) => {
                rrule::check(&rule)?;
                ("rrule", json!({ "rrule": rule, "timezone": timezone }))
            }
            _ => return Err("a schedule is one of cron, interval and rrule".to_owned()),
        };
        if self.anchor_date.is_some() && kind != "interval" {
            return Err("anchor_date belongs to an interval".to_owned());
        }
        if self.day_or.is_some() && kind != "cron" {
            return Err("day_or belongs to cron".to_owned());
        }
        let slug = self.slug.unwrap_or_else(|| slugs.next(kind));
        if slug.trim().is_empty() {
            return Err(
                "the slug of a schedule is empty: give it a name or leave it out".to_owned()
            );
        }
        Ok(Schedule { line, slug, active: self.active, when, parameters: self.parameters })
    }
}

impl Seconds {
    fn checked(&self) -> Result<f64, String> {
        match self {
            Self::Number(seconds) if (1.0..=LONGEST_INTERVAL).contains(seconds) => Ok(*seconds),
            Self::Number(_) => {
                Err("an interval is a number of seconds, from 1 to a hundred years".to_owned())
            }
            Self::Text(text) => Err(match humantime::parse_duration(text) {
                Ok(time) => {
                    let seconds = time.as_secs();
                    format!("an interval is a number of seconds: write {text} as {seconds}")
                }
                Err(_) => format!("an interval is a number of seconds, and '{text}' is none"),
            }),
        }
    }
}

/// A time in one of the forms in which it may be written; without a zone it is UTC.
pub(super) fn time(text: &str) -> Option<DateTime<FixedOffset>> {
    const FORMS: [&str; 4] =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let naive = |form: &&str| NaiveDateTime::parse_from_str(text, form).ok();
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let found = DateTime::parse_from_rfc3339(text).ok().or_else(|| {
        let naive = FORMS.iter().find_map(naive).or_else(day)?;
        Some(naive.and_utc().fixed_offset())
    });
    // Beyond these the server counts for ever or not at all.
    found.filter(|time| (1900..=2200).contains(&time.year()))
}

/// What is wrong, without the line it is in.
fn sentence(error: &YamlError) -> String {
    match error {
        YamlError::SerdeUnknownField { field, expected, .. } => match field.as_str() {
            "entrypoint" => "there is no entrypoint here: name the flow by 'flow'".to_owned(),
            "schedule" => "there is no single schedule here: write schedules, a list".to_owned(),
            "build" | "push" | "pull" | "triggers" => {
                format!("'{field}' of prefect.yaml has no meaning here: leave it out")
            }
            _ => {
                format!("there is no key '{field}'{}", suggestion(field, expected.iter().copied()))
            }
        },
        YamlError::SerdeUnknownVariant { variant, expected, .. } => {
            format!("there is no '{variant}'{}", suggestion(variant, expected.iter().copied()))
        }
        error => {
            let text = error.to_string();
            // The place is told already.
            let text = text.split(" at line ").next().unwrap_or_default();
            let text = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            match (text, text.strip_prefix("missing field ")) {
                (_, Some(name)) => format!("{} is missing", name.replace('`', "'")),
                ("expected sequence start", _) => "a list is wanted here: [one, two]".to_owned(),
                ("expected mapping start", _) => "keys and values are wanted here".to_owned(),
                _ => text.to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        Manifest::parse(Path::new("deployments.yaml"), text).unwrap_err().to_string()
    }

    const HEAD: &str =
        "deployments:\n  - name: monthly\n    flow: etl-parent-flow\n    work_pool: {name: p}\n";

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_what_was_probably_meant() {
        let said = [
            "deployments:\n  - name: monthly\n    flow: f\n".to_owned(),
            "deploymens: []\n".to_owned(),
            format!("{HEAD}    xyz: 1\n"),
            format!("{HEAD}    paramaters: {{}}\n"),
            format!("{HEAD}    entrypoint: flows/parent.py:main\n"),
            format!("{HEAD}    schedules:\n      - corn: 0 6 5 * *\n"),
            format!("{HEAD}    schedules:\n      - timezone: UTC\n      - cron: 0 6 5 * *\n"),
            format!("{HEAD}    schedules:\n      - slug: a\n        cron: 6 5 * *\n"),
            format!("{HEAD}    schedules:\n      - interval: 0\n"),
            format!("{HEAD}    schedules:\n      - interval: 6h\n"),
            format!("{HEAD}    schedules:\n      - cron: 0 6 5 * *\n      - cron: 0 25 * * *\n"),
            format!(
                "{HEAD}    schedules:\n      - {{cron: 0 6 5 * *, timezone: America/NewYork}}\n"
            ),
            format!("{HEAD}    schedules:\n      - {{interval: 60, anchor_date: tomorrow}}\n"),
            format!("{HEAD}    schedules:\n      - rrule: FREQ=DAILY;BYDAYS=MO\n"),
            format!("{HEAD}    schedules:\n      - {{interval: 60, slug: ''}}\n"),
            format!("{HEAD}    concurrency_limit: {{limit: 1, grace_period_seconds: 5}}\n"),
            HEAD.replace("name: p", "name: prefect-managed"),
            HEAD.replace("name: p", "name: p, work_queue_name: a/b"),
            format!(
                "{HEAD}    schedules:\n      - {{cron: 0 6 5 * *, slug: a}}\n      - {{interval: 60, slug: a}}\n"
            ),
            format!("{HEAD}    schedules:\n      - {{cron: 0 6 5 * *, anchor_date: 2020-01-01}}\n"),
            format!("{HEAD}    tags: nyc\n"),
            format!("{HEAD}    concurrency_limit: 0\n"),
            format!("{HEAD}    concurrency_limit: {{limit: 1, collision_strategy: CANCEL}}\n"),
            HEAD.replace("name: p", "name: p, type: proces"),
            HEAD.replace("monthly", "a/b"),
            format!("{HEAD}{}", &HEAD["deployments:\n".len()..]),
            "deployments: [\n".to_owned(),
        ];
        insta::assert_snapshot!(said.map(|text| wrong(&text)).join("\n"), @"
        deployments.yaml, line 3: 'work_pool' is missing
        deployments.yaml, line 1: there is no key 'deploymens': did you mean 'deployments'?
        deployments.yaml, line 5: there is no key 'xyz': there are name, flow, description, version, tags, parameters, schedules, concurrency_limit, work_pool
        deployments.yaml, line 5: there is no key 'paramaters': did you mean 'parameters'?
        deployments.yaml, line 5: there is no entrypoint here: name the flow by 'flow'
        deployments.yaml, line 6: there is no key 'corn': did you mean 'cron'?
        deployments.yaml, line 6: a schedule is one of cron, interval and rrule
        deployments.yaml, line 6: '6 5 * *' has 4 fields: cron has five (minute, hour, day of month, month, day of week), then perhaps second and year
        deployments.yaml, line 6: an interval is a number of seconds, from 1 to a hundred years
        deployments.yaml, line 6: an interval is a number of seconds: write 6h as 21600
        deployments.yaml, line 7: '25' cannot be the hour of '0 25 * * *': expected 0 to 23
        deployments.yaml, line 6: 'America/NewYork' is not an IANA time zone: did you mean 'America/New_York'?
        deployments.yaml, line 6: anchor_date 'tomorrow' is not a time: write it as 2026-01-31T06:00:00Z or 2026-01-31
        deployments.yaml, line 6: the rrule has an unknown part 'BYDAYS'
        deployments.yaml, line 6: the slug of a schedule is empty: give it a name or leave it out
        deployments.yaml, line 2: grace_period_seconds must be from 60 to 86400
        deployments.yaml, line 4: 'prefect-managed' cannot be the name of a work pool: names that begin with 'prefect' are reserved by Prefect; choose another
        deployments.yaml, line 4: 'a/b' cannot be the name of a work queue: Prefect does not allow / % & < > in it
        deployments.yaml, line 7: two schedules have the slug 'a'
        deployments.yaml, line 6: anchor_date belongs to an interval
        deployments.yaml, line 5: a list is wanted here: [one, two]
        deployments.yaml, line 2: concurrency_limit must be from 1 to 2147483647
        deployments.yaml, line 5: concurrency_limit is a number, or limit with collision_strategy: ENQUEUE or CANCEL_NEW
        deployments.yaml, line 4: there is no 'proces': did you mean 'process'?
        deployments.yaml, line 2: 'a/b' cannot be the name of a deployment: Prefect does not allow / % & < > in it
        deployments.yaml, line 5: there are two deployments etl-parent-flow/monthly
        deployments.yaml, line 1: unclosed bracket '['
        ");
    }

    #[test]
    fn nothing_is_not_a_text() {
        let said = [
            HEAD.replace("name: monthly", "name: ~"),
            HEAD.replace("name: monthly", "name:"),
            HEAD.replace("flow: etl-parent-flow", "flow: null"),
            HEAD.replace("name: p", "name: ~"),
            format!("{HEAD}    tags: [null]\n"),
            format!("{HEAD}    tags: [a, ~]\n"),
            format!("{HEAD}    tags:\n      - a\n      -\n"),
            format!("{HEAD}    schedules: [~]\n"),
            "deployments: ~\n".to_owned(),
            "deployments: [~]\n".to_owned(),
            "deployments:\n  - name: a\n    flow: f\n    work_pool: ~\n".to_owned(),
        ];
        insta::assert_snapshot!(said.map(|text| wrong(&text)).join("\n"), @"
        deployments.yaml, line 2: a text is wanted here, and there is none: put it in quotes if it is 'null' or '~'
        deployments.yaml, line 2: a text is wanted here, and there is none: put it in quotes if it is 'null' or '~'
        deployments.yaml, line 3: a text is wanted here, and there is none: put it in quotes if it is 'null' or '~'
        deployments.yaml, line 4: a text is wanted here, and there is none: put it in quotes if it is 'null' or '~'
        deployments.yaml, line 5: a text is wanted here, and there is none: put it in quotes if it is 'null' or '~'
        deployments.yaml, line 5: a text is wanted here, and there is none: put it in quotes if it is 'null' or '~'
        deployments.yaml, line 7: a text is wanted here, and there is none: put it in quotes if it is 'null' or '~'
        deployments.yaml, line 5: keys and values are wanted here
        deployments.yaml, line 1: a list is wanted here: [one, two]
        deployments.yaml, line 1: keys and values are wanted here
        deployments.yaml, line 4: keys and values are wanted here
        ");
        let tags = format!("{HEAD}    tags: ['null', \"~\", 2024]\n    description: ~\n");
        let manifest = Manifest::parse(Path::new("d.yaml"), &tags).unwrap();
        assert_eq!(manifest.deployments[0].tags, ["null", "~", "2024"]);
        assert_eq!(manifest.deployments[0].description, None);
        let said =
            ["tags", "schedules", "parameters", "concurrency_limit", "version"].map(|name| {
                let text = format!("{HEAD}    {name}: ~\n");
                match Manifest::parse(Path::new("d.yaml"), &text) {
                    Ok(_) => format!("{name}: fine"),
                    Err(error) => format!("{name}: {error}"),
                }
            });
        insta::assert_snapshot!(said.join("\n"), @"
        tags: d.yaml, line 5: a list is wanted here: [one, two]
        schedules: d.yaml, line 5: a list is wanted here: [one, two]
        parameters: d.yaml, line 5: keys and values are wanted here
        concurrency_limit: fine
        version: fine
        ");
    }

    #[test]
    fn a_schedule_without_a_slug_takes_none_of_others() {
        let slugs = |schedules: &str| {
            let text = format!("{HEAD}    schedules: [{schedules}]\n");
            let manifest = Manifest::parse(Path::new("d.yaml"), &text).unwrap();
            let slugs = manifest.deployments[0].schedules.iter().map(|s| s.slug.clone());
            slugs.collect::<Vec<_>>().join(" ")
        };
        let (cron, named) = ("{cron: 0 6 5 * *}", "{cron: 0 6 5 * *, slug: cron-2}");
        assert_eq!(slugs(&format!("{cron}, {cron}")), "cron cron-2");
        assert_eq!(slugs(&format!("{cron}, {named}, {cron}")), "cron cron-2 cron-3");
        assert_eq!(slugs(&format!("{cron}, {cron}, {named}")), "cron cron-3 cron-2");
        let first = "{interval: 60, slug: cron}";
        assert_eq!(slugs(&format!("{cron}, {first}")), "cron-2 cron");
    }

    #[test]
    fn a_deployment_is_found_by_its_name_with_the_flow_s_or_without() {
        let manifest = Manifest::parse(Path::new("d.yaml"), HEAD).unwrap();
        let only = |name: &str| manifest.clone().only(&[name.to_owned()]);
        assert_eq!(only("monthly").unwrap(), manifest);
        assert_eq!(only("etl-parent-flow/monthly").unwrap(), manifest);
        assert_eq!(
            only("weekly").unwrap_err().to_string(),
            "d.yaml has no deployment 'weekly': it has etl-parent-flow/monthly"
        );
    }
}
