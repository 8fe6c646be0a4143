//! Whether a server's certificate is trusted, as OpenSSL judges it for libpq.
//!
//! WebPKI builds the path and checks its signatures, names and constraints. It takes whatever
//! is named for a root, so all that OpenSSL asks of a root, of keys that sign and of revocation
//! is asked here of every path that WebPKI finds.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath, anchor_from_trusted_cert};

use super::certificate::Certificate;
use super::revocation::{Revocations, Unproven};
use super::signatures::AnyCertificate;

/// Why a certificate is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Distrust {
    #[error("no trusted root has signed it (sslrootcert names the file of the roots)")]
    UnknownIssuer,
    #[error(
        "the trusted file has no root, which is a certificate that signs itself: add the root to it"
    )]
    NoRoots,
    #[error("{0} is not readable")]
    Unreadable(String),
    #[error("{0} is not valid at this time (see its dates, and the clock of this machine)")]
    Expired(String),
    #[error("{0} may not sign other certificates (by its basic constraints or key usage)")]
    NotAuthority(String),
    #[error("{0} may not be followed by so many certificates (its path length)")]
    TooLong(String),
    #[error("{0} is not for servers (by its key usage)")]
    NotForServers(String),
    #[error("{0} has a critical extension that is not known here")]
    Critical(String),
    #[error("{0}")]
    Revocation(#[from] Unproven),
    #[error("{0}")]
    Path(webpki::Error),
}

impl From<Distrust> for Error {
    fn from(distrust: Distrust) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(distrust))))
    }
}

/// What a failed handshake says for people.
pub(super) fn told(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            format!("the server's certificate is not trusted: {other}")
        }
        error => error.to_string(),
    }
}

/// Takes what the roots have signed, and a root itself: a certificate that signs itself, as a
/// server of one's own has, is its own root.
#[derive(Debug)]
pub(super) struct Trusted {
    with_name: bool,
    roots: Vec<Root>,
    anchors: Vec<TrustAnchor<'static>>,
    /// What is trusted to be between a root and a server, but is not a root.
    between: Vec<CertificateDer<'static>>,
    revoked: Option<Revocations>,
    signatures: AnyCertificate,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
struct Root {
    der: CertificateDer<'static>,
    parsed: Certificate,
    /// As WebPKI knows it, if it does.
    anchor: Option<TrustAnchor<'static>>,
}

impl Trusted {
    pub(super) fn new(
        found: Vec<CertificateDer<'static>>,
        with_name: bool,
        revoked: Option<Revocations>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        let (mut roots, mut between) = (Vec::new(), Vec::new());
        for der in found {
            match Certificate::parse(&der) {
                Some(parsed) if parsed.is_self_signed() => {
                    let anchor = anchor_from_trusted_cert(&der).ok().map(|a| a.to_owned());
                    roots.push(Root { der, parsed, anchor });
                }
                _ => between.push(der),
            }
        }
        let anchors = roots.iter().filter_map(|root| root.anchor.clone()).collect();
        let signatures = AnyCertificate::new(Arc::clone(&provider));
        Self { with_name, roots, anchors, between, revoked, signatures, provider }
    }

    /// What WebPKI does not take and OpenSSL does: a certificate of X.509 version 1, one that is
    /// a root itself, and an authority's.
    fn by_hand(&self, certificate: &Certificate, is_root: bool, now: UnixTime) -> Judged {
        if is_root {
            return self.accepts(&[certificate], now);
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        // Whether a name is within a root's limits, WebPKI alone knows.
        let signers = self.roots.iter().filter(|root| {
            !root.parsed.limits_names() && certificate.is_signed_by(&root.parsed, algorithms)
        });
        any(signers.map(|root| self.accepts(&[certificate, &root.parsed], now)))
    }

    fn by_path(
        &self,
        certificate: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Judged {
        let between: Vec<_> =
            sent.iter().chain(&self.between).map(CertificateDer::as_ref).map(Into::into).collect();
        let why = RefCell::new(None);
        let accepts = |path: &VerifiedPath<'_>| {
            self.accepts_path(certificate, path, now).map_err(|distrust| {
                why.replace(Some(distrust));
                webpki::Error::UnknownIssuer
            })
        };
        let algorithms = self.provider.signature_verification_algorithms.all;
        let usage = KeyUsage::server_auth();
        let verified = EndEntityCert::try_from(certificate).and_then(|server| {
            let found = server.verify_for_usage(
                algorithms,
                &self.anchors,
                &between,
                now,
                usage,
                None,
                Some(&accepts),
            );
            found.map(|_| ())
        });
        verified.map_err(|error| match (why.take(), error) {
            (Some(distrust), _) => distrust,
            (None, webpki::Error::UnknownIssuer) => Distrust::UnknownIssuer,
            // It signs itself, and is not one of the roots.
            (None, webpki::Error::CaUsedAsEndEntity)
                if Certificate::parse(certificate).is_some_and(|it| it.is_self_signed()) =>
            {
                Distrust::UnknownIssuer
            }
            (None, webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. }) => {
                Distrust::Expired("a certificate of its chain".to_owned())
            }
            (None, error) => Distrust::Path(error),
        })
    }

