//! The contents of the stores: status, verify, drop.

mod bigquery;
mod drop;
mod picture;
mod source;
mod verify;

use tokio_postgres::Client;

use crate::harness::taxi::{Ran, Taxi};
use taxi_test_support::generate::{Colour, Dirt, Recipe};
use taxi_test_support::postgres::{Database, PostgresServer};

/// A folder of files, a lake, a database of its own, and the program between them.
struct Stores {
    taxi: Taxi,
    database: Database,
    client: Client,
}

impl Stores {
    async fn new() -> Self {
        let database = PostgresServer::shared().await.database().await;
        let client = database.client().await;
        let taxi = Taxi::new()
            .set("DATABASE_URL", database.url())
            .set("TAXI_SOURCE", "./files")
            .set("TAXI_ZONES", "zones.csv")
            .set("TAXI_TO_WAREHOUSE", "postgres")
            .set("TAXI_LOG", "warn");
        std::fs::create_dir(taxi.folder().join("files")).unwrap();
        let zones = "LocationID,Borough,Zone,service_zone\n1,EWR,Newark Airport,EWR\n";
        std::fs::write(taxi.folder().join("zones.csv"), zones).unwrap();
        Self { taxi, database, client }
    }

    /// These months of 2020 in the lake and in Postgres.
    async fn with(months: &[u8]) -> Self {
        let stores = Self::new().await;
        for &month in months {
            stores.file(month, 200);
        }
        stores.bring(months[0], months[months.len() - 1]);
        stores
    }

    /// Makes the file of a month: so many rows kept, some set aside.
    fn file(&self, month: u8, rows: u64) {
        let recipe = Recipe::new(Colour::Green, 2020, month).rows(rows);
        let recipe = recipe.dirt(Dirt::DropoffBeforePickup, 5).dirt(Dirt::NegativeFare, 7);
        recipe.write(&self.taxi.folder().join(format!("files/green_tripdata_2020-{month:02}.csv")));
    }

    fn bring(&self, first: u8, last: u8) -> Ran {
        let (first, last) = (format!("2020-{first:02}"), format!("2020-{last:02}"));
        let args = ["run", "etl-parent-flow", "--colour", "green", "--from", &first, "--to", &last];
        self.taxi.run(args).exits(0)
    }

    fn status(&self, more: &[&str], code: i32) -> Ran {
        self.taxi.run([&["status", "--colour", "green"], more].concat()).exits(code)
    }

    fn verify(&self, more: &[&str], code: i32) -> Ran {
        self.taxi.run([&["verify", "--colour", "green"], more].concat()).exits(code)
    }

    /// Runs the commands that a report says mend it.
    fn mend(&self, report: &Ran) {
        for command in report.json()["mend"].as_array().unwrap() {
            let words = command.as_str().unwrap().split_whitespace().skip(1);
            self.taxi.run(words).exits(0);
        }
    }

    async fn execute(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    async fn count(&self, of: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM nyc_taxi.{of}");
        self.client.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// Text with what differs from run to run replaced.
    fn plain(&self, text: &str) -> String {
        let text = text
            .replace(&self.database.port.to_string(), "PORT")
            .replace(&self.database.name, "DATABASE");
        // Quarantines are named by the digest of their content.
        let words = text.split_inclusive(['/', ' ', '\n', ',']);
        let word = |word: &str| match word.split_once("2020-01.") {
            Some((stem, rest)) if rest.len() > 24 => {
                format!("{stem}2020-01.DIGEST{}", &rest[16..])
            }
            _ => word.to_owned(),
        };
        words.map(word).collect()
    }
}
