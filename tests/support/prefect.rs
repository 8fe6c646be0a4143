//! The real Prefect server that `make services` installs, its command line and its workers.
//! What is started here ends on drop, and when this process ends in whatever way.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::disk;

/// Long enough for a machine on which several servers start at once.
const STARTING: Duration = Duration::from_secs(600);

/// SQLite itself waits 60 s for a lock before the server says that it is busy.
const BUSY: Duration = Duration::from_secs(180);

/// A version of Prefect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 3.8.8, which most tests run against.
    #[default]
    Usual,
    /// 3.9.1, the newest.
    Newest,
}

impl Version {
    pub const ALL: [Self; 2] = [Self::Usual, Self::Newest];

    const fn binary(self) -> &'static str {
        match self {
            Self::Usual => {
                concat!(env!("CARGO_MANIFEST_DIR"), "/../../.services/prefect/bin/prefect")
            }
            Self::Newest => {
                concat!(env!("CARGO_MANIFEST_DIR"), "/../../.services/prefect_newest/bin/prefect")
            }
        }
    }
}

/// Runs a Python program with what this version of Prefect brings along: what it prints.
pub fn python(version: Version, program: &str, stdin: &str) -> String {
    use std::io::Write;
    let python = Path::new(version.binary()).with_file_name("python");
    let mut command = Command::new(&python);
    command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process =
        command.spawn().unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    process.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}");
    String::from_utf8(output.stdout).unwrap()
}

/// Nothing calls out, and nothing waits for a terminal.
const QUIET: [(&str, &str); 6] = [
    ("PREFECT_SERVER_ANALYTICS_ENABLED", "false"),
    ("DO_NOT_TRACK", "1"),
    ("PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT", "false"),
    ("PREFECT_CLI_PROMPT", "false"),
    ("PREFECT_CLI_COLORS", "false"),
    ("NO_COLOR", "1"),
];

/// The setting by which every change wants a token.
pub const CSRF: &str = "PREFECT_SERVER_CSRF_PROTECTION_ENABLED";

static SHARED: OnceCell<PrefectServer> = OnceCell::const_new();
static SHARED_NEWEST: OnceCell<PrefectServer> = OnceCell::const_new();

/// A server with an empty database of its own.
pub struct PrefectServer {
    version: Version,
    folder: PathBuf,
    port: u16,
    settings: Vec<(String, String)>,
    client: Client,
    process: Kept,
}

/// A process that ends with this one, and all it started.
struct Kept(Child);

/// A worker of a pool.
pub struct Worker {
    process: Kept,
    log: PathBuf,
}

/// Where a worker runs.
#[derive(Clone, Default)]
pub struct Place {
    /// What is put before its command: `ip netns exec NAME`.
    pub within: Vec<String>,
    /// What its environment has in place of that of this machine, or beside it.
    pub env: Vec<(String, String)>,
    /// How many runs it has at once.
    pub limit: Option<usize>,
}

/// How a command of Prefect's own ended and what it said.
pub struct Said {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

impl PrefectServer {
    /// The one server that the tests of this process share.
    pub async fn shared() -> &'static Self {
        Self::shared_version(Version::default()).await
    }

