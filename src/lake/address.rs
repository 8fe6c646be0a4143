//! Where a lake is, and how an address is read: a scheme chooses the store in the table of
//! `store/`, anything else is a local folder.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use object_store::path::Path as Key;

use crate::redact::{MASK, is_plain, name_or_mask, without_secrets};

use super::LakeError;
use super::store::{BUCKETS, BucketKind, BucketRow, folder};
use super::unwrapped;

/// Where a lake is: a local folder, or a bucket of an object store with a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeAddress(Location);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Location {
    Folder(PathBuf),
    Bucket(Bucket),
}

/// A bucket, and a prefix within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) row: &'static BucketRow,
    pub(super) name: String,
    /// Without slashes at its ends; it may be empty.
    pub(super) prefix: String,
}

impl LakeAddress {
    /// The address of a local folder.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self(Location::Folder(path.into()))
    }

    /// The folder, if the lake is one.
    pub fn as_folder(&self) -> Option<&Path> {
        match &self.0 {
            Location::Folder(root) => Some(root),
            Location::Bucket(_) => None,
        }
    }

    /// The scheme of its store: `gs`, or `file` for a local folder.
    pub const fn scheme(&self) -> &'static str {
        match self.bucket() {
            Some(bucket) => bucket.row.kind.scheme,
            None => "file",
        }
    }

    pub(super) const fn bucket(&self) -> Option<&Bucket> {
        match &self.0 {
            Location::Folder(_) => None,
            Location::Bucket(bucket) => Some(bucket),
        }
    }

    /// The address of a key, for people.
    pub fn of(&self, key: &str) -> String {
        match &self.0 {
            Location::Folder(root) => root.join(key).display().to_string(),
            Location::Bucket(_) => format!("{self}/{key}"),
        }
    }

    /// One text for a lake, however its address is spelled: links of a folder are followed.
    pub fn canonical(&self) -> String {
        match &self.0 {
            Location::Folder(root) => without_links(root).display().to_string(),
            Location::Bucket(_) => self.to_string(),
        }
    }

    /// What to do if its store refuses access.
    pub(super) const fn if_denied(&self) -> &'static str {
        match self.bucket() {
            Some(bucket) => bucket.row.kind.if_denied,
            None => folder::IF_DENIED,
        }
    }

    /// Whether it is a local folder that is not there.
    pub fn is_missing(&self) -> bool {
        let missing = |root| {
            std::fs::metadata(root).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        self.as_folder().is_some_and(missing)
    }
}

/// A path without links, also of a folder that is still to be made.
fn without_links(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = whole.ancestors().find_map(|above| {
        let rest = whole.strip_prefix(above).ok()?;
        Some((std::fs::canonicalize(above).ok()?, rest))
    });
    match there {
        Some((above, rest)) if rest.as_os_str().is_empty() => above,
        Some((above, rest)) => above.join(rest),
        None => whole.clone(),
    }
}

/// The longest prefix that leaves room for the keys of months in a name of 1,024 bytes, which is
/// what stores take
/// (<https://cloud.google.com/storage/docs/objects#naming>).
const LONGEST_PREFIX: usize = 900;

/// The longest name of a folder or file that systems take.
const LONGEST_NAME: usize = 255;

/// Schemes of object stores and of the web: a folder is not called so, slashes and all.
const SCHEMES: [&str; 13] = [
    "gs", "gcs", "s3", "s3a", "s3n", "az", "azure", "abfs", "abfss", "wasbs", "file", "http",
    "https",
];

fn kinds() -> impl Iterator<Item = &'static BucketKind> {
    BUCKETS.iter().map(|row| row.kind)
}

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
    let meant = |kind: &&BucketKind| kind.scheme == lower || kind.misspelt.contains(&&*lower);
    let start = match kinds().find(meant) {
        Some(kind) => format!("{}://", kind.scheme),
        None if lower == "file" => "file:///".to_owned(),
        None => {
            let buckets = kinds()
                .map(|kind| format!(", or a bucket of {} as {}", kind.title, kind.example()));
            let buckets: String = buckets.collect();
            return Some(format!(
                "; expected a folder{buckets}. Write a folder with such a name as ./NAME"
            ));
        }
    };
    Some(format!(": did you mean {start}{}?", name_or_mask(rest)))
}

/// The bucket and the prefix of an address after its scheme, or what is wrong with them.
fn bucket(row: &'static BucketRow, rest: &str) -> Result<Bucket, String> {
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    if let Some(complaint) = (row.kind.complaint)(name) {
        let example = row.kind.example();
        return Err(format!(": {complaint}, and a prefix follows a slash: {example}"));
    }
    if prefix.len() > LONGEST_PREFIX {
        return Err(": its prefix is longer than the name of an object may be".to_owned());
    }
    // What object_store takes as it is, and no other name in its place.
    if Key::parse(prefix).is_err() {
        return Err(
            ": a prefix has no '//', no '.' or '..' between slashes, and no line breaks".to_owned()
        );
    }
    Ok(Bucket { row, name: name.to_owned(), prefix: prefix.to_owned() })
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
        for row in &BUCKETS {
            let rest = text.strip_prefix(row.kind.scheme).and_then(|rest| rest.strip_prefix("://"));
            if let Some(rest) = rest {
                let bucket = bucket(row, rest).map_err(|what| unknown(&what))?;
                return Ok(Self(Location::Bucket(bucket)));
            }
        }
        if let Some(path) = text.strip_prefix("file://") {
            return if path.starts_with('/') {
                Ok(Self::folder(path))
            } else {
                Err(unknown(": did you mean file:///, with three slashes?"))
            };
        }
        if let Some(complaint) = complaint(text) {
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
            let buckets = kinds().map(|kind| format!(", or a bucket as {}", kind.example()));
            return Err(unknown(&format!(": name a folder{}", buckets.collect::<String>())));
        }
        Ok(Self::folder(text))
    }
}

impl fmt::Display for LakeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Location::Folder(root) => write!(f, "{}", root.display()),
            Location::Bucket(Bucket { row, name, prefix }) => {
                write!(f, "{}://{name}", row.kind.scheme)?;
                if prefix.is_empty() { Ok(()) } else { write!(f, "/{prefix}") }
            }
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
        for text in ["./gs:b", "lake", "a/b:c", "gs/b", "/x//y", "2020:1"] {
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
        'S3:bkt' is not the address of a lake; expected a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. Write a folder with such a name as ./NAME
        's3://bkt/p' is not the address of a lake; expected a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. Write a folder with such a name as ./NAME
        'az:x' is not the address of a lake; expected a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. Write a folder with such a name as ./NAME
        'http:/h/x' is not the address of a lake; expected a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. Write a folder with such a name as ./NAME
        'https://h/x' is not the address of a lake; expected a folder, or a bucket of Google Cloud Storage as gs://bucket/prefix. Write a folder with such a name as ./NAME
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
}
