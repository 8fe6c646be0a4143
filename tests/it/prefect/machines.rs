//! A backfill split by month on two machines, with a Prefect server on Postgres, the lake in a
//! bucket and the warehouse in Postgres.
//!
//! The short form has two workers beside one another, each with its own folders. With
//! `TAXI_SOAK` set each is in a network namespace of its own with a disk of its own; that takes
//! root and iproute2.
#![allow(clippy::print_stderr, reason = "the times are for who runs it")]

mod network;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::running::dirty;
use crate::prefect::deploy::{deploy, file, taxi};
use crate::prefect::deployed::record;
use network::Network;
use taxi_test_support::gcs::GcsProxy;
use taxi_test_support::generate::{Colour, Recipe};
use taxi_test_support::postgres::{Database, PostgresServer};
use taxi_test_support::prefect::{Place, PrefectServer, Worker};
use taxi_test_support::web::{Fault, Web};

const PATIENCE: Duration = Duration::from_secs(300);

/// The rows of a month that are kept: of these 3,000 each month has the same dirt.
const KEPT: i64 = 2910;

/// All that the machines share, and what each has of its own.
struct Fleet {
    server: PrefectServer,
    postgres: &'static PostgresServer,
    gcs: GcsProxy,
    web: Web,
    network: Option<Network>,
    /// The disk of each machine.
    disks: Vec<PathBuf>,
    /// Where a machine has its disk.
    path: PathBuf,
    limit: usize,
    months: usize,
    folder: tempfile::TempDir,
}

/// A deployment with its own pool, lake and warehouse, and the runs of a backfill of it.
struct Backfill {
    pool: String,
    database: Database,
    began: Instant,
}

impl Fleet {
    async fn of(months: usize, download: Duration, limit: usize, apart: bool) -> Self {
        let postgres = PostgresServer::shared().await;
        let own = postgres.database().await;
        let database = own.url().replace("postgres://", "postgresql+asyncpg://");
        let settings = [("PREFECT_SERVER_DATABASE_CONNECTION_URL", database.as_str())];
        let (server, gcs, web) =
            tokio::join!(PrefectServer::start(&settings), GcsProxy::start(), Web::start());
        for number in 0..months {
            let (year, month) = year_and_month(number);
            let bytes = dirty(Recipe::new(Colour::Green, year as u16, month).rows(3000));
            let path = format!("/green-{year}-{month:02}");
            let bytes_per_second = bytes.len() as u64 * 1000 / download.as_millis() as u64;
            web.always(&path, Fault::Slow { bytes_per_second });
            web.put(&path, bytes);
        }
        web.put("/zones.csv", "LocationID,Borough,Zone,service_zone\n1,EWR,Newark Airport,EWR\n");
        let folder = tempfile::tempdir().unwrap();
        let disks: Vec<_> = (0..2).map(|number| folder.path().join(number.to_string())).collect();
        let path = folder.path().join("machine");
        for folder in disks.iter().chain([&path]) {
            std::fs::create_dir(folder).unwrap();
        }
        let network = if apart {
            let port = |url: String| url.rsplit(':').next().unwrap().parse::<u16>().unwrap();
            let ports = [server.port(), own.port, port(gcs.url()), port(web.url())];
            let mut network = Network::of(disks.len(), &ports).await;
            for disk in &disks {
                network.disk(disk);
            }
            Some(network)
        } else {
            None
        };
        Self { server, postgres, gcs, web, network, disks, path, limit, months, folder }
    }

    /// An address as the machines reach it.
    fn reached(&self, url: &str) -> String {
        if self.network.is_some() { Network::reached(url) } else { url.to_owned() }
    }

