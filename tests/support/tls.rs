//! TLS before a Postgres that has none of its own, as the one of `make services`: answers the
//! client's request for it and hands on what it decrypts.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The first message of a client that wants TLS
/// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The proxy; it ends on drop.
pub struct TlsProxy {
    port: u16,
    encrypted: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl TlsProxy {
    /// Starts on a free port, with the certificate `root.pem` and the key `key.pem` of a folder.
    pub async fn start(folder: &Path, server: u16) -> Self {
        let certificate = CertificateDer::from_pem_file(folder.join("root.pem")).unwrap();
        let key: PrivateKeyDer<'static> =
            PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(key).unwrap();
        let certified = CertifiedKey::new(vec![certificate], key);
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            // Whatever version of X.509 it is.
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        let (config, encrypted) = (Arc::new(config), Arc::<AtomicUsize>::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::clone(&encrypted);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server, Arc::clone(&config), Arc::clone(&count)));
            }
        });
        Self { port, encrypted, accepting }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many clients spoke TLS to the end of the handshake.
    pub fn encrypted(&self) -> usize {
        self.encrypted.load(Ordering::SeqCst)
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    server: u16,
    config: Arc<ServerConfig>,
    encrypted: Arc<AtomicUsize>,
) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
    let mut first = [0; 8];
    client.read_exact(&mut first).await?;
    if first != SSL_REQUEST {
        server.write_all(&first).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    }
    client.write_all(b"S").await?;
    let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut answer = vec![0; 64 << 10];
    loop {
        let handshaking = tls.is_handshaking();
        flush(&mut tls, &client).await?;
        tokio::select! {
            ready = client.readable() => {
                ready?;
                match tls.read_tls(&mut Socket(&client)) {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                }
                let read = tls.process_new_packets();
                if let Err(error) = read {
                    flush(&mut tls, &client).await?;
                    return Err(io::Error::other(error));
                }
                if handshaking && !tls.is_handshaking() {
                    encrypted.fetch_add(1, Ordering::SeqCst);
                }
                let mut plain = Vec::new();
                match tls.reader().read_to_end(&mut plain) {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                    _ => server.write_all(&plain).await?,
                }
            }
            read = server.read(&mut answer), if !handshaking => match read? {
                0 => return Ok(()),
                read => tls.writer().write_all(&answer[..read])?,
            },
        }
    }
}

async fn flush(tls: &mut ServerConnection, client: &TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        client.writable().await?;
        match tls.write_tls(&mut Socket(client)) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// A socket that says when it would block.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
