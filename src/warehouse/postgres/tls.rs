//! TLS as libpq's `sslmode` means it (<https://www.postgresql.org/docs/current/libpq-ssl.html>).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, SupportedProtocolVersion};

use super::ConnectError;
use super::certificate::Certificate;
use super::revocation::{RevocationList, Revocations};
use super::signatures::AnyCertificate;
use super::trust::Trusted;

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

/// Where lists of revoked certificates are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RevokedIn {
    pub(super) file: Option<PathBuf>,
    /// A folder whose lists are named by a hash, as `openssl rehash` does it.
    pub(super) folder: Option<PathBuf>,
}

/// What TLS is to be like.
#[derive(Debug, Clone)]
pub(super) struct TlsSettings {
    pub(super) verify: Verify,
    pub(super) roots: Roots,
    /// Lists of certificates that are revoked. If there are any, each certificate of a chain
    /// needs one of its issuer.
    pub(super) revoked: Option<RevokedIn>,
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
            Verify::Nothing => Arc::new(AnyCertificate::new(Arc::clone(&provider))),
            verify => Arc::new(self.trusted(verify, Arc::clone(&provider))?),
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

    fn trusted(
        &self,
        verify: Verify,
        provider: Arc<CryptoProvider>,
    ) -> Result<Trusted, ConnectError> {
        let found = match &self.roots {
            Roots::File(path) => certificates(path)?,
            Roots::System => rustls_native_certs::load_native_certs().certs,
        };
        let revoked =
            self.revoked.as_ref().map(|revoked| Self::revocations(revoked)).transpose()?;
        Ok(Trusted::new(found, verify == Verify::Full, revoked, provider))
    }

    fn revocations(revoked: &RevokedIn) -> Result<Revocations, ConnectError> {
        let mut lists = Vec::new();
        if let Some(file) = &revoked.file {
            lists.extend(revocation_lists(file)?);
        }
        if let Some(folder) = &revoked.folder {
            let wrong = in_file(folder);
            let entries = std::fs::read_dir(folder).map_err(|error| wrong(error.to_string()))?;
            for entry in entries {
                let path = entry.map_err(|error| wrong(error.to_string()))?.path();
                if names_a_list(&path) {
                    lists.extend(revocation_lists(&path)?);
                }
            }
        }
        Ok(Revocations::new(lists))
    }
}

/// Whether a file is named as OpenSSL looks for a list: eight hex digits, `.r` and a number
/// (<https://docs.openssl.org/3.0/man1/openssl-rehash/>).
fn names_a_list(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.split_once(".r")).is_some_and(|(hash, number)| {
        let digits =
            |text: &str, radix| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
        hash.len() == 8 && digits(hash, 16) && digits(number, 10)
    })
}

fn revocation_lists(path: &Path) -> Result<Vec<RevocationList>, ConnectError> {
    let wrong = in_file(path);
    let found = CertificateRevocationListDer::pem_file_iter(path);
    let found: Result<Vec<_>, _> = found.map_err(|error| wrong(error.to_string()))?.collect();
    let found = found.map_err(|error| wrong(error.to_string()))?;
    let read = found.iter().map(|list| {
        let list = RevocationList::parse(list);
        list.ok_or_else(|| wrong("holds a CRL that cannot be read".to_owned()))
    });
    read.collect()
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
    let of_certificate = chain.first().and_then(|first| Certificate::parse(first));
    let of_certificate = of_certificate.and_then(|certificate| certificate.public_key());
    if of_certificate.zip(key.public_key()).is_some_and(|(of, key)| of != *key) {
        return Err(wrong(format!(
            "is not the key of the certificate {}: name the right ones with sslkey and sslcert",
            certificate.display()
        )));
    }
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
