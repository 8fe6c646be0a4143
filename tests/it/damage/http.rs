//! Damage on the way: what a host, a proxy or a line can do to an answer.

use bytes::Bytes;

use crate::harness::taxi::{Taxi, month_args};
use taxi_test_support::generate::Form;
use taxi_test_support::generate::random::Random;
use taxi_test_support::web::{Fault, Web};

use super::{Good, hunt, key, one_of, truth, wrong_end, wrong_failure};

/// What a part may be called besides what it is.
const RANGES: &[&str] = &[
    "Bytes {first}-{last}/{total}",
    "bytes {first}-{last-1}/{total}",
    "bytes {first}-{last+1}/{total}",
    "bytes {first-1}-{last}/{total}",
    "bytes {first+1}-{last}/{total}",
    "bytes {first}-{last}/{total-1}",
    "bytes {first}-{last}/{total+50}",
    "bytes {first}-{last}/*",
    "bytes */{total}",
    "bytes -5-3/{total}",
    "bytes {first}-99999999999999999999/{total}",
    "lines {first}-{last}/{total}",
    "",
];

/// Headers that may be wrong.
const HEADERS: &[(&str, &str)] = &[
    ("content-encoding", "br"),
    ("content-encoding", "deflate"),
    ("content-encoding", "gzip"),
    ("content-encoding", "identity"),
    ("content-encoding", "aws-chunked"),
    ("accept-ranges", "none"),
    ("accept-ranges", "Bytes"),
    ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("last-modified", "yesterday"),
    ("etag", "W/\"a\""),
    ("etag", "a"),
    ("content-type", "text/html"),
    ("content-range", "bytes 0-9/10"),
];

/// Something that goes wrong with one answer. A text whose host declares it shorter than it is, is
/// what the host says: nothing in it tells.
fn fault(random: &mut Random, length: u64, form: Form, other: &[u8]) -> Fault {
    let some = random.below(length + 1);
    match random.below(28) {
        17 | 18 => Fault::Slices(1 + random.below(length)),
        19 => Fault::PartUnasked(some),
        20 => Fault::Multipart,
        21 => Fault::ContentRange(random.pick(RANGES)),
        22 => {
            let (name, value) = random.pick(HEADERS);
            Fault::Header(name, value)
        }
        23 => {
            let (name, value) = random.pick(HEADERS);
            Fault::HeaderBesides(name, value)
        }
        24 => Fault::NewTag(random.below(3)),
        25 => Fault::WeakTag,
        26 => Fault::Longer(1 + random.below(2000)),
        27 => Fault::ChunkedCloseAfter(some),
        6 if form == Form::Csv => Fault::WrongLength(length + 1 + some),
        0 => Fault::ResetAfter(some),
        1 | 2 => Fault::CloseAfter(some),
        3 => Fault::StallAfter(some),
        4 => Fault::NoLength,
        5 => Fault::NoLengthCloseAfter(some),
        6 => Fault::WrongLength(some),
        7 => Fault::WrongLength(length + 1 + random.below(100)),
        8 => Fault::IgnoreRange,
        9 => Fault::IgnoreIfRange,
        10 => Fault::NoEtag,
        11 => Fault::Chunked,
        12 => Fault::html(),
        13 => Fault::status(*one_of(
            random,
            &[
                201, 202, 203, 204, 205, 206, 300, 304, 400, 403, 404, 408, 410, 416, 429, 451,
                500, 502, 503, 504,
            ],
        )),
        14 => Fault::too_many(0),
        15 => {
            let names = ["content-encoding", "content-range", "content-type", "transfer-encoding"];
            let values =
                ["br", "deflate", "gzip", "identity", "bytes 0-1/2", "bytes */9", "text/html", "x"];
            let header =
                ((*one_of(random, &names[..3])).to_owned(), (*one_of(random, &values)).to_owned());
            let code = *one_of(random, &[200, 203, 206]);
            let body = Bytes::copy_from_slice(other);
            Fault::Status { code, headers: vec![header], body }
        }
        _ => Fault::Slow { bytes_per_second: length * 20 + 1 },
    }
}

fn try_case(web: &Web, goods: &[Good], later: &[Good], seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let at = random.below(goods.len() as u64) as usize;
    let (good, new) = (&goods[at], &later[at]);
    let length = good.bytes.len().max(new.bytes.len()) as u64;
    let path = format!("/{seed}/{}", good.recipe.month);
    web.put(&path, good.bytes.clone());
    let mut how = Vec::new();
    for _ in 0..=random.below(4) {
        let fault = fault(&mut random, length, good.recipe.form, &good.bytes);
        how.push(format!("{fault:?}").chars().take(120).collect::<String>());
        if random.permille(150) {
            web.always(&path, fault);
        } else {
            web.fault(&path, fault);
        }
    }
    let taxi = Taxi::new().set("TAXI_STALL_TIMEOUT", "250ms").set("TAXI_RETRY_DELAY", "1ms");
    let replaces = random.permille(500);
    if replaces {
        good.put(&taxi);
    }
    let (colour, month) = (good.recipe.colour.to_string(), good.recipe.month.to_string());
    let source = format!("{}/{seed}/{{year}}-{{month}}", web.url());
    // The first run may be cut off, and the file be another one by the second.
    let changes = random.permille(400);
    let args = month_args(&colour, &month, &source);
    let mut before = replaces.then(|| good.published.clone());
    for round in 0..2 {
        let retries = if round == 0 && changes { "0" } else { "3" };
        let ran = taxi.run(args.iter().map(String::as_str).chain(["--retries", retries]));
        let wrong = |what| {
            Err(format!(
                "{}, run {round}, changes {changes}, {}: {what}",
                good.name(),
                how.join("; ")
            ))
        };
        if let Some(what) = wrong_end(&ran) {
            return wrong(what);
        }
        let object = taxi.lake(&key(&good.recipe));
        let first = ran.first();
        let found = match first["state"].as_str() {
            Some("published") => {
                let rows = truth::rows(&object);
                let counts = ["rows_read", "rows_kept", "rows_quarantined"];
                let counts = counts.map(|count| first[count].as_u64().unwrap());
                let edition = if round == 1 && changes { [good, new] } else { [good, good] };
                let found = edition.map(|edition| edition.truth.whole(&rows, counts));
                if found.iter().any(Option::is_none) { None } else { found[1].clone() }
            }
            _ => wrong_failure(&object, before.as_deref()),
        };
        if let Some(what) = found {
            return wrong(what);
        }
        before = std::fs::read(&object).ok();
        if changes {
            web.put(&path, new.bytes.clone());
        }
    }
    web.remove(&path);
    Ok(())
}

#[tokio::test]
async fn a_damaged_answer_becomes_right_rows_or_a_failed_month() {
    let goods = Good::all();
    let later = goods.iter().map(|good| {
        let rows = super::ROWS + 7;
        Good::new(good.recipe.clone().rows(rows).seed(9))
    });
    let later: Vec<_> = later.collect();
    let web = Web::start().await;
    hunt("http", |seed| try_case(&web, &goods, &later, seed));
}
