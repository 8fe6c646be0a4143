//! A run that goes well leaves no secret either: in the lake, in ledgers, in the record of a
//! Prefect server, in the journal, in what a database's other users see, in the list of processes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio_postgres::Client;

use crate::cloud::objects;
use crate::harness::taxi::Taxi;
use crate::prefect::deployed::{Deployed, PATIENCE, record};
use taxi_test_support::bigquery::{BigQueryServer, Google};
use taxi_test_support::gcs::GcsProxy;
use taxi_test_support::postgres::PostgresServer;
use taxi_test_support::prefect::PrefectServer;

/// In every secret here, and nowhere else: other tests have secrets on their command lines.
const MARK: &str = "MARKw5Kp";

/// The command lines of all processes, seen again and again until `stop`.
fn watch_processes(stop: Arc<AtomicBool>) -> std::thread::JoinHandle<BTreeSet<String>> {
    std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while !stop.load(Ordering::Relaxed) {
            for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                // A process may end meanwhile.
                if let Ok(line) = std::fs::read(entry.path().join("cmdline")) {
                    seen.insert(String::from_utf8_lossy(&line).into_owned());
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        seen
    })
}

/// What other users of the server see of its sessions, again and again until `stop`.
async fn watch_sessions(client: Client, stop: Arc<AtomicBool>) -> BTreeSet<String> {
    let sql = "SELECT concat_ws(' ', usename, application_name, query) FROM pg_stat_activity";
    let mut seen = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        let rows = client.query(sql, &[]).await.unwrap();
        seen.extend(rows.iter().map(|row| row.get::<_, String>(0)));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seen
}

