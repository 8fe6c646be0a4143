//! Months from the lake into BigQuery.
//!
//! The server is local-bigquery, not Google: what a load into a partition means there is our
//! reading of Google's reference (tests/support/bigquery/server.py), and the tests hold as far as
//! that reading does. What it holds is read back by Google's own client.

mod answers;
mod decorators;
mod expiry;
mod folder;
mod guard;
mod jobs;
mod killed;
mod months;
mod new_columns;
mod others;
mod places;
mod values;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use serde_json::Value;

use crate::harness::running::Running;
use crate::harness::taxi::{Ran, Taxi};
use taxi_test_support::bigquery::{BigQueryProxy, BigQueryServer, Google};
use taxi_test_support::gcs::GcsProxy;
use taxi_test_support::generate::{Colour, Made, Recipe};

/// A lake, a dataset that is still to be made, and the program between them. The servers are
/// shared, the proxies before them are not.
struct Warehouse {
    taxi: Taxi,
    gcs: GcsProxy,
    bigquery: BigQueryProxy,
    server: &'static BigQueryServer,
    bucket: String,
    dataset: String,
    began: SystemTime,
}

impl Drop for Warehouse {
    /// The server takes the longer for everything, the more there is.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let delete = "client.delete_dataset('{}', delete_contents=True, not_found_ok=True)";
            self.server.read(&(delete.replace("{}", &self.dataset) + "\nanswer = None"));
        }
    }
}

impl Warehouse {
    /// With a lake in a bucket.
    async fn new() -> Self {
        let mut warehouse = Self::with_folder().await;
        warehouse.gcs.make_bucket(&warehouse.bucket).await;
        let lake = format!("gs://{}/trips", warehouse.bucket);
        let taxi = Taxi::new().set("TAXI_LAKE", lake);
        warehouse.taxi = between(taxi, &warehouse.gcs, &warehouse.bigquery);
        warehouse
    }

