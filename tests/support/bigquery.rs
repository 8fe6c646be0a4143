//! The real local-bigquery that `make services` installs, a reader of what it holds that is
//! Google's own client, and a proxy before it that fails as it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::OnceCell;

use super::gcs::GcsServer;
// Not every user of this module takes all of it.
#[allow(unused_imports)]
pub use {
    fault::{BigQueryFault, JobError},
    proxy::BigQueryProxy,
};

mod fault;
mod proxy;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.services/bin/bigquery-python");
const HOME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.services/bigquery/home");
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bigquery");
const STARTING: Duration = Duration::from_secs(60);

static SHARED: [OnceCell<Google>; 2] = [const { OnceCell::const_new() }; 2];

/// A GCS server, and a BigQuery server that loads from its buckets.
pub struct Google {
    pub gcs: GcsServer,
    pub bigquery: BigQueryServer,
}

impl Google {
    /// The servers that the tests of this process share: a bucket and a dataset for each test.
    /// There are two of a kind, given out in turn, as one keeps one core busy.
    pub async fn shared() -> &'static Self {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        let start = async || {
            let gcs = GcsServer::start().await;
            let bigquery = BigQueryServer::start(gcs.url()).await;
            Self { gcs, bigquery }
        };
        let turn = TURN.fetch_add(1, Ordering::Relaxed) % SHARED.len();
        SHARED[turn].get_or_init(start).await
    }
}

/// A server with nothing in it but the project `local`. It ends on drop, and when this process
/// ends in whatever way. Partition decorators mean what Google documents: see server.py.
pub struct BigQueryServer {
    url: String,
    folder: PathBuf,
    shell: Child,
    reader: Mutex<Reader>,
}

impl BigQueryServer {
    /// The project that is there.
    pub const PROJECT: &str = "local";

    /// Starts one on a free port, which reads `gs://` from the GCS server at this URL, and
    /// waits until it answers.
    pub async fn start(gcs: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        Self::start_on(free.expect("127.0.0.1 has a free port").port(), gcs).await
    }

    pub async fn start_on(port: u16, gcs: &str) -> Self {
        super::disk::has_room();
        assert!(Path::new(PYTHON).exists(), "{PYTHON} is missing: run 'make services'");
        let folder = tempfile::Builder::new().prefix("taxi-bigquery-").tempdir().unwrap().keep();
        let url = format!("http://127.0.0.1:{port}");
        let shell = run(&folder, port, gcs);
        let reader = Mutex::new(Reader::start(&url));
        let mut server = Self { url, folder, shell, reader };
        server.ready().await;
        server
    }

    /// The port opens before the server can answer.
    async fn ready(&mut self) {
        let began = Instant::now();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let datasets = format!("{}/bigquery/v2/projects/{}/datasets", self.url, Self::PROJECT);
        loop {
            if client.get(&datasets).send().await.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            let ended = self.shell.try_wait().unwrap().is_some();
            assert!(
                !ended && began.elapsed() < STARTING,
                "local-bigquery does not start:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Runs some lines of Python with Google's own client and gives what they leave in `answer`.
    /// They know `client`, `rows(sql)` and `table(name)`: see reader.py.
    pub fn read(&self, script: &str) -> Value {
        let answer = self.reader.lock().unwrap().ask(script);
        answer.unwrap_or_else(|error| panic!("{script}\n{error}"))
    }

    /// The rows that a query answers, as arrays of values.
    pub fn rows(&self, sql: &str) -> Value {
        self.read(&format!("answer = rows({})", Value::from(sql)))
    }

    /// The one value that a query answers.
    pub fn value(&self, sql: &str) -> Value {
        self.rows(sql)[0][0].take()
    }

    /// A table as the API describes it, by `dataset.table`.
    pub fn table(&self, name: &str) -> Value {
        self.read(&format!("answer = table('{name}')"))
    }
}

impl Drop for BigQueryServer {
    fn drop(&mut self) {
        self.shell.stdin.take();
        let _ = self.shell.wait();
    }
}

/// The shell runs the server until its standard input ends, and then clears its folder.
fn run(folder: &Path, port: u16, gcs: &str) -> Child {
    let script = r#"
        trap '' INT TERM
        "$1" "$2/server.py" --host 127.0.0.1 --port "$3" --grpc-port 0 --project "$4" >"$5/log" 2>&1 &
        cat >/dev/null
        kill -9 $!
        rm -rf "$5"
    "#;
    Command::new("sh")
        .args(["-c", script, "sh", PYTHON, SCRIPTS, &port.to_string(), BigQueryServer::PROJECT])
        .arg(folder)
        .env("HOME", HOME)
        .env("DATA_DIR", folder.join("data"))
        .env("STORAGE_EMULATOR_HOST", gcs)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The process that Google's client runs in: to start it takes longer than to ask it. It ends
/// when its input does.
struct Reader {
    _process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Reader {
    fn start(url: &str) -> Self {
        let mut child = Command::new(PYTHON)
            .args([&format!("{SCRIPTS}/reader.py"), url, BigQueryServer::PROJECT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { stdin: child.stdin.take().expect("it is piped"), stdout, _process: child }
    }

    fn ask(&mut self, script: &str) -> Result<Value, String> {
        writeln!(self.stdin, "{}", Value::from(script)).unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let mut said: Value = serde_json::from_str(&line).map_err(|_| "the reader has ended")?;
        match said.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.to_owned()),
            None => Ok(said["answer"].take()),
        }
    }
}
