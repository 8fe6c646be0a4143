//! The RLE and bit-packing hybrid of Parquet
//! (<https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE>).

use std::ops::Range;

use arrow::buffer::NullBuffer;

/// The values of a group: literal runs are made of whole groups.
const GROUP: usize = 8;

/// The most groups of a literal run. More are allowed, but every known writer ends a run before
/// its header takes a second byte.
const GROUPS: usize = 63;

/// The fewest bytes of a bitmap that are worth a run of equal levels.
const EQUAL_BYTES: usize = 4;

/// How many bits hold every value below `count`.
pub(super) fn width(count: usize) -> u32 {
    count.saturating_sub(1).checked_ilog2().map_or(0, |bits| bits + 1)
}

/// Appends values of `width` bits, at most 32.
pub(super) fn put(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let shortest = shortest_run(width);
    let mut literal = 0;
    let mut at = 0;
    while at < values.len() {
        let run = run_length(&values[at..]);
        if run < shortest {
            at = (at + GROUP).min(values.len());
            continue;
        }
        put_literal(&values[literal..at], width, out);
        put_run(values[at], run, width, out);
        at += run;
        literal = at;
    }
    put_literal(&values[literal..], width, out);
}

/// Appends the definition levels of rows of a flat column: 1 for a value, 0 for a null.
pub(super) fn put_levels(nulls: Option<&NullBuffer>, rows: Range<usize>, out: &mut Vec<u8>) {
    let count = rows.len();
    let some = nulls.map(|nulls| nulls.slice(rows.start, count));
    let Some(nulls) = some.filter(|nulls| nulls.null_count() > 0) else {
        return put_run(1, count, 1, out);
    };
    if nulls.null_count() == count {
        return put_run(0, count, 1, out);
    }
    let bits = nulls.inner().sliced();
    let mut bytes = bits.as_slice()[..count.div_ceil(GROUP)].to_vec();
    pad(&mut bytes, count % GROUP);
    let mut literal = 0;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let equal = match byte {
            0 | 0xff => bytes[at..].iter().take_while(|next| **next == byte).count(),
            _ => 0,
        };
        if equal < EQUAL_BYTES {
            at += equal.max(1);
            continue;
        }
        put_bits(&bytes[literal..at], out);
        let run = (equal * GROUP).min(count - at * GROUP);
        put_run(u32::from(byte & 1), run, 1, out);
        at += equal;
        literal = at;
    }
    put_bits(&bytes[literal..], out);
}

/// Makes the last byte of a bitmap, which has so many bits (0 for all), equal throughout if those
/// bits are equal.
fn pad(bytes: &mut [u8], bits: usize) {
    if let (Some(last), 1..) = (bytes.last_mut(), bits) {
        let used = (1_u8 << bits) - 1;
        *last = if *last & used == used { 0xff } else { *last & used };
    }
}

/// The fewest equal values that are worth a run: fewer take no more bits than its header.
const fn shortest_run(width: u32) -> usize {
    match width {
        0 => 1,
        1 => 32,
        2 => 24,
        3..=4 => 16,
        _ => 8,
    }
}

/// How many values at the beginning are equal.
fn run_length(values: &[u32]) -> usize {
    let Some(first) = values.first() else {
        return 0;
    };
    let groups = values.chunks_exact(GROUP);
    // Without a branch for each value.
    let equal =
        |group: &&[u32]| group.iter().fold(0, |differs, value| differs | (value ^ first)) == 0;
    let whole = groups.take_while(equal).count() * GROUP;
    whole + values[whole..].iter().take(GROUP).take_while(|value| *value == first).count()
}

fn put_run(value: u32, count: usize, width: u32, out: &mut Vec<u8>) {
    let mut header = (count as u64) << 1;
    while header >= 0x80 {
        out.push(header as u8 | 0x80);
        header >>= 7;
    }
    out.push(header as u8);
    out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
}

fn put_literal(values: &[u32], width: u32, out: &mut Vec<u8>) {
    for run in values.chunks(GROUP * GROUPS) {
        out.push((run.len().div_ceil(GROUP) << 1) as u8 | 1);
        let groups = run.chunks_exact(GROUP);
        let rest = groups.remainder();
        for group in groups {
            put_group(group, width, out);
        }
        if !rest.is_empty() {
            let mut group = [0; GROUP];
            group[..rest.len()].copy_from_slice(rest);
            put_group(&group, width, out);
        }
    }
}

/// Appends groups of bits, a byte each.
fn put_bits(bytes: &[u8], out: &mut Vec<u8>) {
    for run in bytes.chunks(GROUPS) {
        out.push((run.len() << 1) as u8 | 1);
        out.extend_from_slice(run);
    }
}

/// Appends a group of eight values.
#[inline]
fn put_group(group: &[u32], width: u32, out: &mut Vec<u8>) {
    let bytes = width as usize;
    // As many values as fit into the bits of a word, packed by shifts.
    let word = |values: &[u32]| {
        values.iter().rev().fold(0_u64, |word, value| word.wrapping_shl(width) | u64::from(*value))
    };
    match width {
        0..=8 => out.extend_from_slice(&word(group).to_le_bytes()[..bytes]),
        9..=16 => {
            let (low, high) = (word(&group[..4]), word(&group[4..]));
            let both = u128::from(low) | u128::from(high).wrapping_shl(4 * width);
            out.extend_from_slice(&both.to_le_bytes()[..bytes]);
        }
        _ => {
            let (mut word, mut bits) = (0_u64, 0);
            for value in group {
                word |= u64::from(*value) << bits;
                bits += width;
                while bits >= 8 {
                    out.push(word as u8);
                    word >>= 8;
                    bits -= 8;
                }
            }
        }
    }
}
