//! Backfills that nobody watches: killed, cut off, two at once. In the end the lake and the
//! warehouses hold exactly what an undisturbed run gives, and nothing is left over.

mod killed;
mod rough;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tokio_postgres::Client;

use crate::cloud::objects;
use crate::harness::running::{Objects, assert_same};
use crate::harness::taxi::{Ran, Taxi};
use taxi_test_support::bigquery::{BigQueryServer, Google};
use taxi_test_support::gcs::GcsProxy;
use taxi_test_support::generate::{Colour, Dirt, Form, Recipe};
use taxi_test_support::postgres::{Database, PostgresServer};
use taxi_test_support::web::Web;

/// What a store holds, by the name of the part: a checksum or a count.
type Contents = BTreeMap<String, String>;

/// Some months of green and yellow on a web server.
struct Months {
    web: Web,
    from: String,
    to: String,
}

impl Months {
    /// So many months of both colours, from 2019-01 on, each with some rows to set aside.
    async fn serve(months: u32, rows: u64) -> Self {
        let web = Web::start().await;
        let name = |number: u32| format!("{}-{:02}", 2019 + number / 12, number % 12 + 1);
        for number in 0..months {
            for colour in [Colour::Green, Colour::Yellow] {
                let (year, month) = (2019 + number / 12, number % 12 + 1);
                let recipe = Recipe::new(colour, year as u16, month as u8);
                let recipe = recipe.rows(rows + u64::from(number)).seed(u64::from(number) + 1);
                let recipe = recipe.form(Form::CsvGz).dirt(Dirt::Unreadable, 3);
                let recipe = recipe.dirt(Dirt::PickupOutsideMonth, 4);
                web.put(&format!("/{colour}-{}", name(number)), recipe.bytes().0);
            }
        }
        web.put("/zones.csv", "LocationID,Borough,Zone,service_zone\n1,EWR,Newark Airport,EWR\n");
        Self { web, from: name(0), to: name(months - 1) }
    }
}

/// A bucket, a database, a dataset, and the program that fills them from the months' web server.
struct Backfill {
    proxy: GcsProxy,
    bucket: String,
    database: Database,
    client: Client,
    bigquery: &'static BigQueryServer,
    taxi: Taxi,
}

