//! The line to a server: TCP or a Unix socket, and an ear on it.
//!
//! The driver forgets a last word of the server: a FATAL that comes while rows are copied, or
//! between two statements, is only "connection closed" there. And it does not tell the process
//! that the server says it is. Both are read off the line here.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{ChannelBinding, TlsStream};

/// A socket to a server.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// A plain line binds no channel.
impl TlsStream for Socket {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// The last word of a server that ends a session.
#[derive(Debug, Clone)]
pub struct LastWord {
    pub(super) code: SqlState,
    pub(super) message: String,
}

/// What was heard on a line.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    process: Option<i32>,
    session: Option<i32>,
    last_word: Option<LastWord>,
    /// Whether the server asked for a password that is no proof.
    bare_password: bool,
    /// What the session waited for last, and who held it.
    held: Option<String>,
    /// How often the server has yet to say that it is ready.
    unanswered: u32,
    /// When bytes went or came last.
    last: Option<Instant>,
}

impl Heard {
    fn notes<T>(&self, note: impl FnOnce(&mut Notes) -> T) -> T {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The process that the server says this session is.
    pub(super) fn process(&self) -> Option<i32> {
        self.notes(|notes| notes.process)
    }

    /// The process that the session is by its own account: another one behind a pooler.
    pub(super) fn session(&self) -> Option<i32> {
        self.notes(|notes| notes.session)
    }

    pub(super) fn is_session(&self, process: Option<i32>) {
        self.notes(|notes| notes.session = process);
    }

    /// What the session waited for when it was looked last, and who held it.
    pub(super) fn held(&self) -> Option<String> {
        self.notes(|notes| notes.held.clone())
    }

    pub(super) fn is_held(&self, held: Option<String>) {
        self.notes(|notes| notes.held = held);
    }

    /// Why the server ended the session, if it said so.
    pub(super) fn last_word(&self) -> Option<LastWord> {
        self.notes(|notes| notes.last_word.clone())
    }

    /// How long nothing went or came, if the server has yet to finish what it was asked.
    pub(super) fn silence(&self) -> Option<Duration> {
        self.notes(|notes| notes.last.filter(|_| notes.unanswered > 0).map(|at| at.elapsed()))
    }
}

/// A line on which the messages of the server are listened to.
pub(super) struct Listened<S> {
    stream: S,
    heard: Arc<Heard>,
    message: Message,
    sent: Sent,
    refuses_bare_passwords: bool,
}

/// A server that wants a password in a form that whoever listens can use, on a line where that
/// is not to be done.
#[derive(Debug, thiserror::Error)]
#[error(
    "the server asks for the password itself or its MD5 hash, which is not sent after TLS failed: \
     mend TLS, or use sslmode=disable to send it without"
)]
pub(super) struct BarePassword;

/// The longest message that is kept whole.
const LONGEST: usize = 64 * 1024;

/// The message that is coming in.
#[derive(Default)]
struct Message {
    /// Its kind and its length, as far as they are there.
    head: Vec<u8>,
    /// How many bytes of it are still to come.
    ahead: usize,
    /// Its bytes, if it is one to keep.
    body: Vec<u8>,
}

impl Message {
    fn keeps(&self) -> bool {
        matches!(self.head.first(), Some(b'E' | b'K' | b'R'))
    }

    fn hear(&mut self, mut bytes: &[u8], heard: &Heard) {
        while !bytes.is_empty() {
            if self.head.len() < 5 {
                let taken = bytes.len().min(5 - self.head.len());
                self.head.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                if let [_, a, b, c, d] = self.head[..] {
                    self.ahead = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                }
            }
            if self.head.len() == 5 {
                let taken = bytes.len().min(self.ahead);
                if self.keeps() && self.body.len() < LONGEST {
                    self.body.extend_from_slice(&bytes[..taken]);
                }
                self.ahead -= taken;
                bytes = &bytes[taken..];
                if self.ahead == 0 {
                    self.note(heard);
                    self.head.clear();
                    self.body.clear();
                }
            }
        }
    }

    fn note(&self, heard: &Heard) {
        match (self.head.first(), self.body.first_chunk::<4>()) {
            (Some(b'K'), Some(process)) => {
                heard.notes(|notes| notes.process = Some(i32::from_be_bytes(*process)));
            }
            (Some(b'Z'), _) => {
                heard.notes(|notes| notes.unanswered = notes.unanswered.saturating_sub(1));
            }
            (Some(b'R'), Some([0, 0, 0, CLEAR_TEXT | MD5])) => {
                heard.notes(|notes| notes.bare_password = true);
            }
            (Some(b'E'), _) => {
                if let Some(word) = last_word(&self.body) {
                    heard.notes(|notes| notes.last_word = Some(word));
                }
            }
            _ => {}
        }
    }
}

/// The message that is going out: which of them the server answers by saying that it is ready.
#[derive(Default)]
struct Sent {
    head: Vec<u8>,
    ahead: usize,
    has_begun: bool,
}

