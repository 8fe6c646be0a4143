//! The statistics of a column chunk, as the writer of the parquet crate has them.

use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

/// The longest text that statistics hold in full, in bytes.
const LONGEST_TEXT: usize = 64;

/// The least and the greatest of whole numbers.
pub(super) fn bounds<T: Copy + Ord>(values: impl Iterator<Item = T>) -> Option<(T, T)> {
    values.fold(None, |bounds: Option<(T, T)>, value| {
        let (least, greatest) = bounds.unwrap_or((value, value));
        Some((least.min(value), greatest.max(value)))
    })
}

/// The least and the greatest of floats. What is not a number is neither, and a zero is of the
/// sign that leaves both zeros within.
pub(super) fn float_bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    let (least, greatest) = values.fold(start, |(least, greatest), value| {
        // A comparison with what is not a number is false.
        let least = if value < least { value } else { least };
        let greatest = if value > greatest { value } else { greatest };
        (least, greatest)
    });
    (least <= greatest).then(|| {
        let least = if least == 0.0 { -0.0 } else { least };
        let greatest = if greatest == 0.0 { 0.0 } else { greatest };
        (least, greatest)
    })
}

/// Statistics of texts: long ones are cut, the greatest so that it is still no less than any.
pub(super) fn of_texts<'t>(texts: impl Iterator<Item = &'t [u8]>, nulls: u64) -> Statistics {
    let (least, greatest) = bounds(texts).unzip();
    let least = least.map(|text| cut(text, shortened));
    let greatest = greatest.map(|text| cut(text, raised));
    let is_whole = |text: &Option<(Vec<u8>, bool)>| text.as_ref().is_some_and(|(_, whole)| *whole);
    let (least_is_exact, greatest_is_exact) = (is_whole(&least), is_whole(&greatest));
    let value = |text: Option<(Vec<u8>, bool)>| text.map(|(text, _)| ByteArray::from(text));
    ValueStatistics::new(value(least), value(greatest), None, Some(nulls), false)
        .with_min_is_exact(least_is_exact)
        .with_max_is_exact(greatest_is_exact)
        .into()
}

/// A text as statistics hold it, and whether it is whole.
fn cut(text: &[u8], shorter: fn(&str) -> Option<String>) -> (Vec<u8>, bool) {
    let long = str::from_utf8(text).ok().filter(|text| text.len() > LONGEST_TEXT);
    match long.and_then(shorter) {
        Some(text) => (text.into_bytes(), false),
        None => (text.to_vec(), true),
    }
}

/// The beginning of a text, as many whole letters as are held.
fn shortened(text: &str) -> Option<String> {
    let end = (1..=LONGEST_TEXT).rfind(|end| text.is_char_boundary(*end))?;
    Some(text[..end].to_owned())
}

/// The beginning of a text with its last letter raised to the next one of as many bytes; one that
/// has none is left out, and the letter before it raised.
fn raised(text: &str) -> Option<String> {
    let text = shortened(text)?;
    text.char_indices().rev().find_map(|(at, letter)| {
        let next = char::from_u32(letter as u32 + 1)?;
        let fits = next.len_utf8() == letter.len_utf8();
        fits.then(|| format!("{}{next}", &text[..at]))
    })
}