    fn accepts_path(
        &self,
        certificate: &CertificateDer<'_>,
        path: &VerifiedPath<'_>,
        now: UnixTime,
    ) -> Judged {
        let unreadable = || Distrust::Unreadable("a certificate of its chain".to_owned());
        let mut chain = vec![Certificate::parse(certificate).ok_or_else(unreadable)?];
        for between in path.intermediate_certificates() {
            chain.push(Certificate::parse(&between.der()).ok_or_else(unreadable)?);
        }
        // A root that was renewed with its key is there twice.
        let roots = self.roots.iter().filter(|root| root.anchor.as_ref() == Some(path.anchor()));
        any(roots.map(|root| {
            let chain: Vec<&Certificate> = chain.iter().chain([&root.parsed]).collect();
            self.accepts(&chain, now)
        }))
    }

    /// What OpenSSL asks of a chain beside its signatures; the server's certificate is the first.
    fn accepts(&self, chain: &[&Certificate], now: UnixTime) -> Judged {
        let mut signed = 0;
        for (depth, certificate) in chain.iter().enumerate() {
            let name = || certificate.subject();
            if !certificate.is_valid_at(now) {
                return Err(Distrust::Expired(name()));
            }
            if certificate.has_unknown_critical() {
                return Err(Distrust::Critical(name()));
            }
            if !certificate.is_for_servers(depth == 0) {
                return Err(Distrust::NotForServers(name()));
            }
            if depth == 0 {
                continue;
            }
            if !certificate.may_sign() {
                return Err(Distrust::NotAuthority(name()));
            }
            if certificate.path_length().is_some_and(|most| signed > usize::from(most)) {
                return Err(Distrust::TooLong(name()));
            }
            // One that a key signs for its successor does not count.
            signed += usize::from(!certificate.is_self_issued());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        if let Some(revoked) = &self.revoked {
            revoked.clear(chain, now, algorithms)?;
        }
        Ok(())
    }

    /// The host's name, by the certificate's names or, if it has none, by its common name.
    fn check_name(
        &self,
        certificate: &CertificateDer<'_>,
        parsed: &Certificate,
        name: &ServerName<'_>,
    ) -> Result<(), Error> {
        if !self.with_name {
            return Ok(());
        }
        if let Ok(known) = ParsedCertificate::try_from(certificate) {
            match verify_server_name(&known, name) {
                Err(error) if parsed.has_names() => return Err(error),
                Err(_) => {}
                Ok(()) => return Ok(()),
            }
        }
        if !parsed.has_names() && parsed.is_commonly_named(&name.to_str()) {
            return Ok(());
        }
        Err(CertificateError::NotValidForName.into())
    }
}

type Judged = Result<(), Distrust>;

/// Whether one of several is accepted; if not, why the last is not.
fn any(judged: impl Iterator<Item = Judged>) -> Judged {
    let mut why = Distrust::UnknownIssuer;
    for judged in judged {
        match judged {
            Ok(()) => return Ok(()),
            Err(distrust) => why = distrust,
        }
    }
    Err(why)
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.roots.is_empty() {
            return Err(Distrust::NoRoots.into());
        }
        let parsed = Certificate::parse(certificate).ok_or(CertificateError::BadEncoding)?;
        let is_root = self.roots.iter().any(|root| root.der == *certificate);
        if is_root || parsed.is_version_1() {
            self.by_hand(&parsed, is_root, now)?;
        } else {
            self.by_path(certificate, others, now).or_else(|distrust| match distrust {
                Distrust::Path(webpki::Error::CaUsedAsEndEntity) => {
                    self.by_hand(&parsed, is_root, now)
                }
                distrust => Err(distrust),
            })?;
        }
        // The name is checked last, when all else is right.
        self.check_name(certificate, &parsed, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_verify_schemes()
    }
}
