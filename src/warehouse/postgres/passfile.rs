//! The password file (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).

/// The password that the file has for a host, a port, a database and a user. As libpq reads it,
/// a password ends at a `:` that has no backslash before it, and what follows is left alone.
pub(super) fn from_passfile(text: &[u8], wanted: [&str; 4]) -> Option<Vec<u8>> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#")).find_map(|line| {
        let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        let rest = wanted.iter().try_fold(&line[..end], |rest, wanted| after(rest, wanted))?;
        Some(password(rest))
    })
}

/// What follows the first field of a line, if that is the one wanted or a bare `*`.
fn after<'a>(line: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let (mut rest, mut wanted) = (line, wanted.bytes());
    loop {
        match rest {
            [b':', after @ ..] => return wanted.next().is_none().then_some(after),
            [b'\\', byte, after @ ..] | [byte, after @ ..] if wanted.next() == Some(*byte) => {
                rest = after;
            }
            _ => return None,
        }
    }
}

fn password(mut rest: &[u8]) -> Vec<u8> {
    let mut password = Vec::new();
    loop {
        match rest {
            [] | [b':', ..] => return password,
            [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                password.push(*byte);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_libpq_reads_them() {
        let text = b"# c\nother:*:*:*:no\nh:5432:d:u:a\\:b\\\\c:d\n\\*:*:*:*:a star\n\
                     a\\:b:5432:*:u:end\\\r\r\nshort:5432:d:u\nempty:*:*:*:\n*:*:*:*:last\n";
        let password = |host| from_passfile(text, [host, "5432", "d", "u"]).unwrap();
        for (host, found) in [
            ("h", "a:b\\c"),
            ("i", "last"),
            ("*", "a star"),
            ("a:b", "end\\"),
            ("short", "last"),
            ("empty", ""),
        ] {
            assert_eq!(password(host), found.as_bytes(), "{host}");
        }
        assert_eq!(from_passfile(b"h:1:d:u:p", ["h", "2", "d", "u"]), None);
    }
}
