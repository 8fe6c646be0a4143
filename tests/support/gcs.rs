//! The real fake-gcs-server, and a proxy before it that knows the calls which that server
//! lacks and fails as it is told.
//!
//! The server has the JSON API, but of the XML API only GET, HEAD, DELETE and listing;
//! `object_store` writes by the XML API. The proxy answers those writes by JSON calls.
//! It does not fill the gaps in the server's listing, which ignores `start-after`.
use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use tokio::sync::oneshot;

use super::control::{Faults, Log};
pub use super::http::Request;
use super::http::{Answer, Connection, Server, header};
use upstream::Upstream;
use xml::Xml;

mod upstream;
mod xml;

const BINARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.services/bin/fake-gcs-server");

/// A fake-gcs-server that keeps its objects in memory. It ends on drop, and when this
/// process ends in whatever way.
pub struct GcsServer {
    url: String,
    child: Child,
    stdin: Option<ChildStdin>,
}

impl GcsServer {
    /// Starts on a free port and waits until it answers.
    pub async fn start() -> Self {
        super::disk::has_room();
        assert!(Path::new(BINARY).exists(), "{BINARY} is missing: run 'make services'");
        let mut said = String::new();
        for _ in 0..5 {
            match Self::try_start().await {
                Ok(server) => return server,
                Err(error) => said = error,
            }
        }
        panic!("fake-gcs-server does not start: {said}");
    }

    async fn try_start() -> Result<Self, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("127.0.0.1 has a free port").port().to_string();
        // The shell leaves a watcher behind, which kills the server when this end of the
        // pipe closes, and becomes the server.
        let script = r#"exec 3<&0; { read -r _ <&3; kill -9 $$; } 2>&- & exec "$@" 3<&-"#;
        let options = "-scheme http -backend memory -host 127.0.0.1 -public-host 127.0.0.1 -port";
        let mut child = Command::new("sh")
            .args(["-c", script, "sh", BINARY])
            .args(options.split(' '))
            .arg(&port)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let stdin = child.stdin.take();
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let (ready, started) = oneshot::channel();
        std::thread::spawn(move || {
            let mut said = String::new();
            let mut lines = stderr.lines().map_while(Result::ok);
            let mut seen = lines.by_ref().inspect(|line| said.clone_from(line));
            let up = seen.any(|line| line.contains("server started"));
            let _ = ready.send(if up { Ok(()) } else { Err(said) });
            lines.for_each(drop);
        });
        let server = Self { url: format!("http://127.0.0.1:{port}"), child, stdin };
        let started = tokio::time::timeout(Duration::from_secs(10), started).await;
        started.map_err(|_| "it is silent")?.map_err(|_| "it has ended")??;
        let health = Upstream::new(&server.url).json(Method::GET, "/_internal/healthcheck").await;
        health.map(|_| server).map_err(|answer| format!("its health check says {answer:?}"))
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn make_bucket(&self, name: &str) {
        Upstream::new(&self.url).make_bucket(name).await;
    }
}

impl Drop for GcsServer {
    fn drop(&mut self) {
        self.stdin.take();
        let _ = self.child.wait();
    }
}

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub enum GcsFault {
    /// Answers this and makes no call.
    Status { code: u16, headers: Vec<(String, String)>, body: Bytes },
    /// Breaks the connection by an RST and makes no call.
    Reset,
    /// Never answers and makes no call.
    Stall,
    /// Makes the call, then breaks the connection: the answer is lost.
    DropAnswer,
    /// Waits, then makes the call.
    Delay(Duration),
}

impl GcsFault {
    /// A plain status without a body.
    pub fn status(code: u16) -> Self {
        Self::Status { code, headers: Vec::new(), body: Bytes::new() }
    }

    /// 429 with a Retry-After in seconds.
    pub fn too_many(retry_after: u64) -> Self {
        let headers = vec![header("retry-after", retry_after.to_string())];
        Self::Status { code: 429, headers, body: Bytes::new() }
    }
}

/// The proxy; it ends on drop, with the server if that is its own. Calls are picked by
/// their method (empty: any) and a part of their path and query, in the form that was sent
/// or decoded: `("PUT", "partNumber=2")`, `("", "trips/2020-01")`.
pub struct GcsProxy {
    proxy: Server,
    shared: Arc<Shared>,
    server: Option<GcsServer>,
}

#[derive(Clone)]
struct Call {
    method: String,
    part: String,
}

struct Shared {
    upstream: Upstream,
    xml: Xml,
    faults: Mutex<Faults<Call, GcsFault>>,
    log: Log,
}

