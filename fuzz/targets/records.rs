//! Text is cut into records with nothing lost between them or between their fields, and into
//! the same records whatever the pieces the text comes in.
//!
//! The first byte of an input is the size of the pieces, `A` for 1 to `Z` for 26; the rest is
//! the text. In it `~` stands for half a [`QUOTED_LIMIT`] of letters, less 8: two of them
//! bring a short input to the limit, three well beyond it.
#![no_main]

use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use memchr::memchr;

#[allow(dead_code)]
#[path = "../../src/clean/records.rs"]
mod records;

use records::{End, MOST_FIELDS, QUOTED_LIMIT, Shape, field_text, last_cut, plain_end, record_end, split_fields};

/// Lines of three or four fields look like records of their own.
const SHAPE: Shape = Shape { fields: 3, surplus: 1 };

/// Long stretches in one input, of which more would only make it slow.
const STRETCHES: usize = 4;

/// The record that begins at a place: where its content ends, and whether it is well formed.
type Record = (Range<usize>, bool);

fuzz_target!(|data: &[u8]| {
    let Some((size, data)) = data.split_first() else {
        return;
    };
    let pieces = pieces(data, usize::from(size & 31).max(1));
    let text = pieces.concat();
    let whole = cut(&text, 0, true);
    for (content, wellformed) in &whole {
        check_fields(&text[content.clone()], *wellformed);
    }
    assert_eq!(read_piecewise(&pieces), whole);
});

fn pieces(data: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut stretches = 0;
    let mut pieces = Vec::new();
    for chunk in data.chunks(size) {
        let mut piece = Vec::new();
        for byte in chunk {
            if *byte == b'~' && stretches < STRETCHES {
                stretches += 1;
                piece.resize(piece.len() + QUOTED_LIMIT / 2 - 8, b'x');
            } else {
                piece.push(*byte);
            }
        }
        pieces.push(piece);
    }
    pieces
}

/// Reads a text that arrives in pieces, as the reading thread and its workers do.
fn read_piecewise(pieces: &[Vec<u8>]) -> Vec<Record> {
    let (mut read, mut held, mut before) = (Vec::new(), Vec::new(), 0);
    for (at, piece) in pieces.iter().enumerate() {
        held.extend_from_slice(piece);
        let quoted = memchr(b'"', &held).is_some();
        let until = last_cut(&held, SHAPE, quoted, at + 1 == pieces.len(), usize::MAX);
        read.extend(cut(&held[..until], before, quoted));
        held.drain(..until);
        before += until;
    }
    assert!(held.is_empty());
    read
}

/// Every record of a text that ends between records, and that `before` bytes come before.
fn cut(text: &[u8], before: usize, quoted: bool) -> Vec<Record> {
    let (mut at, mut all) = (0, Vec::new());
    while at < text.len() {
        let rest = &text[at..];
        let end = if quoted { record_end(rest, SHAPE, true) } else { plain_end(rest) };
        let End::At { content, next, wellformed } = end else {
            panic!("a last record always ends");
        };
        assert!(next > 0);
        assert!(matches!(&rest[content..next], b"" | b"\n" | b"\r" | b"\r\n"));
        assert!(rest[..next].ends_with(b"\n") || next == rest.len());
        assert!(wellformed || !rest[..content].contains(&b'\n'));
        all.push((before + at..before + at + content, wellformed));
        at += next;
    }
    assert_eq!(at, text.len());
    all
}

/// Between the fields there are commas and their own quotes, and nothing else.
fn check_fields(record: &[u8], quotes: bool) {
    let (mut fields, mut at) = (Vec::new(), 0);
    split_fields(record, quotes, &mut fields);
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            assert_eq!(record[at], b',');
            at += 1;
        }
        let content = &record[field.clone()];
        let quoted = field.start > at;
        if quoted {
            assert!(quotes);
            assert_eq!((record[at], record[field.end]), (b'"', b'"'));
            assert_eq!(field.start, at + 1);
            at = field.end + 1;
        } else {
            assert_eq!(field.start, at);
            let rest = index + 1 == MOST_FIELDS;
            assert!(rest || !content.contains(&b',') && !content.contains(&b'\n'));
            at = field.end;
        }
        let _ = field_text(content, quoted);
    }
    assert_eq!(at, record.len());
}
