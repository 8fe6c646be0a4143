//! TLS as libpq's `sslmode` means it (<https://www.postgresql.org/docs/current/libpq-ssl.html>).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerMisbehaved, RootCertStore,
    SignatureScheme, SupportedProtocolVersion,
};

use super::ConnectError;
use super::certificate::Certificate;

/// How the server's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verify {
    /// Not at all: the line is encrypted, and that is all.
    Nothing,
    /// It must be signed by a trusted root.
    Authority,
    /// And bear the host's name.
    Full,
}

/// The roots that are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// Those of the system.
    System,
    /// Those in a file.
    File(PathBuf),
}

/// What TLS is to be like.
#[derive(Debug, Clone)]
pub(super) struct TlsSettings {
    pub(super) verify: Verify,
    pub(super) roots: Roots,
    pub(super) revoked: Option<PathBuf>,
    /// The certificate to show to the server, and its key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    /// Whether the server is told the host's name.
    pub(super) sni: bool,
}

#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
fn failed(error: impl ToString) -> ConnectError {
    ConnectError::Tls(error.to_string())
}

fn in_file(path: &Path) -> impl Fn(String) -> ConnectError {
    move |error| ConnectError::Tls(format!("{}: {error}", path.display()))
}

impl TlsSettings {
    /// The configuration of every TLS line to this database.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, ConnectError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions)
            .map_err(failed)?;
        let verifier: Arc<dyn ServerCertVerifier> = match self.verify {
            Verify::Nothing => Arc::new(AnyCertificate(Arc::clone(&provider))),
            verify => Arc::new(Trusted::new(self, verify, Arc::clone(&provider))?),
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match &self.client {
            Some((certificate, key)) => {
                builder.with_client_cert_resolver(client(certificate, key, &provider)?)
            }
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = self.sni;
        // What libpq names since 17: without it a server refuses a line that begins with TLS.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Arc::new(config))
    }
}

/// The certificate to show, whatever version of X.509 it is.
fn client(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<dyn ResolvesClientCert>, ConnectError> {
    let chain = certificates(certificate)?;
    let wrong = in_file(key);
    check_mode(key)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| wrong(format!("{error} (a key with a passphrase is not supported)")))?;
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|error| wrong(error.to_string()))?;
    Ok(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key))))
}

/// A key that others may read is refused, as libpq refuses it.
fn check_mode(key: &Path) -> Result<(), ConnectError> {
    use std::os::unix::fs::MetadataExt;
    let wrong = in_file(key);
    let found = std::fs::metadata(key).map_err(|error| wrong(error.to_string()))?;
    let allowed = if found.uid() == 0 { 0o640 } else { 0o600 };
    if !found.is_file() {
        return Err(wrong("is not a file".to_owned()));
    }
    if found.mode() & 0o777 & !(allowed | 0o100) != 0 {
        return Err(wrong("others may read this key: chmod 600 it".to_owned()));
    }
    Ok(())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let wrong = in_file(path);
    let found = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("holds no certificate (in PEM)".to_owned()));
    }
    Ok(found)
}

/// Takes what the roots have signed, and a root itself if a file names it: a certificate
/// that signs itself, as a server of one's own has, is its own root.
#[derive(Debug)]
struct Trusted {
    verify: Verify,
    named: Vec<CertificateDer<'static>>,
    by_roots: Arc<WebPkiServerVerifier>,
    /// Whether some are revoked: then nothing passes that WebPKI has not looked at.
    revoked: bool,
    provider: Arc<CryptoProvider>,
}

