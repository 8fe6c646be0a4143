//! A certificate read without WebPKI, which takes no other than version 3: `openssl x509 -req`
//! makes version 1 unless it is told otherwise, and libpq takes that.

use std::fmt;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{SignatureVerificationAlgorithm, UnixTime};
use x509_cert::certificate::Version;
use x509_cert::der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier};
use x509_cert::der::{Decode, Encode, Reader, SliceReader, TagNumber};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;

/// `id-at-commonName`.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// `id-kp-serverAuth`, and the two of old that OpenSSL takes for it.
const FOR_SERVERS: [ObjectIdentifier; 3] = [
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1"),
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.10.3.3"),
    ObjectIdentifier::new_unwrap("2.16.840.1.113730.4.1"),
];

/// The extensions that OpenSSL knows, `X509_supported_extension`.
const KNOWN_EXTENSIONS: &[&str] = &[
    "2.16.840.1.113730.1.1",
    "2.5.29.14",
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.32",
    "2.5.29.33",
    "2.5.29.35",
    "2.5.29.36",
    "2.5.29.37",
    "2.5.29.54",
    "1.3.6.1.5.5.7.48.1.5",
];

/// `id-ce-nameConstraints`.
const NAME_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.30");

/// `id-RSASSA-PSS`.
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

pub(super) struct Certificate(x509_cert::Certificate);

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.subject()).finish()
    }
}