    /// The one of a version that the tests of this process share.
    pub async fn shared_version(version: Version) -> &'static Self {
        let shared = match version {
            Version::Usual => &SHARED,
            Version::Newest => &SHARED_NEWEST,
        };
        shared.get_or_init(|| Self::start_version(version, &[])).await
    }

    /// Starts one on a free port and on SQLite, with more settings, and waits until a scheduled
    /// run appears: a server that says it is healthy may never schedule one.
    ///
    /// `PREFECT_SERVER_DATABASE_CONNECTION_URL` puts it on Postgres
    /// (`postgresql+asyncpg://...`), `PREFECT_SERVER_API_AUTH_STRING` asks for `user:password`,
    /// `PREFECT_SERVER_UI_ENABLED` shows its pages.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_version(Version::default(), settings).await
    }

    /// The same of a version.
    pub async fn start_version(version: Version, settings: &[(&str, &str)]) -> Self {
        disk::has_room();
        let binary = version.binary();
        assert!(Path::new(binary).exists(), "{binary} is missing: run 'make services'");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("127.0.0.1 has a free port").port();
        let folder = tempfile::Builder::new().prefix("taxi-prefect-").tempdir().unwrap().keep();
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let process = serve(version, &folder, port, &settings);
        // A connection that is kept may end just when it is used again.
        let client = Client::builder().pool_max_idle_per_host(0).build().unwrap();
        let server = Self { version, folder, port, settings, client, process };
        server.ready().await;
        // The client here is a simple one, without the token that is asked for then.
        if server.settings.iter().all(|(name, _)| name != CSRF) {
            server.schedules().await;
        }
        server
    }

    /// The port it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The address of its API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api", self.port)
    }

    /// What a program needs to know to speak to it.
    pub fn access(&self) -> Vec<(String, String)> {
        let auth = self.auth().map(|pair| ("PREFECT_API_AUTH_STRING".to_owned(), pair.to_owned()));
        auth.into_iter().chain([("PREFECT_API_URL".to_owned(), self.url())]).collect()
    }

    fn auth(&self) -> Option<&str> {
        let asked = self.settings.iter().find(|(name, _)| name == "PREFECT_SERVER_API_AUTH_STRING");
        asked.map(|(_, pair)| pair.as_str())
    }

    /// Ends it without a word. Its data stay.
    pub fn kill(&mut self) {
        std::fs::write(self.folder.join("again"), "").unwrap();
        self.process.end();
    }

    /// Starts it once more after `kill`, on the same port and data.
    pub async fn start_again(&mut self) {
        std::fs::remove_file(self.folder.join("again")).unwrap();
        self.process = serve(self.version, &self.folder, self.port, &self.settings);
        self.ready().await;
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }

    /// Asks the API; an answer of 4xx or 5xx fails the test.
    pub async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, None).await
    }

    /// Asks the API with a body; an answer of 4xx or 5xx fails the test.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Changes something; an answer of 4xx or 5xx fails the test.
    pub async fn patch(&self, path: &str, body: Value) {
        self.ask(Method::PATCH, path, Some(body)).await;
    }

    /// Removes something; an answer of 4xx or 5xx fails the test.
    pub async fn delete(&self, path: &str) {
        self.ask(Method::DELETE, path, None).await;
    }

    /// What the API says to something that it must not accept.
    pub async fn refuses(&self, path: &str, body: Value) -> String {
        let (status, text) = self.once(&Method::POST, path, Some(&body)).await.unwrap();
        assert!(status.is_client_error(), "{path} with {body}: {status} {text}");
        text
    }

    /// A deployment by its name, such as `etl-parent-flow/monthly`.
    pub async fn deployment(&self, name: &str) -> Value {
        self.get(&format!("deployments/name/{name}")).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let began = Instant::now();
        loop {
            let (status, text) = self.once(&method, path, body.as_ref()).await.unwrap();
            if status == StatusCode::SERVICE_UNAVAILABLE && began.elapsed() < BUSY {
                // SQLite was busy.
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
            assert!(status.is_success(), "{method} {path}: {status} {text}\n{}", self.log());
            return if text.is_empty() {
                Value::Null
            } else {
                serde_json::from_str(&text).unwrap()
            };
        }
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<(StatusCode, String)> {
        let mut request = self.client.request(method.clone(), format!("{}/{path}", self.url()));
        if let Some((user, password)) = self.auth().and_then(|pair| pair.split_once(':')) {
            request = request.basic_auth(user, Some(password));
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    async fn ready(&self) {
        let began = Instant::now();
        while !matches!(self.once(&Method::GET, "health", None).await, Ok((StatusCode::OK, _))) {
            assert!(began.elapsed() < STARTING, "Prefect does not start:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the server schedules a run, and clears it away.
    async fn schedules(&self) {
        let flow = self.post("flows/", json!({ "name": "readiness" })).await;
        let schedule = json!([{ "schedule": { "interval": 86400 } }]);
        let deployment =
            json!({ "name": "readiness", "flow_id": flow["id"], "schedules": schedule });
        let deployment = self.post("deployments/", deployment).await;
        let began = Instant::now();
        let runs = json!({ "flows": { "id": { "any_": [flow["id"]] } } });
        while self.post("flow_runs/count", runs.clone()).await == json!(0) {
            assert!(began.elapsed() < STARTING, "Prefect schedules no run:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.delete(&format!("deployments/{}", deployment["id"].as_str().unwrap())).await;
        self.delete(&format!("flows/{}", flow["id"].as_str().unwrap())).await;
    }

    /// Runs a command of Prefect's own: `["deployment", "inspect", "etl-parent-flow/monthly"]`.
    pub fn prefect(&self, args: &[&str]) -> Said {
        let mut command = self.command();
        command.args(args).stdin(Stdio::null());
        command.output().unwrap().into()
    }

    /// Starts a worker of a pool and waits until the server knows it. `path` is put before the
    /// PATH of what it runs.
    pub async fn worker(&self, pool: &str, path: Option<&Path>) -> Worker {
        let mut place = Place::default();
        if let Some(path) = path {
            let others = std::env::var("PATH").unwrap_or_default();
            place.env.push(("PATH".to_owned(), format!("{}:{others}", path.display())));
        }
        self.worker_at(pool, &place).await
    }

    /// Starts a worker of a pool somewhere and waits until the server knows it.
    pub async fn worker_at(&self, pool: &str, place: &Place) -> Worker {
        static STARTED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = STARTED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("worker-{number}");
        let log = self.folder.join(format!("{name}.log"));
        let mut command = kept(None, &log);
        command.args(&place.within).arg(self.version.binary()).envs(self.environment());
        command.args(["worker", "start", "--pool", pool, "--name", &name]);
        command.args(place.limit.iter().flat_map(|n| ["--limit".to_owned(), n.to_string()]));
        command.env("PREFECT_WORKER_QUERY_SECONDS", "1").envs(place.env.iter().cloned());
        let worker = Worker { process: Kept(command.spawn().unwrap()), log };
        let began = Instant::now();
        let known = format!("work_pools/{pool}/workers/filter");
        loop {
            let workers = self.post(&known, json!({})).await;
            if workers.as_array().unwrap().iter().any(|known| known["name"] == name.as_str()) {
                return worker;
            }
            assert!(began.elapsed() < STARTING, "the worker does not start:\n{}", worker.log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until a flow run is over: its state.
    pub async fn ended(&self, run: &str, patience: Duration) -> Value {
        let began = Instant::now();
        loop {
            let state = self.get(&format!("flow_runs/{run}")).await["state"].clone();
            let kind = state["type"].as_str().unwrap_or_default();
            if ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"].contains(&kind) {
                return state;
            }
            assert!(began.elapsed() < patience, "the run {run} does not end: {state}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.version.binary());
        command.envs(self.environment()).current_dir(&self.folder);
        command
    }

    /// What Prefect's own programs are told, apart from this machine's settings of them.
    fn environment(&self) -> Vec<(String, String)> {
        let home = self.folder.join("client").display().to_string();
        let mut all = self.access();
        all.extend(QUIET.map(|(name, value)| (name.to_owned(), value.to_owned())));
        all.extend([("PREFECT_HOME".to_owned(), home), ("COLUMNS".to_owned(), "200".to_owned())]);
        all
    }
}

impl Worker {
    /// Ends it without a word, with the runs it has started.
    pub fn kill(&mut self) {
        self.process.end();
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Kept {
    fn end(&mut self) {
        self.0.stdin.take();
        let _ = self.0.wait();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.end();
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Said {
    /// The JSON on stdout, of a command that went well.
    pub fn json(&self) -> Value {
        assert!(self.ok, "{}\n{}", self.stdout, self.stderr);
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.stdout))
    }

    /// All it said, of a command that went well.
    pub fn went_well(self) -> String {
        assert!(self.ok, "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

fn serve(version: Version, folder: &Path, port: u16, settings: &[(String, String)]) -> Kept {
    let mut command = kept(Some(folder), &folder.join("server.log"));
    command
        .args([version.binary(), "server", "start", "--host", "127.0.0.1"])
        .args(["--port", &port.to_string()])
        .envs(QUIET)
        .env("PREFECT_HOME", folder.join("home"))
        .env("PREFECT_SERVER_UI_ENABLED", "false")
        .env("PREFECT_SERVER_UI_API_URL", format!("http://127.0.0.1:{port}/api"))
        .envs(settings.iter().map(|(name, value)| (name, value)));
    Kept(command.spawn().unwrap())
}

/// A shell that runs a command until its standard input ends, then ends it with all it started
/// and clears the folder, unless that is to be used again.
fn kept(folder: Option<&Path>, log: &Path) -> Command {
    let script = r#"set -m; trap '' INT TERM
        folder=$1 log=$2; shift 2
        "$@" </dev/null >>"$log" 2>&1 &
        cat >/dev/null
        kill -KILL -- "-$!" 2>/dev/null; wait
        [[ -z $folder || -e $folder/again ]] || rm -rf "$folder""#;
    let mut command = Command::new("bash");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PREFECT_")) {
        command.env_remove(name);
    }
    command.args(["-c", script, "bash"]).arg(folder.unwrap_or(Path::new(""))).arg(log);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0);
    command
}
