//! Cuts text into records (RFC 4180), and so that every cut falls in the same place whatever
//! the size of the pieces the text comes in.
//!
//! A quote opens a quoted field only at the field's first byte; elsewhere it is a character
//! like any other. A quoted field may hold commas, line ends and doubled quotes. One that is
//! not closed properly within [`QUOTED_LIMIT`] bytes spoils its own line and no other, and so does
//! one that would swallow lines which are records of their own.

use std::ops::Range;

use memchr::{memchr, memchr2};

/// How long a record with quoted line ends may be, in bytes.
pub(super) const QUOTED_LIMIT: usize = 64 << 10;

/// How many fields of a record are told apart: what is beyond them is one field, the last.
pub(super) const MOST_FIELDS: usize = 4096;

/// How many fields the records of a text have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// As many as the header; 0 if that is not known yet.
    pub(super) fields: usize,
    /// How many empty ones may end a record beyond those.
    pub(super) surplus: usize,
}

impl Shape {
    /// Whether a record may have so many fields.
    pub(super) const fn has(self, fields: usize) -> bool {
        fields == self.fields || fields == self.fields + self.surplus
    }

    /// Whether a line looks like a record of its own.
    fn is_record(self, line: &[u8]) -> bool {
        if self.fields < 2 {
            return false;
        }
        let mut fields = Vec::new();
        split_fields(line, true, &mut fields);
        self.has(fields.len())
    }

    /// Whether a quote that holds these lines together is a stray one: lines within are records of
    /// their own, or the first and the last are.
    fn is_stray(self, record: &[u8]) -> bool {
        let mut lines = record.split(|byte| *byte == b'\n');
        let (Some(first), Some(last)) = (lines.next(), lines.next_back()) else {
            return false;
        };
        lines.any(|line| self.is_record(line)) || self.is_record(first) && self.is_record(last)
    }
}

/// Where the record that begins a text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// After so many bytes, its line end included.
    At {
        /// The length of the record without its line end.
        content: usize,
        /// Where the next record begins.
        next: usize,
        /// Whether its quotes are in order.
        wellformed: bool,
    },
    /// Not in this text: more is to come.
    Beyond,
}

/// Finds the end of the record that begins a text without quotes and ends it, if not before.
#[inline]
pub(super) fn plain_end(text: &[u8]) -> End {
    line_end(text, memchr(b'\n', text).unwrap_or(text.len()), true)
}

/// Finds the end of the record that begins `text`. `last` says that no more text follows.
#[inline]
pub(super) fn record_end(text: &[u8], shape: Shape, last: bool) -> End {
    let Some(newline) = memchr(b'\n', text).or_else(|| last.then_some(text.len())) else {
        return End::Beyond;
    };
    let line = &text[..newline];
    if memchr(b'"', line).is_none() {
        return line_end(text, newline, true);
    }
    match quoted_end(text, newline, last) {
        End::At { content, .. } if content > newline && shape.is_stray(&text[..content]) => {
            line_end(text, newline, false)
        }
        end => end,
    }
}

#[inline]
fn line_end(text: &[u8], newline: usize, wellformed: bool) -> End {
    let mut content = newline;
    // Text mode writes CR CR LF for a CR LF that was there.
    while content > 0 && text[content - 1] == b'\r' {
        content -= 1;
    }
    End::At { content, next: (newline + 1).min(text.len()), wellformed }
}

fn quoted_end(text: &[u8], newline: usize, last: bool) -> End {
    let window = &text[..text.len().min(QUOTED_LIMIT)];
    let cut = window.len() == text.len() && !last;
    let mut at = 0;
    loop {
        if window.get(at) == Some(&b'"') {
            match closing_quote(window, at + 1) {
                Some(after) => at = after,
                None if cut => return End::Beyond,
                None => return line_end(text, newline, false),
            }
            match window.get(at) {
                Some(b',' | b'\n') => {}
                Some(b'\r') => {
                    let returns = window[at..].iter().take_while(|byte| **byte == b'\r').count();
                    match window.get(at + returns) {
                        Some(b'\n') => at += returns,
                        None if cut => return End::Beyond,
                        None => at = window.len(),
                        Some(_) => return line_end(text, newline, false),
                    }
                }
                Some(_) => return line_end(text, newline, false),
                None if cut => return End::Beyond,
                None => {}
            }
        } else {
            at = memchr2(b',', b'\n', &window[at..]).map_or(window.len(), |step| at + step);
        }
        match window.get(at) {
            Some(b',') => at += 1,
            Some(_) => return line_end(text, at, true),
            None if cut => return End::Beyond,
            None if window.len() == text.len() => return line_end(text, at, true),
            // Longer than a quoted record may be: judge the first line alone.
            None => return line_end(text, newline, newline >= QUOTED_LIMIT),
        }
    }
}

