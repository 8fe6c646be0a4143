//! Connections: each host in turn, TLS as asked for, and a session that is ours.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use super::PostgresError;
use super::connect_error::{ConnectError, Refusal, Why};
use super::encrypted::{Done, Encrypted};
use super::target::{Encryption, Endpoint, Place, Target, Wanted, shuffled};
use super::wire::{Heard, Listened, Socket};

/// A connection, and what it takes to cancel its statement.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) target: Target,
    pub(super) heard: Arc<Heard>,
    /// Where it is, to go there once more.
    pub(super) endpoint: Endpoint,
    tls: Option<Arc<ClientConfig>>,
}

impl Session {
    /// Asks the server to stop what it is doing for this session.
    pub(super) async fn cancel(&self) {
        let token = self.client.cancel_token();
        let asked = async {
            let socket = reach(&self.target, &self.endpoint).await;
            let mut socket = socket.map_err(|error| error.to_string())?;
            let cancelled = match &self.tls {
                Some(config) => match has_tls(&self.target, &mut socket).await {
                    Ok(true) => {
                        let host = &self.endpoint.host;
                        let line = Encrypted::handshake(config, host, socket).await;
                        let line = line.map_err(|error| error.to_string())?;
                        token.cancel_query_raw(line, Done).await
                    }
                    Ok(false) => return Err("server does not support TLS".to_owned()),
                    Err(error) => return Err(error.to_string()),
                },
                None => token.cancel_query_raw(socket, NoTls).await,
            };
            cancelled.map_err(|error| error.to_string())
        };
        if let Err(error) = asked.await {
            tracing::debug!("cannot cancel the statement: {error}");
        }
    }

    /// The server's own words, if the driver says only that the connection is gone; and who
    /// held what was waited for too long.
    pub(super) fn explain(&self, error: PostgresError) -> PostgresError {
        let PostgresError::Query { step, source } = error else { return error };
        match source.code() {
            None => match self.heard.last_word() {
                Some(word) => PostgresError::Ended { step, word },
                None => PostgresError::Query { step, source },
            },
            Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                PostgresError::Locked { step, held: self.heard.held() }
            }
            Some(_) => PostgresError::Query { step, source },
        }
    }
}

impl Target {
    /// A session as the server gives it, on the first host that has one of the kind that is
    /// wanted.
    pub(super) async fn dial(&self) -> Result<Session, ConnectError> {
        let tls = self.tls.as_ref().map(super::tls::TlsSettings::config).transpose()?;
        let kinds: &[Wanted] = match self.wanted {
            Wanted::PreferStandby => &[Wanted::Standby, Wanted::Any],
            _ => &[self.wanted],
        };
        let mut refusals = Vec::new();
        for &wanted in kinds {
            refusals.clear();
            let mut endpoints: Vec<&Endpoint> = self.endpoints.iter().collect();
            if self.shuffled {
                endpoints = shuffled(endpoints);
            }
            for endpoint in endpoints {
                // On the heap: the futures of all who connect would carry its size.
                match Box::pin(self.dial_one(endpoint, tls.as_ref(), wanted)).await {
                    Ok(session) => return Ok(session),
                    Err(why) => {
                        let refused = why.is_refusal();
                        refusals.push(Refusal { place: self.place_of(endpoint), why });
                        if refused {
                            return Err(ConnectError::Refused(refusals));
                        }
                    }
                }
            }
        }
        Err(ConnectError::Refused(refusals))
    }

