//! Paths of the API: where a name that people choose becomes a part of an address.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands as itself in a part of a path (RFC 3986, "unreserved").
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A name as one part of a path, whatever is in it. `.` and `..` have no such form: no name may
/// be one of them.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    #[test]
    fn a_name_is_one_part_of_a_path_whatever_is_in_it() {
        let base = Url::parse("http://h/api/").unwrap();
        for name in
            ["a b", "nightly#2", "is it?", "100%", "Zürich", "a+b", r"a\b", "a/b", "..;", "x'\"y"]
        {
            let url = base.join(&format!("work_pools/{}/queues", segment(name))).unwrap();
            let parts: Vec<&str> = url.path_segments().unwrap().collect();
            assert_eq!(parts.len(), 4, "{url}");
            let read = percent_encoding::percent_decode_str(parts[2]).decode_utf8().unwrap();
            assert_eq!(read, name);
            assert_eq!((url.query(), url.fragment()), (None, None));
        }
        assert_eq!(segment("nyc-taxi_2.0~x"), "nyc-taxi_2.0~x");
    }
}
