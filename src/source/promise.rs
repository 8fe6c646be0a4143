//! What a host says about a file in its first response. It is stored next to the bytes, and every
//! later response for the same file is compared with it: parts that do not match are never joined.

use reqwest::Response;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    LAST_MODIFIED, TRANSFER_ENCODING,
};
use serde::{Deserialize, Serialize};

/// What a host promised of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Promise {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    /// The content encoding; `None` if the file comes as it is.
    #[serde(default)]
    pub(super) encoding: Option<String>,
    /// The length of the whole file.
    #[serde(default)]
    pub(super) length: Option<u64>,
}

/// The part of a file that an answer says it brings: from its first byte to the one before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteRange {
    first: u64,
    end: u64,
    /// The length of the whole file, where it is named.
    total: Option<u64>,
}

impl Promise {
    /// What an answer with the whole file promises.
    pub(super) fn of(response: &Response) -> Self {
        Self { length: length(response), ..Self::without_length(response.headers()) }
    }

    fn without_length(headers: &HeaderMap) -> Self {
        Self {
            etag: tag(headers),
            last_modified: text(headers, &LAST_MODIFIED),
            encoding: encoding(headers, &CONTENT_ENCODING),
            length: None,
        }
    }

    /// Whether a part of the file can be asked for by its tag: a weak one does not promise the
    /// same bytes, so it cannot join two parts.
    pub(super) fn joins(&self) -> bool {
        self.etag.as_deref().is_some_and(|etag| usable(etag) && !is_weak(etag))
    }

    /// Where a partial answer ends, which must begin at this byte of the same file; as an error,
    /// what is wrong with it. A length that was not known so far is learned from it.
    pub(super) fn resume(&mut self, response: &Response, at: u64) -> Result<u64, &'static str> {
        let part = ByteRange::of(response)?;
        let other = Self::without_length(response.headers());
        if part.first != at {
            return Err("it begins at another byte");
        }
        let length = match (self.length, part.total) {
            (Some(promised), Some(total)) if promised != total => {
                return Err("the file has another length than before");
            }
            (Some(promised), _) if part.end > promised => {
                return Err("it ends beyond the end of the file");
            }
            (promised, total) => {
                promised.or(total).ok_or("the length of the file is not stated")?
            }
        };
        if let (Some(was), Some(is)) = (&self.etag, &other.etag)
            && was != is
        {
            return Err("the file has another ETag than before");
        }
        if let (Some(was), Some(is)) = (&self.last_modified, &other.last_modified)
            && !same_time(was, is)
        {
            return Err("the file was changed at another time than before");
        }
        // It may be left out with a part (RFC 9110, 15.3.7).
        if other.encoding.is_some() && self.encoding != other.encoding {
            return Err("its content encoding has changed");
        }
        self.length = Some(length);
        Ok(part.end)
    }
}

impl ByteRange {
    /// By the one Content-Range of a partial answer, which the body's length must not contradict.
    fn of(response: &Response) -> Result<Self, &'static str> {
        let headers = response.headers();
        let kind = text(headers, &CONTENT_TYPE).unwrap_or_default();
        if kind.to_ascii_lowercase().starts_with("multipart/") {
            return Err("it has several parts in one body");
        }
        let part = Self::named(headers)?.ok_or("it does not state its range")?;
        if length(response).is_some_and(|length| length != part.end - part.first) {
            return Err("its length does not match its range");
        }
        Ok(part)
    }

    fn named(headers: &HeaderMap) -> Result<Option<Self>, &'static str> {
        let mut named = headers.get_all(CONTENT_RANGE).iter();
        let Some(first) = named.next() else {
            return Ok(None);
        };
        if named.any(|other| other != first) {
            return Err("it states several ranges");
        }
        let part = first.to_str().ok().and_then(Self::parse);
        part.map(Some).ok_or("its range is not understood")
    }

    /// `bytes 0-99/200`, or `*` for the total (RFC 9110, 14.4). The unit's case does not matter.
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| -> Option<u64> {
            let digits = text.trim();
            let only = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| only)
        };
        let text = text.trim();
        let (unit, rest) = text.split_at_checked("bytes".len())?;
        let unit = unit.eq_ignore_ascii_case("bytes") && rest.starts_with([' ', '\t', '=']);
        let (range, total) = rest.trim_start_matches([' ', '\t', '=']).split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, end) = (number(first)?, number(last)?.checked_add(1)?);
        let total = match total.trim() {
            "*" => None,
            total => Some(number(total)?),
        };
        let sound = unit && first < end && total.is_none_or(|total| end <= total);
        sound.then_some(Self { first, end, total })
    }
}