impl Certificate {
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        x509_cert::Certificate::from_der(der).ok().map(Self)
    }

    pub(super) fn is_version_1(&self) -> bool {
        self.0.tbs_certificate.version == Version::V1
    }

    /// Whose it is, for people.
    pub(super) fn subject(&self) -> String {
        let subject = self.0.tbs_certificate.subject.to_string();
        if subject.is_empty() {
            return "a certificate without a name".to_owned();
        }
        format!("the certificate '{}'", subject.escape_debug())
    }

    pub(super) fn is_named(&self, name: &Name) -> bool {
        self.0.tbs_certificate.subject == *name
    }

    pub(super) fn serial(&self) -> &SerialNumber {
        &self.0.tbs_certificate.serial_number
    }

    /// Its key, in DER.
    pub(super) fn public_key(&self) -> Option<Vec<u8>> {
        self.0.tbs_certificate.subject_public_key_info.to_der().ok()
    }

    /// Whether its issuer has its own name.
    pub(super) fn is_self_issued(&self) -> bool {
        self.0.tbs_certificate.issuer == self.0.tbs_certificate.subject
    }

    /// Whether it is a root: its issuer has its name and, as far as it says, its key.
    pub(super) fn is_self_signed(&self) -> bool {
        let body = &self.0.tbs_certificate;
        let issuers = body.get::<AuthorityKeyIdentifier>().ok().flatten();
        let issuers = issuers.and_then(|(_, issuer)| issuer.key_identifier);
        let own = body.get::<SubjectKeyIdentifier>().ok().flatten();
        let own = own.map(|(_, own)| own.0);
        self.is_self_issued() && issuers.zip(own).is_none_or(|(issuers, own)| issuers == own)
    }

    /// Whether it may sign others. A root of version 1 has no way to say so.
    pub(super) fn may_sign(&self) -> bool {
        let body = &self.0.tbs_certificate;
        let (Ok(constraints), Ok(usage)) = (body.get::<BasicConstraints>(), body.get::<KeyUsage>())
        else {
            return false;
        };
        let usage = usage.map(|(_, usage)| usage.key_cert_sign());
        match constraints {
            _ if usage == Some(false) => false,
            Some((_, constraints)) => constraints.ca,
            None => usage == Some(true) || self.is_version_1() && self.is_self_issued(),
        }
    }

    /// Whether it may sign lists of revoked certificates.
    pub(super) fn may_revoke(&self) -> bool {
        match self.0.tbs_certificate.get::<KeyUsage>() {
            Ok(usage) => usage.is_none_or(|(_, usage)| usage.crl_sign()),
            Err(_) => false,
        }
    }

    /// Whether it limits the names of those that it signs.
    pub(super) fn limits_names(&self) -> bool {
        let extensions = self.0.tbs_certificate.extensions.iter().flatten();
        extensions.into_iter().any(|extension| extension.extn_id == NAME_CONSTRAINTS)
    }

    /// How many that sign may come between it and a server, if that is limited.
    pub(super) fn path_length(&self) -> Option<u8> {
        let constraints = self.0.tbs_certificate.get::<BasicConstraints>().ok().flatten();
        constraints.and_then(|(_, constraints)| constraints.path_len_constraint)
    }

    /// Whether it may stand for a server, or sign one that does.
    pub(super) fn is_for_servers(&self, is_servers: bool) -> bool {
        let body = &self.0.tbs_certificate;
        let (Ok(extended), Ok(usage)) = (body.get::<ExtendedKeyUsage>(), body.get::<KeyUsage>())
        else {
            return false;
        };
        let usage = usage.map(|(_, usage)| usage);
        extended
            .is_none_or(|(_, extended)| extended.0.iter().any(|use_| FOR_SERVERS.contains(use_)))
            && (!is_servers
                || usage.is_none_or(|usage| {
                    usage.digital_signature() || usage.key_encipherment() || usage.key_agreement()
                }))
    }

    /// Whether it says something that whoever does not know it must refuse.
    pub(super) fn has_unknown_critical(&self) -> bool {
        self.0.tbs_certificate.extensions.iter().flatten().any(|extension| {
            extension.critical
                && !KNOWN_EXTENSIONS.contains(&extension.extn_id.to_string().as_str())
        })
    }

    /// The hash that its signature was made with.
    pub(super) fn signature_hash(&self) -> Option<Hash> {
        let algorithm = &self.0.signature_algorithm;
        if algorithm.oid != RSA_PSS {
            return Hash::of(&algorithm.oid.to_string());
        }
        let parameters = algorithm.parameters.as_ref()?.to_der().ok()?;
        let mut reader = SliceReader::new(&parameters).ok()?;
        let hash = reader.sequence(|reader| {
            let hash = ContextSpecific::<AlgorithmIdentifierOwned>::decode_explicit(
                reader,
                TagNumber::N0,
            )?;
            // The rest, which says how the hash is used.
            while !reader.is_finished() {
                AnyRef::decode(reader)?;
            }
            Ok(hash)
        });
        // SHA-1 if nothing is said.
        hash.ok()?.map_or(Some(Hash::Sha1), |hash| Hash::of(&hash.value.oid.to_string()))
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
        let (Ok(message), Some(signature)) = (body.to_der(), self.0.signature.as_bytes()) else {
            return false;
        };
        root.is_named(&body.issuer)
            && body.signature == self.0.signature_algorithm
            && root.signs(&message, signature, &body.signature, algorithms)
    }

    /// Whether its key has signed a message with an algorithm.
    pub(super) fn signs(
        &self,
        message: &[u8],
        signature: &[u8],
        algorithm: &AlgorithmIdentifierOwned,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> bool {
        let Some(algorithm) = inside(algorithm) else { return false };
        algorithms
            .all
            .iter()
            .filter(|by| by.signature_alg_id().as_ref() == algorithm)
            .any(|&by| self.has_signed(message, signature, by))
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

/// A hash that certificates are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// By the name of the hash, or of a signature made with it.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "1.2.840.113549.2.5" | "1.2.840.113549.1.1.4" => Self::Md5,
            "1.3.14.3.2.26"
            | "1.2.840.113549.1.1.5"
            | "1.2.840.10045.4.1"
            | "1.2.840.10040.4.3" => Self::Sha1,
            "2.16.840.1.101.3.4.2.4" | "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" => {
                Self::Sha224
            }
            "2.16.840.1.101.3.4.2.1" | "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => {
                Self::Sha256
            }
            "2.16.840.1.101.3.4.2.2" | "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => {
                Self::Sha384
            }
            "2.16.840.1.101.3.4.2.3" | "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => {
                Self::Sha512
            }
            _ => return None,
        })
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
