//! Months from the lake into Postgres.

mod connections;
mod guard;
mod ingest;
mod killed;
mod libpq;
mod months;
mod neighbours;
mod others;
mod own_tables;
mod planner;
mod poolers;
mod readers;
mod roles;
mod session;
mod set_by_users;
mod tls;
mod troubles;
mod values;
mod waits;

use std::fmt::Write as _;
use std::process::Child;
use std::time::{Duration, Instant};

use tokio_postgres::Client;
use tokio_postgres::types::FromSqlOwned;

use crate::harness::taxi::{Ran, Taxi};
use taxi_test_support::generate::{Colour, Made, Recipe};
use taxi_test_support::postgres::{Database, PostgresServer};

/// A lake, a database of its own on the shared server, and the program between them.
struct Warehouse {
    taxi: Taxi,
    database: Database,
    client: Client,
}

impl Warehouse {
    async fn new() -> Self {
        Self::on(PostgresServer::shared().await).await
    }

    async fn on(server: &PostgresServer) -> Self {
        let database = server.database().await;
        let client = database.client().await;
        let taxi = Taxi::new().set("DATABASE_URL", database.url());
        Self { taxi, database, client }
    }

    /// Makes a month and publishes it into the lake.
    fn publish(&self, recipe: &Recipe) -> Made {
        self.publish_into("data", recipe)
    }

    fn publish_into(&self, lake: &str, recipe: &Recipe) -> Made {
        let (colour, month) = (recipe.colour, recipe.month);
        let files = self.taxi.folder().join("files");
        std::fs::create_dir_all(&files).unwrap();
        let made = recipe.write(&files.join(format!("{colour}_tripdata_{month}.csv")));
        let (colour, month) = (colour.to_string(), month.to_string());
        let args = ["run", "etl-web-to-gcs", "--colour", &colour, "--from", &month, "--to", &month];
        let rest = ["--source", "./files", "--lake", lake, "--output", "json"];
        let ran = self.taxi.run(args.iter().chain(&rest)).exits(0);
        assert_eq!(ran.state(), "published");
        made
    }

    /// Publishes January 2020 of green with so many clean rows, another month for each seed.
    fn january(&self, rows: u64) -> Made {
        self.publish(&january(rows))
    }

    /// Runs the flow for January 2020 of green.
    fn load(&self, more: &[&str]) -> Ran {
        self.run("green", "2020-01", "2020-01", more)
    }

    fn run(&self, colours: &str, from: &str, to: &str, more: &[&str]) -> Ran {
        self.taxi.run(args(colours, from, to, more))
    }

    /// Starts the flow for January 2020 of green, with its words to nobody.
    fn begin(&self, more: &[&str]) -> Child {
        let mut command = self.taxi.command(args("green", "2020-01", "2020-01", more));
        command.stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        command.spawn().unwrap()
    }

    /// The one value that a query answers.
    async fn value<T: FromSqlOwned>(&self, sql: &str) -> T {
        value(&self.client, sql).await
    }

    async fn rows(&self, table: &str) -> i64 {
        self.value(&format!("SELECT count(*) FROM nyc_taxi.{table}")).await
    }

    async fn execute(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// The first column of a query's answer, a line each row.
    async fn lines(&self, sql: &str) -> String {
        let rows = self.client.query(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        rows.iter().fold(String::new(), |mut text, row| {
            writeln!(text, "{}", row.get::<_, String>(0)).unwrap();
            text
        })
    }

    /// Everything that is in a schema, as `kind name`.
    async fn relations(&self, schema: &str) -> String {
        let sql = "SELECT relkind::text || ' ' || relname FROM pg_class
                    WHERE relnamespace = to_regnamespace($1) AND relkind <> 't'
                    ORDER BY relkind, relname";
        let rows = self.client.query(sql, &[&quoted(schema)]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
    }

    /// Waits until no program is connected.
    async fn quiet(&self) {
        let sql = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'taxi'";
        while self.value::<i64>(sql).await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Text with what differs from run to run replaced.
    fn plain(&self, text: &str) -> String {
        text.replace(&self.database.port.to_string(), "PORT")
            .replace(&self.database.name, "DATABASE")
            .replace(&*self.taxi.folder().to_string_lossy(), "FOLDER")
    }

    /// Why the first month failed, after checking that the run says so.
    fn error(&self, ran: Ran) -> String {
        let ran = ran.exits(1);
        let error = ran.first()["error"].as_str().unwrap().to_owned();
        assert!(ran.stderr.contains(&error), "{}", ran.stderr);
        self.plain(&error)
    }
}

/// Waits until the program waits for a lock of a database.
pub async fn until_locked(client: &Client) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                    AND application_name = 'taxi' AND wait_event_type = 'Lock'";
    let began = Instant::now();
    while value::<i64>(client, waiting).await == 0 {
        assert!(began.elapsed() < Duration::from_secs(180), "it never waits for a lock");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn value<T: FromSqlOwned>(client: &Client, sql: &str) -> T {
    client.query_one(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
}

/// January 2020 of green with so many rows; they tell its seed.
fn january(rows: u64) -> Recipe {
    Recipe::new(Colour::Green, 2020, 1).rows(rows).seed(rows)
}

/// The arguments of the flow, with JSON on stdout.
fn args(colours: &str, from: &str, to: &str, more: &[&str]) -> Vec<String> {
    let args = ["run", "etl-gcs-to-postgres", "--colour", colours, "--from", from, "--to", to];
    let output = ["--output", "json"];
    args.iter().chain(&output).chain(more).map(|&arg| arg.to_owned()).collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
