//! A run in progress, and the months that runs are disturbed with.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nyc_taxi_etl::trip::Provenance;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::harness::taxi::{Ran, Taxi, month_args};
use taxi_test_support::generate::{Colour, Dirt, Form, Recipe};
use taxi_test_support::web::Web;

/// Nothing that a test waits for takes longer, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(180);

/// How soon a run that is told to stop has ended: by itself within 10 s, and later on a machine that
/// is busy with other tests. What these tests hold it up with lasts a minute and longer.
pub const SOON: Duration = Duration::from_secs(30);

/// A month's trips as the source has them.
pub struct Trips {
    pub colour: &'static str,
    pub month: &'static str,
    pub bytes: Bytes,
    /// The key of its trips in the lake.
    pub key: &'static str,
}

/// A month that is published in one request. Rows are set aside, and more of them with
/// `OTHER_RULES`.
pub static SMALL: LazyLock<Trips> = LazyLock::new(|| Trips {
    colour: "green",
    month: "2020-01",
    bytes: dirty(Recipe::new(Colour::Green, 2020, 1).rows(3000)),
    key: "green/green_tripdata_2020-01.parquet",
});

/// A month that is published in two parts, as coordinates hardly compress.
pub static LARGE: LazyLock<Trips> = LazyLock::new(|| Trips {
    colour: "yellow",
    month: "2010-01",
    bytes: dirty(Recipe::new(Colour::Yellow, 2010, 1).rows(300_000)),
    key: "yellow/yellow_tripdata_2010-01.parquet",
});

/// Rules by which a month has another quarantine.
pub const OTHER_RULES: &[&str] = &["--reject", "negative_fare"];

/// Months in which every column of every colour has values: two of yellow, one of green, one of
/// fhv, two of fhvhv, of 3,000 rows each.
pub fn every_colour() -> impl Iterator<Item = Recipe> {
    let months = [
        Recipe::new(Colour::Yellow, 2009, 1),
        Recipe::new(Colour::Yellow, 2019, 3).meterless_percent(20).dirt(Dirt::Refund, 20),
        Recipe::new(Colour::Green, 2020, 1).meterless_percent(30).dirt(Dirt::UnknownLocation, 8),
        Recipe::new(Colour::Fhv, 2020, 1).newer_edition().dirt(Dirt::Year3019Dropoff, 5),
        Recipe::new(Colour::Fhvhv, 2021, 7),
        Recipe::new(Colour::Fhvhv, 2021, 8).form(Form::Parquet),
    ];
    months.into_iter().enumerate().map(|(seed, recipe)| recipe.rows(3000).seed(seed as u64))
}

/// The bytes of a month with rows to set aside.
pub fn dirty(recipe: Recipe) -> Bytes {
    let recipe = recipe
        .form(Form::CsvGz)
        .dirt(Dirt::NegativeFare, 40)
        .dirt(Dirt::PickupOutsideMonth, 60)
        .dirt(Dirt::Unreadable, 30);
    recipe.bytes().0.into()
}

impl Trips {
    /// Puts the month where `args` look for it.
    pub fn serve(&self, web: &Web) {
        web.put(&self.path(), self.bytes.clone());
    }

    /// Its path on the web server.
    pub fn path(&self) -> String {
        format!("/{}-{}", self.colour, self.month)
    }

    /// The arguments of a run that brings it from the web server to the lake.
    pub fn args(&self, web: &Web, more: &[&str]) -> Vec<String> {
        let source = format!("{}/{{colour}}-{{year}}-{{month}}", web.url());
        let mut args = month_args(self.colour, self.month, &source);
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        args
    }

    /// What a run that nothing disturbs makes of it, by key.
    pub fn undisturbed(&self, web: &Web, more: &[&str]) -> Objects {
        let taxi = Taxi::new();
        assert_eq!(taxi.run(self.args(web, more)).exits(0).state(), "published");
        objects(&taxi)
    }
}

/// Objects of a lake by key.
pub type Objects = BTreeMap<String, Bytes>;

/// All files of a local lake, what is left in its spool among them.
pub fn objects(taxi: &Taxi) -> Objects {
    let files = taxi.files("data").into_iter();
    files.map(|key| (key.clone(), read(taxi, &key))).collect()
}

/// A file of a local lake.
pub fn read(taxi: &Taxi, key: &str) -> Bytes {
    std::fs::read(taxi.lake(key)).unwrap().into()
}

/// Fails unless two lakes hold the same bytes under the same keys.
pub fn assert_same(found: &Objects, wanted: &Objects) {
    let keys = |objects: &Objects| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(found), keys(wanted));
    for (key, bytes) in wanted {
        assert!(found[key] == bytes, "{key} has other bytes");
    }
}

/// The key of the quarantine that a month's trips name.
pub fn quarantine_of(trips: &Bytes) -> Option<String> {
    let reader = SerializedFileReader::new(trips.clone()).expect("it is a whole Parquet file");
    let entries = reader.metadata().file_metadata().key_value_metadata();
    let entry = entries?.iter().find(|entry| entry.key == Provenance::KEY)?;
    let provenance: Provenance = serde_json::from_str(entry.value.as_deref()?).unwrap();
    provenance.quarantine
}

/// A program that runs; it is killed on drop.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Running {
    /// Starts a command as `Taxi::command` makes it.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines, said: String::new() }
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line on stderr that has this in it.
    pub fn until(&mut self, text: &str) {
        let started = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE.saturating_sub(started.elapsed())) {
            self.said += &line;
            self.said.push('\n');
            if line.contains(text) {
                return;
            }
        }
        panic!("it never said '{text}':\n{}", self.said);
    }

    /// `kill -9`
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, as Ctrl-C or a supervisor does.
    pub fn terminate(&self) {
        let id = self.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &id]).status();
        assert!(kill.unwrap().success());
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ran {
        let mut stdout = String::new();
        let mut pipe = self.child.stdout.take().unwrap();
        pipe.read_to_string(&mut stdout).unwrap();
        let code = self.child.wait().unwrap().code();
        let mut stderr = std::mem::take(&mut self.said);
        while let Ok(line) = self.lines.recv() {
            stderr += &line;
            stderr.push('\n');
        }
        Ran { code, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
pub fn until(what: &str, so: impl Fn() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < PATIENCE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
