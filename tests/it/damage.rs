//! Good months, damaged: at the level of bytes, and of HTTP. Whatever the damage, either every row
//! and value is right, or the month has failed with a sentence and what was there before is
//! untouched.
//!
//! Each case is made from a number, so that it can be run again:
//!
//! - `TAXI_DAMAGE_SEED` is the number of the first case; the default is the same for every run.
//! - `TAXI_DAMAGE_CASES` is how many cases each test tries (default 160).
//! - `TAXI_DAMAGE_SECONDS` runs each test for this long instead, from a seed of its own.

mod bytes;
mod http;
mod truth;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::harness::taxi::{Ran, Taxi};
use taxi_test_support::generate::random::Random;
use taxi_test_support::generate::{Colour, Form, Recipe};

use truth::Truth;

/// The editions that are damaged: all layouts of CSV files, and Parquet files of all types.
#[rustfmt::skip]
const EDITIONS: &[(Colour, u16, u8, &[Form])] = &[
    (Colour::Yellow, 2009, 3, &[Form::Csv, Form::CsvGz, Form::Parquet]),
    (Colour::Yellow, 2014, 5, &[Form::Csv, Form::CsvGz]),
    (Colour::Yellow, 2016, 8, &[Form::Csv, Form::CsvGz]),
    (Colour::Yellow, 2019, 2, &[Form::CsvGz, Form::Parquet]),
    (Colour::Yellow, 2025, 2, &[Form::Parquet]),
    (Colour::Green, 2013, 9, &[Form::Csv, Form::CsvGz]),
    (Colour::Green, 2020, 1, &[Form::Csv, Form::CsvGz, Form::Parquet]),
    (Colour::Fhv, 2015, 2, &[Form::Csv, Form::CsvGz]),
    (Colour::Fhv, 2017, 8, &[Form::Csv, Form::CsvGz]),
    (Colour::Fhv, 2018, 3, &[Form::Csv, Form::CsvGz, Form::Parquet]),
    (Colour::Fhvhv, 2020, 1, &[Form::Csv, Form::CsvGz]),
    (Colour::Fhvhv, 2021, 3, &[Form::Parquet]),
];

const ROWS: u64 = 300;

/// A good month: its file, and what it becomes.
struct Good {
    recipe: Recipe,
    bytes: Vec<u8>,
    truth: Truth,
    /// The month in a lake that has it from elsewhere.
    published: Vec<u8>,
}

impl Good {
    fn all() -> Vec<Self> {
        let recipes = EDITIONS.iter().flat_map(|(colour, year, month, forms)| {
            forms.iter().map(|form| {
                Recipe::new(*colour, *year, *month).rows(ROWS).meterless_percent(5).form(*form)
            })
        });
        recipes.map(Self::new).collect()
    }

    fn new(recipe: Recipe) -> Self {
        let (bytes, made) = recipe.bytes();
        let taxi = Taxi::new();
        let ran = clean(&taxi, &recipe, &bytes);
        assert_eq!(ran.state(), "published", "{}", ran.stderr);
        let key = taxi.lake(&key(&recipe));
        crate::harness::month::Parquet::read(&key).assert_sums(&made);
        let truth = Truth::new(recipe.form, &bytes, truth::rows(&key));
        Self { published: std::fs::read(key).unwrap(), recipe, bytes, truth }
    }

    fn name(&self) -> String {
        format!("{} {} {}", self.recipe.colour, self.recipe.month, self.recipe.form)
    }

    /// Puts the good month into a lake.
    fn put(&self, taxi: &Taxi) {
        let path = taxi.lake(&key(&self.recipe));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &self.published).unwrap();
    }
}

/// The key of a month in the lake.
fn key(recipe: &Recipe) -> String {
    format!("{0}/{0}_tripdata_{1}.parquet", recipe.colour, recipe.month)
}

/// Runs the program on a file that has these bytes.
fn clean(taxi: &Taxi, recipe: &Recipe, bytes: &[u8]) -> Ran {
    std::fs::write(taxi.folder().join("file"), bytes).unwrap();
    // A file without an ending: what it is shows in its bytes.
    std::fs::create_dir_all(taxi.folder().join("in")).unwrap();
    let name = format!("{}-{}", recipe.colour, recipe.month);
    std::fs::rename(taxi.folder().join("file"), taxi.folder().join("in").join(name)).unwrap();
    let (colour, month) = (recipe.colour.to_string(), recipe.month.to_string());
    taxi.month(&colour, &month, "in/{colour}-{year}-{month}")
}

/// What is wrong with how a run ended; nothing if all is as promised.
fn wrong_end(ran: &Ran) -> Option<String> {
    let said = &ran.stderr;
    if !matches!(ran.code, Some(0 | 1)) {
        return Some(format!("exit code {:?}: {said}", ran.code));
    }
    if said.contains("panicked") || said.contains("fault of this program") {
        return Some(format!("a fault of the program: {said}"));
    }
    let month = ran.first();
    if month["state"] == "failed" && month["error"].as_str().is_none_or(str::is_empty) {
        return Some("failed without a word".to_owned());
    }
    None
}

/// What is wrong with a month that failed: what was there before must be as it was.
fn wrong_failure(path: &Path, before: Option<&[u8]>) -> Option<String> {
    match (std::fs::read(path), before) {
        (Ok(now), Some(before)) if now == before => None,
        (Err(_), None) => None,
        (Ok(_), Some(_)) => Some("failed, and replaced what was there".to_owned()),
        (Ok(_), None) => Some("failed, and published".to_owned()),
        (Err(_), Some(_)) => Some("failed, and removed what was there".to_owned()),
    }
}

/// Tries case after case on every core, and reports all that came out wrong.
fn hunt(name: &str, case: impl Fn(u64) -> Result<(), String> + Sync) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seconds = number("TAXI_DAMAGE_SECONDS");
    let cases = number("TAXI_DAMAGE_CASES").unwrap_or(160);
    let clock = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 >> 12 << 12;
    let first = number("TAXI_DAMAGE_SEED").unwrap_or_else(|| seconds.map_or(0, |_| clock()));
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (next, wrong) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let over = until.map_or(at >= cases, |until| Instant::now() >= until);
                    if over || wrong.lock().unwrap().len() >= 50 {
                        break;
                    }
                    let seed = first + at;
                    if let Err(what) = case(seed) {
                        println!("{name}, TAXI_DAMAGE_SEED={seed}: {what}");
                        wrong.lock().unwrap().push(format!("seed {seed}: {what}"));
                    }
                }
            });
        }
    });
    let tried = next.into_inner() - threads as u64;
    println!("{name}: {tried} cases from seed {first}");
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {tried} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// One of these, by chance.
fn one_of<'a, T>(random: &mut Random, from: &'a [T]) -> &'a T {
    &from[random.below(from.len() as u64) as usize]
}
