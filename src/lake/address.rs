use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use object_store::path::Path as Key;

use crate::redact::{MASK, is_plain, name_or_mask, without_secrets};

use super::store::Closed;
use super::{GcsSettings, Lake, LakeError, unwrapped};

/// Where a lake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LakeAddress {
    /// A local folder.
    Folder(PathBuf),
    /// A bucket of Google Cloud Storage, and a prefix within it, which may be empty.
    Gcs {
        /// The bucket's name.
        bucket: String,
        /// The prefix, without slashes at its ends.
        prefix: String,
    },
}

impl LakeAddress {
    /// The address of a key, for people.
    pub fn of(&self, key: &str) -> String {
        match self {
            Self::Folder(root) => root.join(key).display().to_string(),
            Self::Gcs { .. } => format!("{self}/{key}"),
        }
    }

    /// Opens the lake. A local folder that is missing is an empty lake, and is not made.
    pub fn open(&self, settings: &GcsSettings) -> Result<Lake, LakeError> {
        let address = self.clone();
        match self {
            Self::Folder(_) => Ok(Lake { address, store: None, multipart: None, tokens: None }),
            Self::Gcs { bucket, .. } => {
                let (store, tokens) = settings.bucket(bucket)?;
                let store = Arc::new(store);
                Ok(Lake {
                    address,
                    store: Some(Arc::clone(&store) as _),
                    multipart: Some(store),
                    tokens: Some(tokens),
                })
            }
        }
    }

    /// The lake of this address that can be asked nothing, for this reason.
    pub fn closed(&self, why: impl Into<String>) -> Lake {
        let store = Some(Arc::new(Closed(why.into())) as _);
        Lake { address: self.clone(), store, multipart: None, tokens: None }
    }

    /// Whether it is a local folder that is not there.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Folder(root) => {
                std::fs::metadata(root).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
            }
            Self::Gcs { .. } => false,
        }
    }

    pub(super) fn failed(&self, source: object_store::Error) -> LakeError {
        LakeError::store(self.to_string(), source)
    }
}

/// The longest prefix that leaves room for the keys of months in a name of 1,024 bytes
/// (<https://cloud.google.com/storage/docs/objects#naming>).
const LONGEST_PREFIX: usize = 900;

/// The longest name of a folder or file that systems take.
const LONGEST_NAME: usize = 255;

/// Other schemes of object stores, and those of the web.
const SCHEMES: [&str; 13] = [
    "gs", "gcs", "s3", "s3a", "s3n", "az", "azure", "abfs", "abfss", "wasbs", "file", "http",
    "https",
];

/// What is wrong with an address that is none.
fn complaint(text: &str) -> Option<String> {
    let (scheme, rest) = match text.split_once([':', '/']) {
        Some((scheme, rest)) => (scheme.trim(), rest.trim_start_matches([':', '/', '\\'])),
        None => return None,
    };
    // A drive of a folder's name is none: what has a colon there is an address.
    let of_letters = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let colon = text[text.find([':', '/'])?..].starts_with(':');
    let slashes = text[text.find([':', '/'])?..].starts_with("//");
    let lower = scheme.to_ascii_lowercase();
    let known = SCHEMES.contains(&lower.as_str());
    if !(of_letters && (colon || slashes && known)) {
        return None;
    }
    Some(match lower.as_str() {
        "gs" | "gcs" => format!(": did you mean gs://{}?", name_or_mask(rest)),
        "file" => format!(": did you mean file:///{}?", name_or_mask(rest)),
        _ => {
            ": name a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. A folder \
              of such a name is given as ./NAME"
                .to_owned()
        }
    })
}

impl FromStr for LakeAddress {
    type Err = LakeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let unknown = |what: &str| {
            let given = match text {
                key if unwrapped(key).is_some() => MASK.to_owned(),
                plain if is_plain(plain) => plain.to_owned(),
                other => name_or_mask(&without_secrets(other)).to_owned(),
            };
            LakeError::UnknownAddress { given, what: what.to_owned() }
        };
        if let Some(rest) = text.strip_prefix("gs://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let prefix = prefix.trim_matches('/').to_owned();
            let letters = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if bucket.is_empty() || !bucket.chars().all(letters) {
                return Err(unknown(
                    ": a bucket's name has letters, digits, dashes, dots and underscores, and a \
                     prefix follows a slash: gs://bucket/prefix",
                ));
            }
            if prefix.len() > LONGEST_PREFIX {
                return Err(unknown(": its prefix is longer than the name of an object may be"));
            }
            // What object_store takes as it is, and no other name in its place.
            if Key::parse(&prefix).is_err() {
                return Err(unknown(
                    ": a prefix has no '//', no '.' or '..' between slashes, and no line breaks",
                ));
            }
            return Ok(Self::Gcs { bucket: bucket.to_owned(), prefix });
        }
        if let Some(path) = text.strip_prefix("file://") {
            return if path.starts_with('/') {
                Ok(Self::Folder(path.into()))
            } else {
                Err(unknown(": did you mean file:///, with three slashes?"))
            };
        }
        let is_block = text.starts_with("prefect:");
        if let Some(complaint) = complaint(text).filter(|_| !is_block) {
            return Err(unknown(&complaint));
        }
        let too_long = text.split('/').any(|name| name.len() > LONGEST_NAME);
        // A key that was put in the place of an address would be the name of a folder.
        if text.is_empty()
            || unwrapped(text).is_some()
            || text.starts_with(['{', '"', '\''])
            || text.contains("://")
            || too_long
            || text.contains(['\n', '\r', '\0'])
        {
            return Err(unknown(": name a folder, or a bucket as gs://bucket/prefix"));
        }
        Ok(Self::Folder(text.into()))
    }
}