/// The length of the file, where a part came unasked that is the whole; else what is wrong with it.
pub(super) fn whole_as_part(response: &Response) -> Result<u64, &'static str> {
    match ByteRange::of(response)? {
        ByteRange { first: 0, end, total: Some(total) } if end == total => Ok(total),
        _ => Err("it is not the whole"),
    }
}

/// The length of the whole file, as an answer names it that has no such part: `bytes */200`
/// (RFC 9110, 14.4).
pub(super) fn length_if_unsatisfied(headers: &HeaderMap) -> Option<u64> {
    let mut named = headers.get_all(CONTENT_RANGE).iter();
    let first = named.next()?;
    let text = first.to_str().ok()?.trim();
    let (unit, rest) = text.split_at_checked("bytes".len())?;
    let total = rest.trim_start_matches([' ', '\t', '=']).strip_prefix("*/")?.trim();
    let digits = !total.is_empty() && total.bytes().all(|byte| byte.is_ascii_digit());
    let sound = digits && unit.eq_ignore_ascii_case("bytes") && named.all(|other| other == first);
    total.parse().ok().filter(|_| sound)
}

/// Whether the body comes in chunks, so that its end can be told from a cut.
pub(super) fn is_chunked(headers: &HeaderMap) -> bool {
    encoding(headers, &TRANSFER_ENCODING).is_some_and(|named| named == "chunked")
}

/// Whether an answer that should bring the whole file says that it brings a part.
pub(super) fn is_partial(headers: &HeaderMap) -> bool {
    match ByteRange::named(headers) {
        Ok(Some(ByteRange { first, end, total })) => first > 0 || total != Some(end),
        Ok(None) | Err(_) => false,
    }
}

/// The length of an answer's body, as announced.
fn length(response: &Response) -> Option<u64> {
    let announced = || {
        let mut values = response.headers().get_all(CONTENT_LENGTH).iter();
        let first: u64 = values.next()?.to_str().ok()?.trim().parse().ok()?;
        values.all(|other| other.as_bytes() == first.to_string().as_bytes()).then_some(first)
    };
    response.content_length().or_else(announced)
}

/// The encoding of a body that is not read as it comes: any but gzip, which the bytes tell.
pub(super) fn unread_encoding(headers: &HeaderMap) -> Option<(&'static str, String)> {
    let content = encoding(headers, &CONTENT_ENCODING);
    let content = content.filter(|named| !matches!(named.as_str(), "gzip" | "x-gzip"));
    let transfer = encoding(headers, &TRANSFER_ENCODING).filter(|named| named != "chunked");
    let content = content.map(|named| ("content", named));
    content.or_else(|| transfer.map(|named| ("transfer", named)))
}

/// The codings of a header in their order, but for `identity`; `None` if there is no other.
fn encoding(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let codings = values.iter().flat_map(|value| value.split(','));
    let codings = codings.map(|coding| coding.trim().to_ascii_lowercase());
    let codings: Vec<_> =
        codings.filter(|coding| !coding.is_empty() && coding != "identity").collect();
    let named: String = codings.join(", ").chars().take(60).collect();
    (!named.is_empty()).then_some(named)
}

/// The one entity tag of an answer, where it can tell editions apart.
pub(super) fn tag(headers: &HeaderMap) -> Option<String> {
    let mut tags = headers.get_all(ETAG).iter();
    let first = tags.next()?;
    let tag = first.to_str().ok()?.trim();
    (usable(tag) && tags.all(|other| other == first)).then(|| tag.to_owned())
}

/// Whether a tag can be sent back: not `*`, which means any edition, nor a list or nothing.
pub(super) fn usable(tag: &str) -> bool {
    let opaque = opaque(tag);
    let quoted = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match quoted {
        Some(inner) => !inner.is_empty() && !inner.contains('"'),
        None => !opaque.is_empty() && !opaque.contains(['*', ',', '"', ' ', '\t']),
    }
}

/// Whether two tags are the same except for weakness (RFC 9110, 8.8.3.2).
pub(super) fn alike(one: &str, other: &str) -> bool {
    opaque(one) == opaque(other)
}

fn is_weak(tag: &str) -> bool {
    opaque(tag).len() < tag.len()
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/")).unwrap_or(tag)
}

