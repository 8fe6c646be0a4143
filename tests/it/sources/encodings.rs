//! Encoded bodies, responses without a file, and invalid HTTP headers.

use std::io::Write;

use super::*;
use taxi_test_support::web::Fault;

/// The zlib format, as HTTP's `deflate` is.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn an_encoding_that_is_not_read_is_named() {
    let mut errors = Vec::new();
    for encoding in ["deflate", "BR", "zstd", "compress", "aes128gcm", "gzip, br", "gzip,gzip"] {
        let mut served = Served::new(Form::Csv).await;
        served.bytes = deflated(&served.bytes);
        served.web.put(FILE, served.bytes.clone());
        served.web.always(FILE, Fault::Header("content-encoding", encoding));
        errors.push(served.failure(served.run()));
        assert_eq!(served.web.requests().len(), 1);
    }
    let named = |error: &String| error.split('\'').nth(1).unwrap().to_owned();
    let named: Vec<_> = errors.iter().map(named).collect();
    assert_eq!(named, ["deflate", "br", "zstd", "compress", "aes128gcm", "gzip, br", "gzip, gzip"]);
    insta::assert_snapshot!(errors[0], @"http://host/green/2020-01 gives the file in the content encoding 'deflate', which is not supported: make the host send it without an encoding (Content-Encoding: identity), or download it by other means and name its folder with --source");
}

#[tokio::test]
async fn the_file_is_asked_for_as_it_is() {
    let served = Served::new(Form::CsvGz).await;
    served.assert_published(served.run());
    assert_eq!(served.asked("accept-encoding"), [Some("identity".to_owned())]);
}

#[tokio::test]
async fn a_file_named_gzip_or_nothing_is_what_its_bytes_are() {
    for form in [Form::CsvGz, Form::Csv, Form::Parquet] {
        for encoding in ["identity", "Identity", "", "gzip", "x-gzip", "GZIP"] {
            let served = Served::new(form).await;
            served.web.always(FILE, Fault::Header("content-encoding", encoding));
            served.web.fault(FILE, Fault::CloseAfter(served.half()));
            served.assert_published(served.run());
            assert_eq!(served.web.requests().len(), 2, "{encoding}");
        }
    }
}

#[tokio::test]
async fn an_encoding_on_the_way_is_named() {
    let served = Served::new(Form::Csv).await;
    served.web.always(FILE, Fault::Chunked);
    served.web.fault(FILE, Fault::HeaderBesides("transfer-encoding", "gzip"));
    let error = served.failure(served.run());
    assert!(error.contains("transfer encoding 'gzip, chunked'"), "{error}");
}

#[tokio::test]
async fn an_answer_from_a_copy_is_as_good_as_the_hosts() {
    for form in [Form::CsvGz, Form::Csv, Form::Parquet] {
        let served = Served::new(form).await;
        served.web.always(FILE, Fault::Code(203));
        served.assert_published(served.run());
        assert_eq!(served.web.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_file_that_is_being_made_is_waited_for() {
    let served = Served::new(Form::CsvGz).await;
    let not_yet = |wait: &str| Fault::Status {
        code: 202,
        headers: vec![("retry-after".to_owned(), wait.to_owned())],
        body: "soon\n".into(),
    };
    served.web.fault(FILE, not_yet("1"));
    served.web.fault(FILE, Fault::status(202));
    served.assert_published(served.run());
    let requests = served.web.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[1].came - requests[0].came >= std::time::Duration::from_secs(1));

    let served = Served::new(Form::CsvGz).await;
    served.web.always(FILE, Fault::status(202));
    let error = served.failure(served.run());
    insta::assert_snapshot!(error, @"http://host/green/2020-01 answers 202: the file is not ready yet");
    assert_eq!(served.web.requests().len(), 5);
    served.web.heal();
    served.web.always(FILE, not_yet("100000"));
    served.failure(served.run());
    assert_eq!(served.web.requests().len(), 6);
}

#[tokio::test]
async fn an_answer_that_is_no_file_says_so_once() {
    let mut errors = Vec::new();
    for code in [201, 204, 205, 207, 226, 299, 300, 302, 304, 406, 416, 418, 799] {
        let served = Served::new(Form::CsvGz).await;
        let body = if matches!(code, 204 | 304) { "" } else { "no file\n" }.into();
        served.web.always(FILE, Fault::Status { code, headers: Vec::new(), body });
        errors.push(served.failure(served.run()));
        assert_eq!(served.web.requests().len(), 1, "{code}");
    }
    insta::assert_snapshot!(errors.join("\n"), @r"
    http://host/green/2020-01 answers 201: the response has no file. Check the address
    http://host/green/2020-01 answers 204: the response has no content. Check the address
    http://host/green/2020-01 answers 205: the response has no content. Check the address
    http://host/green/2020-01 answers 207: the response has no file. Check the address
    http://host/green/2020-01 answers 226: the response has no file. Check the address
    http://host/green/2020-01 answers 299: the response has no file. Check the address
    http://host/green/2020-01 answers 300: there are several files. Check the address
    http://host/green/2020-01 answers 302: it redirects to nowhere. Check the address
    http://host/green/2020-01 answers 304: it says that nothing has changed, but not about the requested edition
    http://host/green/2020-01 answers 406: it cannot send the file without a content encoding
    http://host/green/2020-01 answers 416: it will not serve this file
    http://host/green/2020-01 answers 418: it will not serve this file
    http://host/green/2020-01 answers 799: it will not serve this file
    ");
}

#[tokio::test]
async fn a_length_that_is_none_is_no_month() {
    for length in ["-5", "99999999999999999999", "12abc", "1e3", "0x10"] {
        let served = Served::new(Form::Csv).await;
        served.web.always(FILE, Fault::Header("content-length", length));
        let error = served.failure(served.run_with(&["--retries", "1"]));
        assert!(error.contains("its response is not understood"), "{length}: {error}");
        served.web.heal();
        served.assert_published(served.run());
    }
}

#[tokio::test]
async fn two_lengths_are_none() {
    let served = Served::new(Form::Csv).await;
    let length = "199999";
    served.web.always(FILE, Fault::Header("content-length", length));
    served.web.always(FILE, Fault::HeaderBesides("content-length", "200"));
    let error = served.failure(served.run_with(&["--retries", "1"]));
    assert!(error.contains("its response is not understood"), "{error}");
}

#[tokio::test]
async fn a_length_that_chunks_do_not_keep_is_no_month() {
    let served = Served::new(Form::Csv).await;
    served.web.always(FILE, Fault::Chunked);
    served.web.always(FILE, Fault::HeaderBesides("content-length", "200"));
    served.failure(served.run_with(&["--retries", "1"]));
    served.web.heal();
    served.assert_published(served.run());
}
