//! Lists of revoked certificates (CRLs), used as OpenSSL does with `X509_V_FLAG_CRL_CHECK_ALL`:
//! each certificate of a chain, the root too, needs a list that its issuer has signed and that
//! is valid now.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::UnixTime;
use x509_cert::der::asn1::{BitString, ContextSpecific};
use x509_cert::der::{Decode, Reader, SliceReader, Tag, TagNumber};
use x509_cert::ext::Extensions;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use super::certificate::Certificate;

/// Why it is not proven that a certificate is not revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unproven {
    #[error("{0} is revoked by its issuer")]
    Revoked(String),
    #[error(
        "no CRL of {0} is among those that sslcrl and sslcrldir name, so nobody knows whether a \
         certificate that it signed is revoked: add its CRL"
    )]
    NoList(String),
    #[error("the CRL of {0} is not valid at this time: get a new one")]
    Expired(String),
    #[error("the CRL of {0} is not signed by it")]
    NotSigned(String),
    #[error("the CRL of {0} covers a part of its certificates only, which is not supported")]
    Partial(String),
}

/// A list of one issuer.
#[derive(Debug)]
pub(super) struct RevocationList {
    /// What is signed.
    body: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
    issuer: Name,
    since: u64,
    until: Option<u64>,
    revoked: Vec<SerialNumber>,
    /// Whether it, or a line of it, says something critical that is not read here.
    has_critical: bool,
}

impl RevocationList {
    /// Reads one in DER, of version 1 or 2.
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        let mut reader = SliceReader::new(der).ok()?;
        let read = reader.sequence(|reader| {
            let body = reader.tlv_bytes()?;
            let algorithm = AlgorithmIdentifierOwned::decode(reader)?;
            Ok((body, algorithm, BitString::decode(reader)?))
        });
        let (body, algorithm, signature) = read.ok()?;
        let signature = signature.as_bytes()?.to_vec();
        let mut inner = SliceReader::new(body).ok()?;
        let read = inner.sequence(|reader| {
            if reader.peek_tag()? == Tag::Integer {
                u8::decode(reader)?;
            }
            let inner_algorithm = AlgorithmIdentifierOwned::decode(reader)?;
            let issuer = Name::decode(reader)?;
            let since = Time::decode(reader)?.to_unix_duration().as_secs();
            let until = match next(reader) {
                Some(Tag::UtcTime | Tag::GeneralizedTime) => Some(Time::decode(reader)?),
                _ => None,
            };
            let until = until.map(|until| until.to_unix_duration().as_secs());
            let (mut revoked, mut has_critical) = (Vec::new(), inner_algorithm != algorithm);
            if next(reader) == Some(Tag::Sequence) {
                reader.sequence(|reader| {
                    while !reader.is_finished() {
                        let (serial, critical) = reader.sequence(line)?;
                        revoked.push(serial);
                        has_critical |= critical;
                    }
                    Ok(())
                })?;
            }
            let more = ContextSpecific::<Extensions>::decode_explicit(reader, TagNumber::N0)?;
            has_critical |= more.is_some_and(|more| is_critical(&more.value));
            let algorithm = inner_algorithm;
            let (body, signature) = (body.to_vec(), signature.clone());
            Ok(Self { body, algorithm, signature, issuer, since, until, revoked, has_critical })
        });
        read.ok()
    }

    fn is_valid_at(&self, now: UnixTime) -> bool {
        self.since <= now.as_secs() && self.until.is_none_or(|until| now.as_secs() <= until)
    }
}

fn next<'a>(reader: &impl Reader<'a>) -> Option<Tag> {
    reader.peek_tag().ok()
}

fn is_critical(extensions: &Extensions) -> bool {
    extensions.iter().any(|extension| extension.critical)
}

/// A revoked certificate, and whether its line says something critical.
fn line<'a, R: Reader<'a>>(reader: &mut R) -> x509_cert::der::Result<(SerialNumber, bool)> {
    let serial = SerialNumber::decode(reader)?;
    Time::decode(reader)?;
    let more = if reader.is_finished() { None } else { Some(Extensions::decode(reader)?) };
    Ok((serial, more.is_some_and(|more| is_critical(&more))))
}

/// All lists that are named.
#[derive(Debug)]
pub(super) struct Revocations(Vec<RevocationList>);

impl Revocations {
    pub(super) fn new(lists: Vec<RevocationList>) -> Self {
        Self(lists)
    }

    /// Refuses a chain in which one is revoked, or not known not to be. The last is the root,
    /// which is its own issuer.
    pub(super) fn clear(
        &self,
        chain: &[&Certificate],
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Unproven> {
        for (at, certificate) in chain.iter().enumerate() {
            let issuer = chain.get(at + 1).unwrap_or(certificate);
            let list = self.list_of(issuer, now, algorithms)?;
            if list.revoked.contains(certificate.serial()) {
                return Err(Unproven::Revoked(certificate.subject()));
            }
        }
        Ok(())
    }

    /// The newest list of an issuer that may be used.
    fn list_of(
        &self,
        issuer: &Certificate,
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<&RevocationList, Unproven> {
        let mut why = Unproven::NoList(issuer.subject());
        let mut usable: Option<&RevocationList> = None;
        for list in self.0.iter().filter(|list| issuer.is_named(&list.issuer)) {
            if !issuer.may_revoke()
                || !issuer.signs(&list.body, &list.signature, &list.algorithm, algorithms)
            {
                why = Unproven::NotSigned(issuer.subject());
            } else if list.has_critical {
                why = Unproven::Partial(issuer.subject());
            } else if !list.is_valid_at(now) {
                why = Unproven::Expired(issuer.subject());
            } else if usable.is_none_or(|other| other.since < list.since) {
                usable = Some(list);
            }
        }
        usable.ok_or(why)
    }
}
