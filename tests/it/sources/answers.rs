//! What hosts answer, and what it means.

use std::time::Duration;

use super::*;
use taxi_test_support::web::Fault;

#[tokio::test]
async fn a_month_comes_as_gzip_as_text_or_as_parquet() {
    for form in [Form::CsvGz, Form::Csv, Form::Parquet] {
        let served = Served::new(form).await;
        served.assert_published(served.run());
    }
}

#[tokio::test]
async fn a_redirect_is_followed_and_its_address_forgotten() {
    let served = Served::new(Form::CsvGz).await;
    served.web.remove(FILE);
    served.web.redirect(FILE, "/store/1?signature=abc");
    served.web.put("/store/1", served.bytes.clone());
    let ran = served.run();
    let source = ran.first()["source"].clone();
    assert_eq!(source, served.web.url() + FILE);
    served.assert_published(ran);
}

#[tokio::test]
async fn a_redirect_in_a_circle_fails_once_and_for_all() {
    let served = Served::new(Form::CsvGz).await;
    served.web.redirect(FILE, FILE);
    let error = served.failure(served.run());
    insta::assert_snapshot!(error, @"
    http://host/green/2020-01: it redirects endlessly (too many redirects)
    ");
    assert_eq!(served.web.requests().len(), 11);
}

#[tokio::test]
async fn a_month_the_host_does_not_have_is_not_published_yet() {
    for code in [404, 403] {
        let served = Served::new(Form::CsvGz).await;
        served.web.always(FILE, Fault::status(code));
        let ran = served.run().exits(0);
        assert_eq!(ran.state(), "not_published");
        assert_eq!(served.web.requests().len(), 1);
        assert_eq!(served.taxi.files("data"), [""; 0]);
    }
}

#[tokio::test]
async fn a_refusal_fails_after_a_single_request() {
    let mut errors = Vec::new();
    for code in [400, 401, 410, 451] {
        let served = Served::new(Form::CsvGz).await;
        served.web.always(FILE, Fault::status(code));
        errors.push(served.failure(served.run()));
        assert_eq!(served.web.requests().len(), 1);
    }
    insta::assert_snapshot!(errors.join("\n"), @"
    http://host/green/2020-01 answers 400: it does not understand the address
    http://host/green/2020-01 answers 401: it requires credentials
    http://host/green/2020-01 answers 410: the file was removed permanently
    http://host/green/2020-01 answers 451: it will not serve this file
    ");
}

#[tokio::test]
async fn a_host_that_asks_for_patience_is_given_it() {
    let served = Served::new(Form::CsvGz).await;
    served.web.fault(FILE, Fault::too_many(1));
    served.assert_published(served.run());
    let requests = served.web.requests();
    let wait = requests[1].came - requests[0].came;
    assert!(wait >= Duration::from_secs(1), "{wait:?}");
}

#[tokio::test]
async fn a_passing_trouble_is_waited_out() {
    let served = Served::new(Form::CsvGz).await;
    for code in [503, 500, 502, 408] {
        served.web.fault(FILE, Fault::status(code));
    }
    served.assert_published(served.run());
    assert_eq!(served.web.requests().len(), 5);
}

#[tokio::test]
async fn a_trouble_that_stays_fails_after_every_try() {
    let served = Served::new(Form::CsvGz).await;
    served.web.always(FILE, Fault::status(503));
    let error = served.failure(served.run());
    insta::assert_snapshot!(error, @"http://host/green/2020-01 answers 503");
    assert_eq!(served.web.requests().len(), 5);
}

#[tokio::test]
async fn what_is_no_trip_file_is_named_and_asked_for_once() {
    let utf16: Vec<u8> = "\u{feff}VendorID,lpep_pickup_datetime\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let bodies = [
        Vec::new(),
        b"<!DOCTYPE html><html><body>Back soon</body></html>\n".to_vec(),
        b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>".to_vec(),
        b"{\"message\": \"Not Found\"}".to_vec(),
        b"PK\x03\x04\x14\0\0\0\x08\0".to_vec(),
        utf16,
        b"\0\0\0\0".to_vec(),
    ];
    let mut errors = Vec::new();
    for body in bodies {
        let served = Served::new(Form::CsvGz).await;
        served.web.put(FILE, body);
        errors.push(served.failure(served.run()));
        assert_eq!(served.web.requests().len(), 1);
    }
    insta::assert_snapshot!(errors.join("\n"), @"
    http://host/green/2020-01 is not a trip file: it is empty. Check the address
    http://host/green/2020-01 is not a trip file: it is an HTML page. Check the address
    http://host/green/2020-01 is not a trip file: it is an XML document. Check the address
    http://host/green/2020-01 is not a trip file: it is a JSON document. Check the address
    http://host/green/2020-01 is not a trip file: it is a zip archive. Unpack it and use the CSV or Parquet file inside
    http://host/green/2020-01 is not a trip file: it is text in UTF-16. Convert it to UTF-8, for example with iconv
    http://host/green/2020-01 is not a trip file: it is binary, in a format that is not known here. Check the address
    ");
}

#[tokio::test]
async fn a_page_in_place_of_a_file_is_not_gone_on_with() {
    let served = Served::new(Form::CsvGz).await;
    served.web.fault(FILE, Fault::html());
    served.failure(served.run());
    served.assert_published(served.run());
    assert_eq!(served.asked("range"), [None, None]);
}

#[tokio::test]
async fn an_address_with_nobody_there_is_named() {
    // Bound, so that nobody else takes the port, and never listening.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    let taxi = Taxi::new();
    let ran = taxi.month("green", "2020-01", &(url.clone() + "/{year}-{month}"));
    let ran = ran.exits(1);
    let error = ran.first()["error"].as_str().unwrap().to_owned();
    let error = error.replace(&url, "http://host");
    // Its number is another one on macOS.
    let error = error.split(" (os error").next().unwrap();
    insta::assert_snapshot!(error, @"http://host/2020-01: no connection (Connection refused");
    assert_eq!(ran.stderr.matches("trying again").count(), 4);
}