impl Backfill {
    async fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        // Of one name for as long as any: a dataset is named as its bucket.
        let bucket = format!("backfill_{:03}", MADE.fetch_add(1, Ordering::Relaxed));
        let google = Google::shared().await;
        let proxy = GcsProxy::before(0, google.gcs.url()).await.unwrap();
        proxy.make_bucket(&bucket).await;
        let database = PostgresServer::shared().await.database().await;
        let client = database.client().await;
        let taxi = Taxi::new()
            .set("TAXI_LAKE", format!("gs://{bucket}/trips"))
            .set("STORAGE_EMULATOR_HOST", proxy.url())
            .set("DATABASE_URL", database.url())
            .set("TAXI_PROJECT", BigQueryServer::PROJECT)
            .set("TAXI_DATASET", &bucket)
            .set("BIGQUERY_EMULATOR_HOST", google.bigquery.url())
            .set("TAXI_TO_WAREHOUSE", "postgres,bigquery");
        let bigquery = &google.bigquery;
        Self { proxy, bucket, database, client, bigquery, taxi }
    }

    /// The arguments of a backfill of all these months from an address.
    fn args(months: &Months, web: &str) -> Vec<String> {
        let source = format!("{web}/{{colour}}-{{year}}-{{month}}");
        let zones = months.web.url() + "/zones.csv";
        let args = ["run", "etl-parent-flow", "--colour", "green,yellow", "--from", &months.from];
        let more = ["--to", &months.to, "--jobs", "4"];
        let rest = ["--source", &source, "--zones", &zones, "--output", "json"];
        [&args[..], &more, &rest].concat().into_iter().map(str::to_owned).collect()
    }

    fn run(&self, months: &Months, web: &str) -> Ran {
        self.taxi.run(Self::args(months, web))
    }

    /// What the warehouses hold.
    async fn warehouses(&self) -> [Contents; 2] {
        [self.postgres().await, self.dataset()]
    }

    /// A checksum and a count of each partition, the ledger but for its times, and the name of
    /// everything there is.
    async fn postgres(&self) -> Contents {
        let mut contents = Contents::new();
        let relations = "SELECT c.relname::text, c.relkind::text FROM pg_class c
                          WHERE c.relnamespace = to_regnamespace('nyc_taxi') AND c.relkind <> 't'
                          ORDER BY 1";
        for row in self.client.query(relations, &[]).await.unwrap() {
            let (name, kind): (String, String) = (row.get(0), row.get(1));
            let said = match (kind.as_str(), name.as_str()) {
                ("r", "loads") => {
                    let ledger = format!(
                        "(SELECT table_name, month, rows, source_sha256, schema_digest, rules_digest,
                                 replace(lake_object, '{}', '') FROM nyc_taxi.loads) AS loads",
                        self.bucket
                    );
                    self.checksum(&ledger).await
                }
                ("r", name) => self.checksum(&format!("nyc_taxi.\"{name}\"")).await,
                _ => String::new(),
            };
            contents.insert(format!("{kind} {name}"), said);
        }
        contents
    }

    /// The same of the dataset. The log behind the ledger tells of kills too: what is compared
    /// is the ledger.
    fn dataset(&self) -> Contents {
        let script = r#"
import hashlib
answer = {}
for item in client.list_tables("DATASET"):
    name, columns = item.table_id, "*"
    if name == "loads_log":
        continue
    if name == "loads":
        columns = "table_name, month, rows_loaded, source_sha256, schema_digest, rules_digest"
    lines = sorted(repr(row) for row in rows(f"SELECT {columns} FROM `DATASET.{name}`"))
    digest = hashlib.md5("\n".join(lines).encode()).hexdigest()
    answer[f"{item.table_type} {name}"] = f"{len(lines)} {digest}"
"#;
        let found = self.bigquery.read(&script.replace("DATASET", &self.bucket));
        serde_json::from_value(found).unwrap()
    }

    async fn checksum(&self, table: &str) -> String {
        let sql = format!(
            "SELECT count(*) || ' ' || coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '')
               FROM (SELECT * FROM {table}) AS t"
        );
        self.client.query_one(&sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
    }

    /// Fails unless lake and warehouse hold what the other's do, and nothing is left over.
    async fn assert_like(&self, wanted: &Undisturbed) {
        assert_same(&objects(&self.proxy, &self.bucket).await, &wanted.lake);
        assert_eq!(self.warehouses().await, wanted.warehouses);
        assert_eq!(self.proxy.uploads(), Vec::<String>::new());
        let left: Vec<_> = self.taxi.files("data/spool");
        assert_eq!(left, Vec::<String>::new(), "in the spool");
        let others = "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_|^information_'";
        let schemas = self.client.query(others, &[]).await.unwrap();
        let schemas: Vec<String> = schemas.iter().map(|row| row.get(0)).collect();
        assert_eq!(schemas, ["public", "nyc_taxi"], "in {}", self.database.name);
    }
}

/// What a run that nothing disturbs gives.
struct Undisturbed {
    lake: Objects,
    warehouses: [Contents; 2],
}

impl Undisturbed {
    async fn of(months: &Months, web: &str) -> Self {
        let backfill = Backfill::new().await;
        let ran = backfill.run(months, web).exits(0);
        let states = states(&ran);
        assert!(!states.is_empty());
        assert!(
            states.values().all(|state| state == "published" || state == "loaded"),
            "{states:?}"
        );
        let lake = objects(&backfill.proxy, &backfill.bucket).await;
        Self { lake, warehouses: backfill.warehouses().await }
    }
}

/// The state of each month of a report.
fn states(ran: &Ran) -> BTreeMap<String, String> {
    let report = ran.json();
    let months = report["months"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    months
        .map(|m| (format!("{} {}", text(&m["colour"]), text(&m["month"])), text(&m["state"])))
        .collect()
}
