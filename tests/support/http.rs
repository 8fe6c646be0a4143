//! HTTP/1.1 by hand, as much as the servers here need. They must break connections at a
//! given byte and lie about lengths, which no HTTP library lets its users do.
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A request without its body.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// The path with its percent escapes decoded, without the query.
    pub path: String,
    /// The query as it was sent, without the question mark.
    pub query: String,
    /// Names are lower-case.
    pub headers: HeaderMap,
    pub came: Instant,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The decoded value of a query parameter, empty for one without a value.
    pub fn param(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then(|| decode(&value.replace('+', " ")))
        })
    }

    /// Whether it has this method (empty: any) and its path and query hold `part`, be it
    /// in the form that was sent or decoded.
    pub fn matches(&self, method: &str, part: &str) -> bool {
        (method.is_empty() || self.method == method)
            && (self.target.contains(part) || decode(&self.target).contains(part))
    }
}

/// One connection of a client, kept alive over many requests.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// The next request, or none when the client has closed the connection.
    pub async fn request(&mut self) -> io::Result<Option<Request>> {
        let Some(first) = self.line().await? else {
            return Ok(None);
        };
        let came = Instant::now();
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(invalid("a request line"));
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header"))?;
            headers.append(
                HeaderName::try_from(name).map_err(|_| invalid("a header name"))?,
                HeaderValue::try_from(value.trim()).map_err(|_| invalid("a header value"))?,
            );
        }
        Ok(Some(Request {
            method: method.to_owned(),
            target: target.to_owned(),
            path: decode(path),
            query: query.to_owned(),
            headers,
            came,
        }))
    }

    /// The request's body. A client that dies before the end of it is an error.
    pub async fn body(&mut self, request: &Request) -> io::Result<Bytes> {
        let length = match request.header("content-length") {
            Some(length) => length.parse().map_err(|_| invalid("a length"))?,
            None => 0,
        };
        let chunked = request.header("transfer-encoding") == Some("chunked");
        if request.header("expect").is_some() && (chunked || length > 0) {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        while chunked && self.read_chunk(&mut body).await? {}
        Ok(body.into())
    }

    /// Sends the status line and headers as they are given: no length is added.
    pub async fn head(&mut self, status: u16, headers: &[(String, String)]) -> io::Result<()> {
        let reason = reqwest::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Unknown");
        let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        self.write(head.as_bytes()).await
    }

    /// Sends a whole answer; one to a HEAD has the length alone.
    pub async fn answer(&mut self, to: &Request, answer: &Answer) -> io::Result<()> {
        let mut headers = answer.headers.clone();
        if answer.status != 204 && answer.status != 304 {
            headers.push(header("content-length", answer.body.len().to_string()));
        }
        self.head(answer.status, &headers).await?;
        if to.method != "HEAD" {
            self.write(&answer.body).await?;
        }
        Ok(())
    }

    pub async fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(data).await
    }

    /// Sends a chunk of a chunked body; an empty one ends the body.
    pub async fn chunk(&mut self, data: &[u8]) -> io::Result<()> {
        self.write(format!("{:x}\r\n", data.len()).as_bytes()).await?;
        self.write(data).await?;
        self.write(b"\r\n").await
    }

    /// Breaks the connection by an RST, giving what was sent a moment to arrive.
    pub async fn reset(self) -> io::Result<()> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.stream.get_ref().set_zero_linger()
    }

    /// The bare connection, before anything was read from it.
    pub fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }

    /// Keeps the connection open in silence until the client gives up.
    pub async fn stall(mut self) -> io::Result<()> {
        let mut scrap = [0; 4096];
        while self.stream.read(&mut scrap).await? > 0 {}
        Ok(())
    }

    /// Reads a chunk onto the end of a body; false for the empty one that ends it.
    async fn read_chunk(&mut self, body: &mut Vec<u8>) -> io::Result<bool> {
        let line = self.line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| invalid("a chunk"))?;
        let start = body.len();
        body.resize(start + size, 0);
        self.stream.read_exact(&mut body[start..]).await?;
        self.line().await?;
        Ok(size > 0)
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// A whole answer, its length not yet among the headers.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(header(name, value));
        self
    }
}

pub fn header(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// A listener on 127.0.0.1 with a thread and runtime of its own, so that it answers while
/// a test blocks on a program. It and its connections end on drop.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves every connection by `serve`, on a free port when `port` is 0.
    pub async fn start<F, S>(port: u16, serve: F) -> io::Result<Self>
    where
        F: Fn(Connection) -> S + Send + 'static,
        S: Future<Output = io::Result<()>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(async {
                let listener = match TcpListener::bind(("127.0.0.1", port)).await {
                    Ok(listener) => listener,
                    Err(error) => return drop(bound.send(Err(error))),
                };
                let _ = bound.send(listener.local_addr());
                tokio::select! {
                    () = accept(listener, serve) => {}
                    _ = stopped => {}
                }
            });
        });
        let address = address.await.map_err(io::Error::other)??;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub const fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept<F, S>(listener: TcpListener, serve: F)
where
    F: Fn(Connection) -> S,
    S: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        connections.spawn(serve(Connection { stream: BufReader::new(stream) }));
        while connections.try_join_next().is_some() {}
    }
}

/// Decodes percent escapes.
pub fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = tail.get(..2).filter(|_| *first == b'%');
        let byte = escape.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Escapes all but ASCII letters and digits, as a path segment or a parameter's value.
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out + char::from(byte).encode_utf8(&mut [0; 4]),
        _ => out + &format!("%{byte:02X}"),
    })
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} that is not HTTP"))
}