    /// A worker on a machine.
    async fn worker(&self, backfill: &Backfill, machine: usize) -> Worker {
        let disk = &self.disks[machine];
        let path = if self.network.is_some() { &self.path } else { disk };
        let below = |folder: &str| path.join(folder).to_str().unwrap().to_owned();
        let within = match &self.network {
            Some(network) => network.within(machine, disk, path),
            None => Vec::new(),
        };
        for folder in ["home", "tmp"] {
            std::fs::create_dir_all(disk.join(folder)).unwrap();
        }
        let env = [
            ("PREFECT_API_URL", self.reached(&self.server.url())),
            ("PREFECT_HOME", below("prefect")),
            ("HOME", below("home")),
            ("TMPDIR", below("tmp")),
            ("TAXI_SPOOL", below("spool")),
            ("TAXI_RUNS", below(&format!("runs-{}", backfill.pool))),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).into();
        let place = Place { within, env, limit: Some(self.limit) };
        self.server.worker_at(&backfill.pool, &place).await
    }

    /// Deploys the parent flow under a name of its own.
    async fn deployed(&self, name: &str) -> Backfill {
        self.gcs.make_bucket(name).await;
        let database = self.postgres.database().await;
        let taxi = taxi(&self.server);
        let env = json!({
            "TAXI_LAKE": format!("gs://{name}/trips"),
            "STORAGE_EMULATOR_HOST": self.reached(&self.gcs.url()),
            "DATABASE_URL": self.reached(&database.url()),
            "TAXI_SOURCE": self.reached(&self.web.url()) + "/{colour}-{year}-{month}",
            "TAXI_ZONES": self.reached(&self.web.url()) + "/zones.csv",
            "TAXI_RETRY_DELAY": "50ms",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "2",
        });
        let yaml = format!(
            "  - name: {name}
    flow: etl-parent-flow
    parameters: {{to_warehouse: [postgres]}}
    work_pool: {{name: {name}, job_variables: {{env: {env}}}}}
"
        );
        let folder = ["--workdir", self.path.to_str().unwrap()];
        deploy(&taxi, &file(&taxi, &yaml), &folder).exits(0);
        Backfill { pool: name.to_owned(), database, began: Instant::now() }
    }

    /// Asks for all months.
    fn ask(&self, backfill: &mut Backfill) {
        let (year, month) = year_and_month(self.months - 1);
        let name = format!("etl-parent-flow/{}", backfill.pool);
        let last = format!("{year}-{month:02}");
        let range = ["--from", "2019-01", "--to", &last, "--output", "json"];
        let args = [&["flow-run", "create", &name][..], &range].concat();
        let ran = taxi(&self.server).run(args).exits(0);
        assert_eq!(ran.json()["created"], json!(self.months));
        backfill.began = Instant::now();
    }

    /// The runs of the months by name.
    async fn runs(&self, backfill: &Backfill) -> BTreeMap<String, Value> {
        let asked = json!({ "deployments": { "name": { "any_": [backfill.pool] } } });
        let runs = self.server.post("flow_runs/filter", asked).await;
        let runs = runs.as_array().unwrap().iter();
        runs.map(|run| (run["name"].as_str().unwrap().to_owned(), run.clone())).collect()
    }