/// Fails if the mark is in something that was found at a place.
fn assert_clean(place: &str, found: &[u8]) {
    let text = String::from_utf8_lossy(found);
    if let Some(at) = text.find(MARK) {
        let around: String = text[..at].chars().rev().take(200).collect();
        panic!("{place}: {}{MARK}", around.chars().rev().collect::<String>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_well_leaves_no_secret_anywhere() {
    let prefect = PrefectServer::shared().await;
    let server = PostgresServer::shared().await;
    let database = server.database().await;
    let password = format!("{MARK}-word");
    let role = database.role("secretive", &format!("SUPERUSER PASSWORD '{password}'")).await;
    let line = format!("host {} {role} 127.0.0.1/32 scram-sha-256", database.name);
    server.admit(&line).await;
    let client = database.client().await;
    // What other users of the server see of a session, and what the server logs.
    client.batch_execute(&format!("ALTER ROLE {role} SET log_statement = 'all'")).await.unwrap();
    let google = Google::shared().await;
    let proxy = GcsProxy::before(0, google.gcs.url()).await.unwrap();
    let bucket = "secretive";
    proxy.make_bucket(bucket).await;

    let mut deployed = Deployed::flow(prefect, "etl-parent-flow", Taxi::new()).await;
    let web = deployed.web.url();
    let with_user = web.replace("http://", &format!("http://me:{MARK}-pass@"));
    let settings = [
        ("TAXI_SOURCE", format!("{with_user}/{{colour}}-{{year}}-{{month}}?sig={MARK}%2Fsig")),
        ("TAXI_ZONES", format!("{web}/zones.csv?sig={MARK}-zones")),
        ("TAXI_LAKE", format!("gs://{bucket}/trips")),
        ("TAXI_KEEP_RAW", "true".to_owned()),
        ("STORAGE_EMULATOR_HOST", proxy.url()),
        ("TAXI_PROJECT", BigQueryServer::PROJECT.to_owned()),
        ("TAXI_DATASET", bucket.to_owned()),
        ("BIGQUERY_EMULATOR_HOST", google.bigquery.url().to_owned()),
        ("DATABASE_URL", database.url_as(&format!("{role}:{password}"))),
        ("TAXI_TO_WAREHOUSE", "postgres,bigquery".to_owned()),
        ("TAXI_CREDENTIALS", format!("{{\"refresh_token\": \"{MARK}-token\"}}")),
        ("TAXI_LOG", "trace".to_owned()),
        ("PREFECT_API_KEY", format!("{MARK}-key")),
    ];
    for (name, value) in settings {
        deployed.taxi = deployed.taxi.set(name, value);
    }
    let hook = format!("[notify]\nwebhook = '{web}/services/{MARK}'\non = 'always'\n");
    std::fs::write(deployed.taxi.folder().join("taxi.toml"), hook).unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let processes = watch_processes(Arc::clone(&stop));
    let run = deployed.ask(prefect, json!({ "year": 2020, "months": [1, 2] })).await;
    let running = deployed.execute(&prefect.access(), &run);
    let watching = tokio::spawn(watch_sessions(database.client().await, Arc::clone(&stop)));
    let state = prefect.ended(&run, PATIENCE).await;
    let ran = running.end();
    assert_eq!(state["type"], "COMPLETED", "{state}\n{}", ran.stderr);
    // The month again, from the raw bytes and then for no work, and what looks.
    for command in [
        &["run", "etl-parent-flow", "--months", "1,2", "--source", "raw", "--force"][..],
        &["run", "etl-parent-flow", "--months", "1,2"],
        &["status", "--year", "2020", "--colour", "green", "--check-source"],
        &["verify", "--year", "2020", "--colour", "green"],
        &["runs", "show", "last"],
        &["connections", "test"],
    ] {
        let ran = deployed.taxi.run(command);
        assert_clean(&format!("{command:?}"), (ran.stdout + &ran.stderr).as_bytes());
    }
    stop.store(true, Ordering::Relaxed);
    let sessions = watching.await.unwrap();

    assert_clean("what the run printed", (ran.stdout + &ran.stderr).as_bytes());
    let lines = processes.join().unwrap();
    assert!(lines.iter().any(|line| line.contains("flow-run")), "the program was not seen");
    for line in lines {
        assert_clean("a command line", line.as_bytes());
    }
    assert!(sessions.iter().any(|seen| seen.starts_with(&role)), "no session was seen");
    for seen in sessions {
        assert_clean("pg_stat_activity", seen.as_bytes());
    }
    let logged = server.log();
    assert!(logged.contains("nyc_taxi"), "the server logs statements");
    // The role is made with its password here.
    let logged: Vec<_> = logged.lines().filter(|line| !line.contains("CREATE ROLE")).collect();
    assert_clean("the log of Postgres", logged.join("\n").as_bytes());

    let tables = "SELECT c.oid::regclass::text FROM pg_class c
                   WHERE c.relnamespace = 'nyc_taxi'::regnamespace AND c.relkind IN ('r', 'p')";
    let mut rows_seen = 0;
    for table in client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        for row in client.query(&format!("SELECT t::text FROM {table} t"), &[]).await.unwrap() {
            rows_seen += 1;
            assert_clean(&table, row.get::<_, String>(0).as_bytes());
        }
    }
    assert!(rows_seen > 5_000, "{rows_seen} rows");
    let comments = "SELECT coalesce(string_agg(description, ' '), '') FROM pg_description";
    let comments: String = client.query_one(comments, &[]).await.unwrap().get(0);
    assert_clean("comments in Postgres", comments.as_bytes());

    let objects = objects(&proxy, bucket).await;
    assert!(objects.keys().any(|key| key.starts_with("raw/")), "{:?}", objects.keys());
    for (key, bytes) in objects {
        assert_clean(&key, &bytes);
    }

    let script = r#"
answer = []
for item in client.list_tables("DATASET"):
    answer.append(repr(client.get_table(item.reference).to_api_repr()))
    answer += [repr(row) for row in rows(f"SELECT * FROM `DATASET.{item.table_id}`")]
"#;
    let dataset = google.bigquery.read(&script.replace("DATASET", bucket)).to_string();
    assert!(dataset.contains("green_tripdata_2020-01"), "the ledger is among them");
    assert_clean("BigQuery", dataset.as_bytes());

    let record = record(prefect, &run).await;
    assert!(record.says("fetch: started"), "{record:?}");
    assert_clean("the record of the run", format!("{record:?}").as_bytes());
    let events = json!({ "filter": { "related": { "id": [format!("prefect.flow-run.{run}")] } } });
    let events = prefect.post("events/filter", events).await;
    assert_clean("the events of the run", events.to_string().as_bytes());

    for file in deployed.taxi.files("") {
        if file != "taxi.toml" {
            let bytes = std::fs::read(deployed.taxi.folder().join(&file)).unwrap();
            assert_clean(&file, &bytes);
        }
    }
    let told = web_posts(&deployed);
    assert!(told > 0, "the webhook was told");
}

/// How many requests the webhook had.
fn web_posts(deployed: &Deployed) -> usize {
    let requests = deployed.web.requests().into_iter();
    requests.filter(|request| request.method == "POST").count()
}