/// The place after the quote that closes a field whose content begins at `at`.
fn closing_quote(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr(b'"', text.get(at..)?)?;
        if text.get(at + 1) != Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// How far the records of `text` are complete, or the first `most` of them: where a cut may be
/// made. Never past a record that is still open.
pub(super) fn last_cut(text: &[u8], shape: Shape, quoted: bool, last: bool, most: usize) -> usize {
    if !quoted {
        let mut newlines = memchr::memchr_iter(b'\n', text);
        return if newlines.clone().count() > most {
            newlines.nth(most - 1).map_or(0, |newline| newline + 1)
        } else if last {
            text.len()
        } else {
            memchr::memrchr(b'\n', text).map_or(0, |newline| newline + 1)
        };
    }
    let mut at = 0;
    for _ in 0..most {
        match record_end(&text[at..], shape, last) {
            End::At { next, .. } if next > 0 => at += next,
            _ => break,
        }
    }
    at
}

/// The fields of a record, each as the range of its bytes. A quoted field's range leaves out
/// its quotes; doubled quotes within are still doubled. With `quotes` off, quotes are
/// characters like any other. Beyond [`MOST_FIELDS`] all is one field.
pub(super) fn split_fields(record: &[u8], quotes: bool, fields: &mut Vec<Range<usize>>) {
    fields.clear();
    let mut at = 0;
    loop {
        if fields.len() + 1 == MOST_FIELDS {
            fields.push(at..record.len());
            return;
        }
        let closed = (quotes && record.get(at) == Some(&b'"'))
            .then(|| closing_quote(record, at + 1))
            .flatten()
            // One that is not closed properly is a character like any other.
            .filter(|after| record.get(*after).is_none_or(|byte| *byte == b','));
        let end = if let Some(after) = closed {
            fields.push(at + 1..after - 1);
            after
        } else {
            let end = memchr(b',', &record[at..]).map_or(record.len(), |step| at + step);
            fields.push(at..end);
            end
        };
        if end >= record.len() {
            return;
        }
        at = end + 1;
    }
}

/// A field as people would read it: its text, doubled quotes undone, bad UTF-8 replaced.
pub(super) fn field_text(bytes: &[u8], quoted: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    if quoted && text.contains("\"\"") { text.replace("\"\"", "\"") } else { text.into_owned() }
}

/// How long the byte order marks are that begin a text. Programs that take one for a letter
/// write another before it, or write it again as the three letters of its bytes.
pub(super) fn marks_of_order(text: &[u8]) -> usize {
    const MARKS: [&[u8]; 2] = [b"\xef\xbb\xbf", b"\xc3\xaf\xc2\xbb\xc2\xbf"];
    let mut at = 0;
    while let Some(mark) = MARKS.iter().find(|mark| text[at..].starts_with(mark)) {
        at += mark.len();
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(text: &[u8]) -> Vec<(Vec<String>, bool)> {
        records_of(Shape::default(), text)
    }

    fn records_of(shape: Shape, text: &[u8]) -> Vec<(Vec<String>, bool)> {
        let mut at = 0;
        let mut all = Vec::new();
        let mut fields = Vec::new();
        while at < text.len() {
            let End::At { content, next, wellformed } = record_end(&text[at..], shape, true) else {
                panic!("a last record always ends")
            };
            let record = &text[at..at + content];
            split_fields(record, wellformed, &mut fields);
            all.push((
                fields.iter().map(|f| field_text(&record[f.clone()], true)).collect(),
                wellformed,
            ));
            at += next;
        }
        all
    }

    fn plain(text: &str) -> Vec<Vec<String>> {
        records(text.as_bytes()).into_iter().map(|(fields, _)| fields).collect()
    }

    #[test]
    fn carriage_returns_before_a_line_end_are_part_of_it() {
        assert_eq!(plain("a,b\r\r\nc,\"d\"\r\r\ne,\r\r"), [["a", "b"], ["c", "d"], ["e", ""]]);
    }

    #[test]
    fn records_end_at_either_line_end_and_at_the_end_of_the_text() {
        assert_eq!(plain("a,b\r\nc,d\ne,"), [["a", "b"], ["c", "d"], ["e", ""]]);
        assert_eq!(plain("\r\n\n"), [[""], [""]]);
    }

    #[test]
    fn quoted_fields_may_hold_anything() {
        assert_eq!(plain("\"a\",\"b,\"\"c\"\"\n d\"\r\ne,f\n"), [["a", "b,\"c\"\n d"], ["e", "f"]]);
        assert_eq!(plain("\"\",\"\"\r\n"), [["", ""]]);
    }

    #[test]
    fn a_stray_quote_is_a_character() {
        assert_eq!(plain("a,N\",c\nd,e,f\n"), [["a", "N\"", "c"], ["d", "e", "f"]]);
    }

    #[test]
    fn an_unclosed_quote_spoils_its_own_line_only() {
        let read = records(b"1,\"x,3\n4,5,6\n\"7\",8,9\n");
        assert_eq!(read.iter().map(|(_, ok)| *ok).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(read[0].0, ["1", "\"x", "3"]);
        let read = records(b"\"a\"b,1\n2,3\n");
        assert_eq!(read.iter().map(|(_, ok)| *ok).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_stray_quote_swallows_no_records() {
        let shape = Shape { fields: 3, surplus: 0 };
        let cut = |text: &str| -> Vec<(usize, bool)> {
            let all = records_of(shape, text.as_bytes());
            all.into_iter().map(|(fields, wellformed)| (fields.len(), wellformed)).collect()
        };
        // A quote opens in one record and another closes in a later one.
        for between in [0, 1, 30] {
            let text = format!("1,\"ok,3\n{}7,ok\",9\n8,8,8\n", "4,5,6\n".repeat(between));
            let mut wanted = vec![(3, false)];
            wanted.extend(vec![(3, true); between + 2]);
            assert_eq!(cut(&text), wanted, "{between}");
        }
        // The line of the stray quote is cut short as well.
        assert_eq!(cut("1,\"ok\n4,5,6\n7,ok\",9\n"), [(2, false), (3, true), (3, true)]);
        // Real fields of several lines.
        for text in [
            "1,\"two\nlines\",3\n",
            "\"two\nlines\",2,3\n",
            "1,2,\"two\nlines\"\n",
            "1,\"some, with\ncommas\n\nin them\",3\n",
            "\"B1\n\",2,3\n",
        ] {
            assert_eq!(cut(text), [(3, true)], "{text}");
        }
    }

    #[test]
    fn beyond_the_most_fields_all_is_one() {
        let mut fields = Vec::new();
        split_fields(&b",".repeat(MOST_FIELDS + 9), true, &mut fields);
        assert_eq!(
            (fields.len(), fields.last()),
            (MOST_FIELDS, Some(&(MOST_FIELDS - 1..MOST_FIELDS + 9)))
        );
    }

    #[test]
    fn a_quote_that_closes_too_far_away_spoils_its_own_line_only() {
        let mut text = b"1,\"x,3\n".to_vec();
        for _ in 0..QUOTED_LIMIT / 4 {
            text.extend_from_slice(b"4,5,6\n");
        }
        text.extend_from_slice(b"\",\n");
        let read = records(&text);
        assert!(!read[0].1);
        assert_eq!(read.len(), QUOTED_LIMIT / 4 + 2);
    }

    #[test]
    fn a_long_line_is_one_record() {
        let text = format!("{}\"\nb\n", "a".repeat(QUOTED_LIMIT * 2));
        assert_eq!(records(text.as_bytes()).len(), 2);
    }

    #[test]
    fn no_character_is_lost_where_a_quote_is_misplaced_past_the_limit() {
        let long = "a".repeat(QUOTED_LIMIT);
        let fields = plain(&format!("{long},\"b\"c\n"));
        assert_eq!(fields, [[long.as_str(), "\"b\"c"]]);
    }

    fn messy() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            3 => Just("a"), 3 => Just(","), 2 => Just("\n"), 1 => Just("\r\n"), 1 => Just("\r\r\n"), 3 => Just("\""),
            1 => Just("\"\""), 1 => Just("\",\""), 1 => Just("\"\n\""),
        ];
        proptest::collection::vec(piece, 0..200).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn records_are_the_same_however_the_text_is_cut(text in messy(), size in 1_usize..40, most in 1_usize..9, fields in 0_usize..4) {
            let shape = Shape { fields, surplus: 1 };
            let mut pieces = Vec::new();
            let (mut held, mut given) = (Vec::new(), 0);
            loop {
                let more = text.len().min(given + size);
                held.extend_from_slice(&text[given..more]);
                given = more;
                let last = given == text.len();
                let cut = last_cut(&held, shape, memchr(b'"', &held).is_some(), last, most);
                pieces.extend(records_of(shape, &held[..cut]));
                held.drain(..cut);
                if last && held.is_empty() { break }
            }
            prop_assert_eq!(pieces, records_of(shape, &text));
        }

        #[test]
        fn nothing_is_lost_between_records(text in messy()) {
            let (mut at, mut bytes) = (0, 0);
            while at < text.len() {
                let End::At { content, next, .. } = record_end(&text[at..], Shape::default(), true) else { panic!() };
                prop_assert!(next > 0 && content <= next);
                prop_assert!(text[at + content..at + next].iter().all(|b| matches!(b, b'\r' | b'\n')));
                bytes += next;
                at += next;
            }
            prop_assert_eq!(bytes, text.len());
        }

        #[test]
        fn what_is_written_by_the_rules_is_read_back(rows in proptest::collection::vec(proptest::collection::vec("[a-z,\"\n ]{0,6}", 1..5), 1..6)) {
            let text: String = rows.iter().map(|row| {
                let fields: Vec<String> = row.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
                fields.join(",") + "\r\n"
            }).collect();
            prop_assert_eq!(plain(&text), rows);
        }
    }
}