    /// Waits until so many months are completed: how long that took.
    async fn until(&self, backfill: &Backfill, completed: usize, workers: &[&Worker]) -> Duration {
        let began = Instant::now();
        loop {
            let runs = self.runs(backfill).await;
            if in_state(&runs, "Completed").len() >= completed {
                return backfill.began.elapsed();
            }
            let logs: Vec<_> = workers.iter().map(|worker| worker.log()).collect();
            let states: Vec<_> = runs.values().map(|run| &run["state"]).collect();
            assert!(began.elapsed() < PATIENCE, "{states:#?}\n{}", logs.join("\n"));
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// The months that each machine has worked on, in the order they began there.
    fn done_by(&self, backfill: &Backfill) -> Vec<Vec<String>> {
        self.disks
            .iter()
            .map(|disk| journal(&disk.join(format!("runs-{}", backfill.pool))))
            .collect()
    }

    /// Fails unless each month is in the lake, in the ledger once and in the table once.
    async fn assert_whole(&self, backfill: &Backfill) {
        let client = backfill.database.client().await;
        let sql = "SELECT count(*), count(DISTINCT month), min(rows), max(rows) FROM nyc_taxi.loads
                   WHERE table_name = 'green_trips'";
        let row = client.query_one(sql, &[]).await.unwrap();
        let months = self.months as i64;
        let ledger: [i64; 4] = std::array::from_fn(|at| row.get(at));
        assert_eq!(ledger, [months, months, KEPT, KEPT]);
        let sql = "SELECT count(*), min(trips), max(trips) FROM (
                       SELECT count(*) AS trips FROM nyc_taxi.green_trips
                       GROUP BY date_trunc('month', pickup_datetime)) AS months";
        let row = client.query_one(sql, &[]).await.unwrap();
        let table: [i64; 3] = std::array::from_fn(|at| row.get(at));
        assert_eq!(table, [months, KEPT, KEPT]);
        let url =
            format!("{}/storage/v1/b/{}/o?prefix=trips/green/", self.gcs.url(), backfill.pool);
        let listing = reqwest::get(url).await.unwrap().bytes().await.unwrap();
        let listing: Value = serde_json::from_slice(&listing).unwrap();
        assert_eq!(listing["items"].as_array().unwrap().len(), self.months);
    }

    /// A backfill on so many machines: how long it took.
    async fn on(&self, name: &str, machines: usize) -> Duration {
        let mut backfill = self.deployed(name).await;
        let mut workers = Vec::new();
        for machine in 0..machines {
            workers.push(self.worker(&backfill, machine).await);
        }
        self.ask(&mut backfill);
        let took = self.until(&backfill, self.months, &workers.iter().collect::<Vec<_>>()).await;
        self.assert_whole(&backfill).await;
        let done: Vec<_> = self.done_by(&backfill).iter().map(Vec::len).collect();
        eprintln!("{name}: {} months by {done:?} in {took:.1?}", self.months);
        assert!(done.iter().take(machines).all(|&done| done >= self.months / machines / 2));
        took
    }

    /// A backfill on two machines of which one dies in the midst of its runs.
    async fn of_which_one_dies(&self, name: &str) {
        let mut backfill = self.deployed(name).await;
        self.call_silent_runs_crashed();
        let mut dies = self.worker(&backfill, 0).await;
        let lives = self.worker(&backfill, 1).await;
        self.ask(&mut backfill);
        // It has done some, and all that it has begun is fetching.
        loop {
            let begun = &self.done_by(&backfill)[0];
            let runs = self.runs(&backfill).await;
            let is = |month: &&String, state: &str| runs[*month]["state_name"] == state;
            let done = begun.iter().filter(|month| is(month, "Completed")).count();
            let running = begun.iter().filter(|month| is(month, "Running")).count();
            let going_on = json!({ "name": { "any_": ["Running"] } });
            let fetches = json!({ "name": { "any_": ["fetch"] }, "state": going_on });
            let fetches = json!({ "task_runs": fetches });
            let fetching = self.server.post("task_runs/count", fetches).await;
            if done > 0 && running == self.limit && fetching.as_u64() >= Some(2 * running as u64) {
                break;
            }
            assert!(backfill.began.elapsed() < PATIENCE, "{}", dies.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        dies.kill();
        let killed = Instant::now();
        let begun = &self.done_by(&backfill)[0];
        let runs = self.runs(&backfill).await;
        let victims = begun.iter().filter(|month| runs[*month]["state_name"] != "Completed");
        let mut victims: Vec<_> = victims.cloned().collect();
        victims.sort();
        assert!(!victims.is_empty());
        // Prefect by itself knows nothing of it.
        assert!(victims.iter().all(|month| runs[month]["state_name"] == "Running"), "{runs:#?}");
        let crashed = loop {
            let runs = self.runs(&backfill).await;
            let crashed = in_state(&runs, "Crashed");
            if crashed.len() == victims.len() {
                break crashed;
            }
            assert!(killed.elapsed() < PATIENCE, "{victims:?}: {}", self.server.log());
            tokio::time::sleep(Duration::from_millis(300)).await;
        };
        eprintln!("{name}: Crashed {:.1?} after the kill: {victims:?}", killed.elapsed());
        assert_eq!(crashed.keys().collect::<Vec<_>>(), victims.iter().collect::<Vec<_>>());
        for run in crashed.values() {
            let id = run["id"].as_str().unwrap();
            self.server.prefect(&["flow-run", "retry", id]).went_well();
        }
        let took = self.until(&backfill, self.months, &[&dies, &lives]).await;
        let runs = self.runs(&backfill).await;
        assert_eq!(in_state(&runs, "Completed").len(), self.months);
        for month in &victims {
            assert_eq!(runs[month]["run_count"], 2);
            self.assert_nothing_left_open(&runs[month]).await;
        }
        let done = self.done_by(&backfill);
        assert!(victims.iter().all(|month| done[1].contains(month)), "{done:?}");
        self.assert_whole(&backfill).await;
        let counts: Vec<_> = done.iter().map(Vec::len).collect();
        eprintln!("{name}: {} months begun by {counts:?} in {took:.1?}", self.months);
    }

    /// Fails where the record of a run that was tried twice has something that still goes on.
    async fn assert_nothing_left_open(&self, run: &Value) {
        let record = record(&self.server, run["id"].as_str().unwrap()).await;
        let months: Vec<_> = record.months.iter().map(|(month, _)| &month["state_name"]).collect();
        assert_eq!(months, ["Crashed", "Completed"]);
        let tasks = record.months.iter().flat_map(|(_, tasks)| tasks.values());
        for task in tasks.chain(record.tasks.values()) {
            let state = task["state_name"].as_str().unwrap();
            assert!(["Crashed", "Completed"].contains(&state), "{task:#}");
        }
    }

    /// The automation of docs/schedules.md, with less patience.
    fn call_silent_runs_crashed(&self) {
        let states = ["heartbeat", "Completed", "Failed", "Cancelled", "Crashed"];
        let automation = json!({
            "name": "Silent runs have crashed",
            "trigger": {
                "type": "event",
                "posture": "Proactive",
                "match": { "prefect.resource.id": "prefect.flow-run.*" },
                "for_each": ["prefect.resource.id"],
                "after": ["prefect.flow-run.heartbeat"],
                "expect": states.map(|state| format!("prefect.flow-run.{state}")),
                "threshold": 1,
                "within": 10,
            },
            "actions": [{
                "type": "change-flow-run-state",
                "state": "CRASHED",
                "message": "Its machine has fallen silent",
            }],
        });
        let path = self.folder.path().join("crashed.json");
        std::fs::write(&path, automation.to_string()).unwrap();
        let path = path.to_str().unwrap();
        self.server.prefect(&["automation", "create", "--from-file", path]).went_well();
    }
}

const fn year_and_month(number: usize) -> (usize, u8) {
    (2019 + number / 12, (number % 12 + 1) as u8)
}

fn in_state(runs: &BTreeMap<String, Value>, state: &str) -> BTreeMap<String, Value> {
    let runs = runs.iter().filter(|(_, run)| run["state_name"] == state);
    runs.map(|(name, run)| (name.clone(), run.clone())).collect()
}

/// The months that a journal tells of, a run each, in the order they began.
fn journal(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.sort();
    let month = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).ok()?;
        let at = text.find("green 20")?;
        Some(text[at..at + "green 2019-01".len()].to_owned())
    };
    files.iter().filter_map(month).collect()
}

#[tokio::test]
async fn two_machines_share_a_backfill_and_one_finishes_what_the_other_dies_of() {
    if std::env::var_os("TAXI_SOAK").is_some() {
        let fleet = Fleet::of(24, Duration::from_secs(8), 2, true).await;
        let (one, two) = (fleet.on("one", 1).await, fleet.on("two", 2).await);
        let ratio = one.as_secs_f64() / two.as_secs_f64();
        eprintln!("one machine {one:.1?}, two {two:.1?}: {ratio:.2} times as fast");
        assert!(ratio > 1.5, "{one:?} {two:?}");
        fleet.of_which_one_dies("dying").await;
    } else {
        // Both machines must be seen fetching at once, and the server writes that some time later.
        let fleet = Fleet::of(6, Duration::from_secs(6), 1, false).await;
        fleet.of_which_one_dies("dying").await;
    }
}
