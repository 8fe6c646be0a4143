//! Damage to a file's bytes.

use crate::harness::taxi::Taxi;
use taxi_test_support::generate::random::Random;
use taxi_test_support::generate::{Colour, Form, Recipe};

use super::{Good, clean, hunt, key, one_of, truth, wrong_end, wrong_failure};

/// Bytes that mean something somewhere: to CSV, gzip, Parquet, text and numbers.
const TELLING: &[u8] = b"\0\n\r\",\t -.0149:;eNn\\\x1f\x8b\x7f\x80\xc3\xef\xfe\xffPAR";

/// Changes bytes; says how.
fn spoil(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) -> String {
    let length = bytes.len() as u64;
    let at = |random: &mut Random| random.below(length.max(1)) as usize;
    let span = |random: &mut Random| {
        let longest = *one_of(random, &[1, 2, 8, 64, 1024, 1 << 14]);
        let start = random.below(length.max(1)) as usize;
        start..(start + 1 + random.below(longest) as usize).min(bytes.len())
    };
    match random.below(12) {
        0 | 1 => {
            let (at, bit) = (at(random), random.below(8));
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} flipped")
        }
        2 => {
            let (at, byte) = (at(random), random.pick(TELLING));
            bytes[at] = byte;
            format!("byte {at} set to {byte:#04x}")
        }
        3 => {
            let at = at(random);
            let more: Vec<u8> = (0..=random.below(12)).map(|_| random.pick(TELLING)).collect();
            bytes.splice(at..at, more.iter().copied());
            format!("{more:02x?} put in at {at}")
        }
        4 => {
            let span = span(random);
            bytes.drain(span.clone());
            format!("bytes {span:?} left out")
        }
        5 => {
            let at = at(random);
            bytes.truncate(at);
            format!("cut after {at} of {length} bytes")
        }
        6 => {
            let span = span(random);
            let again = bytes[span.clone()].to_vec();
            bytes.splice(span.end..span.end, again);
            format!("bytes {span:?} twice")
        }
        7 => {
            let (one, other) = (span(random), span(random));
            let (first, last) = if one.start <= other.start { (one, other) } else { (other, one) };
            let size = first.len().min(last.len()).min(last.start - first.start);
            for at in 0..size {
                bytes.swap(first.start + at, last.start + at);
            }
            format!("{size} bytes at {} and {} swapped", first.start, last.start)
        }
        8 => {
            let span = span(random);
            let from = random.below(other.len().max(1) as u64) as usize;
            let piece = other[from..(from + span.len()).min(other.len())].to_vec();
            bytes.splice(span.clone(), piece.iter().copied());
            format!("bytes {span:?} from another file's {from}")
        }
        9 => {
            let byte = *one_of(random, &[0, 0, 0, b'\n', b' ', 0xff]);
            let most = *one_of(random, &[1, 16, 512, 1 << 16]);
            let size = 1 + random.below(most);
            bytes.extend(std::iter::repeat_n(byte, size as usize));
            format!("{size} bytes {byte:#04x} behind it")
        }
        10 => {
            let span = span(random);
            bytes[span.clone()].fill(0);
            format!("bytes {span:?} zeroed")
        }
        _ => {
            let front: &[&[u8]] =
                &[b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf", b"\n", b"\r\n", b"\0", b" "];
            let front = *one_of(random, front);
            bytes.splice(0..0, front.iter().copied());
            format!("{front:02x?} before it")
        }
    }
}

fn try_case(goods: &[Good], others: &[Vec<u8>], seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let at = random.below(goods.len() as u64) as usize;
    let (good, other) = (&goods[at], &others[at]);
    let mut bytes = good.bytes.clone();
    let times = *one_of(&mut random, &[1, 1, 1, 2, 3]);
    let mut how = Vec::new();
    for _ in 0..times {
        if !bytes.is_empty() {
            how.push(spoil(&mut random, &mut bytes, other));
        }
    }
    let taxi = Taxi::new();
    let replaces = random.permille(500);
    if replaces {
        good.put(&taxi);
    }
    let ran = clean(&taxi, &good.recipe, &bytes);
    let wrong = |what| Err(format!("{}, {}: {what}", good.name(), how.join(", ")));
    if let Some(what) = wrong_end(&ran) {
        return wrong(what);
    }
    let path = taxi.lake(&key(&good.recipe));
    let before = replaces.then_some(good.published.as_slice());
    let month = ran.first();
    let found = match month["state"].as_str() {
        Some("failed" | "unchanged") => wrong_failure(&path, before),
        Some("published") => {
            let counts = ["rows_read", "rows_kept", "rows_quarantined"];
            let counts = counts.map(|count| month[count].as_u64().unwrap());
            let rows = truth::rows(&path);
            // Nothing protects a Parquet file whose pages have no checksums, nor its footer.
            let unprotected = good.recipe.form == Form::Parquet;
            let found = good.truth.check(&bytes, &rows, counts);
            found.filter(|_| !unprotected || counts[0] != counts[1] + counts[2])
        }
        other => Some(format!("state {other:?}")),
    };
    found.map_or(Ok(()), wrong)
}

#[test]
fn a_damaged_file_becomes_right_rows_or_a_failed_month() {
    let goods = Good::all();
    let others: Vec<_> = goods
        .iter()
        .map(|good| {
            let colour = match good.recipe.colour {
                Colour::Yellow => Colour::Green,
                _ => Colour::Yellow,
            };
            Recipe::new(colour, 2019, 4).rows(super::ROWS).form(good.recipe.form).bytes().0
        })
        .collect();
    hunt("bytes", |seed| try_case(&goods, &others, seed));
}