impl GcsProxy {
    /// Starts on a free port before a server of its own, with nothing in it yet.
    pub async fn start() -> Self {
        Self::start_on(0).await.expect("127.0.0.1 has a free port")
    }

    pub async fn start_on(port: u16) -> io::Result<Self> {
        let server = GcsServer::start().await;
        let mut proxy = Self::before(port, server.url()).await?;
        proxy.server = Some(server);
        Ok(proxy)
    }

    /// Starts before a server that runs at this URL, on a free port if `port` is 0.
    pub async fn before(port: u16, upstream: &str) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            upstream: Upstream::new(upstream),
            xml: Xml::default(),
            faults: Mutex::default(),
            log: Log::default(),
        });
        let state = Arc::clone(&shared);
        let serve = move |connection| serve(Arc::clone(&state), connection);
        let proxy = Server::start(port, serve).await?;
        Ok(Self { proxy, shared, server: None })
    }

    /// `http://127.0.0.1:PORT`, for STORAGE_EMULATOR_HOST.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    pub async fn make_bucket(&self, name: &str) {
        Upstream::new(&self.shared.upstream.url).make_bucket(name).await;
    }

    /// The names of the objects of a bucket below a prefix, as the JSON API has them.
    pub async fn names(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let target = format!("/storage/v1/b/{bucket}/o");
        let upstream = Upstream::new(&self.shared.upstream.url);
        let listing = upstream.json(Method::GET, &target).await.expect("the bucket is there");
        let items = listing["items"].as_array().cloned().unwrap_or_default();
        let names = items.iter().filter_map(|item| item["name"].as_str());
        let below = names.filter(|name| name.starts_with(&format!("{prefix}/")));
        below.map(str::to_owned).collect()
    }

    /// Queues a fault: each call that matches uses one up.
    pub fn fault(&self, method: &str, part: &str, fault: GcsFault) {
        let call = Call { method: method.to_owned(), part: part.to_owned() };
        self.shared.faults.lock().unwrap().once(call, fault);
    }

    /// A fault of all calls that match, on top of which queued ones come.
    pub fn always(&self, method: &str, part: &str, fault: GcsFault) {
        let call = Call { method: method.to_owned(), part: part.to_owned() };
        self.shared.faults.lock().unwrap().always(call, fault);
    }

    /// Forgets all faults.
    pub fn heal(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    /// The size that GCS asks of every part but the last of a multipart upload: 5 MiB, if
    /// nothing else is said here.
    pub fn smallest_part(&self, bytes: usize) {
        self.shared.xml.smallest_part.store(bytes, Ordering::SeqCst);
    }

    /// The ids of the multipart uploads that are neither completed nor aborted.
    pub fn uploads(&self) -> Vec<String> {
        self.shared.xml.uploads.lock().unwrap().keys().cloned().collect()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.requests()
    }

    /// How many calls came that match, those that met a fault among them.
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.requests().iter().filter(|request| request.matches(method, part)).count()
    }

    /// The most calls that were in flight at one time.
    pub fn most_at_once(&self) -> usize {
        self.shared.log.most_at_once()
    }

    pub fn clear_log(&self) {
        self.shared.log.clear();
    }
}

async fn serve(shared: Arc<Shared>, mut connection: Connection) -> io::Result<()> {
    while let Some(request) = connection.request().await? {
        let _in_flight = shared.log.enter(&request);
        let matches = |call: &Call| request.matches(&call.method, &call.part);
        let faults = shared.faults.lock().unwrap().take(matches);
        let (mut instead, mut lose_answer) = (None, false);
        for fault in faults {
            match fault {
                GcsFault::Status { code, headers, body } => {
                    instead = Some(Answer { status: code, headers, body });
                }
                GcsFault::Reset => return connection.reset().await,
                GcsFault::Stall => return connection.stall().await,
                GcsFault::DropAnswer => lose_answer = true,
                GcsFault::Delay(time) => tokio::time::sleep(time).await,
            }
        }
        let body = connection.body(&request).await?;
        if instead.is_none() {
            instead = shared.xml.answer(&shared.upstream, &request, &body).await;
        }
        match instead {
            Some(_) if lose_answer => return connection.reset().await,
            Some(answer) => connection.answer(&request, &answer).await?,
            None => match shared.upstream.forward(&request, body).await {
                Ok(_) if lose_answer => return connection.reset().await,
                Ok(response) => {
                    upstream::relay(&mut connection, &request, response, &shared.upstream).await?;
                }
                Err(answer) => connection.answer(&request, &answer).await?,
            },
        }
    }
    Ok(())
}