fn same_time(one: &str, other: &str) -> bool {
    match (httpdate::parse_http_date(one), httpdate::parse_http_date(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// The text of a header; `None` if it is empty.
pub(super) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "what is parsed is compared with it")]
    const fn part(first: u64, end: u64, total: Option<u64>) -> Option<ByteRange> {
        Some(ByteRange { first, end, total })
    }

    #[test]
    fn a_part_is_named_in_any_case_and_with_any_blanks() {
        for text in
            ["bytes 5-9/20", "Bytes 5-9/20", "BYTES  5-9/20", "bytes\t5 - 9 / 20 ", "bytes=5-9/20"]
        {
            assert_eq!(ByteRange::parse(text), part(5, 10, Some(20)), "{text}");
        }
        assert_eq!(ByteRange::parse("bytes 0-19/20"), part(0, 20, Some(20)));
        assert_eq!(ByteRange::parse("bytes 5-9/*"), part(5, 10, None));
    }

    #[test]
    fn what_is_no_part_is_not_taken_for_one() {
        for text in [
            "",
            "bytes",
            "bytes5-9/20",
            "octets 5-9/20",
            "bytes 5-9",
            "bytes */20",
            "bytes 9-5/20",
            "bytes 5-20/20",
            "bytes -5-9/20",
            "bytes +5-9/20",
            "bytes 5-9/-20",
            "bytes 5--9/20",
            "bytes 0x5-9/20",
            "bytes 5-9/20, bytes 10-14/20",
            "bytes 5-18446744073709551615/*",
            "bytes 5-99999999999999999999/*",
            "bytes 5-9/99999999999999999999",
            "byt\u{e9}s 5-9/20",
        ] {
            assert_eq!(ByteRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_length_is_read_from_an_answer_without_such_a_part() {
        let length = |values: &[&'static str]| {
            let values = values.iter().map(|value| (CONTENT_RANGE, value.parse().unwrap()));
            length_if_unsatisfied(&values.collect())
        };
        for named in ["bytes */20", "Bytes  */20 ", "bytes\t*/ 20"] {
            assert_eq!(length(&[named]), Some(20), "{named}");
        }
        assert_eq!(length(&["bytes */20", "bytes */20"]), Some(20));
        for none in ["", "bytes */*", "bytes 0-19/20", "octets */20", "bytes */-1", "bytes */"] {
            assert_eq!(length(&[none]), None, "{none}");
        }
        assert_eq!(length(&["bytes */20", "bytes */21"]), None);
        assert_eq!(length(&[]), None);
    }

    #[test]
    fn a_tag_that_means_any_edition_is_none() {
        for tag in ["\"a\"", "W/\"a\"", "a", "\"a,b\""] {
            assert!(usable(tag), "{tag}");
        }
        for tag in ["", "*", "\"\"", "W/", "W/*", "a, b", "\"a\", \"b\"", "\"a\"b\""] {
            assert!(!usable(tag), "{tag}");
        }
        let joins = |etag: &str| Promise { etag: Some(etag.into()), ..Promise::default() }.joins();
        assert!(joins("\"a\"") && !joins("W/\"a\"") && !joins("w/\"a\"") && !joins("*"));
        assert!(alike("W/\"a\"", "\"a\"") && !alike("\"a\"", "\"b\""));
    }

    #[test]
    fn an_encoding_is_named_unless_it_is_none_or_gzip() {
        let unread = |name: HeaderName, values: &[&'static str]| {
            let values = values.iter().map(|value| value.parse().unwrap());
            let headers: HeaderMap = values.map(|value| (name.clone(), value)).collect();
            unread_encoding(&headers).map(|(_, named)| named)
        };
        for read in [&["identity"][..], &["Identity"], &[""], &["gzip"], &["X-GZIP"], &[]] {
            assert_eq!(unread(CONTENT_ENCODING, read), None, "{read:?}");
        }
        for (named, values) in [
            ("br", &["br"][..]),
            ("deflate", &["Deflate"]),
            ("gzip, gzip", &["gzip", "gzip"]),
            ("gzip, br", &["gzip, identity, BR"]),
        ] {
            assert_eq!(unread(CONTENT_ENCODING, values).as_deref(), Some(named));
        }
        assert_eq!(unread(TRANSFER_ENCODING, &["chunked"]), None);
        assert_eq!(unread(TRANSFER_ENCODING, &["gzip, chunked"]).unwrap(), "gzip, chunked");
    }
}
