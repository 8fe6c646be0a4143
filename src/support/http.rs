//! What all HTTP services have in common.

use std::time::{Duration, SystemTime};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// What stands for itself in every part of a URL (RFC 3986, 2.3, "unreserved").
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Any text as one segment of the path of a URL, or as a name or a value of its query. The
/// segments `.` and `..` have no such form: no name may be one of them.
pub(crate) fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// How long the service asks to wait by `Retry-After`.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    wait(headers.get(RETRY_AFTER)?.to_str().ok()?.trim(), SystemTime::now())
}

/// Seconds or a date (RFC 9110, 10.2.3).
fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok(),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use url::Url;

    use super::*;

    #[test]
    fn a_service_may_ask_for_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let asked = |text| wait(text, now);
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT"), None);
        assert_eq!(asked("soon"), None);
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(" 7 "))]);
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn a_name_is_one_segment_of_a_path_whatever_is_in_it() {
        let base = Url::parse("http://h/api/").unwrap();
        for name in
            ["a b", "nightly#2", "is it?", "100%", "Zürich", "a+b", r"a\b", "a/b", "..;", "x'\"y"]
        {
            let url = base.join(&format!("work_pools/{}/queues", percent_encoded(name))).unwrap();
            let parts: Vec<&str> = url.path_segments().unwrap().collect();
            assert_eq!(parts.len(), 4, "{url}");
            let read = percent_encoding::percent_decode_str(parts[2]).decode_utf8().unwrap();
            assert_eq!(read, name);
            assert_eq!((url.query(), url.fragment()), (None, None));
        }
        assert_eq!(percent_encoded("nyc-taxi_2.0~x"), "nyc-taxi_2.0~x");
    }
}