impl Trusted {
    fn new(
        settings: &TlsSettings,
        verify: Verify,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, ConnectError> {
        let mut store = RootCertStore::empty();
        let mut named = Vec::new();
        match &settings.roots {
            Roots::File(path) => {
                named = certificates(path)?;
                for certificate in &named {
                    store.add(certificate.clone()).map_err(|e| in_file(path)(e.to_string()))?;
                }
            }
            Roots::System => {
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let mut builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider));
        if let Some(path) = &settings.revoked {
            let wrong = in_file(path);
            let lists = CertificateRevocationListDer::pem_file_iter(path);
            let lists: Result<Vec<_>, _> =
                lists.map_err(|error| wrong(error.to_string()))?.collect();
            builder = builder
                .with_crls(lists.map_err(|error| wrong(error.to_string()))?)
                .only_check_end_entity_revocation()
                .allow_unknown_revocation_status();
        }
        let by_roots = builder.build().map_err(failed)?;
        let revoked = settings.revoked.is_some();
        Ok(Self { verify, named, by_roots, revoked, provider })
    }

    /// What WebPKI has no eyes for and OpenSSL takes: a certificate of X.509 version 1, and a
    /// root that is the server's certificate itself.
    fn by_hand(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
        error: Error,
    ) -> Result<ServerCertVerified, Error> {
        let Some(parsed) = Certificate::parse(certificate).filter(|_| !self.revoked) else {
            return Err(error);
        };
        let is_root = self.named.iter().any(|named| named == certificate);
        let signed = || {
            let roots = self.named.iter().filter_map(|root| Certificate::parse(root));
            let algorithms = &self.provider.signature_verification_algorithms;
            roots.into_iter().any(|root| {
                root.may_sign() && root.is_valid_at(now) && parsed.is_signed_by(&root, algorithms)
            })
        };
        // Version 1 has no extensions that WebPKI would have to be asked about.
        if !(is_root || parsed.is_version_1() && signed()) {
            return Err(CertificateError::UnknownIssuer.into());
        }
        if !parsed.is_valid_at(now) {
            return Err(CertificateError::Expired.into());
        }
        self.check_name(certificate, &parsed, name)
    }

    /// The host's name, by the certificate's names or, if it has none, by its common name.
    fn check_name(
        &self,
        certificate: &CertificateDer<'_>,
        parsed: &Certificate,
        name: &ServerName<'_>,
    ) -> Result<ServerCertVerified, Error> {
        if self.verify == Verify::Authority {
            return Ok(ServerCertVerified::assertion());
        }
        if let Ok(known) = ParsedCertificate::try_from(certificate) {
            match verify_server_name(&known, name) {
                Err(error) if parsed.has_names() => return Err(error),
                Err(_) => {}
                Ok(()) => return Ok(ServerCertVerified::assertion()),
            }
        }
        if !parsed.has_names() && parsed.is_commonly_named(&name.to_str()) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::NotValidForName.into())
    }
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        answer: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.by_roots.verify_server_cert(certificate, others, name, answer, now) {
            // Of the name it is spoken last, when all else is right.
            Err(
                error @ Error::InvalidCertificate(
                    CertificateError::NotValidForName
                    | CertificateError::NotValidForNameContext { .. },
                ),
            ) => match Certificate::parse(certificate) {
                Some(parsed) if self.verify == Verify::Authority || !parsed.has_names() => {
                    self.check_name(certificate, &parsed, name).map_err(|_| error)
                }
                _ => Err(error),
            },
            // Said of a root before its name is looked at, and of version 1.
            Err(
                error @ Error::InvalidCertificate(
                    CertificateError::Other(_) | CertificateError::BadEncoding,
                ),
            ) => self.by_hand(certificate, name, now, error),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = self.by_roots.verify_tls12_signature(message, certificate, signed);
        or_by_key(verified, message, certificate, signed, &self.provider)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = self.by_roots.verify_tls13_signature(message, certificate, signed);
        or_by_key(verified, message, certificate, signed, &self.provider)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_roots.supported_verify_schemes()
    }
}

/// Takes any certificate; what is signed with it must be right all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        let verified = verify_tls12_signature(message, certificate, signed, algorithms);
        or_by_key(verified, message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        let verified = verify_tls13_signature(message, certificate, signed, algorithms);
        or_by_key(verified, message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A certificate that WebPKI does not read at all has a key all the same, and what is signed
/// with that is looked at.
fn or_by_key(
    verified: Result<HandshakeSignatureValid, Error>,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    provider: &CryptoProvider,
) -> Result<HandshakeSignatureValid, Error> {
    match verified {
        Err(Error::InvalidCertificate(
            CertificateError::Other(_) | CertificateError::BadEncoding,
        )) => {}
        verified => return verified,
    }
    let certificate = Certificate::parse(certificate).ok_or(CertificateError::BadEncoding)?;
    let mapping = provider.signature_verification_algorithms.mapping;
    let algorithms = mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
    let Some((_, algorithms)) = algorithms else {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    };
    if algorithms.iter().any(|&by| certificate.has_signed(message, signed.signature(), by)) {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}
