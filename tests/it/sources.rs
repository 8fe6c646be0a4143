//! A month from its source to the lake, whatever happens on the way.

mod again;
mod answers;
mod broken;
mod encodings;
mod parts;
mod places;
mod raw;
mod stopped;
mod tags;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::month::{Parquet, assert_counts};
use crate::harness::taxi::{Ran, Taxi, month_args};
use taxi_test_support::generate::{Colour, Dirt, Form, Made, Recipe};
use taxi_test_support::web::{Request, Web};

/// Where the web has the month.
const FILE: &str = "/green/2020-01";
/// Where the lake has it.
const TRIPS: &str = "green/green_tripdata_2020-01.parquet";

/// A web that serves a month of green trips, and the program to fetch it.
struct Served {
    web: Web,
    taxi: Taxi,
    bytes: Vec<u8>,
    made: Made,
}

impl Served {
    async fn new(form: Form) -> Self {
        let (bytes, made) = january(form, 1);
        let web = Web::start().await;
        web.put(FILE, bytes.clone());
        Self { web, taxi: Taxi::new(), bytes, made }
    }

    /// The month as a gzip file of several members, and where each of them ends.
    async fn in_members(members: usize) -> (Self, Vec<u64>) {
        let (text, made) = january(Form::Csv, 1);
        let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for part in lines.chunks(lines.len().div_ceil(members)) {
            let mut member = GzEncoder::new(&mut bytes, Compression::fast());
            for line in part {
                member.write_all(line).unwrap();
            }
            member.finish().unwrap();
            ends.push(bytes.len() as u64);
        }
        let web = Web::start().await;
        web.put(FILE, bytes.clone());
        (Self { web, taxi: Taxi::new(), bytes, made }, ends)
    }

    /// Sets a variable of the environment for all runs.
    fn set(self, name: &str, value: &str) -> Self {
        Self { taxi: self.taxi.set(name, value), ..self }
    }

    /// Serves another edition of the month from now on.
    fn serve_edition(&mut self, form: Form, edition: u64) {
        (self.bytes, self.made) = january(form, edition);
        self.web.put(FILE, self.bytes.clone());
    }

    fn half(&self) -> u64 {
        self.bytes.len() as u64 / 2
    }

    /// The address of the web as `--source` takes it.
    fn source(&self) -> String {
        self.web.url() + "/{colour}/{year}-{month}"
    }

    fn args(&self, more: &[&str]) -> Vec<String> {
        let more = more.iter().map(ToString::to_string);
        let args = month_args("green", "2020-01", &self.source()).into_iter();
        args.chain(more).collect()
    }

    fn run(&self) -> Ran {
        self.run_with(&[])
    }

    fn run_with(&self, more: &[&str]) -> Ran {
        self.taxi.run(self.args(more))
    }

    /// Checks that the month in the lake is the one being served, whole, and that nothing is
    /// left on its way.
    fn assert_published(&self, ran: Ran) {
        let ran = ran.exits(0);
        assert_eq!(ran.state(), "published");
        assert_holds(&self.taxi, &ran, &self.made);
    }

    /// Checks that the month failed and that the lake has nothing of it; why it failed.
    fn failure(&self, ran: Ran) -> String {
        let ran = ran.exits(1);
        assert_eq!(ran.state(), "failed");
        assert!(!self.taxi.lake("green").exists() && !self.taxi.lake("quarantine").exists());
        let error = ran.first()["error"].as_str().unwrap().to_owned();
        assert!(ran.stderr.contains(&error), "{}", ran.stderr);
        error.replace(&self.web.url(), "http://host")
    }

    /// This header of every request so far.
    fn asked(&self, header: &str) -> Vec<Option<String>> {
        let requests = self.web.requests();
        let value = |it: &Request| it.header(header).map(str::to_owned);
        requests.iter().map(value).collect()
    }
}

/// An edition of the month, with some dirt in it.
fn january(form: Form, edition: u64) -> (Vec<u8>, Made) {
    let recipe = Recipe::new(Colour::Green, 2020, 1).form(form).seed(edition);
    let dirt = [Dirt::PickupOutsideMonth, Dirt::NegativeFare, Dirt::DropoffBeforePickup];
    let recipe = recipe.rows(2000 + edition).meterless_percent(5);
    let recipe = dirt.into_iter().fold(recipe, |it, dirt| it.dirt(dirt, 7));
    recipe.bytes()
}

/// Checks the counts of the first month of a report and what the lake has of January 2020
/// against what was made, and that the spool is empty.
fn assert_holds(taxi: &Taxi, ran: &Ran, made: &Made) {
    assert_counts(&ran.first(), made);
    Parquet::read(&taxi.lake(TRIPS)).assert_sums(made);
    let quarantine = taxi.files("data/quarantine");
    assert_eq!(quarantine.len(), 1, "{quarantine:?}");
    let path = taxi.lake("quarantine").join(&quarantine[0]);
    let rows = Parquet::read(&path).set_aside();
    assert_eq!(rows.len() as u64, made.rows_quarantined);
    assert_eq!(taxi.files("data/spool"), [""; 0]);
}