    /// One host: each of its addresses, until one answers.
    async fn dial_one(
        &self,
        endpoint: &Endpoint,
        tls: Option<&Arc<ClientConfig>>,
        wanted: Wanted,
    ) -> Result<Session, Why> {
        let mut last = None;
        for endpoint in self.addresses(endpoint).await? {
            match self.dial_address(&endpoint, tls).await {
                Ok(session) => {
                    let suits = suits(&session, wanted).await;
                    return suits.map(|()| session);
                }
                Err(why) => {
                    let refused = why.is_refusal();
                    last = Some(why);
                    if refused {
                        break;
                    }
                }
            }
        }
        let none = || Why::Io(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
        Err(last.unwrap_or_else(none))
    }

    /// A host with each of its addresses.
    async fn addresses(&self, endpoint: &Endpoint) -> Result<Vec<Endpoint>, Why> {
        let Place::Tcp(host) = &endpoint.at else { return Ok(vec![endpoint.clone()]) };
        let found = within(self.timeout, async {
            tokio::net::lookup_host((host.as_str(), endpoint.port)).await.map_err(Why::Io)
        });
        let found: Vec<_> = found.await?.collect();
        let found = if self.shuffled { shuffled(found) } else { found };
        let at = |address: SocketAddr| Place::Tcp(address.ip().to_string());
        Ok(found.into_iter().map(|a| Endpoint { at: at(a), ..endpoint.clone() }).collect())
    }

    /// One address, in each way of encryption that may be tried.
    async fn dial_address(
        &self,
        endpoint: &Endpoint,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Session, Why> {
        let local = matches!(endpoint.at, Place::Socket(_));
        let ways: &[bool] = match self.encryption {
            _ if local => &[false],
            Encryption::Disable => &[false],
            Encryption::Allow => &[false, true],
            Encryption::Prefer => &[true, false],
            Encryption::Require => &[true],
        };
        let mut failed: Option<Why> = None;
        for &encrypt in ways {
            let tls = tls.filter(|_| encrypt);
            let lost = failed.as_ref().filter(|why| why.is_lost_tls() && !encrypt);
            let line = if lost.is_some() { Line::Exposed } else { Line::Wanted };
            match within(self.timeout, Box::pin(self.dial_once(endpoint, tls, line))).await {
                Ok(session) => {
                    if let Some(why) = lost {
                        let place = self.place_of(endpoint);
                        tracing::warn!(
                            "the connection to {place} is not encrypted, since TLS failed: {why}. \
                             sslmode=require refuses such a connection"
                        );
                    }
                    return Ok(session);
                }
                Err(why) => {
                    let mends = why.is_mended(encrypt);
                    failed = Some(match failed {
                        // That there is no TLS says less than why there is nothing without it.
                        Some(first) if matches!(why, Why::NoTls) => first,
                        Some(first) if first.is_lost_tls() => {
                            Why::Both { tls: Box::new(first), plain: Box::new(why) }
                        }
                        _ => why,
                    });
                    if !mends {
                        break;
                    }
                }
            }
        }
        Err(failed.unwrap_or(Why::NoTls))
    }

    async fn dial_once(
        &self,
        endpoint: &Endpoint,
        tls: Option<&Arc<ClientConfig>>,
        line: Line,
    ) -> Result<Session, Why> {
        let heard = Arc::new(Heard::default());
        let mut config = self.config.clone();
        if let Some(password) = &endpoint.password {
            config.password(password);
        }
        let mut socket = reach(self, endpoint).await.map_err(Why::Io)?;
        let tls = match tls {
            Some(tls) if has_tls(self, &mut socket).await.map_err(Why::Io)? => Some(tls),
            Some(_) if self.encryption != Encryption::Prefer => return Err(Why::NoTls),
            _ => None,
        };
        let client = if let Some(tls) = tls {
            config.ssl_mode(SslMode::Require);
            let socket = Encrypted::handshake(tls, &endpoint.host, socket).await;
            let socket = Listened::new(socket.map_err(Why::Handshake)?, Arc::clone(&heard));
            let connected = config.connect_raw(socket, Done).await;
            let (client, connection) = connected.map_err(Why::Driver)?;
            tokio::spawn(async move { log_end(connection.await) });
            client
        } else {
            let mut socket = Listened::new(socket, Arc::clone(&heard));
            if line == Line::Exposed {
                socket.refuse_bare_passwords();
            }
            let connected = config.connect_raw(socket, NoTls).await;
            let (client, connection) = connected.map_err(Why::Driver)?;
            tokio::spawn(async move { log_end(connection.await) });
            client
        };
        let (target, endpoint, tls) = (self.clone(), endpoint.clone(), tls.cloned());
        Ok(Session { client, target, heard, endpoint, tls })
    }
}

/// What a line without TLS is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// As it was asked for.
    Wanted,
    /// What is left after TLS failed: whoever broke it may be listening.
    Exposed,
}

async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, Why>>,
) -> Result<T, Why> {
    match limit {
        Some(limit) => {
            let done = tokio::time::timeout(limit, work).await;
            done.unwrap_or(Err(Why::TimedOut(limit)))
        }
        None => work.await,
    }
}