impl fmt::Display for LakeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(root) => write!(f, "{}", root.display()),
            Self::Gcs { bucket, prefix } if prefix.is_empty() => write!(f, "gs://{bucket}"),
            Self::Gcs { bucket, prefix } => write!(f, "gs://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lake_is_a_folder_or_a_bucket() {
        for (text, shown, of) in [
            ("data", "data", "data/k"),
            ("file:///x/y", "/x/y", "/x/y/k"),
            ("gs://b", "gs://b", "gs://b/k"),
            ("gs://b/p/q/", "gs://b/p/q", "gs://b/p/q/k"),
        ] {
            let address: LakeAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.of("k"), of);
        }
        for text in ["", "s3://b", "gs://", "file://x", "gs://b/a//b", "gs:///p", "gs://b/.."] {
            assert!(text.parse::<LakeAddress>().is_err(), "{text}");
        }
        for text in ["./gs:b", "lake", "a/b:c", "gs/b", "prefect:gcs-bucket/x", "/x//y", "2020:1"] {
            assert_eq!(text.parse::<LakeAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_slip_in_an_address_is_no_folder_and_is_told_without_secrets() {
        let said = [
            "gs:/bkt",
            "gs//bkt/p",
            "GS://bkt",
            "gs:bkt",
            "gcs://bkt",
            "gs:\\\\bkt",
            "S3:bkt",
            "s3://KEY:MARK@bkt/p",
            "az:x",
            "http:/h/x",
            "https://h/x?sig=MARK",
            "file:/x",
            "gs://MARK@bkt",
            "gs://bkt?x=MARK",
            "gs://bkt/a/../b",
            "{\"type\": \"https://MARK\"}",
            "{\"private_key\": \"MARK\"}",
            "eyJwcml2YXRlX2tleSI6ICJNQVJLIn0=",
            "'{\"private_key\": \"MARK\"}'",
        ]
        .map(|text| text.parse::<LakeAddress>().unwrap_err().to_string());
        insta::assert_snapshot!(said.join("\n"), @r"
        'gs:/bkt' is not the address of a lake: did you mean gs://bkt?
        'gs//bkt/p' is not the address of a lake: did you mean gs://bkt/p?
        'GS://bkt' is not the address of a lake: did you mean gs://bkt?
        'gs:bkt' is not the address of a lake: did you mean gs://bkt?
        'gcs://bkt' is not the address of a lake: did you mean gs://bkt?
        'gs:\\bkt' is not the address of a lake: did you mean gs://bkt?
        'S3:bkt' is not the address of a lake: name a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. A folder of such a name is given as ./NAME
        's3://bkt/p' is not the address of a lake: name a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. A folder of such a name is given as ./NAME
        'az:x' is not the address of a lake: name a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. A folder of such a name is given as ./NAME
        'http:/h/x' is not the address of a lake: name a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. A folder of such a name is given as ./NAME
        'https://h/x' is not the address of a lake: name a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. A folder of such a name is given as ./NAME
        'file:/x' is not the address of a lake: did you mean file:///x?
        'gs://bkt' is not the address of a lake: a bucket's name has letters, digits, dashes, dots and underscores, and a prefix follows a slash: gs://bucket/prefix
        'gs://bkt' is not the address of a lake: a bucket's name has letters, digits, dashes, dots and underscores, and a prefix follows a slash: gs://bucket/prefix
        'gs://bkt/a/../b' is not the address of a lake: a prefix has no '//', no '.' or '..' between slashes, and no line breaks
        '********' is not the address of a lake: name a folder, or a bucket as gs://bucket/prefix
        '********' is not the address of a lake: name a folder, or a bucket as gs://bucket/prefix
        '********' is not the address of a lake: name a folder, or a bucket as gs://bucket/prefix
        '********' is not the address of a lake: name a folder, or a bucket as gs://bucket/prefix
        ");
    }

    #[test]
    fn the_key_of_an_object_is_what_is_shown() {
        for prefix in ["fahrten/grün", "50%/a%20b", "a?b#c", "a+b c", "[x]*~|", "日本/é"] {
            let address: LakeAddress = format!("gs://b/{prefix}").parse().unwrap();
            let settings = GcsSettings { emulator: Some("h".into()), ..GcsSettings::default() };
            let lake = address.open(&settings).unwrap();
            assert_eq!(lake.key("k/x.parquet").as_ref(), format!("{prefix}/k/x.parquet"));
            assert_eq!(lake.url("k/x.parquet"), format!("gs://b/{prefix}/k/x.parquet"));
        }
    }
}