impl Sent {
    fn note(&mut self, mut bytes: &[u8], heard: &Heard) {
        while !bytes.is_empty() {
            // The first message of a session has no kind.
            let head = if self.has_begun { 5 } else { 4 };
            if self.head.len() < head {
                let taken = bytes.len().min(head - self.head.len());
                self.head.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                if self.head.len() < head {
                    return;
                }
                let length = self.head.last_chunk::<4>().copied().unwrap_or_default();
                self.ahead = (u32::from_be_bytes(length) as usize).saturating_sub(4);
                if !self.has_begun || matches!(self.head[0], b'Q' | b'S') {
                    heard.notes(|notes| notes.unanswered += 1);
                }
            }
            let taken = bytes.len().min(self.ahead);
            self.ahead -= taken;
            bytes = &bytes[taken..];
            if self.ahead == 0 {
                self.head.clear();
                self.has_begun = true;
            }
        }
    }
}

/// `AuthenticationCleartextPassword` and `AuthenticationMD5Password`.
const CLEAR_TEXT: u8 = 3;
const MD5: u8 = 5;

/// An error's fields, if it is one that ends the session
/// (<https://www.postgresql.org/docs/current/protocol-error-fields.html>).
fn last_word(body: &[u8]) -> Option<LastWord> {
    let mut fields = body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    let (mut ends, mut code, mut message) = (false, None, None);
    for field in &mut fields {
        let text = String::from_utf8_lossy(&field[1..]);
        match field[0] {
            b'V' => ends = matches!(&*text, "FATAL" | "PANIC"),
            b'C' => code = Some(SqlState::from_code(&text)),
            b'M' => message = Some(text.into_owned()),
            _ => {}
        }
    }
    Some(LastWord { code: code?, message: message? }).filter(|_| ends)
}

impl<S> Listened<S> {
    pub(super) fn new(stream: S, heard: Arc<Heard>) -> Self {
        Self {
            stream,
            heard,
            message: Message::default(),
            sent: Sent::default(),
            refuses_bare_passwords: false,
        }
    }

    /// Ends the connection when the server asks for a password that is not sent as a proof
    /// (SCRAM).
    pub(super) fn refuse_bare_passwords(&mut self) {
        self.refuses_bare_passwords = true;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Listened<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        let new = &buffer.filled()[before..];
        if !new.is_empty() {
            this.heard.notes(|notes| notes.last = Some(Instant::now()));
            this.message.hear(new, &this.heard);
            if this.refuses_bare_passwords && this.heard.notes(|notes| notes.bare_password) {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, BarePassword)));
            }
        }
        read
    }
}

impl<S: AsyncRead + Unpin> Listened<S> {
    /// Hears what is still there on a line that takes no more: the server closes it after its
    /// last word.
    fn hear_out(&mut self, context: &mut Context<'_>) {
        let mut bytes = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.message.hear(buffer.filled(), &self.heard);
                }
                _ => return,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Listened<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        match written {
            Poll::Ready(Ok(count @ 1..)) => {
                this.sent.note(&bytes[..count], &this.heard);
                this.heard.notes(|notes| notes.last = Some(Instant::now()));
            }
            Poll::Ready(Err(_)) => this.hear_out(context),
            _ => {}
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Listened<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 4).to_be_bytes();
        [&[kind], &length[..], body].concat()
    }

    #[test]
    fn the_server_is_silent_until_it_is_ready_once_for_each_thing_it_was_asked() {
        let startup = [&12u32.to_be_bytes()[..], &[0, 3, 0, 0, b'Q', b'S', 0, 0]].concat();
        let sent = [
            startup,
            message(b'Q', b"BEGIN\0"),
            message(b'd', &[b'Q'; 3000]),
            message(b'C', b"Ss\0"),
            message(b'S', b""),
        ]
        .concat();
        for cut in [1, 3, 5, 1000, sent.len()] {
            let heard = Heard::default();
            let (mut out, mut back) = (Sent::default(), Message::default());
            sent.chunks(cut).for_each(|part| out.note(part, &heard));
            heard.notes(|notes| notes.last = Some(Instant::now()));
            for _ in 0..3 {
                assert!(heard.silence().is_some(), "{cut}");
                back.hear(&message(b'C', b"COMMIT\0"), &heard);
                back.hear(&message(b'Z', b"I"), &heard);
            }
            assert!(heard.silence().is_none(), "{cut}");
        }
    }

    #[test]
    fn the_process_and_the_last_word_are_heard_however_the_bytes_are_cut() {
        let bytes = [
            message(b'K', &[0, 0, 1, 2, 9, 9, 9, 9]),
            message(b'Z', b"I"),
            message(b'D', &vec![b'E'; 70_000]),
            message(b'E', b"SERROR\0VERROR\0C40001\0Mnot the last\0\0"),
            message(b'1', b""),
            message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0"),
        ]
        .concat();
        for cut in [1, 2, 3, 7, 1000, bytes.len()] {
            let heard = Heard::default();
            let mut message = Message::default();
            bytes.chunks(cut).for_each(|part| message.hear(part, &heard));
            assert_eq!(heard.process(), Some(258), "{cut}");
            let word = heard.last_word().unwrap();
            assert_eq!(word.code, SqlState::ADMIN_SHUTDOWN, "{cut}");
            assert_eq!(word.message, "terminating connection", "{cut}");
        }
    }
}
