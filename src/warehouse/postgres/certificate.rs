//! A certificate read without WebPKI, which takes no other than version 3: `openssl x509 -req`
//! makes version 1 unless it is told otherwise, and libpq takes that.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{SignatureVerificationAlgorithm, UnixTime};
use x509_cert::certificate::Version;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};

/// `id-at-commonName`.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

pub(super) struct Certificate(x509_cert::Certificate);

impl Certificate {
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        x509_cert::Certificate::from_der(der).ok().map(Self)
    }

    pub(super) fn is_version_1(&self) -> bool {
        self.0.tbs_certificate.version == Version::V1
    }

    /// Whether it may sign others: a root of version 1 has no way to say so.
    pub(super) fn may_sign(&self) -> bool {
        let body = &self.0.tbs_certificate;
        match body.get::<BasicConstraints>() {
            Ok(Some((_, constraints))) => constraints.ca,
            Ok(None) => body.extensions.is_none(),
            Err(_) => false,
        }
    }

    pub(super) fn is_valid_at(&self, now: UnixTime) -> bool {
        let validity = &self.0.tbs_certificate.validity;
        let (first, last) = (validity.not_before, validity.not_after);
        (first.to_unix_duration().as_secs()..=last.to_unix_duration().as_secs())
            .contains(&now.as_secs())
    }

    /// Whether a root has signed it.
    pub(super) fn is_signed_by(&self, root: &Self, algorithms: &WebPkiSupportedAlgorithms) -> bool {
        let body = &self.0.tbs_certificate;
        let (Ok(message), Some(signature), Some(algorithm)) =
            (body.to_der(), self.0.signature.as_bytes(), inside(&self.0.signature_algorithm))
        else {
            return false;
        };
        body.issuer == root.0.tbs_certificate.subject
            && body.signature == self.0.signature_algorithm
            && algorithms
                .all
                .iter()
                .filter(|by| by.signature_alg_id().as_ref() == algorithm)
                .any(|&by| root.has_signed(&message, signature, by))
    }

    /// Whether its key has signed a message in this way.
    pub(super) fn has_signed(
        &self,
        message: &[u8],
        signature: &[u8],
        by: &dyn SignatureVerificationAlgorithm,
    ) -> bool {
        let key = &self.0.tbs_certificate.subject_public_key_info;
        inside(&key.algorithm).is_some_and(|kind| kind == by.public_key_alg_id().as_ref())
            && key
                .subject_public_key
                .as_bytes()
                .is_some_and(|key| by.verify_signature(key, message, signature).is_ok())
    }

    /// Whether it names hosts elsewhere than in its common name, which then does not count.
    pub(super) fn has_names(&self) -> bool {
        match self.0.tbs_certificate.get::<SubjectAltName>() {
            Ok(Some((_, names))) => names
                .0
                .iter()
                .any(|name| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_))),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// Whether its common name is this host's, or a `*.` that stands for it.
    pub(super) fn is_commonly_named(&self, host: &str) -> bool {
        let mut parts = self.0.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
        let Some(name) = parts.find(|part| part.oid == COMMON_NAME) else { return false };
        let Ok(name) = std::str::from_utf8(name.value.value()) else { return false };
        fits(name, host)
    }
}

fn fits(name: &str, host: &str) -> bool {
    if name.contains('\0') {
        return false;
    }
    match (name.strip_prefix("*."), host.split_once('.')) {
        (Some(name), Some((first, rest))) => !first.is_empty() && name.eq_ignore_ascii_case(rest),
        (None, _) => name.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// The inside of an algorithm's name in DER, without tag and length.
fn inside(algorithm: &impl Encode) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    (*der.get(1)? < 0x80).then(|| der[2..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_one_part_of_a_host() {
        assert!(fits("Db.example.org", "db.example.org"));
        assert!(fits("*.example.org", "db.Example.org"));
        assert!(!fits("*.example.org", "a.db.example.org"));
        assert!(!fits("*.example.org", "example.org"));
        assert!(!fits("*.org", ".org"));
        assert!(!fits("example.org", "db.example.org"));
    }
}