    /// With a lake in a folder.
    async fn with_folder() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let google = Google::shared().await;
        let gcs = GcsProxy::before(0, google.gcs.url()).await.unwrap();
        let bigquery = BigQueryProxy::before(google.bigquery.url()).await;
        let taxi = between(Taxi::new(), &gcs, &bigquery);
        let (bucket, dataset) = (format!("lake-{number}"), format!("test_{number}"));
        let (server, began) = (&google.bigquery, SystemTime::now());
        Self { taxi, gcs, bigquery, server, bucket, dataset, began }
    }

    /// Makes a month and publishes it into the lake.
    fn publish(&self, recipe: &Recipe) -> Made {
        self.publish_by(recipe, &[])
    }

    fn publish_by(&self, recipe: &Recipe, more: &[&str]) -> Made {
        let (colour, month) = (recipe.colour, recipe.month);
        let files = self.taxi.folder().join("files");
        std::fs::create_dir_all(&files).unwrap();
        let made = recipe.write(&files.join(format!("{colour}_tripdata_{month}.csv")));
        let (colour, month) = (colour.to_string(), month.to_string());
        let args = ["run", "etl-web-to-gcs", "--colour", &colour, "--from", &month, "--to", &month];
        let rest = ["--source", "./files", "--output", "json"];
        let ran = self.taxi.run(args.iter().chain(&rest).chain(more)).exits(0);
        assert_eq!(ran.state(), "published");
        made
    }

    /// Publishes January 2020 of green with so many clean rows, another month for each number.
    fn january(&self, rows: u64) -> Made {
        self.publish(&january(rows))
    }

    /// Publishes months of 2020 of green, of a thousand rows each.
    fn green(&self, months: impl IntoIterator<Item = u8>) {
        for month in months {
            self.publish(&Recipe::new(Colour::Green, 2020, month));
        }
    }

    /// Runs the flow for January 2020 of green.
    fn load(&self, more: &[&str]) -> Ran {
        self.run("green", "2020-01", "2020-01", more)
    }

    fn run(&self, colours: &str, from: &str, to: &str, more: &[&str]) -> Ran {
        self.taxi.run(self.args(colours, from, to, more))
    }

    /// Starts the flow for January 2020 of green.
    fn begin(&self, more: &[&str]) -> Running {
        Running::start(self.taxi.command(self.args("green", "2020-01", "2020-01", more)))
    }

    /// The arguments of the flow, with JSON on stdout.
    fn args(&self, colours: &str, from: &str, to: &str, more: &[&str]) -> Vec<String> {
        let args = ["run", "etl-gcs-to-bq", "--colour", colours, "--from", from, "--to", to];
        let defaults = [("--project", BigQueryServer::PROJECT), ("--dataset", &self.dataset)];
        let defaults = defaults.into_iter().filter(|(name, _)| !more.contains(name));
        let defaults = defaults.flat_map(|(name, value)| [name, value]);
        let all = args.into_iter().chain(["--output", "json"]).chain(defaults);
        all.chain(more.iter().copied()).map(str::to_owned).collect()
    }

    /// The rows that a query in the dataset answers; `{}` stands for the dataset.
    fn rows(&self, sql: &str) -> Value {
        self.server.rows(&sql.replace("{}", &self.dataset))
    }

    /// The one value that a query in the dataset answers.
    fn value(&self, sql: &str) -> Value {
        self.rows(sql)[0][0].take()
    }

    /// A query's rows, a line each.
    fn lines(&self, sql: &str) -> String {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let rows = self.rows(sql);
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| {
            let values: Vec<_> = row.as_array().unwrap().iter().map(text).collect();
            self.plain(&values.join(" ")) + "\n"
        })
        .collect()
    }

    /// How many rows a table has.
    fn count(&self, table: &str) -> u64 {
        self.value(&format!("SELECT count(*) FROM {{}}.{table}")).as_u64().unwrap()
    }

    /// The partitions of a table with their rows, a line each.
    fn partitions(&self, table: &str) -> String {
        self.lines(&format!(
            "SELECT partition_id, total_rows FROM {{}}.INFORMATION_SCHEMA.PARTITIONS
              WHERE table_name = '{table}' ORDER BY partition_id"
        ))
    }

    /// A table as the API describes it.
    fn table(&self, name: &str) -> Value {
        self.server.table(&format!("{}.{name}", self.dataset))
    }

    /// Runs a statement, as somebody else does.
    fn execute(&self, sql: &str) {
        self.rows(sql);
    }

    /// Makes the dataset, as somebody else does.
    fn make_dataset(&self, location: &str) {
        self.server.read(&format!(
            "dataset = bigquery.Dataset('{}.{}')\n\
             dataset.location = '{location}'\n\
             client.create_dataset(dataset)\n\
             answer = None",
            BigQueryServer::PROJECT,
            self.dataset
        ));
    }

    /// The load jobs that reached the server for a table of the dataset, as `id state`.
    fn jobs(&self, table: &str) -> Vec<String> {
        let began = self.began.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let found = self.server.read(&format!(
            "import datetime\n\
             since = datetime.datetime.fromtimestamp({began} / 1000, datetime.UTC)\n\
             answer = [job.job_id + ' ' + (job.error_result['reason'] if job.error_result else job.state)\n\
               for job in client.list_jobs(min_creation_time=since)\n\
               if job.job_type == 'load' and job.destination.dataset_id == '{}'\n\
               and job.destination.table_id.split('$')[0] == '{table}']",
            self.dataset
        ));
        serde_json::from_value(found).unwrap()
    }

    /// Text with what differs from run to run replaced.
    fn plain(&self, text: &str) -> String {
        text.replace(&self.dataset, "DATASET")
            .replace(&self.bucket, "BUCKET")
            .replace(&self.bigquery.url(), "BIGQUERY")
            .replace(&self.gcs.url(), "GCS")
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

fn between(taxi: Taxi, gcs: &GcsProxy, bigquery: &BigQueryProxy) -> Taxi {
    taxi.set("STORAGE_EMULATOR_HOST", gcs.url()).set("BIGQUERY_EMULATOR_HOST", bigquery.url())
}

/// January 2020 of green with so many rows; they tell its seed.
fn january(rows: u64) -> Recipe {
    Recipe::new(Colour::Green, 2020, 1).rows(rows).seed(rows)
}

/// The states of the months of a run.
fn states(ran: &Ran) -> Vec<String> {
    let months = ran.json()["months"].as_array().unwrap().clone();
    months.iter().map(|month| month["state"].as_str().unwrap().to_owned()).collect()
}
