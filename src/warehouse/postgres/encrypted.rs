//! A TLS line to a server, ready for the driver.

use std::convert::Infallible;
use std::future::Ready;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use super::certificate::{Certificate, Hash};
use super::wire::Socket;

/// A line after its handshake.
pub(super) struct Encrypted(Box<tokio_rustls::client::TlsStream<Socket>>);

impl Encrypted {
    /// Shakes hands with a server.
    pub(super) async fn handshake(
        config: &Arc<ClientConfig>,
        host: &str,
        socket: Socket,
    ) -> io::Result<Self> {
        let (config, name) = match ServerName::try_from(host.to_owned()) {
            Ok(name) => (Arc::clone(config), name),
            // No certificate bears such a name: if one must, it is refused for that.
            Err(_) => {
                let mut config = ClientConfig::clone(config);
                config.enable_sni = false;
                let name = ServerName::try_from("name.invalid").map_err(io::Error::other)?;
                (Arc::new(config), name)
            }
        };
        let line = TlsConnector::from(config).connect(name, socket).await?;
        Ok(Self(Box::new(line)))
    }
}

/// What a certificate binds a password's exchange to, `tls-server-end-point`
/// (<https://www.rfc-editor.org/rfc/rfc5929#section-4.1>): the certificate's hash, by the hash
/// of its signature. `None` if that names no hash, as with Ed25519: there libpq has none either.
fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    Some(match Certificate::parse(certificate)?.signature_hash()? {
        Hash::Md5 | Hash::Sha1 | Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha224 => Sha224::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        let (_, session) = self.0.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        certificate
            .and_then(|certificate| end_point(certificate))
            .map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().0).poll_shutdown(context)
    }
}

/// Gives the driver a line whose handshake is done.
pub(super) struct Done;

impl<S: TlsStream + Unpin> TlsConnect<S> for Done {
    type Stream = S;
    type Error = Infallible;
    type Future = Ready<Result<S, Infallible>>;

    fn connect(self, line: S) -> Self::Future {
        std::future::ready(Ok(line))
    }
}
