//! A web server that stands in for the hosts of the trip files and fails as it is told.
use std::collections::HashMap;
use std::io::{self, Cursor};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::io::AsyncReadExt;

use super::control::{Faults, Log};
pub use super::http::Request;
use super::http::{Answer, Connection, Server, header};
pub use fault::Fault;
use fault::{Cut, Framing, Plan};
use file::{File, Source, parse_range};

mod fault;
mod file;

/// The server; it ends on drop. A path is absolute and without a query; what is set for
/// a path that ends in `*` holds for all that begin like it.
pub struct Web {
    server: Server,
    state: Arc<Mutex<State>>,
    log: Log,
}

impl Web {
    /// Starts on a free port, with nothing to serve yet.
    pub async fn start() -> Self {
        Self::start_on(0).await.expect("127.0.0.1 has a free port")
    }

    pub async fn start_on(port: u16) -> io::Result<Self> {
        let (state, log) = (Arc::<Mutex<State>>::default(), Log::default());
        let shared = (Arc::clone(&state), log.clone());
        let server = Server::start(port, move |connection| {
            let (state, log) = shared.clone();
            serve(state, log, connection)
        });
        Ok(Self { server: server.await?, state, log })
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Serves these bytes, last modified now.
    pub fn put(&self, path: &str, body: impl Into<Bytes>) {
        let stored = (body.into(), SystemTime::now());
        self.state.lock().unwrap().files.insert(absolute(path), stored);
    }

    /// Takes back what was put or redirected there; a folder's file shows again.
    pub fn remove(&self, path: &str) {
        let mut state = self.state.lock().unwrap();
        state.files.remove(&absolute(path));
        state.redirects.remove(&absolute(path));
    }

    /// Answers 302 with `to`, a path or a URL.
    pub fn redirect(&self, from: &str, to: &str) {
        self.state.lock().unwrap().redirects.insert(absolute(from), to.to_owned());
    }

    /// Serves the files below a folder, straight from disk.
    pub fn folder(&self, dir: impl Into<PathBuf>) {
        self.state.lock().unwrap().folder = Some(dir.into());
    }

    /// Queues a fault: each request for the path uses one up.
    pub fn fault(&self, path: &str, fault: Fault) {
        self.state.lock().unwrap().faults.once(absolute(path), fault);
    }

    /// A fault of all requests for the path, on top of which queued ones come.
    pub fn always(&self, path: &str, fault: Fault) {
        self.state.lock().unwrap().faults.always(absolute(path), fault);
    }

    /// Forgets all faults.
    pub fn heal(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    pub fn requests(&self) -> Vec<Request> {
        self.log.requests()
    }

    /// How many requests came with this method (empty: any) and this in path or query.
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.requests().iter().filter(|request| request.matches(method, part)).count()
    }

    /// The most requests that were in flight at one time.
    pub fn most_at_once(&self) -> usize {
        self.log.most_at_once()
    }

    pub fn clear_log(&self) {
        self.log.clear();
    }
}

#[derive(Default)]
struct State {
    files: HashMap<String, (Bytes, SystemTime)>,
    redirects: HashMap<String, String>,
    folder: Option<PathBuf>,
    faults: Faults<String, Fault>,
}

impl State {
    fn plan(&mut self, path: &str) -> Plan {
        let mut plan = Plan::default();
        let faults = self.faults.take(|pattern| match pattern.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => pattern == path,
        });
        for fault in faults {
            plan.apply(fault);
        }
        plan
    }

    fn find(&self, path: &str) -> Option<File> {
        if let Some((bytes, modified)) = self.files.get(path) {
            return Some(File::memory(bytes.clone(), *modified));
        }
        let inside = Path::new(path.trim_start_matches('/'));
        let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
        File::disk(self.folder.as_ref().filter(|_| plain)?.join(inside))
    }
}

/// An answer whose body is still to be read.
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    length: u64,
    source: Source,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let length = answer.body.len() as u64;
        let source = Box::new(Cursor::new(answer.body));
        Self { status: answer.status, headers: answer.headers, length, source }
    }
}

async fn serve(state: Arc<Mutex<State>>, log: Log, mut connection: Connection) -> io::Result<()> {
    while let Some(request) = connection.request().await? {
        let in_flight = log.enter(&request);
        connection.body(&request).await?;
        let mut plan = state.lock().unwrap().plan(&request.path);
        let reply = match plan.instead.take() {
            Some(answer) => answer.into(),
            None => reply(&state, &request, &plan).await?,
        };
        match send(connection, &request, reply, &plan, in_flight).await? {
            Some(open) => connection = open,
            None => break,
        }
    }
    Ok(())
}

