//! The ways in which an answer can go wrong.
use bytes::Bytes;

use super::super::http::{Answer, header};

/// What goes wrong with an answer. Bytes count from the start of the body that is being
/// sent (for a range: of the range); a body that is shorter is served whole. After 0 bytes
/// means that not even the head is sent.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers this in place of the file.
    Status { code: u16, headers: Vec<(String, String)>, body: Bytes },
    /// Breaks the connection with an RST.
    ResetAfter(u64),
    /// Declares the whole length and closes early.
    CloseAfter(u64),
    /// Declares the whole length, then sends no more on the open connection.
    StallAfter(u64),
    /// Sends at this pace.
    Slow { bytes_per_second: u64 },
    /// Declares no length; the end of the connection is the end of the body.
    NoLength,
    /// Declares no length and closes early: a cut body that looks whole.
    NoLengthCloseAfter(u64),
    /// Declares this length, sends the body as it is and closes.
    WrongLength(u64),
    /// Answers a range request with 200 and the whole body.
    IgnoreRange,
    /// Answers a range request with the range, even if the file is another one by now.
    IgnoreIfRange,
    /// Leaves the ETag out and knows none.
    NoEtag,
    /// Sends the body in chunks, without a length.
    Chunked,
    /// Answers a range request with no more than this many bytes, and says so.
    Slices(u64),
    /// Answers a request for the whole with 206 and no more than this many bytes.
    PartUnasked(u64),
    /// Answers a range request with parts in one `multipart/byteranges` body.
    Multipart,
    /// Names a part so: `Bytes {first}-{last}/{total}`. `{first-1}`, `{first+1}`, `{last-1}`,
    /// `{last+1}`, `{total-1}`, `{total+50}` are such numbers a little off.
    ContentRange(&'static str),
    /// Sends this header with the file or a part of it, in place of its own.
    Header(&'static str, &'static str),
    /// Sends this header besides.
    HeaderBesides(&'static str, &'static str),
    /// Sends the file, or what is asked of it, with this status.
    Code(u16),
    /// Has the tag of this number for the file, and knows no other.
    NewTag(u64),
    /// Has a weak tag.
    WeakTag,
    /// Sends so many bytes more than there are.
    Longer(u64),
    /// Sends the body in chunks and closes before the one that ends it.
    ChunkedCloseAfter(u64),
}

impl Fault {
    /// A plain status with a line of text.
    pub fn status(code: u16) -> Self {
        Self::Status { code, headers: Vec::new(), body: format!("fault {code}\n").into() }
    }

    /// 429 with a Retry-After in seconds.
    pub fn too_many(retry_after: u64) -> Self {
        let headers = vec![header("retry-after", retry_after.to_string())];
        Self::Status { code: 429, headers, body: "slow down\n".into() }
    }

    /// A page with status 200 where a file should be.
    pub fn html() -> Self {
        let headers = vec![header("content-type", "text/html; charset=utf-8")];
        let body = "<!DOCTYPE html><html><body>Back soon</body></html>\n".into();
        Self::Status { code: 200, headers, body }
    }
}

/// How an answer is sent, by the faults that apply to it.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) instead: Option<Answer>,
    pub(super) no_etag: bool,
    pub(super) ignore_range: bool,
    pub(super) ignore_if_range: bool,
    pub(super) framing: Framing,
    pub(super) cut: Option<(u64, Cut)>,
    pub(super) bytes_per_second: Option<u64>,
    pub(super) slice: Option<u64>,
    pub(super) unasked: Option<u64>,
    pub(super) multipart: bool,
    pub(super) content_range: Option<&'static str>,
    pub(super) replaced: Vec<(&'static str, &'static str)>,
    pub(super) besides: Vec<(&'static str, &'static str)>,
    pub(super) code: Option<u16>,
    pub(super) tag: Option<u64>,
    pub(super) weak: bool,
    pub(super) longer: u64,
}

#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum Framing {
    #[default]
    Length,
    Declared(u64),
    Chunks,
    Close,
}

#[derive(Clone, Copy)]
pub(super) enum Cut {
    Reset,
    Close,
    Stall,
}

impl Plan {
    pub(super) fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::Status { code, headers, body } => {
                self.instead = Some(Answer { status: code, headers, body });
            }
            Fault::ResetAfter(bytes) => self.cut = Some((bytes, Cut::Reset)),
            Fault::CloseAfter(bytes) => self.cut = Some((bytes, Cut::Close)),
            Fault::StallAfter(bytes) => self.cut = Some((bytes, Cut::Stall)),
            Fault::Slow { bytes_per_second } => self.bytes_per_second = Some(bytes_per_second),
            Fault::NoLength => self.framing = Framing::Close,
            Fault::NoLengthCloseAfter(bytes) => {
                self.framing = Framing::Close;
                self.cut = Some((bytes, Cut::Close));
            }
            Fault::WrongLength(declared) => self.framing = Framing::Declared(declared),
            Fault::IgnoreRange => self.ignore_range = true,
            Fault::IgnoreIfRange => self.ignore_if_range = true,
            Fault::NoEtag => self.no_etag = true,
            Fault::Chunked => self.framing = Framing::Chunks,
            Fault::Slices(bytes) => self.slice = Some(bytes),
            Fault::PartUnasked(bytes) => self.unasked = Some(bytes),
            Fault::Multipart => self.multipart = true,
            Fault::ContentRange(text) => self.content_range = Some(text),
            Fault::Header(name, value) => self.replaced.push((name, value)),
            Fault::HeaderBesides(name, value) => self.besides.push((name, value)),
            Fault::Code(code) => self.code = Some(code),
            Fault::NewTag(number) => self.tag = Some(number),
            Fault::WeakTag => self.weak = true,
            Fault::Longer(bytes) => self.longer = bytes,
            Fault::ChunkedCloseAfter(bytes) => {
                self.framing = Framing::Chunks;
                self.cut = Some((bytes, Cut::Close));
            }
        }
    }

    /// The tag of a file, as it is to be sent.
    pub(super) fn tag_of(&self, etag: &str) -> Option<String> {
        let etag = match self.tag {
            Some(number) => format!("\"{number}-{}\"", etag.trim_matches('"')),
            None => etag.to_owned(),
        };
        let weak = if self.weak { "W/" } else { "" };
        (!self.no_etag).then(|| format!("{weak}{etag}"))
    }

    /// How a part is named.
    pub(super) fn range_of(&self, start: u64, end: u64, length: u64) -> String {
        let named = self.content_range.unwrap_or("bytes {first}-{last}/{total}");
        let numbers = [
            ("{first}", start),
            ("{first-1}", start.saturating_sub(1)),
            ("{first+1}", start + 1),
            ("{last}", end - 1),
            ("{last-1}", end.saturating_sub(2)),
            ("{last+1}", end),
            ("{total}", length),
            ("{total-1}", length - 1),
            ("{total+50}", length + 50),
        ];
        numbers
            .iter()
            .fold(named.to_owned(), |text, (name, number)| text.replace(name, &number.to_string()))
    }

    /// The headers of an answer with the file or a part of it.
    pub(super) fn alter(&self, headers: &mut Vec<(String, String)>) {
        headers.retain(|(name, _)| self.replaced.iter().all(|(other, _)| other != name));
        let more = self.replaced.iter().chain(&self.besides);
        headers.extend(more.map(|(name, value)| header(name, *value)));
    }
}