/// A socket to an address.
async fn reach(target: &Target, endpoint: &Endpoint) -> io::Result<Socket> {
    match &endpoint.at {
        Place::Socket(folder) => Ok(Socket::Unix(unix(folder, endpoint.port).await?)),
        Place::Tcp(address) => {
            let stream = TcpStream::connect((address.as_str(), endpoint.port)).await?;
            tune(target, &stream)?;
            Ok(Socket::Tcp(stream))
        }
    }
}

fn tune(target: &Target, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    if let Some(alive) = target.keepalive {
        let mut tries = TcpKeepalive::new();
        if let Some(idle) = alive.idle {
            tries = tries.with_time(idle);
        }
        if let Some(interval) = alive.interval {
            tries = tries.with_interval(interval);
        }
        if let Some(count) = alive.count {
            tries = tries.with_retries(count);
        }
        socket.set_tcp_keepalive(&tries)?;
    }
    #[cfg(target_os = "linux")]
    if let Some(limit) = target.user_timeout {
        socket.set_tcp_user_timeout(Some(limit))?;
    }
    Ok(())
}

async fn unix(folder: &str, port: u16) -> io::Result<UnixStream> {
    let path = format!("{folder}/.s.PGSQL.{port}");
    match path.strip_prefix('@') {
        Some(name) => abstract_socket(name),
        None => UnixStream::connect(&path)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("{error} (the socket {path})"))),
    }
}

#[cfg(target_os = "linux")]
fn abstract_socket(name: &str) -> io::Result<UnixStream> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    let stream = std::os::unix::net::UnixStream::connect_addr(&address)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

#[cfg(not(target_os = "linux"))]
fn abstract_socket(_: &str) -> io::Result<UnixStream> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no such sockets"))
}

/// The code that asks a server for TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Whether TLS may begin on a socket.
async fn has_tls(target: &Target, socket: &mut Socket) -> io::Result<bool> {
    if target.direct_tls {
        return Ok(true);
    }
    socket.write_all(&SSL_REQUEST).await?;
    // One byte and no more: what follows must come from inside TLS.
    Ok(socket.read_u8().await? == b'S')
}

/// Whether a session is of the kind that is wanted; decided before anything is set in it.
async fn suits(session: &Session, wanted: Wanted) -> Result<(), Why> {
    if wanted == Wanted::Any {
        return Ok(());
    }
    let ask = "SELECT pg_catalog.pg_is_in_recovery(), \
               pg_catalog.current_setting('default_transaction_read_only')";
    let rows = session.client.simple_query(ask).await.map_err(Why::Driver)?;
    let row = rows.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some((row.get(0), row.get(1))),
        _ => None,
    });
    let (standby, read_only) = row.unwrap_or_default();
    let (standby, read_only) = (standby == Some("t"), read_only == Some("on"));
    match wanted {
        Wanted::ReadWrite if standby || read_only => Err(Why::Session("session is read-only")),
        Wanted::ReadOnly if !standby && !read_only => Err(Why::Session("session is not read-only")),
        Wanted::Primary if standby => Err(Why::Session("server is in hot standby mode")),
        Wanted::Standby if !standby => Err(Why::Session("server is not in hot standby mode")),
        _ => Ok(()),
    }
}

/// The statement in hand hears of a broken connection too: it says so to people.
fn log_end(ended: Result<(), tokio_postgres::Error>) {
    if let Err(error) = ended {
        tracing::debug!("the connection to Postgres ended: {error}");
    }
}