async fn reply(state: &Mutex<State>, request: &Request, plan: &Plan) -> io::Result<Reply> {
    if request.method != "GET" && request.method != "HEAD" {
        return Ok(Answer::new(405, "").with("allow", "GET, HEAD").into());
    }
    let (redirect, file) = {
        let state = state.lock().unwrap();
        (state.redirects.get(&request.path).cloned(), state.find(&request.path))
    };
    if let Some(to) = redirect {
        return Ok(Answer::new(302, "").with("location", to).into());
    }
    let Some(file) = file else {
        return Ok(Answer::new(404, "not found\n").into());
    };
    let etag = plan.tag_of(&file.etag);
    let mut headers =
        vec![header("last-modified", &file.modified), header("accept-ranges", "bytes")];
    headers.extend(etag.clone().map(|etag| header("etag", etag)));
    // Weakly, as a server compares for a copy that is known.
    let known = |tags: &str| {
        let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        tags.split(',').any(|tag| etag.as_deref().is_some_and(|etag| bare(etag) == bare(tag)))
    };
    let unchanged = match request.header("if-none-match") {
        Some(tags) => known(tags),
        None => request.header("if-modified-since") == Some(&file.modified),
    };
    if unchanged {
        plan.alter(&mut headers);
        return Ok(Answer { status: 304, headers, body: Bytes::new() }.into());
    }
    let strong = |tag: &str| !tag.starts_with("W/") && etag.as_deref() == Some(tag);
    let same = request
        .header("if-range")
        .is_none_or(|tag| plan.ignore_if_range || strong(tag) || tag == file.modified);
    let wanted = request.header("range").filter(|_| same && !plan.ignore_range);
    let length = file.length;
    let range = match (wanted.and_then(|range| parse_range(range, length)), plan.unasked) {
        (Some((start, end)), _) => {
            Some((start, plan.slice.map_or(end, |most| end.min(start.saturating_add(most)))))
        }
        (None, Some(most)) => Some((0, length.min(most))),
        (None, None) => None,
    };
    headers.push(header("content-type", "application/octet-stream"));
    let (status, start, end) = match range {
        None => (200, 0, length),
        Some((start, end)) if start < end => {
            headers.push(header("content-range", plan.range_of(start, end, length)));
            (206, start, end)
        }
        Some(_) => {
            let range = format!("bytes */{length}");
            return Ok(Answer::new(416, "").with("content-range", range).into());
        }
    };
    if status == 206 && plan.multipart {
        let range = plan.range_of(start, end, length);
        let head = format!(
            "--PART\r\ncontent-type: application/octet-stream\r\ncontent-range: {range}\r\n\r\n"
        );
        headers.retain(|(name, _)| name != "content-range" && name != "content-type");
        headers.push(header("content-type", "multipart/byteranges; boundary=PART"));
        let tail = Cursor::new(b"\r\n--PART--\r\n");
        let (ahead, inner) = (head.len() as u64, file.read_from(start).await?.take(end - start));
        let source = Box::new(Cursor::new(head).chain(inner).chain(tail));
        return Ok(Reply { status, headers, length: ahead + (end - start) + 12, source });
    }
    plan.alter(&mut headers);
    let status = plan.code.unwrap_or(status);
    let source = file.read_from(start).await?;
    if plan.longer > 0 {
        let more = tokio::io::repeat(b'7').take(plan.longer);
        let source = Box::new(source.take(end - start).chain(more));
        return Ok(Reply { status, headers, length: end - start + plan.longer, source });
    }
    Ok(Reply { status, headers, length: end - start, source })
}

/// Sends an answer as planned. Gives the connection back when more may follow on it.
async fn send(
    mut connection: Connection,
    request: &Request,
    mut reply: Reply,
    plan: &Plan,
    in_flight: impl Sized,
) -> io::Result<Option<Connection>> {
    let mut in_flight = Some(in_flight);
    let cut = plan.cut.filter(|(after, _)| *after < reply.length.max(1));
    let mut left = cut.map_or(reply.length, |(after, _)| after);
    let bodiless = request.method == "HEAD" || reply.status == 304;
    if cut.is_none() || left > 0 {
        match plan.framing {
            _ if reply.status == 304 => {}
            Framing::Length if reply.headers.iter().any(|(name, _)| name == "content-length") => {}
            Framing::Length => {
                reply.headers.push(header("content-length", reply.length.to_string()));
            }
            Framing::Declared(length) => {
                reply.headers.push(header("content-length", length.to_string()));
            }
            Framing::Chunks => reply.headers.push(header("transfer-encoding", "chunked")),
            Framing::Close => reply.headers.push(header("connection", "close")),
        }
        connection.head(reply.status, &reply.headers).await?;
        if bodiless {
            return Ok(Some(connection).filter(|_| plan.framing != Framing::Close));
        }
    }
    let piece = plan.bytes_per_second.map_or(256 << 10, |pace| (pace / 20).clamp(1, 256 << 10));
    let mut buffer = vec![0; piece as usize];
    while left > 0 {
        let room = buffer.len().min(left as usize);
        let read = reply.source.read(&mut buffer[..room]).await?;
        if let Some(pace) = plan.bytes_per_second {
            tokio::time::sleep(Duration::from_secs_f64(read as f64 / pace as f64)).await;
        }
        // With its last bytes, the client is free to ask for more.
        if read as u64 == left {
            in_flight.take();
        }
        match (read, plan.framing) {
            (0, _) => return Ok(None),
            (_, Framing::Chunks) => connection.chunk(&buffer[..read]).await?,
            _ => connection.write(&buffer[..read]).await?,
        }
        left -= read as u64;
    }
    match (cut, plan.framing) {
        (Some((_, Cut::Reset)), _) => connection.reset().await?,
        (Some((_, Cut::Stall)), _) => connection.stall().await?,
        (Some((_, Cut::Close)), _) | (None, Framing::Close | Framing::Declared(_)) => {}
        (None, Framing::Chunks) => {
            connection.chunk(b"").await?;
            return Ok(Some(connection));
        }
        (None, Framing::Length) => return Ok(Some(connection)),
    }
    Ok(None)
}

fn absolute(path: &str) -> String {
    format!("/{}", path.trim_start_matches('/'))
}
