//! A rough line before any server: it is slow, breaks, falls silent, or answers in the
//! server's place that it is busy. What happens is drawn anew for each connection, from a seed.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::generate::random::Random;
use super::http::{Answer, Connection, Server};

/// How long a line is silent before it breaks.
const SILENCE: Duration = Duration::from_secs(3);

/// What is spoken over the line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP: the line can also answer 429 and 503.
    Http,
    /// Anything.
    Bytes,
}

/// What happens to a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// It is only slow.
    Slow,
    /// It is closed before a byte.
    Refused,
    /// It breaks by an RST after so many bytes of the answer.
    Reset(u64),
    /// It ends, as if all were said, after so many bytes of the answer.
    Half(u64),
    /// It falls silent after so many bytes of the answer.
    Silent(u64),
    /// Its first request is answered so.
    Busy(u16),
}

impl Fate {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Refused => "refused",
            Self::Reset(_) => "reset",
            Self::Half(_) => "half",
            Self::Silent(_) => "silent",
            Self::Busy(_) => "busy",
        }
    }

    fn draw(random: &mut Random, speaks: Speaks) -> Self {
        // Most breaks come early, where the small calls are; some in the midst of a file.
        let bytes = 1 << random.below(20);
        match random.below(100) {
            0..30 => Self::Slow,
            30..38 => Self::Refused,
            38..62 => Self::Reset(bytes),
            62..80 => Self::Half(bytes),
            80..84 => Self::Silent(bytes),
            _ if speaks == Speaks::Http => Self::Busy(random.pick(&[429, 503, 500, 502])),
            _ => Self::Slow,
        }
    }
}

/// The line; it ends on drop.
pub struct RoughLine {
    server: Server,
    calm: Arc<AtomicBool>,
    fates: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl RoughLine {
    /// A line to a server on this machine, given by its port; calm as yet.
    pub async fn before(port: u16, speaks: Speaks, seed: u64) -> Self {
        let random = Arc::new(Mutex::new(Random::new(seed)));
        let calm = Arc::new(AtomicBool::new(true));
        let fates = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let shared = (Arc::clone(&calm), Arc::clone(&fates));
        let server = Server::start(0, move |connection| {
            let rough = !shared.0.load(Ordering::SeqCst);
            let fate = rough.then(|| Fate::draw(&mut random.lock().unwrap(), speaks));
            if let Some(fate) = fate {
                *shared.1.lock().unwrap().entry(fate.name()).or_default() += 1;
            }
            carry(connection, SocketAddr::from(([127, 0, 0, 1], port)), fate)
        });
        let server = server.await.expect("127.0.0.1 has a free port");
        Self { server, calm, fates }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Whether from now on nothing happens to new connections.
    pub fn calm(&self, calm: bool) {
        self.calm.store(calm, Ordering::SeqCst);
    }

    /// How many connections had which fate.
    pub fn fates(&self) -> BTreeMap<&'static str, usize> {
        self.fates.lock().unwrap().clone()
    }
}

async fn carry(mut connection: Connection, to: SocketAddr, fate: Option<Fate>) -> io::Result<()> {
    match fate {
        Some(Fate::Refused) => return connection.reset().await,
        Some(Fate::Busy(status)) => {
            let Some(request) = connection.request().await? else {
                return Ok(());
            };
            connection.body(&request).await?;
            let page = Answer::new(status, "<html>busy</html>").with("content-type", "text/html");
            let page = page.with("retry-after", "0").with("connection", "close");
            return connection.answer(&request, &page).await;
        }
        _ => {}
    }
    let client = connection.into_stream();
    let server = TcpStream::connect(to).await?;
    let _ = server.set_nodelay(true);
    let slow = fate.is_some();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let asking = tokio::spawn(copy(from_client, to_server, slow, None));
    let most = match fate {
        Some(Fate::Reset(most) | Fate::Half(most) | Fate::Silent(most)) => Some(most),
        _ => None,
    };
    let (from_server, to_client, cut) = copy(from_server, to_client, slow, most).await?;
    if !cut {
        // The server has said all; the client may not have.
        let _ = asking.await;
        return Ok(());
    }
    match fate {
        Some(Fate::Reset(_)) => to_client.as_ref().set_zero_linger()?,
        Some(Fate::Silent(_)) => tokio::time::sleep(SILENCE).await,
        _ => {}
    }
    asking.abort();
    drop((from_server, to_client));
    Ok(())
}

/// Copies one direction to its end, or until so many bytes have passed: then it is cut.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    slow: bool,
    most: Option<u64>,
) -> io::Result<(OwnedReadHalf, OwnedWriteHalf, bool)> {
    let mut left = most.unwrap_or(u64::MAX);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            let _ = to.shutdown().await;
            return Ok((from, to, false));
        }
        if slow {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let passes = left.min(read as u64);
        to.write_all(&buffer[..passes as usize]).await?;
        left -= passes;
        if left == 0 {
            return Ok((from, to, true));
        }
    }
}
