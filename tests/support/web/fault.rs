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
        }
    }
}
