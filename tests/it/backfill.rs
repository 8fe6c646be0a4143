//! Backfills: many months at once, to the lake and on to warehouses.

mod dry_run;
mod events;
mod interrupted;
mod journal;
#[cfg(target_os = "linux")]
mod large;
mod parent;
mod zones;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::taxi::{Ran, Taxi};
use taxi_test_support::generate::{Colour, Form, Made, Recipe};
use taxi_test_support::postgres::{Database, PostgresServer};
use taxi_test_support::web::Web;

/// The taxi zones, one of them.
const ZONES: &str = "LocationID,Borough,Zone,service_zone\n1,EWR,Newark Airport,EWR\n";

/// A web that serves months of green trips in 2020, a lake, a database of its own on the shared
/// server, and the program between them.
struct Backfill {
    web: Web,
    taxi: Taxi,
    database: Database,
    made: BTreeMap<u8, Made>,
}

impl Backfill {
    /// With so many months of so many rows.
    async fn of(months: u8, rows: u64) -> Self {
        let (web, server) = (Web::start().await, PostgresServer::shared().await);
        let database = server.database().await;
        let mut made = BTreeMap::new();
        for month in 1..=months {
            let recipe = Recipe::new(Colour::Green, 2020, month).form(Form::CsvGz);
            let (bytes, month_made) = recipe.rows(rows + u64::from(month)).bytes();
            web.put(&path(month), bytes);
            made.insert(month, month_made);
        }
        web.put("/zones.csv", ZONES);
        let taxi = Taxi::new()
            .set("DATABASE_URL", database.url())
            .set("TAXI_SOURCE", web.url() + "/{colour}/{year}-{month}")
            .set("TAXI_ZONES", web.url() + "/zones.csv");
        Self { web, taxi, database, made }
    }

    /// The arguments of the parent flow for all months, into Postgres, with JSON on stdout.
    fn args(&self, more: &[&str]) -> Vec<String> {
        let last = format!("2020-{:02}", self.made.len());
        let args = ["run", "etl-parent-flow", "--from", "2020-01", "--to", &last];
        let rest = ["--to-warehouse", "postgres", "--output", "json"];
        args.iter().chain(&rest).chain(more).map(|&arg| arg.to_owned()).collect()
    }

    /// Sets a variable of the environment for all runs.
    fn set(self, name: &str, value: &str) -> Self {
        Self { taxi: self.taxi.set(name, value), ..self }
    }

    /// What the journal tells of all runs.
    fn journal(&self) -> String {
        let runs = self.taxi.folder().join("runs");
        let read = |name: &String| std::fs::read_to_string(runs.join(name)).unwrap();
        self.taxi.files("runs").iter().map(read).collect()
    }

    fn run(&self, more: &[&str]) -> Ran {
        self.taxi.run(self.args(more))
    }

    /// Checks that lake and database hold every month as it was made, and nothing else is left.
    async fn assert_whole(&self) {
        let client = self.database.client().await;
        for (month, made) in &self.made {
            let sql = format!("SELECT count(*) FROM nyc_taxi.green_trips_2020_{month:02}");
            let rows: i64 = client.query_one(&sql, &[]).await.unwrap().get(0);
            assert_eq!(rows as u64, made.rows_kept, "{month}");
        }
        let sql = "SELECT count(*) FROM pg_class WHERE relname LIKE '%trips%new%'
                    AND relkind = 'r'";
        assert_eq!(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0);
        let keys = self.taxi.files("data/green");
        let wanted: Vec<_> = self
            .made
            .keys()
            .map(|month| format!("green_tripdata_2020-{month:02}.parquet"))
            .collect();
        assert_eq!(keys, wanted);
        assert_eq!(self.taxi.files("data/spool"), [""; 0]);
    }
}

/// Where the web has a month of 2020.
fn path(month: u8) -> String {
    format!("/green/2020-{month:02}")
}

/// A member of each month of a report, as text.
fn each(ran: &Ran, member: impl Fn(&Value) -> &Value) -> Vec<String> {
    let json = ran.json();
    let months = json["months"].as_array().unwrap();
    months.iter().map(|month| member(month).as_str().unwrap_or("null").to_owned()).collect()
}
